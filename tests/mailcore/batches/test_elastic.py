"""Batches through Elastic Email: many a call, and what became of them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event, select, update

from mailcore import Mailcore
from mailcore.batches import pace
from mailcore.batches.new_batch import NewFile
from mailcore.batches.reading import reason_of
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.errors import ValidationError
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.storage.tables import Batch, BatchFollowUp, MailServer, Send
from mailcore.transports.elastic_bulk import AT_ONCE
from mailcore.vocabulary import BatchKind, BatchState, Kind, SuppressionScope, SuppressionSource
from tests.actors import ME
from tests.databases import on_one_database
from tests.mailcore.batches.sending import SENDER, address, assert_accounted_for, started, statuses, work
from tests.peers.elastic_server import Answer, Drop, ElasticPeer

PATH = "/v4/emails"


@pytest.fixture
def peer() -> Iterator[ElasticPeer]:
    with ElasticPeer() as running:
        yield running


@pytest.fixture
def core(settings: Settings, peer: ElasticPeer) -> Iterator[Mailcore]:
    opened = Mailcore(settings.model_copy(update={"elastic_email_url": peer.url}))
    yield opened
    opened.close()


@pytest.fixture
def server(core: Mailcore) -> MailServer:
    draft = ServerDraft(name="Volume", kind=Kind.ELASTIC_EMAIL, from_address=SENDER)
    return core.servers.create(draft, SecretStr("CHAVE-DE-TESTE"), actor=ME).server


def delivered(peer: ElasticPeer) -> list[str]:
    return [each["to"] for each in peer.merged]


def a_minute_passes(core: Mailcore) -> None:
    with core.database.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(BatchFollowUp).values(next_at=past))
        session.execute(update(Batch).where(Batch.waits_until.is_not(None)).values(waits_until=past))


def test_a_thousand_go_in_a_call_and_its_failures_are_asked_for(
    core: Mailcore, server: MailServer, peer: ElasticPeer
) -> None:
    gone = {"Category": "NoMailbox", "Error": "550 5.1.1 no such user", "ErrorCode": 550}
    peer.failures = {address(7): gone, address(9): {"Category": "Spam", "Error": "554 spam", "ErrorCode": 554}}
    batch = started(core, server, 1_200)
    work(core)
    assert core.batches.get(batch.id).sent == 1_200
    assert max(len(body["Recipients"]) for body in peer.inbox) == 1_000
    assert {(each["to"], each["subject"]) for each in peer.merged} == {
        (address(number), f"Oi Fulano {number}") for number in range(1_200)
    }
    assert_accounted_for(core, batch.id, delivered(peer))
    assert not core.batches._following.is_due()
    a_minute_passes(core)
    core.batches._following.look()
    ended = core.batches.get(batch.id)
    assert (ended.sent, ended.refused) == (1_198, 2)
    found = statuses(core, batch)
    assert [found[address(number)] for number in (7, 8, 9)] == ["refused", "accepted", "refused"]
    # Who has no mailbox is left out from now on; who thought it spam is not.
    assert [each.address for each in core.suppressions.search().suppressions] == [address(7)]
    with core.database.read() as session:
        assert session.scalars(select(BatchFollowUp)).all() == []
        told = session.scalars(select(Send).where(Send.follow_failures != "")).all()
        assert sorted(send.recipients for send in told) == [address(7), address(9)]
        assert {send.follow_state for send in session.scalars(select(Send))} == {"complete"}
    assert core.quotas()[0].used == 1_200  # the service took them, and counts them


def test_who_unsubscribes_at_the_service_gets_no_more_divulgacao(
    core: Mailcore, server: MailServer, peer: ElasticPeer
) -> None:
    peer.unsubscribed = {address(0)}
    batch = started(core, server, 4, kind=BatchKind.MARKETING)
    work(core)
    a_minute_passes(core)
    core.batches._following.look()
    # Days later, when every message has long arrived.
    peer.unsubscribed |= {address(1), "1000"}
    peer.complained = {address(2)}
    a_minute_passes(core)
    core.batches._following.look()
    listed = core.suppressions.search().suppressions
    assert {each.address for each in listed} == {address(0), address(1), address(2)}
    assert {(each.scope, each.source) for each in listed} == {
        (SuppressionScope.MARKETING, SuppressionSource.UNSUBSCRIBED)
    }
    assert core.batches.get(batch.id).sent == 4  # they have it, all the same
    later = started(core, server, 4, kind=BatchKind.MARKETING)
    work(core)
    assert (core.batches.get(later.id).sent, core.batches.get(later.id).suppressed) == (1, 3)
    invoices = started(core, server, 4)
    work(core)
    assert core.batches.get(invoices.id).sent == 4
    # Invoices are asked about until they have an end, and Divulgação for two weeks.
    with core.database.read() as session:
        assert {each.batch_id for each in session.scalars(select(BatchFollowUp))} >= {batch.id, later.id}
    with core.database.write() as session:
        session.execute(update(BatchFollowUp).values(since=datetime.now(UTC) - timedelta(days=15)))
    a_minute_passes(core)
    core.batches._following.look()
    with core.database.read() as session:
        assert session.scalars(select(BatchFollowUp)).all() == []


def test_nobody_is_asked_of_a_server_that_is_gone(core: Mailcore, server: MailServer) -> None:
    started(core, server, 2, kind=BatchKind.MARKETING)
    work(core)
    core.servers.delete(server.id, actor=ME)
    a_minute_passes(core)
    core.batches._following.look()
    with core.database.read() as session:
        assert session.scalars(select(BatchFollowUp)).all() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # whose plans are read
def test_a_look_at_a_group_does_not_go_through_its_whole_batch(
    core: Mailcore, server: MailServer, peer: ElasticPeer
) -> None:
    peer.failures = {address(2): {"Category": "NoMailbox", "Error": "550 5.1.1", "ErrorCode": 550}}
    started(core, server, 4)
    work(core)
    a_minute_passes(core)
    plans: list[str] = []

    def explain(_: Any, cursor: Any, statement: str, values: Any, *__: Any) -> None:
        if "send" in statement or "batch_recipient" in statement:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(row[3] for row in cursor.fetchall())

    event.listen(core.database.engine, "before_cursor_execute", explain)
    core.batches._following.look()
    event.remove(core.database.engine, "before_cursor_execute", explain)
    assert len(plans) >= 4
    assert not [step for step in plans if "SCAN" in step or step.endswith("(batch_id=?)")], plans


def test_a_lost_answer_is_uncertain_and_a_refused_call_is_not(
    core: Mailcore, server: MailServer, peer: ElasticPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "FIRST_PAUSE", timedelta(milliseconds=5))
    peer.script[PATH] = [Answer(400, {"Error": "Sender is not verified"})]
    batch = started(core, server, 3)
    work(core)
    first = core.batches.get(batch.id)
    assert first.sent == first.uncertain == 0
    assert_accounted_for(core, batch.id, [])
    peer.script[PATH] = [Drop()]
    second = started(core, server, 3)
    work(core)
    assert core.batches.get(second.id).uncertain == 3
    core.batches.retry(second.id, uncertain=True, actor=ME)
    work(core)
    ended = core.batches.get(second.id)
    assert (ended.state, ended.sent, ended.uncertain) == (BatchState.DONE, 3, 0)
    with core.database.read() as session:
        rows = session.scalars(select(Send).where(Send.batch_id == second.id)).all()
    # The uncertain try stays counted: nobody knows whether they have it already.
    assert sorted(send.status.value for send in rows) == ["accepted"] * 3 + ["uncertain"] * 3


@on_one_database
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(400, {"Error": "APIKey Expired"}), BatchState.PAUSED),
        (Answer(412, {"Error": "You have reached your daily sending limit"}), BatchState.WAITING),
    ],
)
def test_what_the_service_says_of_the_account_stops_it(
    core: Mailcore, server: MailServer, peer: ElasticPeer, answer: Any, state: BatchState
) -> None:
    peer.script[PATH] = [answer]
    batch = started(core, server, 5)
    work(core)
    ended = core.batches.get(batch.id)
    assert (ended.state, ended.pending) == (state, 5)
    assert reason_of(ended) is not None
    assert_accounted_for(core, batch.id, [])


@on_one_database
def test_with_a_file_for_each_no_more_are_on_their_way_than_calls(
    core: Mailcore, server: MailServer, peer: ElasticPeer
) -> None:
    """A call each: a group of thousands would go on for minutes after somebody said stop."""
    names = [f"{number}.pdf" for number in range(12)]
    table = "email,fatura\n" + "".join(f"{address(number)},{name}\n" for number, name in enumerate(names))
    files = [NewFile(name, b"%PDF", for_all=False) for name in names]
    options = {"recipients": RecipientsFile(table), "subject": "Fatura", "attachments": files, "file_column": "fatura"}
    batch = started(core, server, **options)
    answer = peer.answer

    def stop(request: Any) -> Answer:
        if core.batches.get(batch.id).state is BatchState.RUNNING:
            with suppress(ValidationError):  # another call was first
                core.batches.pause(batch.id, actor=ME)
        return answer(request)

    peer.answer = stop  # type: ignore[method-assign]
    work(core)
    ended = core.batches.get(batch.id)
    assert (ended.state, ended.sent, ended.pending) == (BatchState.PAUSED, AT_ONCE, 12 - AT_ONCE)
    assert_accounted_for(core, batch.id, delivered(peer))
