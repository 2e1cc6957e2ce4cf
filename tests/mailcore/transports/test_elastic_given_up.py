"""Requests to Elastic Email that are given up, and answers that are no HTTP, no JSON and no text."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from mailcore.messages.compose import OutgoingMessage, compose, from_eml
from mailcore.transports import elastic_client
from mailcore.transports.base import Connection, Receipt, TransportError
from mailcore.transports.elastic_client import Limits
from mailcore.transports.elastic_email import ElasticEmailTransport
from mailcore.vocabulary import Kind, Outcome
from tests.properties import examples
from tests.tables import each_row

TAKEN = b'HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{"TransactionID":"t-1","MessageID":"m-1-long"}'


@dataclass
class RawPeer:
    """A server that reads one request as slowly as it likes and answers with any bytes."""

    port: int
    came: int = 0
    wanted: int = 0
    whole: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    hurry: threading.Event = field(default_factory=threading.Event)
    """Read what is still on its way without a pause."""


@contextmanager
def raw_peer(answer: bytes, *, pause: float = 0, silent: bool = False) -> Iterator[RawPeer]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    peer = RawPeer(listener.getsockname()[1])

    def serve() -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        with sock:
            read_request(sock, peer, pause)
            if peer.whole and not silent:
                sock.sendall(answer)
            elif peer.whole:
                with suppress(OSError):
                    while sock.recv(65_536):
                        pass
        peer.ended.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        listener.close()
        thread.join(10)


def read_request(sock: socket.socket, peer: RawPeer, pause: float) -> None:
    data = b""
    with suppress(OSError):
        while True:
            piece = sock.recv(65_536)
            if not piece:
                return
            if peer.wanted:
                peer.came += len(piece)
            else:
                data += piece
                head, found, body = data.partition(b"\r\n\r\n")
                if found:
                    length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
                    peer.wanted = int(length[0].split(b":")[1]) if length else -1
                    peer.came = len(body)
            if peer.wanted and peer.came >= peer.wanted:
                peer.whole = True
                return
            peer.hurry.wait(pause)  # the uplink


def transport(peer: RawPeer, limits: Limits) -> ElasticEmailTransport:
    url = f"http://127.0.0.1:{peer.port}"
    return ElasticEmailTransport(
        Connection(kind=Kind.ELASTIC_EMAIL, secret=SecretStr("CHAVE"), from_address="a@b.example", base_url=url), limits
    )


def message(size: int = 0) -> OutgoingMessage:
    if not size:
        return compose(from_address="a@b.example", to=["c@d.example"], subject="Olá", text="Um teste.")
    raw = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n\r\n" + b"uma linha de texto\r\n" * (size // 20)
    return from_eml(raw, envelope_from="a@b.example", to=["c@d.example"])


def threads_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "mailcore-bounded-call"]


def test_a_send_that_is_given_up_half_way_is_ended_and_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic_client, "_SLOWEST", 1e12)
    with raw_peer(TAKEN, pause=0.05) as peer:
        with pytest.raises(TransportError) as caught:
            transport(peer, Limits(whole=0.7)).send(message(20_000_000), idempotency_key="k")
        assert threads_left() == []
        peer.hurry.set()
        assert peer.ended.wait(30)
    assert (caught.value.outcome, caught.value.cause) == (Outcome.FAILED, "timeout")
    assert 0 < peer.came < peer.wanted
    assert not peer.whole


def test_a_send_that_is_given_up_after_the_last_byte_is_ended_and_uncertain() -> None:
    with raw_peer(TAKEN, silent=True) as peer:
        with pytest.raises(TransportError) as caught:
            transport(peer, Limits(whole=0.7)).send(message(), idempotency_key="k")
        assert threads_left() == []
        assert peer.ended.wait(30)
    assert caught.value.outcome is Outcome.UNCERTAIN
    assert peer.whole


def test_over_a_slow_uplink_a_large_message_simply_arrives() -> None:
    began = time.monotonic()
    with raw_peer(TAKEN, pause=0.02) as peer:
        receipt = transport(peer, Limits(whole=0.3)).send(message(1_000_000), idempotency_key="k")
    assert time.monotonic() - began > 0.3
    assert (receipt.provider_id, peer.whole) == ("t-1", True)


def outcome(answer: bytes) -> TransportError | Receipt:
    with raw_peer(answer) as peer:
        try:
            return transport(peer, Limits(whole=5, read=2, retry=0)).send(message(), idempotency_key="k")
        except TransportError as error:
            return error


@each_row("location", [b"\xff\xfe\xfd", b"//[", b"http://[::1", b"http://a:99999999/", b"\x00", b""])
def test_where_a_redirect_leads_is_not_read(location: bytes) -> None:
    error = outcome(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(error, TransportError)
    assert (error.cause, error.outcome) == ("redirected", Outcome.FAILED)


@pytest.mark.parametrize(
    "header",
    [
        b"Retry-After: Mon, 01 Jan 99999999 00:00:00 +9999999999",
        b"Retry-After: " + b"9" * 5_000,
        b"Retry-After: \xff",
        b"Retry-After: 1 Jan 2000 99:99:99 -9999",
    ],
)
def test_any_moment_to_try_again(header: bytes) -> None:
    body = b'{"Error":"busy"}'
    error = outcome(b"HTTP/1.1 503 Busy\r\n" + header + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert isinstance(error, TransportError)
    assert error.outcome in (Outcome.UNCERTAIN, Outcome.REFUSED)


def test_half_a_pair_of_surrogates_is_no_text() -> None:
    body = rb'{"TransactionID":"a\ud800\u0000b","MessageID":"x"}'
    receipt = outcome(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert isinstance(receipt, Receipt)
    assert receipt.provider_id == "a?b"
    receipt.reply.encode()


def mutated(random_: random.Random) -> bytes:
    data = bytearray(random_.choice((TAKEN, TAKEN.replace(b"200 OK", b"302 Found\r\nLocation: x"), b"")))
    for _ in range(random_.randint(1, 8)):
        place = random_.randint(0, len(data))
        data[place : place + random_.choice((0, 1, 1, 5))] = random_.choice(
            (
                random_.randbytes(random_.randint(1, 6)),
                b"\r\n",
                b"9" * 5_000,
                b"Content-Length: ",
                b"\\ud800",
                b"[" * 2_000,
            )
        )
    return bytes(data)


@each_row("seed", range(examples(60)))
def test_any_bytes_are_an_outcome(seed: int) -> None:
    found = outcome(mutated(random.Random(seed)))
    if isinstance(found, TransportError):
        # The whole request was taken: only an answer that says no frees it.
        assert found.outcome is Outcome.UNCERTAIN or 300 <= found.code < 500
        assert found.cause or found.code
        found.reply.encode()
    else:
        assert found.provider_id.isprintable()
