"""Groups of messages over one SMTP connection: every way of saying them, ended at every byte."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from mailcore.messages.compose import Recipient
from mailcore.messages.merge import MergeMessage, MergeTemplate
from mailcore.transports.base import Connection, TransportError
from mailcore.transports.bulk import BulkLine, OneByOneLine, Parcel, ParcelResult
from mailcore.transports.smtp import SmtpTransport
from mailcore.transports.smtp_exchange import Limits
from mailcore.transports.smtp_pipeline import DEPTH
from mailcore.vocabulary import Kind, Security, SendStatus
from tests.peers.certificates import authority_pem
from tests.peers.scripted_smtp import ScriptedSmtp
from tests.peers.smtp_server import Drop, Say, SmtpPeer
from tests.properties import examples

ACCEPTED, REFUSED, FAILED, UNCERTAIN = (
    SendStatus.ACCEPTED,
    SendStatus.REFUSED,
    SendStatus.FAILED,
    SendStatus.UNCERTAIN,
)
WAYS = {
    "deep": ("PIPELINING", "CHUNKING", "SIZE 10000000"),
    "paired": ("PIPELINING", "SIZE 10000000"),
    "single": ("SIZE 10000000",),
}
TEXT = "Olá {{nome}}\n.\n..dois pontos\n"
LIMITS = Limits(command=5, data=5, accept=5, quit=1)


def merge(text: str = TEXT, sender: str = "loja@exemplo.com.br") -> MergeMessage:
    return MergeMessage(MergeTemplate.parse(subject="Oi {{nome}}", text=text, html=""), sender=Recipient(sender))


def parcels(count: int, message: MergeMessage | None = None) -> list[Parcel]:
    message = message or merge()
    found = []
    for number in range(2, count + 2):
        address, message_id = f"r{number}@exemplo.com.br", f"<{number}@exemplo.com.br>"
        data = message.write(address, "", {"nome": f"Nº {number}"}, message_id=message_id)
        found.append(Parcel(number, address, message_id, data))
    return found


def line_to(port: int, **more: object) -> BulkLine:
    connection = Connection(Kind.SMTP, "127.0.0.1", port, from_address="loja@exemplo.com.br", **more)  # type: ignore[arg-type]
    return SmtpTransport(connection, LIMITS).bulk(merge())


def check_against(peer: ScriptedSmtp, group: list[Parcel], results: list[ParcelResult]) -> None:
    """What is said of each parcel is what the server knows of it."""
    assert [result.number for result in results] == [parcel.number for parcel in group]
    taken = Counter(address for address, _ in peer.taken)
    assert max(taken.values(), default=0) <= 1
    for parcel, result in zip(group, results, strict=True):
        if result.outcome is ACCEPTED:
            assert taken[parcel.address] == 1
            assert result.error is None
        elif result.outcome is not UNCERTAIN:
            assert taken[parcel.address] == 0, result
            assert result.error is not None


@pytest.mark.parametrize("way", WAYS)
def test_a_group_arrives_whole_each_message_once(way: str) -> None:
    group = parcels(60)
    with ScriptedSmtp(extensions=WAYS[way]) as peer, line_to(peer.port) as line:
        line.open()
        assert line.group_size == {"deep": DEPTH, "paired": 50, "single": 1}[way]
        results = line.hand_over(group) + line.hand_over(parcels(3))
    assert [content for _, content in peer.taken[:60]] == [parcel.data for parcel in group]
    assert {result.outcome for result in results} == {ACCEPTED}
    assert [result.provider_id for result in results[:3]] == ["4F1", "4F2", "4F3"]
    assert results[0].reply == "250 2.0.0 Ok: queued as 4F1"
    assert peer.connections == 1
    assert peer.options[0] == f"SIZE={len(group[0].data)}"
    assert peer.verbs.count("BDAT") == (60 if way == "deep" else 0)
    if way == "single":
        assert peer.most_at_once == 1


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=examples(120), deadline=None)
@given(side=st.sampled_from(["in", "out"]), share=st.floats(0, 1))
def test_dropped_at_any_byte_each_is_taken_once_or_named(way: str, side: str, share: float) -> None:
    group = parcels(9)
    total_in, total_out = sum(len(parcel.data) for parcel in group) + 1_500, 1_700
    at = int(share * (total_in if side == "in" else total_out))
    drops = {"drop_in": at} if side == "in" else {"drop_out": at}
    with ScriptedSmtp(extensions=WAYS[way], **drops) as peer, line_to(peer.port) as line:
        first = line.hand_over(group)
        check_against(peer, group, first)
        uncertain = {result.number for result in first if result.outcome is UNCERTAIN}
        assert len(uncertain) <= (len(group) if way == "deep" else 1)
        again = [parcel for parcel, result in zip(group, first, strict=True) if result.outcome is FAILED]
        results = {result.number: result for result in [*first, *line.hand_over(again)]}
        check_against(peer, group, [results[parcel.number] for parcel in group])
        taken = {address for address, _ in peer.taken}
        assert {parcel.address for parcel in group if parcel.number not in uncertain} <= taken


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", ["RCPT", "DATA", "."])
def test_a_refused_recipient_is_refused_alone(way: str, verb: str) -> None:
    if way == "deep" and verb == "DATA":
        verb = "."
    group = parcels(12)
    refused = [group[index] for index in (0, 4, 5, 11)]
    replies = {(verb, parcel.address): "550 5.1.1 no such user" for parcel in refused}
    with ScriptedSmtp(extensions=WAYS[way], replies=replies) as peer, line_to(peer.port) as line:
        results = line.hand_over(group)
        check_against(peer, group, results)
    assert [result.number for result in results if result.outcome is REFUSED] == [each.number for each in refused]
    assert [result.number for result in results if result.outcome is ACCEPTED] == [
        each.number for each in group if each not in refused
    ]
    error = results[0].error
    assert error is not None
    step = {"RCPT": "recipients", "DATA": "data", ".": "data"}[verb]
    assert (error.code, error.enhanced, error.phase) == (550, "5.1.1", step)
    assert peer.connections == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", ["RCPT", "."])
def test_after_421_nothing_is_uncertain(way: str, verb: str) -> None:
    group = parcels(12)
    replies = {(verb, group[4].address): "421 4.7.0 try again later"}
    with ScriptedSmtp(extensions=WAYS[way], replies=replies) as peer, line_to(peer.port) as line:
        results = line.hand_over(group)
        check_against(peer, group, results)
        assert [result.outcome for result in results] == [*[ACCEPTED] * 4, REFUSED, *[FAILED] * 7]
        assert {result.error.code for result in results[4:] if result.error} == {421}
        # The next group has a connection of its own.
        peer.replies.clear()
        assert {result.outcome for result in line.hand_over(group[4:])} == {ACCEPTED}
    assert peer.connections == 2
    if way == "single":
        assert [result.begun for result in results] == [True] * 5 + [False] * 7


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_takes_so_many_a_connection_gets_as_many_connections(way: str) -> None:
    group = parcels(65)
    with ScriptedSmtp(extensions=WAYS[way], most_messages=15) as peer, line_to(peer.port) as line:
        results = line.hand_over(group)
        check_against(peer, group, results)
        assert {result.outcome for result in results} == {ACCEPTED}
        assert peer.connections == 5
        # It has learnt: no connection is used until it breaks any more.
        assert peer.refused_mail == 1


def test_a_server_that_says_421_and_goes_on_is_believed_message_by_message() -> None:
    group = parcels(12)
    replies = {("RCPT", group[4].address): "421 4.7.0 try again later"}
    with ScriptedSmtp(replies=replies, closes=False) as peer, line_to(peer.port) as line:
        results = line.hand_over(group)
        check_against(peer, group, results)
        assert [result.outcome for result in results] == [*[ACCEPTED] * 4, REFUSED, *[ACCEPTED] * 7]
    # A later end of the connection is no part of that 421.
    with ScriptedSmtp(replies=replies, closes=False) as peer, line_to(peer.port) as line:
        peer.drop_after = 9
        results = line.hand_over(group)
        check_against(peer, group, results)
        assert [result.outcome for result in results] == [*[ACCEPTED] * 4, REFUSED, *[ACCEPTED] * 4, *[UNCERTAIN] * 3]


def test_a_connection_closed_meanwhile_costs_nothing() -> None:
    with ScriptedSmtp() as peer, line_to(peer.port) as line:
        line.open()
        peer.drop_out = peer.written  # its next word is the end of the connection
        line._spoken -= 60  # type: ignore[attr-defined]
        group = parcels(10)
        assert {result.outcome for result in line.hand_over(group)} == {ACCEPTED}
    assert len(peer.taken) == 10
    assert peer.connections == 2


def test_encrypted_and_logged_in_once_and_addresses_outside_ascii() -> None:
    with SmtpPeer(users={"ana": "senha"}, security="starttls") as peer:
        login = {"username": "ana", "secret": SecretStr("senha"), "security": Security.STARTTLS}
        message = merge()
        data = message.write("josé@exemplo.com.br", "", {"nome": "José"}, message_id="<1@x.br>")
        group = [*parcels(2), Parcel(4, "josé@exemplo.com.br", "<1@x.br>", data)]
        with line_to(peer.port, ca_pem=authority_pem(), **login) as line:
            assert {result.outcome for result in line.hand_over(group) + line.hand_over(group)} == {ACCEPTED}
        assert (peer.connections, len(peer.logins)) == (1, 1)
        assert peer.inbox[2].recipients == ["josé@exemplo.com.br"]
        assert "SMTPUTF8" in peer.inbox[2].mail_options
        assert peer.inbox[0].mail_options == [f"SIZE={len(group[0].data)}"]
        # A login that is refused is no refusal of the recipients.
        login["secret"] = SecretStr("errada")
        with line_to(peer.port, ca_pem=authority_pem(), **login) as line:
            results = line.hand_over(group)
            with pytest.raises(TransportError, match="535"):
                line.open()
        assert {(result.outcome, result.begun) for result in results} == {(FAILED, False)}
        assert {result.error.phase for result in results if result.error} == {"auth"}


def test_what_cannot_be_said_is_not_said() -> None:
    good = parcels(1)[0]
    group = [
        replace(good, number=1, data=good.data.replace(b"Subject", b"X: y\nSubject")),
        replace(good, number=2, address="a@x.br> SIZE=1\r\nRCPT TO:<b@x.br"),
        replace(good, number=3, data=good.data.rstrip()),
        replace(good, number=4, address="josé@exemplo.com.br"),
        good,
    ]
    good = replace(good, number=5)
    with ScriptedSmtp(extensions=("PIPELINING",)) as peer, line_to(peer.port) as line:
        results = line.hand_over([*group[:4], good])
    causes = [result.error.cause if result.error else "" for result in results]
    assert causes == [*["message_unwritable"] * 3, "smtputf8_not_offered", ""]
    assert [result.begun for result in results] == [False] * 4 + [True]
    assert [address for address, _ in peer.taken] == [good.address]


def test_a_kind_without_a_line_of_its_own_sends_one_by_one() -> None:
    with SmtpPeer() as peer:
        peer.script["."] = [None, Say("552 5.3.4 too big"), Drop()]
        connection = Connection(Kind.SMTP, "127.0.0.1", peer.port, from_address="loja@exemplo.com.br")
        with OneByOneLine(SmtpTransport(connection, LIMITS), merge()) as line:
            results = line.hand_over(parcels(5))
    assert [result.outcome for result in results] == [ACCEPTED, REFUSED, UNCERTAIN, FAILED, FAILED]
    assert [result.begun for result in results] == [True] * 3 + [False] * 2
    assert [received.recipients for received in peer.inbox] == [["r2@exemplo.com.br"]]


@pytest.mark.parametrize("way", WAYS)
def test_words_that_mean_nothing_are_no_refusal_of_what_is_on_its_way(way: str) -> None:
    """A server that says nonsense to an envelope may take the text all the same, and hang up before it says so."""
    group = parcels(12)
    replies = {("RCPT", group[3].address): "334 go on"}
    with ScriptedSmtp(extensions=WAYS[way], replies=replies, drop_after=4) as peer, line_to(peer.port) as line:
        results = line.hand_over(group)
    taken = {address for address, _ in peer.taken}
    for parcel, result in zip(group, results, strict=True):
        assert parcel.address not in taken or result.outcome in (ACCEPTED, UNCERTAIN)
