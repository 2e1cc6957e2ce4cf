"""A stand-in for Elastic Email's API: a real HTTP server in a thread, with state, that misbehaves on command.

    with ElasticPeer(keys={"KEY-1"}) as peer:
        peer.script["/v4/emails/transactional"] = Answer(503, {"Error": "…"}, {"Retry-After": "1"})
        ...
        assert peer.inbox == []

A list in ``script`` is worked off request by request; None in it means "behave". Written from the published
API description; it checks keys, property names, recipients and idempotency as described there.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from uuid import uuid4

from tests.peers.quiet import QuietHTTPServer


@dataclass(frozen=True)
class Answer:
    """Answer with this; a text or bytes body goes out as it is."""

    status: int
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    """Seconds before it."""


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer: after reading the request, or before all of it came."""

    after_reading: bool = True


class Stall:
    """Read the request and never answer."""


@dataclass(frozen=True)
class Drip:
    """Send the answer's head, then one byte of its body at a time."""

    every: float = 0.02


Action = Answer | Drop | Stall | Drip


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ElasticPeer:
    """The service; use as a context manager, or :meth:`start` and :meth:`stop` it."""

    keys: set[str] = field(default_factory=lambda: {"CHAVE-DE-TESTE"})
    send_only_keys: set[str] = field(default_factory=set)
    """Keys that may send and nothing else."""
    account: dict[str, Any] = field(
        default_factory=lambda: {
            "email": "dona@exemplo.com.br",
            "statusnumber": 1,
            "statusformatted": "Active",
            "dailysendlimit": 100,
            "actualdailysendlimit": 50,
            "emailcredits": 0,
            "reputation": 91.0,
            "totalemailssent": 7,
        }
    )
    domains: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"Domain": "exemplo.com.br", "Spf": True, "Dkim": True, "MX": True, "TrackingStatus": 3}
        ]
    )
    statistics: dict[str, Any] = field(default_factory=dict)
    """What the statistics say besides what was sent here."""
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Recipient → what its delivery fails with: ``{"Category": …, "Error": …, "ErrorCode": …}``."""
    unsubscribed: set[str] = field(default_factory=set)
    complained: set[str] = field(default_factory=set)
    script: dict[str, Action | list[Action | None]] = field(default_factory=dict)
    together: threading.Barrier | None = None
    """So many requests have to be there before any of them is answered."""
    port: int = 0
    """Where it listens; 0 finds a free one."""

    def __post_init__(self) -> None:
        self.host = "127.0.0.1"
        self.inbox: list[dict[str, Any]] = []
        """The bodies of the messages taken."""
        self.merged: list[dict[str, str]] = []
        """What each recipient of ``POST /emails`` gets: ``to subject html text`` and its headers."""
        self.requests: list[Request] = []
        self.connections = 0
        self._replays: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self._bodies: dict[str, Any] = {}
        self._kept: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: QuietHTTPServer | None = None

    @property
    def url(self) -> str:
        """The root above /v2 and /v4."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen on 127.0.0.1."""
        peer = self

        class Handler(_Handler):
            pass

        Handler.peer = peer
        self._server = QuietHTTPServer((self.host, self.port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False  # a stalled request may be at it for a moment yet
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening, let stalled requests go and hang up: who kept a connection would ask a peer that is gone."""
        assert self._server is not None
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for kept in self._kept:
                with suppress(OSError):
                    kept.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def next_action(self, path: str) -> Action | None:
        """Return what the script says for this path, taking it off a list."""
        planned = self.script.get(path)
        if isinstance(planned, list):
            with self._lock:
                return planned.pop(0) if planned else None
        return planned

    def answer(self, request: Request) -> Answer:
        """Answer as the service does, once all are there that :attr:`together` waits for."""
        if self.together is not None:
            self.together.wait(20)
        return self.handle(request)

    def handle(self, request: Request) -> Answer:
        """Answer as the service does."""
        key = request.headers.get("x-elasticemail-apikey", "")
        send_only = key in self.send_only_keys
        v2 = request.path.startswith("/v2/")
        if key not in self.keys and not send_only:
            error = "APIKey Expired"
            return Answer(200, {"success": False, "error": error}) if v2 else Answer(400, {"Error": error})
        if request.path in ("/v4/emails/transactional", "/v4/emails") and request.method == "POST":
            return self._take(key, request)
        if send_only:
            error = "Access Denied."
            return Answer(200, {"success": False, "error": error}) if v2 else Answer(400, {"Error": error})
        if request.path == "/v2/account/load":
            # Public code shows the real service repeating the key here.
            return Answer(200, {"success": True, "data": {**self.account, "apikey": key}})
        if request.path.startswith("/v4/statistics?"):
            sent = sum(len(_addresses(body)) for body in self.inbox)
            totals = {"Recipients": sent, "EmailTotal": sent, "Delivered": sent, "Bounced": 0, "InProgress": 0}
            return Answer(200, totals | self.statistics)
        if request.path == "/v4/domains":
            return Answer(200, self.domains)
        if request.path.startswith("/v4/emails/") and request.path.partition("?")[0].endswith("/status"):
            return self._status(key, request.path.split("/")[3], request.path.partition("?")[2])
        return Answer(404, {"Error": "Not found"})

    def _status(self, key: str, transaction: str, query: str) -> Answer:
        """What became of a message: every recipient but those of :attr:`failures` has it."""
        for (owner, _), (_, answer) in self._replays.items():
            if owner == key and answer["TransactionID"] == transaction:
                body = self._bodies[transaction]
                recipients = _addresses(body)
                failed = [{"Address": each, **self.failures[each]} for each in recipients if each in self.failures]
                return Answer(
                    200,
                    {
                        "ID": transaction,
                        "Status": "complete",
                        "RecipientsCount": len(recipients),
                        "Failed": failed,
                        "FailedCount": len(failed),
                        "DeliveredCount": len(recipients) - len(failed),
                        "PendingCount": 0,
                        # Only who asks for them is told.
                        **{
                            name: [each for each in recipients if each in left]
                            for name, flag, left in (
                                ("Unsubscribed", "showUnsubscribed=true", self.unsubscribed),
                                ("AbuseReports", "showAbuse=true", self.complained),
                            )
                            if flag in query
                        },
                    },
                )
        return Answer(404, {"Error": "Not found"})

    def _take(self, key: str, request: Request) -> Answer:
        is_bulk = request.path == "/v4/emails"
        problem = _bulk_problem(request.body) if is_bulk else _problem(request.body)
        if problem is not None:
            return problem
        digest = hashlib.sha256(json.dumps(request.body, sort_keys=True).encode()).hexdigest()
        idempotency_key = request.headers.get("idempotency-key", "")
        with self._lock:
            known = self._replays.get((key, idempotency_key)) if idempotency_key else None
            if known is not None:
                if known[0] != digest:
                    return Answer(422, {"Error": "Idempotency-Key was used with another request body."})
                return Answer(200, known[1], {"Idempotency-Replayed": "true"})
            answer = {"TransactionID": str(uuid4()), "MessageID": uuid4().hex[:22]}
            self._replays[(key, idempotency_key)] = (digest, answer)
            self.inbox.append(request.body)
            if is_bulk:
                self.merged += [_merged(request.body["Content"], each) for each in request.body["Recipients"]]
            self._bodies[answer["TransactionID"]] = request.body
        return Answer(200, answer)


_PROPERTIES = {
    "": {"Recipients", "Content", "Options"},
    "Recipients": {"To", "CC", "BCC"},
    "Content": {
        "From", "ReplyTo", "Subject", "Body", "Headers", "Attachments", "EnvelopeFrom", "Merge", "Postback",
        "TemplateName", "AttachFiles", "Utm",
    },
}  # fmt: skip


def _problem(body: Any) -> Answer | None:
    """Return the refusal of a body that does not follow the description."""
    if not isinstance(body, dict) or not _follows(body):
        return Answer(400, {"Error": "Invalid request body", "ErrorData": None})
    recipients = [address for group in body["Recipients"].values() for address in group]
    if not body["Recipients"].get("To"):
        return Answer(400, {"Error": "To is required"})
    if len(recipients) > 50:
        return Answer(413, {"Error": "You cannot provide more than 50 transactional recipients"})
    return None


def _addresses(body: dict[str, Any]) -> list[str]:
    """Every recipient of a body of either kind."""
    recipients = body["Recipients"]
    if isinstance(recipients, list):
        return [each["Email"] for each in recipients]
    return [address for group in recipients.values() for address in group]


def _bulk_problem(body: Any) -> Answer | None:
    """Return the refusal of a body of ``POST /emails`` that does not follow the description."""
    if not isinstance(body, dict) or not isinstance(body.get("Recipients"), list):
        return Answer(400, {"Error": "Invalid request body", "ErrorData": None})
    strings = [value for each in body["Recipients"] for value in [each["Email"], *each["Fields"].values()]]
    follows = set(body) <= _PROPERTIES[""] and set(body["Content"]) <= _PROPERTIES["Content"]
    if not follows or not all(isinstance(value, str) for value in strings):
        return Answer(400, {"Error": "Invalid request body", "ErrorData": None})
    if len(body["Recipients"]) > 1000:
        return Answer(413, {"Error": "You cannot provide more than 1000 recipients"})
    return None


def _merged(content: dict[str, Any], recipient: dict[str, Any]) -> dict[str, str]:
    """What one recipient gets; a placeholder that nothing matches is sent as written."""

    def fill(text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: str(recipient["Fields"].get(found[1], found[0])), text)

    bodies = {part["ContentType"]: fill(part["Content"]) for part in content["Body"]}
    return {
        **content.get("Headers", {}),
        "to": recipient["Email"],
        "subject": fill(content["Subject"]),
        "html": bodies.get("HTML", ""),
        "text": bodies.get("PlainText", ""),
    }


def _follows(body: dict[str, Any]) -> bool:
    if not set(body) <= _PROPERTIES[""] or not {"Recipients", "Content"} <= set(body):
        return False
    if not set(body["Recipients"]) <= _PROPERTIES["Recipients"]:
        return False
    if not set(body["Content"]) <= _PROPERTIES["Content"]:
        return False
    return all(part.get("ContentType") in ("HTML", "PlainText") for part in body["Content"]["Body"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms until its headers are acknowledged
    peer: ElasticPeer

    def setup(self) -> None:
        with self.peer._lock:
            self.peer.connections += 1
            self.peer._kept.add(self.request)
        super().setup()

    def finish(self) -> None:
        with self.peer._lock:
            self.peer._kept.discard(self.request)
        super().finish()

    def log_message(self, *args: Any) -> None:
        """Keep quiet: a log would hold keys."""

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        path = self.path.partition("?")[0]
        action = self.peer.next_action(path)
        if isinstance(action, Drop) and not action.after_reading:
            self.rfile.read1(1_000)  # what has come; to wait for more could be for ever
            self.close_connection = True
            return
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, json.loads(raw) if raw else None)
        self.peer.requests.append(request)
        if isinstance(action, Drop):
            self.close_connection = True
        elif isinstance(action, Stall):
            self.peer._stopping.wait()
            self.close_connection = True
        elif isinstance(action, Drip):
            self._drip(action.every)
        else:
            self._write(action or self.peer.answer(request))

    def _write(self, answer: Answer) -> None:
        time.sleep(answer.delay)
        if isinstance(answer.body, bytes):
            raw, kind = answer.body, "application/octet-stream"
        elif isinstance(answer.body, str):
            raw, kind = answer.body.encode(), "text/html; charset=utf-8"
        else:
            raw, kind = json.dumps(answer.body).encode(), "application/json"
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(raw)), **answer.headers}.items():
            self.send_header(name, value)
        with suppress(OSError):  # a client that has given up waiting
            self.end_headers()
            self.wfile.write(raw)

    def _drip(self, every: float) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.peer._stopping.wait(every):
            try:
                self.wfile.write(b" ")
            except OSError:
                return
