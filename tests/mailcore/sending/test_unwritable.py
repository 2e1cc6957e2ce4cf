"""A message that cannot be sent as it is meant costs nothing: `failed`, a sentence, no unit, no key burnt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.messages.compose import OutgoingMessage, compose, from_eml
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.ledger import diagnosis_of
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer, Send
from mailcore.vocabulary import Kind, Security, SendStatus
from tests.actors import ME
from tests.databases import on_one_database
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import SmtpPeer

USER = "ana@exemplo.com.br"

FILES = {
    "8-bit Message-ID": b"Subject: oi\nMessage-ID: <\xe9@x.org>\n\noi\n",
    "multipart without parts": b"Content-Type: multipart/mixed; boundary=b\n\n--b--\n",
    "no boundary": b"Content-Type: multipart/mixed\n\nx\n",
    "a quote": b'To: "\n\noi\n',
    "an encoded line feed": b"Subject: =?utf-8?q?a=0ABcc:_x=40y.org?=\n\noi\n",
    "an unknown charset": b"Content-Type: text/plain; charset=nenhum\n\nol\xe1\n",
    "a missing charset": b"Subject: oi\n\nol\xe1\n",
    "unknown-8bit": b"Content-Type: text/plain; charset=unknown-8bit\n\nol\xe1\n",
    "a binary part": b"Content-Type: image/png\nContent-Transfer-Encoding: binary\n\n" + bytes(range(256)),
    "a long line": b"Subject: oi\n\n" + b"x" * 2_000 + b"\n",
    "a signature": b"Content-Type: multipart/signed; boundary=b\n\n--b\n\nol\xe1\n--b\n\nx\n--b--\n",
    "a delivery status": b"Content-Type: message/delivery-status\n\nStatus: 5.1.1 \xe9\n",
    "an attached message": b"Content-Type: message/rfc822\n\nTo: \"\nX: \xe9\n\nol\xe9\n",
    "broken base64": b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\nA\n",
    "a bad quoted-printable": b"Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n=\n=Z\n",
    "an encoded address": b"From: =?utf-8?q?jo=C3=A3o=40x=2Eorg?=\n\noi\n",
    "an unknown encoding": b"Content-Type: text/plain\nContent-Transfer-Encoding: x-nada\n\nol\xe1\n",
}  # fmt: skip


def smtp_record(core: Mailcore, peer: SmtpPeer) -> MailServer:
    draft = ServerDraft(
        name="Uma", host="127.0.0.1", port=peer.port, security=Security.NONE, security_auto=False, requires_auth=False,
        from_address=USER, daily_limit=100,
    )  # fmt: skip
    return core.servers.create(draft, None, actor=ME).server


def elastic_record(core: Mailcore) -> MailServer:
    draft = ServerDraft(name="Duas", kind=Kind.ELASTIC_EMAIL, from_address=USER, daily_limit=100)
    return core.servers.create(draft, SecretStr("CHAVE-DE-TESTE"), actor=ME).server


def good() -> OutgoingMessage:
    return compose(from_address=USER, to=["bia@outro.example"], subject="Oi", text="Oi.")


def used(core: Mailcore, server: MailServer) -> int:
    return core.quotas(server_id=server.id)[0].used


def is_told(row: Send) -> None:
    """Accepted, or failed with a sentence."""
    assert row.status in (SendStatus.ACCEPTED, SendStatus.FAILED)
    diagnosis = diagnosis_of(row)
    assert (diagnosis is None) is (row.status is SendStatus.ACCEPTED)
    assert diagnosis is None or diagnosis.title.endswith(".")


@on_one_database
@pytest.mark.parametrize("eight_bit", [True, False])
def test_towards_smtp_it_is_accepted_as_meant_or_costs_nothing(core: Mailcore, eight_bit: bool) -> None:
    outcomes = {}
    with SmtpPeer(eight_bit=eight_bit) as peer:
        server = smtp_record(core, peer)
        for name, data in FILES.items():
            before = used(core, server)
            try:
                made = from_eml(data, envelope_from=USER, to=["bia@outro.example"])
            except ValidationError as error:
                outcomes[name] = error.errors[0].field
                continue
            row = core.send(server, made, idempotency_key=name)
            outcomes[name] = row.status.value
            is_told(row)
            assert used(core, server) - before == (row.status is SendStatus.ACCEPTED)
            if row.status is SendStatus.FAILED:
                assert core.send(server, good(), idempotency_key=name).status is SendStatus.ACCEPTED
        assert not [verb for verb in peer.verbs() if verb == "DATA"][len(peer.inbox) :]
    refused_at_once = {"multipart without parts", "no boundary", "a quote", "an encoded line feed"}
    assert {name for name, outcome in outcomes.items() if outcome == "eml"} >= refused_at_once
    failed = {name for name, outcome in outcomes.items() if outcome == "failed"}
    assert failed == (
        set()
        if eight_bit
        else {
            "an unknown charset", "a missing charset", "unknown-8bit", "a signature", "a delivery status",
            "an attached message", "an unknown encoding",
        }
    )  # fmt: skip


@on_one_database
def test_towards_elastic_email_it_is_accepted_as_meant_or_costs_nothing(
    settings: Settings,
) -> None:
    with ElasticPeer() as peer:
        core = Mailcore(settings.model_copy(update={"elastic_email_url": peer.url}))
        server = elastic_record(core)
        for name, data in FILES.items():
            try:
                made = from_eml(data, envelope_from=USER, to=["bia@outro.example"])
            except ValidationError:
                continue
            row = core.send(server, made, idempotency_key=name)
            is_told(row)
            if row.status is SendStatus.FAILED:
                assert name not in {request.headers.get("idempotency-key") for request in peer.requests}
                assert core.send(server, good(), idempotency_key=name).status is SendStatus.ACCEPTED
        core.close()


def test_bytes_that_nobody_can_be_handed_never_reserve_anything(core: Mailcore) -> None:
    with SmtpPeer() as peer:
        server = smtp_record(core, peer)
        row = core.send(server, replace(good(), content=b"Subject: a\n\nbare\n"), idempotency_key="k")
        assert row.status is SendStatus.FAILED
        assert peer.connections == 0
        is_told(row)
        assert used(core, server) == 0
        assert core.send(server, good(), idempotency_key="k").status is SendStatus.ACCEPTED


def test_a_message_id_put_in_place_of_the_files_is_said_with_the_outcome(core: Mailcore) -> None:
    with SmtpPeer() as peer:
        server = smtp_record(core, peer)
        made = from_eml(b"Subject: oi\nMessage-ID: <>\n\noi\n", envelope_from=USER, to=["bia@outro.example"])
        row = core.send(server, made)
    assert row.status is SendStatus.ACCEPTED
    assert row.message_id == made.message_id
    assert "Message-ID" in row.warnings


@on_one_database
def test_the_name_for_ehlo_is_a_setting(settings: Settings) -> None:
    core = Mailcore(settings.model_copy(update={"ehlo_name": "nosso.exemplo.com.br"}))
    with SmtpPeer() as peer:
        server = smtp_record(core, peer)
        core.send(server, good())
        core.check(server)
    assert {name for verb, name in peer.commands if verb == "EHLO"} == {"nosso.exemplo.com.br"}
    core.close()


@pytest.mark.parametrize("name", ["a b", "x\r\nMAIL FROM:<a@b>", "é.com", "[", "-x"])
def test_a_name_that_cannot_be_said_is_no_setting(name: str) -> None:
    from pydantic import ValidationError as Wrong

    with pytest.raises(Wrong, match="MAILCORE_EHLO_NAME"):
        Settings(ehlo_name=name)
