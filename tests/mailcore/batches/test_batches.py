"""A batch from its start to its end, against a real SMTP server that misbehaves."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text, update

from mailcore import Mailcore
from mailcore.batches import groups, pace, verdicts, worker
from mailcore.batches.new_batch import NewFile
from mailcore.batches.reading import reason_of
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.errors import NotFoundError, StorageError, ValidationError
from mailcore.registry.drafts import draft_of
from mailcore.sending.ledger import purge
from mailcore.storage.tables import Batch, BatchRecipient, Send
from mailcore.vocabulary import BatchKind, BatchState, RecipientStatus
from tests.actors import ME
from tests.databases import first_row_on_both, on_one_database
from tests.mailcore.batches.sending import (
    PASSWORD,
    SENDER,
    address,
    assert_accounted_for,
    at_peer,
    new_batch,
    started,
    statuses,
    work,
    work_with_threads,
)
from tests.peers.smtp_server import Drop, Received, Say, SmtpPeer

UNKNOWN = Say("550 5.1.1 <x>: Recipient address rejected: User unknown in virtual mailbox table")


class Inbox(list[Received]):
    """What a peer took; calls somebody after each message."""

    def __init__(self, then: Callable[[int], object]) -> None:
        super().__init__()
        self._then = then

    def append(self, message: Received) -> None:
        super().append(message)
        self._then(len(self))


@pytest.fixture
def peer() -> Any:
    with SmtpPeer(users={SENDER: PASSWORD}) as running:
        yield running


def delivered(peer: SmtpPeer) -> list[str]:
    return [message.recipients[0] for message in peer.inbox]


def now(core: Mailcore, batch: Batch) -> Batch:
    return core.batches.get(batch.id)


def test_a_batch_goes_out_by_the_threads_and_the_queue(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    batch = started(core, server, 50, html="<p>Olá {{nome}}</p>", text="")
    work_with_threads(core)
    batch = now(core, batch)
    assert (batch.state, batch.sent, batch.pending) == (BatchState.DONE, 50, 0)
    assert sorted(delivered(peer)) == sorted(address(number) for number in range(50))
    assert_accounted_for(core, batch.id, delivered(peer))
    message = next(each.message for each in peer.inbox if each.recipients == [address(7)])
    assert (message["Subject"], message["To"]) == ("Oi Fulano 7", f"Fulano 7 <{address(7)}>")
    assert "<p>Olá Fulano 7</p>" in message.get_body(("html",)).get_content()
    assert core.quotas()[0].used == 50
    # Who did what to how many is in the trail.
    trail = [(change.field, json.loads(change.after)) for change in core.trail.read().changes if change.after]
    assert trail[:2] == [("batch_started", "1 “Oi {{nome}}”: 50"), ("batch_created", "1 “Oi {{nome}}”: 50")]


def test_out_of_quota_it_sleeps_until_the_window_frees_or_the_limit_is_raised(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer, daily_limit=6)
    batch = started(core, server, 10)
    now_and_later = core.batches.forecast(batch.id)
    assert [freed.units for freed in now_and_later] == [6, 4]
    work(core)
    batch = now(core, batch)
    assert (batch.state, batch.sent, batch.pending) == (BatchState.WAITING, 6, 4)
    reason = reason_of(batch)
    assert reason is not None
    assert (reason.code, reason.title) == ("quota_full", "A cota desta conta acabou por agora, e o lote espera.")
    assert batch.waits_until is not None
    assert not batch.waits_for_its_hour
    assert timedelta(hours=23) < batch.waits_until - datetime.now(UTC) <= timedelta(hours=24)
    consumer = core.batches.consumer(1)
    consumer.look(closely=True)
    assert now(core, batch).state is BatchState.WAITING
    draft = draft_of(server)
    core.servers.update(server, type(draft)(**{**vars_of(draft), "daily_limit": 9}), actor=ME)
    consumer.look(closely=True)
    assert now(core, batch).state is BatchState.RUNNING
    work(core)
    assert (now(core, batch).state, now(core, batch).sent) == (BatchState.WAITING, 9)
    assert_accounted_for(core, batch.id, delivered(peer))


def vars_of(draft: Any) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in draft.__dataclass_fields__}


def test_who_has_no_mailbox_is_left_out_of_the_next_batch(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    peer.script["RCPT"] = [None, UNKNOWN]
    batch = started(core, server, 4)
    work(core)
    assert statuses(core, batch)[address(1)] == "refused"
    refused = core.batches.recipients(batch.id, status=RecipientStatus.REFUSED).recipients
    assert "User unknown" in refused[0].reply
    found = core.suppressions.search().suppressions
    assert [(each.address, each.source.value) for each in found] == [(address(1), "refusal")]
    again = started(core, server, 4)
    assert (again.suppressed, again.pending) == (1, 3)
    # A person may undo it, and try again those that failed: nobody else gets it twice.
    core.suppressions.remove(address(1).upper(), actor=ME)
    core.batches.retry(batch.id, failed=True, actor=ME)
    core.batches.cancel(again.id, actor=ME)
    work(core)
    assert now(core, batch).sent == 4
    assert_accounted_for(core, batch.id, delivered(peer))
    with pytest.raises(NotFoundError, match="não está na lista"):
        core.suppressions.remove(address(1), actor=ME)


def test_a_refused_password_is_tried_once(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    peer.users[SENDER] = "outra"
    batch = started(core, server)
    work(core)
    batch = now(core, batch)
    assert (batch.state, batch.pending, len(peer.logins)) == (BatchState.PAUSED, 5, 1)
    reason = reason_of(batch)
    assert reason is not None
    assert (reason.category, reason.field) == ("auth", "secret")
    assert_accounted_for(core, batch.id, [])
    core.servers.update(server, draft_of(server), SecretStr("outra"), actor=ME)
    core.batches.resume(batch.id, actor=ME)
    work(core)
    assert now(core, batch).state is BatchState.DONE
    assert_accounted_for(core, batch.id, delivered(peer))


def test_a_refusal_for_quota_waits_for_the_end_of_the_hold(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    peer.script["RCPT"] = [None, None, Say("550 5.4.5 Daily user sending limit exceeded")]
    batch = started(core, server, 6)
    work(core)
    batch = now(core, batch)
    reason = reason_of(batch)
    assert reason is not None
    assert (batch.state, reason.code, batch.sent) == (BatchState.WAITING, "account_on_hold", len(peer.inbox))
    assert batch.sent + batch.pending == 6
    assert core.quotas()[0].hold is not None
    assert core.quotas()[0].hold.held_until == batch.waits_until
    core.lift_hold(server, actor=ME)
    core.batches.consumer(1).look(closely=True)
    work(core)
    assert now(core, batch).state is BatchState.DONE
    assert_accounted_for(core, batch.id, delivered(peer))


@on_one_database
@pytest.mark.parametrize("action", [Say("421 4.7.0 Too many messages, slow down", then_drop=True), Drop()])
@pytest.mark.parametrize("moment", ["GREETING", "MAIL", "RCPT"])
def test_too_much_at_once_is_tried_again_after_a_second(
    core: Mailcore, peer: SmtpPeer, moment: str, action: Say | Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_FIRST_DELAY", timedelta(milliseconds=20))
    monkeypatch.setattr(pace, "FIRST_PAUSE", timedelta(milliseconds=10))
    server = at_peer(core, peer)
    peer.script[moment] = [None, None, action]
    batch = started(core, server, 6)
    work(core)
    assert now(core, batch).state is BatchState.DONE
    assert now(core, batch).sent == 6
    assert_accounted_for(core, batch.id, delivered(peer))


def test_a_recipient_refused_for_now_is_tried_again_and_the_others_do_not_wait(
    core: Mailcore, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_FIRST_DELAY", timedelta(hours=1))
    monkeypatch.setattr(verdicts, "MOST_TRIES", 2)
    server = at_peer(core, peer)
    grey = Say("450 4.2.0 Greylisted, try again later")
    peer.script["RCPT"] = [grey, grey]
    batch = started(core, server, 5)
    work(core)
    waiting = now(core, batch)
    assert (waiting.state, waiting.sent, waiting.pending) == (BatchState.WAITING, 3, 2)
    assert waiting.waits_until == waiting.retry_at
    assert_accounted_for(core, batch.id, delivered(peer))
    an_hour_passes(core, batch)
    peer.script["RCPT"] = [None, grey]
    work(core)
    # The second one was refused twice, and that is enough.
    assert now(core, batch).state is BatchState.DONE
    assert [statuses(core, batch)[address(number)] for number in (0, 1)] == ["accepted", "refused"]
    assert_accounted_for(core, batch.id, delivered(peer))


def an_hour_passes(core: Mailcore, batch: Batch) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    with core.database.write() as session:
        session.execute(update(Batch).where(Batch.id == batch.id).values(retry_at=past, waits_until=past))
        deferred = BatchRecipient.batch_id == batch.id, BatchRecipient.next_at.is_not(None)
        session.execute(update(BatchRecipient).where(*deferred).values(next_at=past))
    core.batches.consumer(1).look(closely=False)


def test_too_many_refusals_pause_it_and_a_person_may_let_it_go_on(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    peer.script["RCPT"] = Say("550 5.7.1 We do not accept mail from you")
    batch = started(core, server, 140, refusal_share=20)
    work(core)
    batch = now(core, batch)
    reason = reason_of(batch)
    assert reason is not None
    assert (batch.state, reason.code) == (BatchState.PAUSED, "batch_refusals")
    assert 70 <= batch.refused < 100
    peer.script.clear()
    core.batches.resume(batch.id, actor=ME)
    work(core)
    assert (now(core, batch).state, now(core, batch).sent) == (BatchState.DONE, 140 - batch.refused)
    assert_accounted_for(core, batch.id, delivered(peer))


def _deactivate(core: Mailcore, server: Any) -> None:
    core.servers.set_active([server.id], is_active=False, actor=ME)


def _delete(core: Mailcore, server: Any) -> None:
    core.servers.delete(server.id, actor=ME)


def _change(core: Mailcore, server: Any) -> None:
    draft = vars_of(draft_of(server)) | {"from_address": "outra@exemplo.com.br"}
    core.servers.update(server, type(draft_of(server))(**draft), actor=ME)


@first_row_on_both(
    ("act", "code"), [(_deactivate, "inactive"), (_delete, "server_gone"), (_change, "batch_server_changed")]
)
def test_a_server_that_changes_in_the_middle_stops_it_with_a_sentence(
    core: Mailcore, peer: SmtpPeer, act: Callable[[Mailcore, Any], None], code: str
) -> None:
    server = at_peer(core, peer)
    peer.inbox = Inbox(lambda count: act(core, server) if count == 3 else None)
    batch = started(core, server, 60)
    work(core)
    batch = now(core, batch)
    reason = reason_of(batch)
    assert reason is not None
    assert (batch.state, reason.code) == (BatchState.PAUSED, code)
    assert "nada foi enviado" not in reason.title  # three were
    assert 3 <= batch.sent < 60
    assert_accounted_for(core, batch.id, delivered(peer))


def test_pausing_and_cancelling_stop_within_what_is_in_flight(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    batch = started(core, server, 60)
    peer.inbox = Inbox(lambda count: core.batches.pause(batch.id, actor=ME) if count == 3 else None)
    work(core)
    paused = now(core, batch)
    assert paused.state is BatchState.PAUSED
    assert paused.sent == len(peer.inbox) < 20
    assert_accounted_for(core, batch.id, delivered(peer))
    core.batches.resume(batch.id, actor=ME)
    core.batches.cancel(batch.id, actor=ME)
    work(core)
    assert (now(core, batch).state, now(core, batch).sent) == (BatchState.CANCELLED, paused.sent)
    for act in (core.batches.pause, core.batches.resume, core.batches.cancel, core.batches.start):
        with pytest.raises(ValidationError, match=r"Estado: não dá para .* um lote cancelado"):
            act(batch.id, actor=ME)


def test_one_set_for_later_waits_and_says_so(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    later = datetime.now(UTC) + timedelta(hours=2)
    batch = started(core, server, 3, starts_at=later)
    assert (batch.state, batch.waits_until, batch.waits_for_its_hour) == (BatchState.WAITING, later, True)
    with core.database.read() as session:
        assert session.scalars(select(Batch.id).where(Batch.waits_for_its_hour)).all() == [batch.id]
    assert [(freed.at, freed.units) for freed in core.batches.forecast(batch.id)] == [(later, 3)]
    work(core)
    core.batches.consumer(1).look(closely=True)
    assert now(core, batch).state is BatchState.WAITING
    core.batches.cancel(batch.id, actor=ME)
    soon = started(core, server, 3, starts_at=datetime.now(UTC) + timedelta(milliseconds=300))
    work_with_threads_until_done(core, soon)
    assert len(peer.inbox) == 3


def work_with_threads_until_done(core: Mailcore, batch: Batch) -> None:
    consumer = core.batches.consumer(1)
    while now(core, batch).state is BatchState.WAITING:
        consumer.look(closely=False)
    work(core)


def test_what_was_paused_by_a_hold_goes_on_when_a_person_lifts_it(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    for number in range(3):
        peer.users[SENDER] = "outra"
        started(core, server, 1, name=str(number))
        work(core)
    peer.users[SENDER] = PASSWORD
    batch = started(core, server, 2)
    work(core)
    reason = reason_of(now(core, batch))
    assert reason is not None
    assert (now(core, batch).state, reason.code) == (BatchState.PAUSED, "account_paused")
    core.lift_hold(server, actor=ME)
    core.batches.consumer(1).look(closely=True)
    work(core)
    assert now(core, batch).state is BatchState.DONE
    assert [each.state for each in core.batches.find().batches[1:]] == [BatchState.PAUSED] * 3


def test_files_for_all_and_one_for_each(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    table = "email,fatura\na@x.com,Fatura 1.pdf\nb@x.com,\n"
    files = [
        NewFile("termos.txt", b"termos"),
        NewFile("fatura 1.PDF", b"%PDF-1", for_all=False),
        NewFile("fatura 2.PDF", b"%PDF-2", for_all=False),
    ]
    options = {"attachments": files, "file_column": "fatura", "subject": "x"}
    started(core, server, recipients=RecipientsFile(table), kind=BatchKind.MARKETING, **options)
    work(core)
    attached = {
        message.recipients[0]: [
            (part.get_filename(), part.get_content()) for part in message.message.iter_attachments()
        ]
        for message in peer.inbox
    }
    assert attached == {
        "a@x.com": [("termos.txt", "termos"), ("fatura 1.PDF", b"%PDF-1")],
        "b@x.com": [("termos.txt", "termos")],
    }
    assert peer.inbox[0].message["List-Unsubscribe"] == f"<mailto:{SENDER}?subject=descadastrar%20a@x.com>"


def test_a_batch_of_one_account_does_not_wait_for_that_of_another(core: Mailcore, peer: SmtpPeer) -> None:
    dead = at_peer(core, peer, "Morta", host="127.0.0.1", port=1, username="x@exemplo.com.br")
    stuck = started(core, dead, 3)
    batch = started(core, at_peer(core, peer), 3)
    assert core.batches._worker.work()
    assert core.batches._worker.work()
    assert now(core, batch).state is BatchState.DONE
    assert (now(core, stuck).sent, now(core, stuck).pending) == (0, 3)
    assert_accounted_for(core, stuck.id, [])


def test_an_unknown_field_stops_it_before_it_starts(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    with pytest.raises(ValidationError, match=r"\{\{cidade\}\}"):
        started(core, server, subject="Oi {{cidade}}")
    with pytest.raises(ValidationError, match="Assunto"):
        started(core, server, subject="")
    with pytest.raises(ValidationError, match="Parar com recusas acima de: use um número de 1 a 100"):
        started(core, server, refusal_share=0)
    assert core.batches.find().matching == 0
    draft = core.batches.create(new_batch(server), actor=ME)
    to, seen = core.batches.preview(draft.id, 4)
    assert (to, seen.subject, seen.text) == (address(2), "Oi Fulano 2", "Olá")
    with pytest.raises(ValidationError, match="Linha: não há destinatário na linha 1"):
        core.batches.preview(draft.id, 1)


def test_the_queue_holds_json_and_nothing_of_a_batch(core: Mailcore, peer: SmtpPeer) -> None:
    started(core, at_peer(core, peer))
    if core.database.file is not None:
        with sqlite3.connect(core.database.file.with_name("mailcore-queue.db")) as queue:
            ((data,),) = queue.execute("SELECT data FROM task").fetchall()
    else:
        with core.database.read() as session:
            data = session.scalars(text("SELECT data FROM huey_task")).one()
    message = json.loads(bytes(data))
    assert (message[1].rpartition(".")[2], message[6], message[7]) == ("serve", [], {})


def test_an_outcome_waits_for_a_database_that_does_not_answer(
    core: Mailcore, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, down = groups.Groups.turn, [4]

    def sometimes(this: Any, lease: Any, number: int, server: Any, done: Any, **more: Any) -> Any:
        if done is not None and down[0]:
            down[0] -= 1
            if down[0] == 2:  # it was written, and the answer that says so was lost
                turn(this, lease, number, server, done, **more)
            raise StorageError("o banco não respondeu")
        return turn(this, lease, number, server, done, **more)

    monkeypatch.setattr(groups.Groups, "turn", sometimes)
    monkeypatch.setattr(worker, "_FIRST_WAIT", 0.001)
    batch = started(core, at_peer(core, peer), 4)
    work(core)
    ended = now(core, batch)
    # The group that was reserved in the transaction whose end nobody heard of was never sent; that, nobody knows.
    assert (ended.state, ended.sent, ended.uncertain) == (BatchState.DONE, 3, 1)
    assert_accounted_for(core, batch.id, delivered(peer))


def test_ended_batches_go_with_their_rows_of_the_ledger(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    old, older = started(core, server, 2), started(core, server, 2)
    work(core)
    long_ago = datetime.now(UTC) - timedelta(days=500)
    with core.database.write() as session:
        session.execute(update(Batch).values(finished_at=long_ago))
        session.execute(update(Send).where(Send.batch_id == older.id).values(at=long_ago))
    core.batches.consumer(1).look(closely=True)
    assert core.batches.find().matching == 2
    purge(core.database, core.settings.retention_days)
    core.batches.consumer(1).look(closely=True)
    assert [batch.id for batch in core.batches.find().batches] == [old.id]
    with core.database.read() as session:
        assert {row.batch_id for row in session.scalars(select(BatchRecipient))} == {old.id}
