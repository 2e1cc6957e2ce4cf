"""A stand-in for a JSON API in the manner of Brevo's: ``POST /v3/smtp/email`` and ``GET /v3/account``.

A real HTTP server in a thread. It takes a message only under a key it knows, and says no in the service's form:
``{"code": "unauthorized", "message": "Key not found"}``.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from tests.peers.quiet import QuietHTTPServer


@dataclass
class BrevoPeer:
    """The service; use as a context manager."""

    keys: set[str] = field(default_factory=set)
    daily_limit: int = 300
    refuses: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Recipient → status, code and words with which a message to it is refused."""
    hangs_up_after_reading: bool = False

    def __post_init__(self) -> None:
        self.inbox: list[dict[str, Any]] = []
        self.keys_seen: list[str] = []
        self.url = ""
        self._server: QuietHTTPServer | None = None

    def __enter__(self) -> Self:
        peer = self

        class Handler(_Handler):
            pass

        Handler.peer = peer
        self._server = QuietHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, key: str, body: Any) -> tuple[int, Any]:
        """Answer as the service does."""
        self.keys_seen.append(key)
        if key not in self.keys:
            return 401, {"code": "unauthorized", "message": "Key not found"}
        if (method, path) == ("GET", "/v3/account"):
            plan = {"type": "free", "credits": self.daily_limit - self.sent, "creditsType": "sendLimit"}
            return 200, {"email": "dona@exemplo.com.br", "companyName": "Padaria", "plan": [plan]}
        if (method, path) != ("POST", "/v3/smtp/email"):
            return 404, {"code": "not_found", "message": "Unknown route"}
        recipients = [each["email"] for name in ("to", "cc", "bcc") for each in body.get(name, [])]
        for address in recipients:
            if address in self.refuses:
                status, code, words = self.refuses[address]
                return status, {"code": code, "message": words}
        self.inbox.append(body)
        return 201, {"messageId": body["headers"]["Message-ID"]}

    @property
    def sent(self) -> int:
        """Recipients of the messages taken."""
        return sum(len(body.get(name, [])) for body in self.inbox for name in ("to", "cc", "bcc"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms until its headers are acknowledged
    peer: BrevoPeer

    def log_message(self, *args: Any) -> None:
        """Keep quiet: a log would hold keys."""

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.peer.hangs_up_after_reading and self.command == "POST":
            self.close_connection = True
            return
        body = json.loads(raw) if raw else None
        status, answer = self.peer.answer(self.command, self.path, self.headers.get("api-key", ""), body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
