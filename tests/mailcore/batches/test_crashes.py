"""A process may die at any point of a batch: nobody gets a message twice, and nobody is lost (invariant 11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as configured
from hypothesis import strategies as st
from pydantic import SecretStr

import mailcore.batches.leases as leases
import mailcore.batches.pace as pace
import mailcore.batches.verdicts as verdicts
import mailcore.batches.worker as worker
from mailcore import Mailcore
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.storage.tables import AccountLease, Batch, MailServer
from mailcore.transports import elastic_bulk
from mailcore.vocabulary import BatchState, Kind
from tests.actors import ME
from tests.mailcore.batches.sending import PASSWORD, assert_accounted_for, at_peer, work
from tests.peers import elastic_server as elastic
from tests.peers.smtp_server import Action, Drop, Say, SmtpPeer
from tests.properties import examples

_numbers = count(1)

POINTS = ("before the group is reserved", "before it leaves", "while it leaves", "before it is settled")
REFUSED, FULL, TOO_FAST = Say("550 5.7.1 no"), Say("452 4.2.2 full"), Say("421 4.7.0 slow down", then_drop=True)


class Killed(BaseException):
    """The process is gone at this point: nothing of its own runs any more."""


class Lives:
    """Lets the worker die where it is told to, and another one take up what is left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dead: set[str] = set()
        self._next: tuple[str, int] = ("", 0)
        """Where the next death is, and after how many passes (or, while it leaves, how many parcels)."""
        monkeypatch.setattr(leases, "is_gone", lambda owner: owner in self.dead)
        monkeypatch.setattr(pace, "FIRST_PAUSE", timedelta(milliseconds=2))
        monkeypatch.setattr(verdicts, "_FIRST_DELAY", timedelta(milliseconds=2))
        turn, begin = worker.Worker.turn, worker._Sending.__init__

        def dying_turn(this: Any, lease: Any, batch_id: int, server: Any, done: Any, most: int) -> Any:
            self._pass("before it is settled" if done is not None else "before the group is reserved")
            found = turn(this, lease, batch_id, server, done, most)
            if found.group is not None:
                self._pass("before it leaves")
            return found

        def begin_with_a_line_that_dies(this: Any, *args: Any) -> None:
            begin(this, *args)
            this._line.hand_over = self._dying(this._line.hand_over)

        monkeypatch.setattr(worker.Worker, "turn", dying_turn)
        monkeypatch.setattr(worker._Sending, "__init__", begin_with_a_line_that_dies)

    def live(self, core: Mailcore, point: str, after: int) -> None:
        """Do the work until the process dies at this point, or all is done."""
        self._next = (point, after)
        try:
            work(core)
        except Killed:
            with core.database.read() as session:
                self.dead |= {lease.owner for lease in session.query(AccountLease)}
            core.batches._leases._held.clear()
        self._next = ("", 0)

    def _pass(self, point: str) -> None:
        if self._next[0] == point:
            self._next = (point, self._next[1] - 1)
            if self._next[1] < 0:
                raise Killed

    def _dying(self, hand_over: Callable[..., Any]) -> Callable[..., Any]:
        def first_few(parcels: Sequence[Any]) -> Any:
            if self._next[0] != "while it leaves":
                return hand_over(parcels)
            if parcels[: self._next[1]]:
                hand_over(parcels[: self._next[1]])
            raise Killed

        return first_few


def begun(core: Mailcore, server: MailServer, number: int, size: int) -> Batch:
    people = "\n".join(f"b{number}p{each}@outro.example" for each in range(size))
    new = NewBatch(server_id=server.id, recipients=RecipientsFile(people), subject="Oi", text="Olá")
    return core.batches.create(new, start=True, actor=ME)


def assert_ended(core: Mailcore, batch: Batch) -> None:
    """What waits for quota or a provider's words is not to be waited for; all else has an end."""
    ended = core.batches.get(batch.id)
    assert ended.state in (BatchState.DONE, BatchState.WAITING, BatchState.PAUSED)
    if ended.state is BatchState.DONE:
        assert not ended.pending


with_any_fate = configured(
    max_examples=examples(12),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@pytest.fixture
def peer() -> Any:
    with SmtpPeer(users={"nobody": ""}) as running:
        yield running


@given(
    size=st.integers(1, 14),
    deaths=st.lists(st.tuples(st.sampled_from(POINTS), st.integers(0, 3)), max_size=4),
    rcpt=st.lists(st.sampled_from([None, None, REFUSED, FULL, TOO_FAST, Drop()]), max_size=8),
    dot=st.lists(st.sampled_from([None, None, Say("554 5.6.0 no"), TOO_FAST, Drop()]), max_size=6),
    limit=st.sampled_from([None, None, 6]),
)
@with_any_fate
def test_whatever_dies_each_gets_it_once_or_is_named_uncertain(
    core: Mailcore,
    peer: SmtpPeer,
    size: int,
    deaths: list[tuple[str, int]],
    rcpt: list[Action | None],
    dot: list[Action | None],
    limit: int | None,
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        lives = Lives(patched)
        number = next(_numbers)
        user = f"u{number}@exemplo.com.br"
        peer.users[user] = PASSWORD
        server = at_peer(core, peer, f"S{number}", username=user, from_address=user, daily_limit=limit)
        batch = begun(core, server, number, size)
        peer.script |= {"RCPT": list(rcpt), ".": list(dot)}
        for point, after in deaths:
            lives.live(core, point, after)
            check(core, batch, [each.recipients[0] for each in peer.inbox], number)
        lives.live(core, "", 0)
        assert_ended(core, batch)
        check(core, batch, [each.recipients[0] for each in peer.inbox], number)


LOST = [elastic.Drop(), elastic.Drop(after_reading=False), elastic.Answer(500, "<html>oops")]
REFUSALS = [
    elastic.Answer(400, {"Error": "Sender is not verified"}),
    elastic.Answer(412, {"Error": "You have reached your daily sending limit"}),
    elastic.Answer(413, {"Error": "You cannot provide more than 2 recipients"}),
    elastic.Answer(429, {"Error": "Too many requests"}),
    elastic.Answer(503, {"Error": "later"}, {"Retry-After": "0"}),
]


@pytest.fixture
def service() -> Any:
    with elastic.ElasticPeer(keys=set()) as running:
        yield running


@pytest.fixture
def core_of_service(settings: Settings, service: elastic.ElasticPeer) -> Any:
    with Mailcore(settings.model_copy(update={"elastic_email_url": service.url})) as opened:
        yield opened


@given(
    size=st.integers(1, 16),
    deaths=st.lists(st.tuples(st.sampled_from(POINTS), st.integers(0, 8)), max_size=4),
    calls=st.lists(st.sampled_from([None, None, *LOST, *REFUSALS]), max_size=8),
    limit=st.sampled_from([None, None, 7]),
)
@with_any_fate
def test_the_same_over_calls_for_many_some_at_a_time(
    core_of_service: Mailcore,
    service: elastic.ElasticPeer,
    size: int,
    deaths: list[tuple[str, int]],
    calls: list[Any],
    limit: int | None,
) -> None:
    core = core_of_service
    with pytest.MonkeyPatch.context() as patched:
        lives = Lives(patched)
        patched.setattr(elastic_bulk, "MOST_RECIPIENTS", 3)
        patched.setattr(elastic_bulk, "AT_ONCE", 2)
        number = next(_numbers)
        service.keys.add(f"CHAVE-{number}")
        draft = ServerDraft(
            name=f"E{number}", kind=Kind.ELASTIC_EMAIL, from_address="eu@exemplo.com.br", daily_limit=limit
        )
        server = core.servers.create(draft, SecretStr(f"CHAVE-{number}"), actor=ME).server
        batch = begun(core, server, number, size)
        service.script["/v4/emails"] = list(calls)
        for point, after in [*deaths, ("", 0)]:
            lives.live(core, point, after)
            check(core, batch, [each["to"] for each in service.merged], number)
        assert_ended(core, batch)


def check(core: Mailcore, batch: Batch, arrived: list[str], number: int) -> None:
    delivered = [address for address in arrived if address.startswith(f"b{number}p")]
    with core.database.read() as session:
        lost = session.query(AccountLease).filter(AccountLease.account_key == batch.account_key).count()
    if lost:  # the dead one's group is settled when somebody takes its lease up
        leases.recover(core.database, core.quota_settings)
    assert_accounted_for(core, batch.id, delivered)
