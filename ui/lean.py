"""What a browser that comes for the first time has to fetch, made less.

Streamlit sends its scripts uncompressed, because compressing them anew for each visitor costs more than it brings;
here each is compressed once a process and kept. They have their content's hash in their name and never change. The
page that asks for them is made ours on the way (:mod:`ui.shell`).
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from ui.shell import icon, ours, without_typeface

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCRIPT_OR_STYLE = re.compile(r"/static/[^?]+\.(js|css)$")
_FILE = re.compile(r"/media/[0-9a-f]+\.\w+$")
"""What is downloaded: asked for as a page is, where a browser follows its link."""
_LEVEL = 6
_SMALLEST = 1_000
"""Bytes below which there is nothing to gain."""
_MOST_KEPT = 16_000_000
"""Bytes of compressed scripts kept: several times what all pages together need."""

_OF_THE_BODY = (b"content-length", b"etag", b"last-modified", b"accept-ranges")
"""A browser that has a part of the compressed body would ask for the rest of it, and get that of the other one."""

_QUESTION = {"type": "http.request", "body": b"", "more_body": False}

_Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class _Whole:
    """One answer, collected."""

    status: int = 0
    headers: _Headers = field(default_factory=list)
    body: bytes = b""

    async def hear(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        else:
            self.body += message.get("body", b"")

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def changed(self, body: bytes, *more: tuple[bytes, bytes]) -> _Whole:
        """The same with another body: what is said of length, age and parts of the old one holds for it no more."""
        kept = [pair for pair in self.headers if pair[0].lower() not in _OF_THE_BODY]
        return _Whole(self.status, [*kept, (b"content-length", str(len(body)).encode()), *more], body)

    async def say(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


_ICON = _Whole(200, [(b"content-type", b"image/svg+xml"), (b"cache-control", b"max-age=86400")]).changed(icon())
"""Ours, whatever its address says."""


class Lean:
    """ASGI middleware; it leaves alone whatever is no script, style sheet, icon or page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, _Whole] = {}
        self._size = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        asked = {name.lower(): value for name, value in scope["headers"]}
        if _SCRIPT_OR_STYLE.search(scope["path"]):
            if b"gzip" in asked.get(b"accept-encoding", b"") and not asked.keys() & {b"range", b"if-none-match"}:
                await self._compressed(scope, send)
            else:
                await self._app(scope, receive, send)
        elif scope["path"].endswith("/favicon.png"):
            await _ICON.say(send)
        elif b"text/html" in asked.get(b"accept", b"") and not _FILE.search(scope["path"]):
            await self._page(scope, send)
        else:
            await self._app(scope, receive, send)

    async def _whole(self, scope: Scope) -> _Whole:
        """Return the whole answer, also where the browser that asked has left.

        To whoever leaves, Starlette sends no more of a file, and no word of that: half a script would be kept.
        """
        answer, questions = _Whole(), [_QUESTION]

        async def receive() -> Message:
            if not questions:
                await anyio.sleep_forever()
            return questions.pop()

        await self._app(scope, receive, answer.hear)
        return answer

    async def _compressed(self, scope: Scope, send: Send) -> None:
        path = scope["path"]
        answer = self._kept.get(path)
        if answer is None:
            answer = await self._whole(scope)
            if answer.status == 200 and not answer.header(b"content-encoding") and len(answer.body) > _SMALLEST:
                body = without_typeface(answer.body) if path.endswith(".css") else answer.body
                body = await anyio.to_thread.run_sync(gzip.compress, body, _LEVEL)
                answer = answer.changed(body, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"))
                if self._size + len(body) <= _MOST_KEPT and path not in self._kept:
                    self._kept[path] = answer
                    self._size += len(body)
        await answer.say(send)

    async def _page(self, scope: Scope, send: Send) -> None:
        # Streamlit compresses its page at every address but the first one, and what is compressed cannot be changed.
        as_it_is = [pair for pair in scope["headers"] if pair[0].lower() != b"accept-encoding"]
        answer = await self._whole({**scope, "headers": as_it_is})
        if answer.header(b"content-type").startswith(b"text/html") and (body := ours(answer.body)) != answer.body:
            answer = answer.changed(body)
        await answer.say(send)
