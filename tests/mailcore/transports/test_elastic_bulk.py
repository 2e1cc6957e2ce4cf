"""Batches over Elastic Email: whom a call is for, what each gets, and what an answer means for each recipient."""

from __future__ import annotations

import socket
import threading
from collections import Counter

from pydantic import SecretStr

from mailcore.messages.compose import Recipient
from mailcore.messages.merge import Attachment, MergeMessage, MergeTemplate
from mailcore.transports.base import Connection
from mailcore.transports.bulk import BulkLine, Parcel
from mailcore.transports.elastic_client import Limits
from mailcore.transports.elastic_email import ElasticEmailTransport
from mailcore.vocabulary import Kind, SendStatus
from tests.peers.elastic_server import Answer, Drop, ElasticPeer

KEY = "CHAVE-DE-TESTE"
PATH = "/v4/emails"


def merge(**more: object) -> MergeMessage:
    template = MergeTemplate.parse(
        subject="Oi {{nome}}", text="{{nome|upper}} {fica} {% if vip %}VIP{% endif %}", html="<p>{{nome}}</p>"
    )
    return MergeMessage(template, sender=Recipient("loja@exemplo.com.br", "Loja, Ltda."), **more)  # type: ignore[arg-type]


def line_to(peer: ElasticPeer, key: str = KEY, **more: object) -> BulkLine:
    connection = Connection(Kind.ELASTIC_EMAIL, secret=SecretStr(key), base_url=peer.url)
    return ElasticEmailTransport(connection, Limits(connect=2, read=2, whole=4, retry=2)).bulk(merge(**more))


def parcels(count: int, attachments: tuple[Attachment, ...] = ()) -> list[Parcel]:
    return [
        Parcel(
            number,
            f"r{number}@exemplo.com.br",
            f"<{number}@x.br>",
            fields={"nome": f"Zé & {number}\n", "vip": "s" if number % 2 else ""},
            attachments=attachments if number == 1 else (),
        )
        for number in range(count)
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_each_recipient_gets_a_copy_of_its_own_a_thousand_a_call_some_at_a_time() -> None:
    own = Attachment("fatura.pdf", "application/pdf", b"%PDF")
    with ElasticPeer(together=threading.Barrier(4)) as peer:
        line = line_to(peer, reply_to="ajuda@exemplo.com.br")
        results = line.hand_over(parcels(2_500, (own,)))
        assert Counter(result.outcome for result in results) == {SendStatus.ACCEPTED: 2_500}
        assert [result.number for result in results] == list(range(2_500))
        assert sorted(len(body["Recipients"]) for body in peer.inbox) == [1, 499, 1_000, 1_000]
        got = {each["to"]: each for each in peer.merged}
        assert len(got) == len(peer.merged) == 2_500
        assert got["r7@exemplo.com.br"] == {
            "to": "r7@exemplo.com.br",
            "subject": "Oi Zé & 7",
            "text": "ZÉ & 7\n {fica} VIP",
            "html": "<p>Zé &amp; 7\n</p>",
            "Auto-Submitted": "auto-generated",
        }
        assert got["r8@exemplo.com.br"]["text"] == "ZÉ & 8\n {fica} "
        content = peer.inbox[0]["Content"]
        assert (content["From"], content["ReplyTo"]) == ('"Loja, Ltda." <loja@exemplo.com.br>', "ajuda@exemplo.com.br")
        with_file = next(body for body in peer.inbox if len(body["Recipients"]) == 1)
        assert with_file["Recipients"][0]["Email"] == "r1@exemplo.com.br"
        assert [each["Name"] for each in with_file["Content"]["Attachments"]] == ["fatura.pdf"]
        keys = [request.headers["idempotency-key"] for request in peer.requests]
        assert len(set(keys)) == 4
        # One transaction a call; by it the service is asked later what became of each.
        assert len({result.provider_id for result in results}) == 4
        # The same group again is the same call, and nobody gets it twice.
        line.hand_over(parcels(2_500, (own,)))
        assert len(peer.merged) == 2_500


def test_an_answer_is_one_for_all_of_its_call() -> None:
    with ElasticPeer() as peer:
        line = line_to(peer)
        for action, outcome, code in (
            (Answer(400, {"Error": "APIKey Expired"}), SendStatus.REFUSED, 400),
            (Answer(402, {"Error": "no credits"}), SendStatus.REFUSED, 402),
            (Answer(500, "<html>oops</html>"), SendStatus.UNCERTAIN, 500),
            (Answer(200, "<html>a proxy</html>"), SendStatus.UNCERTAIN, 200),
            (Drop(), SendStatus.UNCERTAIN, 0),
        ):
            peer.script[PATH] = action
            results = line.hand_over(parcels(3))
            assert [result.outcome for result in results] == [outcome] * 3
            assert {result.error.code for result in results if result.error} == {code}
        # It did not look at it: asked again, within the same call.
        peer.script[PATH] = [Answer(503, {"Error": "later"}, {"Retry-After": "0"}), None]
        assert {result.outcome for result in line.hand_over(parcels(3))} == {SendStatus.ACCEPTED}
        assert len(peer.merged) == 3
    peer.port = free_port()
    results = line_to(peer).hand_over(parcels(2))
    assert {(result.outcome, result.begun) for result in results} == {(SendStatus.FAILED, False)}
    with ElasticPeer() as peer:
        results = line_to(peer, "").hand_over(parcels(2))
        assert {(result.outcome, result.begun) for result in results} == {(SendStatus.FAILED, False)}
        assert peer.requests == []


def test_a_recipient_the_service_names_is_refused_alone_and_too_many_are_parted() -> None:
    with ElasticPeer() as peer:
        line = line_to(peer)
        named = Answer(400, {"Error": "Invalid email: R3@exemplo.com.br", "ErrorData": None})
        peer.script[PATH] = [named, Answer(413, {"Error": "too many"}), None, None]
        results = line.hand_over(parcels(9))
        assert [result.number for result in results if result.outcome is SendStatus.REFUSED] == [3]
        assert Counter(result.outcome for result in results) == {SendStatus.ACCEPTED: 8, SendStatus.REFUSED: 1}
        assert [len(body["Recipients"]) for body in peer.inbox] == [4, 4]
        assert len({each["to"] for each in peer.merged}) == 8


def test_marketing_says_how_to_unsubscribe_in_what_may_be_the_same_for_all() -> None:
    with ElasticPeer() as peer:
        by_mail = line_to(peer, list_unsubscribe=lambda address: f"mailto:loja@exemplo.com.br?subject=sair%20{address}")
        by_mail.hand_over(parcels(1))
        assert peer.merged[0]["List-Unsubscribe"] == "<mailto:loja@exemplo.com.br?subject=descadastrar>"
        line_to(peer, list_unsubscribe=lambda address: f"https://x.br/{address}").hand_over(parcels(2)[1:])
        assert "List-Unsubscribe" not in peer.merged[1]
        assert peer.merged[1]["Precedence"] == "bulk"
