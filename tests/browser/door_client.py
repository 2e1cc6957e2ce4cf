"""A person's browser without the browser: cookies, forms and WebSockets against a running app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from pydantic import SecretStr
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mailcore import Mailcore
from mailcore.access.users import UserDraft
from mailcore.rights import Role
from mailcore.settings import Settings
from mailcore.storage.tables import User
from tests.actors import ME
from tests.browser.conftest import RunningApp

PASSWORD = "uma frase que só a Ana diria"
ANA, BIA, CAIO = "ana@exemplo.com.br", "bia@exemplo.com.br", "caio@exemplo.com.br"
PEOPLE = {ANA: (Role.ADMINISTRATOR, "Ana Souza"), BIA: (Role.SUPPORT, "Bia Lima"), CAIO: (Role.ANALYST, "Caio Reis")}


def env_of(folder: Path, **more: str) -> dict[str, str]:
    return {"MAILCORE_DATA_DIR": str(folder), "MAILCORE_KEYRING": "database", **more}


def open_core(folder: Path, **more: Any) -> Mailcore:
    return Mailcore(Settings(data_dir=folder, keyring="database", **more))


def register(core: Mailcore, *emails: str) -> dict[str, User]:
    """Register people with one password for all."""
    made = {}
    for email in emails or PEOPLE:
        role, name = PEOPLE[email]
        made[email] = core.access.users.add(UserDraft(email, role, name), SecretStr(PASSWORD), actor=ME)
    return made


@dataclass
class Visitor:
    """One browser."""

    app: RunningApp
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **options: Any) -> requests.Response:
        options.setdefault("headers", {"Accept": "text/html"})
        return self.session.get(f"{self.app.url}{path}", allow_redirects=False, timeout=20, **options)

    def post(self, path: str, data: dict[str, str] | str | bytes, **headers: str) -> requests.Response:
        headers.setdefault("Origin", self.app.url)
        return self.session.post(f"{self.app.url}{path}", data, headers=headers, allow_redirects=False, timeout=20)

    def sign_in(self, email: str, password: str = PASSWORD, wanted: str = "") -> requests.Response:
        return self.post("/entrar", {"email": email, "password": password, "next": wanted})

    @property
    def token(self) -> str:
        return self.session.cookies.get("mailcore_session", "")

    def hold(self, token: str) -> None:
        """Take a cookie that was not given to this browser."""
        self.session.cookies.set("mailcore_session", token, domain="127.0.0.1", path="/")

    @contextmanager
    def page(self, origin: str | None = "", **headers: str) -> Iterator[ClientConnection]:
        """The WebSocket of an open page; ``origin=None`` sends none."""
        cookie = "; ".join(f"{each.name}={each.value}" for each in self.session.cookies)
        extra = {**({"Cookie": cookie} if cookie else {}), **headers}
        with connect(
            f"ws://127.0.0.1:{self.app.port}/_stcore/stream",
            origin=(self.app.url if origin == "" else origin),
            subprotocols=["streamlit"],
            additional_headers=extra,
            max_size=None,
            open_timeout=30,
        ) as socket:
            yield socket

    def page_status(self, origin: str | None = "", **headers: str) -> int:
        """What the handshake is answered with: 101, or why not."""
        try:
            with self.page(origin, **headers):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


def run_page(socket: ClientConnection, name: str = "") -> bytes:
    """Ask for a run of the script and return all it sends."""
    asked = BackMsg()
    asked.rerun_script.page_name = name
    socket.send(asked.SerializeToString())
    seen = b""
    while True:
        frame, message = receive(socket)
        seen += frame
        # One page at once leads to another run (Streamlit's way into a page): the last one counts.
        if message.WhichOneof("type") == "script_finished" and message.script_finished == 0:
            return seen


def receive(socket: ClientConnection) -> tuple[bytes, ForwardMsg]:
    """The next message of a page, as it came and read."""
    frame = socket.recv(timeout=60)
    assert isinstance(frame, bytes)
    message = ForwardMsg()
    message.ParseFromString(frame)
    return frame, message


def download(socket: ClientConnection, page: str, label: str) -> str:
    """Press a button that makes a file; return the file's address."""
    asked = BackMsg()
    asked.rerun_script.page_name = page
    socket.send(asked.SerializeToString())
    session_id = ""
    while not asked.backend_operation_request.request_id:
        message = receive(socket)[1]
        session_id = message.new_session.initialize.session_id or session_id
        button = message.delta.new_element.download_button
        if button.label == label:
            asked = BackMsg()
            asked.backend_operation_request.request_id = "um"
            asked.backend_operation_request.session_id = session_id
            asked.backend_operation_request.deferred_file.file_id = button.deferred_file_id
    socket.send(asked.SerializeToString())
    while message.WhichOneof("type") != "backend_operation_response":
        message = receive(socket)[1]
    return message.backend_operation_response.deferred_file.url


def closing_code(socket: ClientConnection, name: str = "") -> int:
    """Ask for a run; return with which code the connection is closed in answer."""
    try:
        run_page(socket, name)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0
    return 0
