"""Elastic Email is given a message as it was meant, or is not asked at all; what it puts off is asked for again."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
import requests
from pydantic import SecretStr

from mailcore import deadline
from mailcore.messages.compose import OutgoingMessage, compose, from_eml
from mailcore.transports import elastic_email
from mailcore.transports.base import Connection, TransportError
from mailcore.transports.elastic_client import Limits
from mailcore.transports.elastic_email import ElasticEmailTransport
from mailcore.vocabulary import Kind, Outcome
from tests.mailcore.messages.test_headers import natural_subjects
from tests.peers.elastic_server import Answer, ElasticPeer
from tests.tables import each_row

USER, KEY, SEND = "ana@exemplo.com.br", "CHAVE-DE-TESTE", "/v4/emails/transactional"


def transport(peer: ElasticPeer, **limits: float) -> ElasticEmailTransport:
    made = Connection(Kind.ELASTIC_EMAIL, secret=SecretStr(KEY), from_address=USER, base_url=peer.url)
    return ElasticEmailTransport(made, Limits(**limits))


def from_file(data: str | bytes) -> OutgoingMessage:
    raw = data.encode() if isinstance(data, str) else data
    return from_eml(raw, envelope_from=USER, to=["bia@exemplo.org"])


def taken(data: str | bytes) -> dict[str, object]:
    """What the service took of a file."""
    with ElasticPeer() as peer:
        transport(peer).send(from_file(data))
    (body,) = peer.inbox
    return body["Content"]  # type: ignore[no-any-return]


def refusal(data: str | bytes) -> TransportError:
    with ElasticPeer() as peer:
        with pytest.raises(TransportError) as caught:
            transport(peer).prepare(from_file(data))
        assert peer.requests == []
    assert caught.value.outcome is Outcome.FAILED
    assert caught.value.phase == "message"
    return caught.value


def attached(content: dict[str, object]) -> list[tuple[str, str, bytes]]:
    found = content["Attachments"]
    assert isinstance(found, list)
    return [(each["ContentType"], each["Name"], base64.b64decode(each["BinaryContent"])) for each in found]


# ---------------------------------------------------------------------- the message


REPORT = (
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\nSubject: Não entregue\n\n"
    "--b\n\nNão foi entregue.\n"
    "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x.org\n\n"
    "Final-Recipient: rfc822; a@x.org\nStatus: 5.1.1\n"
    "--b\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?ol=C3=A1?=\nMessage-ID: <[x]>\nTo: \"\n\ncorpo\n--b--\n"
)  # fmt: skip


def test_a_report_is_attached_as_the_bytes_it_is() -> None:
    content = taken(REPORT.replace("\n--b\n\nNão", "\n--b\nContent-Type: text/plain; charset=utf-8\n\nNão"))
    assert content["Subject"] == "Não entregue"
    assert content["Body"] == [{"ContentType": "PlainText", "Content": "Não foi entregue.", "Charset": "utf-8"}]
    status, message = attached(content)
    assert status[0] == "message/delivery-status"
    assert status[2] == b"Reporting-MTA: dns; x.org\r\n\r\nFinal-Recipient: rfc822; a@x.org\r\nStatus: 5.1.1"
    assert message[0] == "message/rfc822"
    assert message[2] == b'Subject: =?utf-8?q?ol=C3=A1?=\r\nMessage-ID: <[x]>\r\nTo: "\r\n\r\ncorpo'


@pytest.mark.parametrize("kind", ["rfc822", "partial; id=x; number=1", "external-body; access-type=URL", "global"])
def test_any_kind_of_attached_message_goes_through(kind: str) -> None:
    inner = "Subject: a\nContent-Type: multipart/mixed\n\n--x\n"
    content = taken(
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/{kind}\n\n{inner}\n--b--\n"
    )
    assert attached(content)[0][2].startswith(b"Subject: a\r\n")


def test_subjects_arrive_word_for_word() -> None:
    with ElasticPeer() as peer:
        made = transport(peer)
        subjects = natural_subjects(50)
        for subject in subjects:
            made.send(compose(from_address=USER, to=["b@x.org"], subject=subject))
    assert [body["Content"]["Subject"] for body in peer.inbox] == subjects


IN_A_NAME = (
    b'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png; name="=?utf-8?q?a=0Ab?="\n\nx\n--b--\n'
)


@each_row(
    ("data", "cause"),
    [
        (b"Content-Type: text/plain; charset=nao-existe\n\nol\xe1\n", "charset_unknown"),
        (b"Content-Type: text/plain; charset=nenhum\nContent-Transfer-Encoding: base64\n\nb2zh\n", "charset_unknown"),
        (b"Subject: oi\n\nol\xe1\n", "charset_unknown"),
        (b"Content-Type: text/plain; charset=utf-8\n\nol\xe1\n", "charset_unknown"),
        (b"Content-Type: multipart/signed; boundary=b\n\n--b\n\noi\n--b\n\nx\n--b--\n", "signature_would_break"),
        (b"Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\nAAAA\n", "signature_would_break"),
        (IN_A_NAME, "message_unwritable"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nA\n=AAAAA\n", "message_unwritable"),
    ],
)  # fmt: skip
def test_what_the_service_could_not_be_given_as_meant_is_refused_before_it_is_asked(data: bytes, cause: str) -> None:
    assert refusal(data).cause == cause


def test_what_other_servers_wrote_on_the_way_is_left_out() -> None:
    head = "Received: from a\nReceived: from b\nDKIM-Signature: v=1\nARC-Seal: i=1\n"
    head += "X-Pedido: 37\nX-Nome: =?utf-8?q?Jo=C3=A3o?=\n"
    headers = taken(f"{head}Message-ID: <[x]@y>\n\noi\n")["Headers"]
    assert headers == {"X-Pedido": "37", "X-Nome": "João", "Message-ID": "<[x]@y>"}


# ---------------------------------------------------------------------- again, or not


def busy(after: str) -> Answer:
    return Answer(503, {"Error": "Idempotency could not be checked"}, {"Retry-After": after})


def message() -> OutgoingMessage:
    return compose(from_address=USER, to=["bia@exemplo.org"], subject="Oi", text="Oi.")


def test_it_is_tried_again_five_times_at_most() -> None:
    with ElasticPeer(script={SEND: [busy("0")] * 5}) as peer:
        assert transport(peer).send(message(), idempotency_key="k").provider_id
    assert [request.headers["idempotency-key"] for request in peer.requests] == ["k"] * 6
    with ElasticPeer(script={SEND: busy("0")}) as peer, pytest.raises(TransportError) as caught:
        transport(peer).send(message())
    assert (caught.value.code, caught.value.outcome) == (503, Outcome.REFUSED)
    assert len(peer.requests) == 6
    assert peer.inbox == []


def test_it_is_waited_for_as_long_as_the_service_says_and_twenty_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    now = [time.monotonic()]

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(elastic_email, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with ElasticPeer(script={SEND: busy("8")}) as peer, pytest.raises(TransportError):
        transport(peer).send(message())
    assert waited == [8, 8]
    assert len(peer.requests) == 3


def test_a_date_to_try_again_is_understood() -> None:
    past = format_datetime(datetime.now(UTC) - timedelta(minutes=1), usegmt=True)
    with ElasticPeer(script={SEND: [busy(past), None]}) as peer:
        assert transport(peer).send(message()).provider_id
    with (
        ElasticPeer(script={SEND: busy("amanhã".encode().decode("latin-1"))}) as peer,
        pytest.raises(TransportError) as caught,
    ):
        transport(peer).send(message())
    assert caught.value.outcome is Outcome.UNCERTAIN
    assert len(peer.requests) == 1


@each_row("key", ["ç", "a\nb", "x" * 300, " ", "\ud800", "日本"])
def test_any_key_can_travel(key: str) -> None:
    with ElasticPeer() as peer:
        first = transport(peer).send(message(), idempotency_key=key)
        assert first.provider_id
        (sent,) = {request.headers["idempotency-key"] for request in peer.requests}
    assert sent.isascii()
    assert 1 <= len(sent) <= 255


def test_nothing_but_our_own_errors_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> object:
        raise KeyError("a fault inside a library")

    monkeypatch.setattr(requests.Session, "request", fail)
    with ElasticPeer() as peer, pytest.raises(TransportError) as caught:
        transport(peer).send(message())
    assert (caught.value.phase, caught.value.outcome) == ("http", Outcome.FAILED)


def test_a_message_prepared_is_sent_as_it_was_prepared() -> None:
    with ElasticPeer() as peer:
        made = transport(peer)
        prepared = made.prepare(message())
        made.send(prepared)
    assert json.dumps(peer.inbox[0]).encode() == prepared.body
    assert prepared.message_id == peer.inbox[0]["Content"]["Headers"]["Message-ID"]
