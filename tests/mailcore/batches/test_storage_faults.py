"""The database fails, or the clock is set back, under a batch: it goes on by itself, nobody twice, nobody lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mailcore import Mailcore
from mailcore.batches import groups, leases, pausing, queue, verdicts, worker
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.errors import StorageError
from mailcore.settings import Settings
from mailcore.storage.tables import Batch
from mailcore.vocabulary import BatchState
from tests.faults import full_disk, server_away, standby, watched
from tests.mailcore.batches.sending import (
    PASSWORD,
    SENDER,
    assert_accounted_for,
    at_peer,
    started,
    work,
    work_with_threads,
)
from tests.peers.smtp_server import Received, Say, SmtpPeer
from tests.postgres import own_cluster
from tests.properties import IS_THOROUGH


class Inbox(list[Received]):
    """What a peer took; does something once, at a certain message."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._at, self._act = at, act

    def append(self, message: Received) -> None:
        super().append(message)
        if len(self) == self._at:
            self._act()


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    with SmtpPeer(users={SENDER: PASSWORD}) as running:
        yield running


def batch_of(core: Mailcore, peer: SmtpPeer, name: str, size: int) -> Batch:
    """A batch through an account of its own."""
    user = f"{name}@exemplo.com.br"
    peer.users[user] = PASSWORD
    server = at_peer(core, peer, name, username=user, from_address=user)
    people = "\n".join(f"{name}-{number}@outro.example" for number in range(size))
    return started(core, server, recipients=RecipientsFile(people), subject="Oi", name=name)


def delivered(peer: SmtpPeer, batch: Batch) -> list[str]:
    return [each.recipients[0] for each in peer.inbox if each.recipients[0].startswith(f"{batch.name}-")]


def test_at_every_moment_of_a_batch(core: Mailcore, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    turn, stopped, waited, uncertain = groups.Groups.turn, 0, 0, 0
    monkeypatch.setattr(worker, "_FIRST_WAIT", 0.001)
    held = core.batches._leases._held
    monkeypatch.setattr(leases, "is_gone", lambda owner: owner not in {lease.owner for lease in held})

    causes = (full_disk,) if core.database.is_sqlite else (server_away, standby) if IS_THOROUGH else (server_away,)
    for cause in causes:
        with watched(core.database) as moments:

            def until_it_is_back(this: Any, lease: Any, batch: int, server: Any, done: Any, **more: Any) -> Any:
                nonlocal waited
                try:
                    return turn(this, lease, batch, server, done, **more)
                except StorageError:
                    if done is not None:
                        waited += 1
                        moments.mend()
                    raise

            monkeypatch.setattr(groups.Groups, "turn", until_it_is_back)
            for number in count(1, 1 if IS_THOROUGH else 16):
                batch = batch_of(core, peer, f"{cause.__name__}{number}", 3)
                with moments.breaking(number, cause):
                    try:
                        work(core)
                    except StorageError:
                        stopped += 1
                work(core)
                ended = core.batches.get(batch.id)
                assert (ended.state, ended.pending) == (BatchState.DONE, 0)
                assert_accounted_for(core, batch.id, delivered(peer, batch))
                assert ended.sent + ended.uncertain == 3
                uncertain += ended.uncertain
                if moments.passed < number:
                    break
    assert stopped, "no fault came before anything was reserved"
    assert waited, "none came with messages on their way"
    assert uncertain == 0, "the database was away, the worker was not"


def test_a_restart_of_postgresql_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the program's own threads, queue and watch; only how long they wait is shorter."""
    for module in (leases, groups):
        monkeypatch.setattr(module, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(queue, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(queue, "LOOK_SECONDS", 0.2)
    with own_cluster() as (url, restart), SmtpPeer(users={SENDER: PASSWORD}) as peer:
        peer.inbox = Inbox(5, restart)
        with Mailcore(Settings(database_url=url, data_dir=tmp_path, keyring="database")) as core:
            batch = started(core, at_peer(core, peer), 40)
            work_with_threads(core)
            ended = core.batches.get(batch.id)
            assert (ended.state, ended.pending) == (BatchState.DONE, 0)
            assert ended.sent + ended.uncertain == 40
            assert_accounted_for(core, batch.id, [each.recipients[0] for each in peer.inbox])


CLOCKS = (groups, leases, pausing)
"""Modules that ask what time it is while a batch is sent."""


def test_a_clock_that_is_set_back_a_day(core: Mailcore, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put off for seconds does not wait for the day to pass again, and a dead one's lease does not live on."""
    ahead = timedelta(days=1)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + ahead

    for module in CLOCKS:
        monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(verdicts, "_FIRST_DELAY", timedelta(minutes=5))

    # One has to be tried again later, then all are to pause: by the clock of tomorrow.
    grey = Say("450 4.2.0 greylisted")
    peer.script["RCPT"] = [grey, grey, None, Say("421 4.7.0 slow down", then_drop=True)]
    waiting = batch_of(core, peer, "espera", 1)
    assert core.batches._worker.work()
    assert core.batches.get(waiting.id).state is BatchState.WAITING
    batch = started(core, at_peer(core, peer), 8)
    assert core.batches._worker.work()
    assert not core.batches._worker.work(), "it pauses"
    if core.database.is_sqlite:  # elsewhere a lease goes by the clock of PostgreSQL
        lost = core.batches._leases.acquire(batch.account_key)
        assert lost is not None
        core.batches._leases.abandon(lost)
    ahead = timedelta(0)
    consumer = core.batches.consumer(1)
    for _ in range(6):
        consumer.look(closely=False)
        core.batches._worker.work()
    for each in (waiting, batch):
        ended = core.batches.get(each.id)
        assert (ended.state, ended.sent) == (BatchState.DONE, each.total)
    assert len(peer.inbox) == len({each.recipients[0] for each in peer.inbox}) == 9
