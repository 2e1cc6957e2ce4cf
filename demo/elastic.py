"""A small stand-in for Elastic Email on this machine: it takes messages under one key and tells figures."""

from __future__ import annotations

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIGURES = {
    "statusnumber": 1,
    "statusformatted": "Active",
    "dailysendlimit": 50_000,
    "actualdailysendlimit": 50_000,
    "emailcredits": 128_400,
    "reputation": 94.5,
}
SENT_TODAY = {"EmailTotal": 31_870, "Delivered": 31_512}


class ElasticEmail:
    """The service."""

    def __init__(self, key: str, domains: list[str]) -> None:
        """Keep the one key it knows, and the domains that are confirmed there."""
        self.key = key
        self.domains = [{"Domain": name, "Spf": True, "Dkim": True} for name in domains]
        self._sent: dict[str, int] = {}
        """Message → how many recipients."""
        self._numbers = itertools.count(1)

    def start(self, port: int) -> str:
        """Listen on a port of 127.0.0.1 (0: any free one) until the process ends; return the root of the addresses.

        Raises:
            OSError: the port is taken.
        """
        service = self

        class Handler(_Handler):
            pass

        Handler.service = service
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="demo-elastic", daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def answer(self, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        if path == "/v2/account/load":
            return 200, {"success": True, "data": FIGURES}
        if path == "/v4/statistics":
            sent = sum(self._sent.values())
            return 200, {name: count + sent for name, count in SENT_TODAY.items()}
        if path == "/v4/domains":
            return 200, self.domains
        if path == "/v4/emails/transactional" and body is not None:
            number = f"exemplo-{next(self._numbers)}"
            self._sent[number] = sum(len(group) for group in body.get("Recipients", {}).values())
            return 200, {"TransactionID": number, "MessageID": f"{number}-1"}
        if path.startswith("/v4/emails/") and path.endswith("/status"):
            count = self._sent.get(path.split("/")[3])
            if count is not None:
                told = {"Status": "complete", "RecipientsCount": count, "DeliveredCount": count}
                return 200, told | {"PendingCount": 0, "FailedCount": 0, "Failed": []}
        return 404, {"Error": "Not found"}


class _Handler(BaseHTTPRequestHandler):
    service: ElasticEmail
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms until its headers are acknowledged

    def do_GET(self) -> None:
        self._respond(None)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._respond(json.loads(raw))

    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""

    def _respond(self, body: dict[str, Any] | None) -> None:
        path = self.path.partition("?")[0]
        if self.headers.get("X-ElasticEmail-ApiKey") != self.service.key:
            status, told = (200, {"success": False, "error": "APIKey Expired"})
        else:
            status, told = self.service.answer(path, body)
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
