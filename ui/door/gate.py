"""The ASGI middleware before Streamlit: HTTP and WebSocket, page, upload, media and routes of ours.

Only health and the door's own pages answer whoever asks.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import anyio

from mailcore.access.sessions import NOTED_EVERY
from mailcore.errors import MailcoreError
from ui.door import tickets
from ui.door.html import refusal_page
from ui.door.keeper import Keeper, Refused
from ui.door.knock import TICKET, Knock, answer_at_once, base_path, read
from ui.door.tickets import Ticket

if TYPE_CHECKING:
    from mailcore.access.sessions import Entered

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)
T = TypeVar("T")

SESSION_OVER = 4401
"""Closing code of a page's WebSocket whose session ended (4000 to 4999 are an application's own)."""
_ASK_AT_ONCE = 8
_OPEN = re.compile(r"/(_stcore/health|entrar(/.*)?|oauth2callback|auth/logout|descadastro/[^/]*)")
_MEDIA = re.compile(rb"/media/([0-9a-f]{32})")
_UPLOAD = re.compile(rb"/_stcore/upload_file/([0-9a-f-]{36})")
_HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_FILE_PATH = re.compile(r"/(?:media|_stcore/upload_file)/([^/.]*)")
"""Streamlit names a file by a hash of what is in it, and a place to upload to by the page's session."""


class Gate:
    """Refuses before Streamlit sees it."""

    def __init__(self, app: ASGIApp, keeper: Keeper) -> None:
        self._app = app
        self._keeper = keeper
        self._askers = ThreadPoolExecutor(_ASK_AT_ONCE, "door")
        tickets.stand()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or answer in Streamlit's place."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer_at_once(receive)
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() != TICKET.encode()]
        try:
            knock = read(scope, receive, self._keeper.core.settings)
            if scope["type"] == "http" and _OPEN.fullmatch(knock.path):
                scope.setdefault("state", {})["knock"] = knock
                await self._app(scope, receive, send)
                return
            entered = await self._ask(self._keeper.who, knock)
        except Refused as refused:
            await _refuse(scope, receive, send, refused)
            return
        except MailcoreError as error:
            await _refuse(scope, receive, send, Refused(str(error), 503))
            return
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, entered, knock)
        elif self._is_anothers(knock, entered):
            await _refuse(scope, receive, send, Refused("Este arquivo foi feito para outra pessoa.", 403))
        else:
            scope.setdefault("state", {})["knock"] = knock
            scope["state"]["entered"] = entered
            await self._app(scope, receive, send)

    async def _ask(self, question: Callable[..., T], *about: object) -> T:
        """Ask at once where the database is a file on this machine, else without holding up everybody."""
        if self._keeper.core.database.is_sqlite:
            return question(*about)
        # Threads of the gate's own: anyio's cost half as much again, and are also there for longer work.
        return await asyncio.get_running_loop().run_in_executor(self._askers, question, *about)

    def _is_anothers(self, knock: Knock, entered: Entered | None) -> bool:
        """Whether somebody asks for a file, or uploads to a page, whose address only another person was given."""
        found = _FILE_PATH.match(knock.path) if entered is not None else None
        if found is None or entered is None:
            return False
        return not self._keeper.gave_file(entered.user_id, found[1])

    async def _socket(self, scope: Scope, receive: Receive, send: Send, entered: Entered | None, knock: Knock) -> None:
        """An open page: who is there is asked again before each of its messages."""
        is_over = False
        noting: set[asyncio.Task[None]] = set()

        async def checked() -> Message:
            nonlocal entered, is_over
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            try:
                entered = await self._ask(self._keeper.still, entered, knock)
            except Refused as refused:
                _log.info("an open page was closed: %s", refused)
            except MailcoreError as error:
                _log.warning("an open page was closed: %s", error)
            else:
                if entered is not None and _is_use(entered, message):
                    task = asyncio.create_task(anyio.to_thread.run_sync(self._keeper.note_use, entered))
                    noting.add(task)
                    task.add_done_callback(noting.discard)
                return readable(message)
            is_over = True
            await send({"type": "websocket.close", "code": SESSION_OVER})
            return {"type": "websocket.disconnect", "code": SESSION_OVER}

        async def watched(message: Message) -> None:
            if is_over:
                return  # what Streamlit still had to say
            if entered is not None and (data := message.get("bytes")):
                self._remember_files(entered.user_id, data)
            await send(message)

        with tickets.issued(Ticket(entered.session_id if entered else None)) as name:
            scope["headers"] = [*scope["headers"], (TICKET.encode(), name.encode())]
            await self._app(scope, checked, watched)

    def _remember_files(self, user_id: int, data: bytes) -> None:
        for mark, pattern in ((b"/media/", _MEDIA), (b"/_stcore/upload_file/", _UPLOAD)):
            if mark in data:
                for found in pattern.finditer(data):
                    self._keeper.remember_file(user_id, found[1].decode())


def readable(message: Message) -> Message:
    """A message as Streamlit can read it.

    A browser writes half of a character, pasted or typed, as three bytes that are no UTF-8. Streamlit drops such a
    message without a word, and the press of a button with it. In place of them comes the mark of what is no text, of
    three bytes too, so that every length in the message stays right.
    """
    data = message.get("bytes")
    if not data or not _HALF.search(data):
        return message
    from streamlit.proto.BackMsg_pb2 import BackMsg

    try:
        BackMsg().ParseFromString(data)
    except Exception:  # noqa: BLE001 - the error's class is of a library that Streamlit brings along
        return {**message, "bytes": _HALF.sub("\ufffd".encode(), data)}
    return message  # the bytes stand in a number


def _is_use(entered: Entered, message: Message) -> bool:
    """Whether a person did something that is worth noting: not what a page asks for by itself every so often."""
    if datetime.now(UTC) - entered.last_seen_at < NOTED_EVERY:
        return False
    from streamlit.proto.BackMsg_pb2 import BackMsg

    sent = BackMsg()
    try:
        sent.ParseFromString(message.get("bytes") or b"")
    except Exception:  # noqa: BLE001 - Streamlit answers what it cannot read
        return False
    return not sent.rerun_script.is_auto_rerun


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
    """Answer: a page to a person who types an address, a sentence to everything else."""
    if scope["type"] == "websocket":
        await receive()  # the handshake
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    is_person = scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", "")
    if is_person and refused.status == 401:
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = scope["path"] + (f"?{query}" if query else "")
        location = f"{base_path()}/entrar" + ("" if wanted == f"{base_path()}/" else f"?next={quote(wanted, safe='/')}")
        await _answer(send, 303, b"", [(b"location", location.encode("latin-1", "replace"))])
    elif is_person:
        await _answer(send, refused.status, *refusal_page(str(refused)))
    else:
        kind = [(b"content-type", b"text/plain; charset=utf-8")]
        await _answer(send, refused.status, str(refused).encode(), kind)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [(b"cache-control", b"no-store"), length, *headers]})
    await send({"type": "http.response.body", "body": body})
