"""A service that answers HTTP requests with any bytes: Elastic Email, and a provider's token endpoint."""

from __future__ import annotations

import json
import random
import socket
import threading
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Self

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.diagnosis.replies import diagnose
from mailcore.diagnosis.texts import texts
from mailcore.health import service_figures
from mailcore.messages.compose import compose
from mailcore.oauth.client import App, Client, Tokens
from mailcore.oauth.faults import OAuthError
from mailcore.oauth.providers import providers
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from mailcore.transports.base import Connection, Receipt, Step, TransportError
from mailcore.transports.elastic_client import Limits
from mailcore.transports.elastic_email import ElasticEmailTransport
from mailcore.vocabulary import Kind, Outcome
from tests.actors import ME
from tests.fuzz.pieces import mutated
from tests.fuzz.smtp import is_text

LIMITS = Limits(connect=5, read=5, whole=10, retry=0)
_PIECES = (
    b"\r\n", b"\n", b"\r\n\r\n", b"\0", b"9" * 5_000, b"Content-Length: ", b"Content-Length: -1\r\n", b"\\ud800",
    b"\\u0000",
    b"[" * 2_000, b"{", b'"', b"1e999", b"NaN", b"null", b"Location: \xff\xfe\r\n", b"Location: //[\r\n", b"\xff\xfe",
    b"Retry-After: 99999999999\r\n", b"Retry-After: \xe9\r\n", b"Transfer-Encoding: chunked\r\n", b"ffffffffff\r\n",
    b"Content-Encoding: gzip\r\n", b"Set-Cookie: \xff=\x01\r\n", b"302 Found", b"500 x", b"429 x",
    b"100 Continue\r\n\r\n",
    b"HTTP/9.9", b"Connection: upgrade\r\n", b"x" * 70_000, b'"error":"\\ud800",', b'"Error":[1],', b"\x1b[31m",
)  # fmt: skip

ANSWERS: tuple[object, ...] = (
    {"TransactionID": "t-1", "MessageID": "m-1"},
    {"success": True, "data": {"statusformatted": "Active", "statusnumber": 1, "dailysendlimit": 500, "credit": 1.5}},
    {"success": False, "error": "Access Denied"},
    {"Error": "Daily limit reached", "ErrorData": {"x": [1]}},
    [{"Domain": "b.example", "Spf": True}],
    {"EmailTotal": 5, "Delivered": 4},
    {"Status": "complete", "RecipientsCount": 2, "DeliveredCount": 1, "Failed": [{"Address": "a", "ErrorCode": 550}]},
    {"access_token": "abc", "expires_in": 3600, "refresh_token": "def", "scope": "x", "id_token": "a.e30.c"},
    {"error": "invalid_grant", "error_description": "AADSTS70008: expired", "error_codes": [70008]},
    {"device_code": "d", "user_code": "U", "verification_uri": "https://x.example", "expires_in": 1, "interval": 1},
)


class HttpPeer:
    """A raw server that reads one request, answers it and hangs up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True, name="fuzz-http")
        self.random_ = random.Random()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, suppress(OSError):
                sock.settimeout(5)
                head, _, body = self._head(sock)
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                rest = int(length[0].split(b":")[1]) - len(body) if length else 0
                while rest > 0 and (piece := sock.recv(65_536)):
                    rest -= len(piece)
                sock.sendall(self._answer())
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(0.005)
                while sock.recv(65_536):  # closed at once it would be a reset, which may overtake the answer
                    pass

    def _head(self, sock: socket.socket) -> tuple[bytes, bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data and (piece := sock.recv(65_536)):
            data += piece
        return data.partition(b"\r\n\r\n")

    def _answer(self) -> bytes:
        body = json.dumps(self.random_.choice(ANSWERS)).encode()
        if self.random_.random() < 0.5:
            body = mutated(self.random_, body, _PIECES)
        status = self.random_.choice(
            (b"200 OK", b"200 OK", b"400 Bad", b"401 No", b"429 Slow", b"503 Busy", b"302 Found")
        )
        head = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        if self.random_.random() < 0.5:
            head = mutated(self.random_, head, _PIECES)
        return head + body


def _transport(peer: HttpPeer) -> ElasticEmailTransport:
    connection = Connection(
        kind=Kind.ELASTIC_EMAIL, secret=SecretStr("CHAVE"), from_address="a@b.example", base_url=peer.url
    )
    return ElasticEmailTransport(connection, LIMITS)


def sent(peer: HttpPeer, random_: random.Random) -> None:
    """The whole request was taken: only an answer that says no frees it."""
    peer.random_ = random_
    message = compose(from_address="a@b.example", to=["c@d.example"], subject="Olá", text="Um teste.")
    try:
        found: Receipt | TransportError = _transport(peer).send(message, idempotency_key="k")
    except TransportError as error:
        found = error
    is_text(found.reply)
    if isinstance(found, Receipt):
        assert found.provider_id.isprintable()
        return
    if found.outcome is Outcome.FAILED:
        assert 300 <= found.code < 400, "nobody but a redirect says that no one took it"
    elif found.outcome is Outcome.REFUSED:
        assert found.code >= 400 or found.reply
    assert diagnose(found, kind=Kind.ELASTIC_EMAIL).title


def asked(peer: HttpPeer, random_: random.Random) -> None:
    """A check, the state of a message, of the account, and what was sent: an answer, or a diagnosis."""
    peer.random_ = random_
    transport, steps = _transport(peer), list[Step]()
    try:
        for question in random_.sample(
            [
                lambda: transport.check(steps.append),
                lambda: transport.delivery("t-1"),
                transport.account_data,
                lambda: transport.statistics(datetime.now(UTC)),
            ],
            2,
        ):
            is_text(repr(question())[:3_000])
    except TransportError as error:
        is_text(error.reply)
        is_text(diagnose(error, kind=Kind.ELASTIC_EMAIL).title)
    for step in steps:
        is_text(step.detail)
        is_text(step.reply)


def registered(core: Mailcore) -> MailServer:
    """A record of the service."""
    draft = ServerDraft(name="Serviço", kind=Kind.ELASTIC_EMAIL, from_address="a@b.example")
    return core.servers.create(draft, SecretStr("CHAVE"), actor=ME).server


def figures(core: Mailcore, server: MailServer, peer: HttpPeer, random_: random.Random) -> None:
    """Each figure is a number or a short text, or there is a reason why not."""
    peer.random_ = random_
    settings = core.settings.model_copy(update={"elastic_email_url": peer.url})
    read = service_figures.read(core.servers, server, settings)
    for _, reason in read.unavailable():
        assert reason.endswith(".")
    reading = read.reading()
    for value in (reading.daily_limit, reading.used_today):
        assert value is None or 0 <= value < 2**53
    is_text(str(read.status.value))


def token(peer: HttpPeer, random_: random.Random) -> None:
    """Tokens that a header and a keyring can carry, or one of our codes."""
    peer.random_ = random_
    settings = Settings(microsoft_login_url=peer.url)
    client = Client(App(providers()["microsoft"], "app", "", None), settings)
    ask = random_.choice(
        (
            lambda: client.refresh(SecretStr("r")),
            lambda: client.exchange_code("c", redirect="http://localhost/", verifier="v"),
            lambda: client.device_poll(SecretStr("d")),
            client.device_start,
        )
    )
    try:
        found = ask()
    except OAuthError as error:
        is_text(texts()[error.code]["title"])
        is_text(error.words + error.error)
        return
    if isinstance(found, float):
        return
    for value in astuple(found):
        if isinstance(value, SecretStr):
            value.get_secret_value().encode()
        elif isinstance(value, str):
            value.encode()
    if isinstance(found, Tokens):
        assert found.access.get_secret_value().isprintable()
