"""Reserving units and settling them: against a naive count over the raw ledger, by account, and while on hold.

The tests with a schedule made up by hypothesis run on SQLite alone, for speed; all others on PostgreSQL too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as configured
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, text

import mailcore.storage.migrations as migrations
from mailcore import Mailcore
from mailcore.diagnosis.replies import Diagnosis, classify
from mailcore.messages.compose import OutgoingMessage, compose
from mailcore.quota import usage
from mailcore.quota.holds import end_of_hold
from mailcore.quota.locked_account import LockedAccount
from mailcore.quota.rules import QuotaSettings, rule_for
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.sending.reservation import Reservations, SendOutcome, SendRequest
from mailcore.settings import Settings
from mailcore.storage.database import Database, make_data_dir
from mailcore.storage.tables import Account, Change, DailyUsage, MailServer, Send, Usage
from mailcore.vocabulary import Kind, LimitUnit, LimitWindow, Security, SendStatus
from tests.actors import ME
from tests.databases import first_row_on_both, on_one_database
from tests.mailcore.diagnosis import provider_replies
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import Drop, Say, SmtpPeer
from tests.postgres import SharedDatabase
from tests.properties import examples
from tests.tables import each_row

USER, PASSWORD = "ana@exemplo.com.br", "Segredo-Único-4471"
NOON = datetime(2026, 11, 24, 15, tzinfo=UTC)
DAY, HOUR, MINUTE, INSTANT = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(microseconds=1)
SLOT = timedelta(seconds=usage.SLOT_SECONDS)
SAO_PAULO = QuotaSettings(ZoneInfo("America/Sao_Paulo"))
ROLLING, CALENDAR = LimitWindow.ROLLING_24H, LimitWindow.CALENDAR_DAY
_numbers = count(1)


def register(core: Mailcore, secret: str | None = PASSWORD, **changes: Any) -> MailServer:
    """Register a server; each one is of an account of its own unless its login is given."""
    number = next(_numbers)
    values = {"name": f"S{number}", "host": "smtp.exemplo.com.br", "port": 587, "from_address": USER}
    values |= {"username": f"u{number}@exemplo.com.br"} | changes
    return core.servers.create(ServerDraft(**values), SecretStr(secret) if secret else None, actor=ME).server


def at_peer(core: Mailcore, peer: SmtpPeer, **changes: Any) -> MailServer:
    return register(core, host=peer.host, port=peer.port, username=USER, ca_pem=authority_pem(), **changes)


def reserve(
    core: Mailcore,
    server: MailServer,
    recipients: int = 1,
    *,
    now: datetime = NOON,
    key: str = "",
    counting: QuotaSettings = SAO_PAULO,
) -> tuple[Send, bool]:
    named = tuple(f"c{number}@outro.example" for number in range(recipients))
    request = SendRequest(server, key or f"k{next(_numbers)}", named, message_id="<m@x>")
    reservation = Reservations(core.database, counting).reserve(request, now=now)
    return reservation.send, reservation.may_send


def end(
    core: Mailcore,
    row: Send,
    status: SendStatus = SendStatus.ACCEPTED,
    *,
    now: datetime = NOON,
    counting: QuotaSettings = SAO_PAULO,
    **more: Any,
) -> Send:
    return Reservations(core.database, counting).settle(row, SendOutcome(status=status, **more), now=now)


def use(core: Mailcore, server: MailServer, recipients: int = 1, *, now: datetime = NOON, **more: Any) -> Send:
    """Have a message accepted."""
    row, ours = reserve(core, server, recipients, now=now, **more)
    assert ours, row.diagnosis
    return end(core, row, now=now)


def used(core: Mailcore, server: MailServer, *, now: datetime = NOON, counting: QuotaSettings = SAO_PAULO) -> int:
    """What counts in the window at a moment, by the library."""
    return used_at(core, server, [now], counting)[0]


def used_at(core: Mailcore, server: MailServer, moments: Sequence[datetime], counting: QuotaSettings) -> list[int]:
    rule = rule_for([server], counting)
    with core.database.fast_write() as cursor:
        account = LockedAccount(core.database, cursor, counting, server.account_key)
        return [rule.units(*usage.used(account, rule.since(now))) for now in moments]


def code_of(row: Send) -> str:
    return str(json.loads(row.diagnosis)["code"]) if row.diagnosis else ""


def stored(core: Mailcore, row: Send) -> Send:
    with core.database.read() as session:
        return session.get_one(Send, row.id)


def rows(core: Mailcore, table: Any = Send) -> list[Any]:
    with core.database.read() as session:
        return list(session.scalars(select(table)))


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as running:
        yield running


def message(recipients: int = 1) -> OutgoingMessage:
    named = [f"c{number}@outro.example" for number in range(recipients)]
    return compose(from_address=USER, to=named, subject="Teste", text="Olá")


# ---------------------------------------------------------------- whatever happens in whatever order


@dataclass(frozen=True)
class Step:
    """One thing that happens, after the clock went on (or back) so far."""

    clock: timedelta
    recipients: int = 0
    """To claim; 0 settles instead."""
    which: int = 0
    """Of the sends under way, to be settled."""
    outcome: SendStatus = SendStatus.ACCEPTED
    taken: int | None = None
    rolls_up: bool = False


class Naive:
    """The rules of the issue once more, written as simply as they can be, over the raw rows."""

    def __init__(self, unit: LimitUnit, window: LimitWindow, zone: ZoneInfo, ceiling: int) -> None:
        self.unit, self.window, self.zone, self.ceiling = unit, window, zone, ceiling

    def units(self, sends: Sequence[Any]) -> int:
        if self.unit is LimitUnit.MESSAGES:
            return sum(1 for row in sends if row.counted)
        return sum(row.counted for row in sends)

    def used(self, sends: Sequence[Any], now: datetime) -> int:
        """What counts at a moment; what lies ahead of a clock that was set back counts too."""
        if self.window is ROLLING:
            return self.units([row for row in sends if row.at > now - DAY])
        today = now.astimezone(self.zone).date()
        return self.units([row for row in sends if row.at.astimezone(self.zone).date() >= today])

    def in_window_ending(self, sends: Sequence[Any], end: datetime) -> int:
        """What one position of the window holds, as a provider whose clock is right would count it."""
        if self.window is ROLLING:
            return self.units([row for row in sends if end - DAY < row.at <= end])
        day = end.astimezone(self.zone).date()
        return self.units([row for row in sends if row.at.astimezone(self.zone).date() == day])


@dataclass(frozen=True)
class World:
    """What a schedule runs in."""

    unit: LimitUnit
    window: LimitWindow
    zone: str
    begin: datetime
    limit: int
    margin: int = 0

    @property
    def ceiling(self) -> int:
        return max(1, int(self.limit * (100 - self.margin) / 100 + 1e-9))


def run(core: Mailcore, world: World, steps: Sequence[Step]) -> list[Any]:
    """Run a schedule, comparing with the naive count after every step; return the rows it left."""
    naive = Naive(world.unit, world.window, ZoneInfo(world.zone), world.ceiling)
    counting = QuotaSettings(naive.zone, world.margin)
    values = {"daily_limit": world.limit, "limit_unit": world.unit, "limit_window": world.window}
    server = register(core, None, requires_auth=False, username="", from_address=f"u{next(_numbers)}@x.com", **values)
    under_way: list[Send] = []
    raw: list[Any] = []
    now = latest = world.begin
    for step in steps:
        now = max(now + step.clock, latest - DAY)
        latest = max(latest, now)
        before = naive.used(raw, now)
        if step.rolls_up:
            usage.roll_up(core.database, now=now)
        elif step.recipients:
            row, ours = reserve(core, server, step.recipients, now=now, counting=counting)
            units = 1 if naive.unit is LimitUnit.MESSAGES else step.recipients
            assert ours == (before + units <= naive.ceiling), "what fits is taken, and nothing else"
            assert ours or code_of(row) == ("quota_message_too_large" if units > naive.ceiling else "quota_full")
            under_way += [row] if ours else []
        elif under_way:
            row = under_way.pop(step.which % len(under_way))
            end(core, row, step.outcome, taken=step.taken, now=now, counting=counting)
        raw = _of(core, server)
        assert used(core, server, now=now, counting=counting) == naive.used(raw, now)
        for row in raw:
            assert naive.in_window_ending(raw, row.at) <= naive.ceiling
    moments = [latest - DAY + number * 47 * MINUTE for number in range(62)]
    assert used_at(core, server, moments, counting) == [naive.used(raw, at) for at in moments]
    return raw


def _of(core: Mailcore, server: MailServer) -> list[Any]:
    """The raw rows of a record's account, as far as the naive count and a schedule's end ask for them."""
    told = select(Send.at, Send.counted, Send.status).where(Send.account_key == server.account_key).order_by(Send.id)
    with core.database.read() as session:
        return list(session.execute(told))


CHANGES_OF_THE_CLOCK = [
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Europe/Lisbon", "2026-03-29T01:00"),
    ("Europe/Lisbon", "2026-10-25T01:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),  # midnight itself is skipped
    ("America/Sao_Paulo", "2019-02-17T02:00"),  # the hour before midnight comes twice
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Atlantic/Azores", "2026-10-25T01:00"),  # midnight itself comes twice
]
"""Zones, and when their clocks change (UTC)."""


def worlds() -> st.SearchStrategy[World]:
    def world(
        unit: LimitUnit, window: LimitWindow, change: tuple[str, str], hours: int, limit: int, margin: int
    ) -> World:
        begin = datetime.fromisoformat(change[1]).replace(tzinfo=UTC) - timedelta(hours=hours)
        return World(unit, window, change[0], begin, limit, margin)

    return st.builds(
        world,
        st.sampled_from(LimitUnit),
        st.sampled_from(LimitWindow),
        st.sampled_from(CHANGES_OF_THE_CLOCK),
        st.integers(-2, 30),
        st.integers(1, 12) | st.integers(30, 60),
        st.sampled_from([0, 0, 10, 33]),
    )


CLOCK = st.one_of(
    st.timedeltas(timedelta(0), timedelta(hours=2)),
    st.timedeltas(timedelta(0), timedelta(hours=8)),
    st.integers(1, 90).map(lambda minutes: minutes * MINUTE),
    st.sampled_from([timedelta(0), INSTANT, SLOT, HOUR, DAY - INSTANT, DAY, DAY + INSTANT, 3 * DAY]),
    st.timedeltas(-DAY, timedelta(0)),
)
OUTCOMES = [SendStatus.ACCEPTED, SendStatus.REFUSED, SendStatus.FAILED, SendStatus.UNCERTAIN]
STEPS = st.lists(
    st.one_of(
        st.builds(Step, CLOCK, recipients=st.integers(1, 6)),
        st.builds(Step, CLOCK, recipients=st.integers(1, 6)),
        st.builds(
            Step,
            CLOCK,
            which=st.integers(0, 20),
            outcome=st.sampled_from(OUTCOMES),
            taken=st.none() | st.integers(0, 6),
        ),
        st.builds(Step, CLOCK, rolls_up=st.just(True)),
    ),
    min_size=8,
    max_size=40,
)
FAST = configured(
    max_examples=examples(60),
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def one_core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailcore]:
    """One SQLite installation for all the schedules; each has an account of its own in it."""
    core = Mailcore(Settings(data_dir=tmp_path_factory.mktemp("schedules") / "data", keyring="database"))  # type: ignore[arg-type]
    yield core
    core.close()


@FAST
@given(world=worlds(), steps=STEPS)
def test_no_schedule_and_no_jump_of_the_clock_passes_the_limit(
    one_core: Mailcore, world: World, steps: list[Step]
) -> None:
    run(one_core, world, steps)


FIXED = [
    Step(timedelta(0), recipients=4),
    Step(MINUTE, recipients=3),
    Step(MINUTE, which=0, outcome=SendStatus.ACCEPTED, taken=2),
    Step(6 * HOUR, recipients=5),
    Step(MINUTE, which=0, outcome=SendStatus.REFUSED),
    Step(MINUTE, recipients=2),
    Step(MINUTE, recipients=20),
    Step(-8 * HOUR, recipients=1),
    Step(MINUTE, which=1, outcome=SendStatus.UNCERTAIN),
    Step(-16 * HOUR, recipients=6),
    Step(20 * HOUR, recipients=2),
    Step(MINUTE, which=0, outcome=SendStatus.FAILED),
    Step(5 * HOUR + 7 * MINUTE, recipients=6),
    Step(DAY - INSTANT, recipients=3),
    Step(INSTANT, recipients=6),
    Step(INSTANT, recipients=6),
    Step(HOUR, which=0, outcome=SendStatus.ACCEPTED),
    Step(2 * DAY, rolls_up=True),
    Step(-DAY, recipients=6),
    Step(DAY, recipients=10),
]


@each_row("unit", LimitUnit)
@each_row(
    "kept_in, window, change",
    # To a window of 24 hours, and to the database, no zone matters: a change forwards and one back will do.
    [("one_core", CALENDAR, change) for change in CHANGES_OF_THE_CLOCK]
    + [("one_core", ROLLING, change) for change in CHANGES_OF_THE_CLOCK[:2]]
    + [("postgres_core", window, change) for window in LimitWindow for change in CHANGES_OF_THE_CLOCK[:2]],
)
def test_a_long_schedule_passes_no_limit_on_either_database(
    kept_in: str, unit: LimitUnit, window: LimitWindow, change: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    zone, at = change
    core = request.getfixturevalue(kept_in)
    begin = datetime.fromisoformat(at).replace(tzinfo=UTC) - timedelta(hours=9)
    left = run(core, World(unit, window, zone, begin, 10, 10), FIXED)
    assert {row.status for row in left} >= {SendStatus.ACCEPTED, SendStatus.STARTED, SendStatus.UNCERTAIN}


@pytest.fixture(scope="module")
def postgres_core(postgres_of_modules: SharedDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailcore]:
    url = postgres_of_modules.take(f"schedules_{uuid4().hex[:12]}")
    folder = tmp_path_factory.mktemp("schedules") / "data"
    core = Mailcore(Settings(database_url=url, data_dir=folder, keyring="database"))  # type: ignore[arg-type]
    yield core
    core.close()


# ---------------------------------------------------------------- when it will fit


def first_fit(naive: Naive, sends: Sequence[Any], units: int, now: datetime) -> datetime:
    """The first moment after now at which so many units fit, if nothing else happens."""
    if naive.window is ROLLING:
        candidates = sorted(row.at + DAY for row in sends)
    else:
        today = now.astimezone(naive.zone).date()
        days = [today + timedelta(days=number) for number in range(1, 4)]
        candidates = [datetime(day.year, day.month, day.day, tzinfo=naive.zone).astimezone(UTC) for day in days]
    return next(at for at in candidates if at > now and naive.used(sends, at) + units <= naive.ceiling)


@FAST
@given(
    window=st.sampled_from(LimitWindow),
    limit=st.integers(2, 12),
    sends=st.lists(
        st.tuples(st.timedeltas(timedelta(0), timedelta(hours=4)) | st.just(MINUTE), st.integers(1, 4)), max_size=14
    ),
    wait=st.timedeltas(timedelta(hours=18), timedelta(hours=26)) | st.timedeltas(timedelta(0), timedelta(hours=1)),
    wanted=st.integers(1, 12),
)
@example(
    window=ROLLING,
    limit=10,
    sends=[(timedelta(0), 4), (timedelta(0), 1), (4 * MINUTE, 1), (12 * HOUR, 4)],
    wait=12 * HOUR - 2 * MINUTE,
    wanted=8,
)
def test_when_it_fits_is_right_to_the_slot(
    one_core: Mailcore,
    window: LimitWindow,
    limit: int,
    sends: list[tuple[timedelta, int]],
    wait: timedelta,
    wanted: int,
) -> None:
    """Never too soon; and no later than the five minutes that are summed up at once."""
    naive = Naive(LimitUnit.RECIPIENTS, window, SAO_PAULO.zone, limit)
    server = register(one_core, None, requires_auth=False, username="", from_address=f"u{next(_numbers)}@x.com")
    server = one_core.servers.update(
        server, replace(draft_of(server), daily_limit=limit, limit_window=window), actor=ME
    ).server
    now = NOON
    for pause, recipients in sends:
        now += pause
        reserve(one_core, server, recipients, now=now)
    now += wait
    row, ours = reserve(one_core, server, wanted, now=now)
    if ours or wanted > limit:
        assert row.frees_at is None
        return
    raw = _of(one_core, server)
    assert row.frees_at is not None
    assert naive.used(raw, row.frees_at) + wanted <= limit, "then it fits"
    assert row.frees_at < first_fit(naive, raw, wanted, now) + SLOT


@each_row(
    ("window", "frees_at"),
    [(ROLLING, NOON + DAY), (CALENDAR, datetime(2026, 11, 25, 3, tzinfo=UTC))],
)
def test_what_does_not_fit_whole_is_refused_whole_until_it_fits(
    core: Mailcore, window: LimitWindow, frees_at: datetime
) -> None:
    server = register(core, daily_limit=5, limit_window=window)
    use(core, server, 3)
    use(core, server, now=NOON + 10 * MINUTE)
    refused, ours = reserve(core, server, 2, now=NOON + HOUR)
    assert (ours, refused.status, refused.counted) == (False, SendStatus.REJECTED_BY_RULE, 0)
    assert code_of(refused) == "quota_full"
    assert stored(core, refused).frees_at == refused.frees_at == frees_at
    assert frees_at.astimezone(SAO_PAULO.zone).strftime("%d/%m às %H:%M") in json.loads(refused.diagnosis)["remedy"]
    assert used(core, server, now=NOON + HOUR) == 4, "not even what would have fitted"
    for early in (frees_at - MINUTE, frees_at - INSTANT):
        again, ours = reserve(core, server, 2, now=early)
        assert not ours
        assert again.frees_at == frees_at
    assert reserve(core, server, 2, now=frees_at)[1]


def test_when_it_fits_leaves_out_what_has_left_the_window_already(core: Mailcore) -> None:
    """Of the slot that the window's beginning cuts, a part is gone before the rest goes."""
    server = register(core, daily_limit=10)
    use(core, server, 5)
    use(core, server, now=NOON + 4 * MINUTE)
    now = NOON + DAY + 2 * MINUTE
    later = NOON + 12 * HOUR
    use(core, server, 4, now=later)
    use(core, server, 5, now=now)
    refused, ours = reserve(core, server, 3, now=now)
    assert not ours
    assert refused.frees_at == later + DAY, "one leaves before that, which is too few"


def test_more_recipients_than_the_limit_never_fit(core: Mailcore) -> None:
    server = register(core, daily_limit=5)
    row, ours = reserve(core, server, 6)
    assert (ours, row.status, row.frees_at) == (False, SendStatus.REJECTED_BY_RULE, None)
    assert code_of(row) == "quota_message_too_large"
    assert used(core, server) == 0
    assert reserve(core, server, 5)[1]


def test_by_messages_the_number_of_recipients_does_not_count(core: Mailcore) -> None:
    server = register(core, daily_limit=2, limit_unit=LimitUnit.MESSAGES)
    use(core, server, 50)
    partly = use(core, server, 10)
    assert partly.units == 1
    assert not reserve(core, server)[1]


def test_the_margin_is_left_unused(core: Mailcore) -> None:
    server, careful = register(core, daily_limit=10), replace(SAO_PAULO, margin_percent=25)
    assert reserve(core, server, 7, counting=careful)[1]
    assert not reserve(core, server, 1, counting=careful)[1]
    assert code_of(reserve(core, server, 8, counting=careful)[0]) == "quota_message_too_large"


def test_without_a_limit_everything_fits_and_is_counted(core: Mailcore) -> None:
    server = register(core)
    for _ in range(3):
        use(core, server, 500)
    assert used(core, server) == 1_500


def test_who_is_refused_for_the_quota_contacts_nobody(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer, daily_limit=3)
    first = core.send(server, message(2))
    assert (first.status, peer.connections) == ("accepted", 1)
    full = core.send(server, message(2))
    assert (full.status, code_of(full), full.reply) == ("rejected_by_rule", "quota_full", "")
    assert full.frees_at == first.at + DAY
    large = core.send(server, message(4))
    assert (large.status, code_of(large), large.frees_at) == ("rejected_by_rule", "quota_message_too_large", None)
    assert (peer.connections, len(peer.inbox)) == (1, 1)
    assert core.send(server, message()).status == "accepted"


# ---------------------------------------------------------------- accounts


def in_words(changes: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in changes.items())


@first_row_on_both(
    "changes",
    [
        {"username": "ANA@Exemplo.com.br"},
        {"username": "ana+nota@exemplo.com.br"},
        {"port": 465, "security": Security.SSL_TLS},
        {"host": "SMTP.Exemplo.com.br"},
        {"host": "smtp.exemplo.com.br."},
        {"from_address": "financeiro@exemplo.com.br"},
    ],
    ids=in_words,
)
def test_records_with_one_login_at_one_host_share_what_is_used(core: Mailcore, changes: dict[str, Any]) -> None:
    one = register(core, username=USER, daily_limit=5)
    other = register(core, **({"username": USER, "daily_limit": 5} | changes))
    use(core, one, 3)
    assert used(core, other) == 3
    assert not reserve(core, other, 3)[1]
    use(core, other, 2)
    assert not reserve(core, one)[1]


@first_row_on_both(
    "changes",
    [
        {"username": "outra@exemplo.com.br"},
        {"host": "smtp2.exemplo.com.br"},
        {"username": "a.na@exemplo.com.br"},
    ],
    ids=in_words,
)
def test_records_of_other_accounts_share_nothing(core: Mailcore, changes: dict[str, Any]) -> None:
    one = register(core, username=USER, daily_limit=5)
    other = register(core, **({"username": USER, "daily_limit": 5} | changes))
    use(core, one, 5)
    assert used(core, other) == 0
    assert reserve(core, other, 5)[1]


@on_one_database
@pytest.mark.parametrize(
    ("host", "one", "other"),
    [
        ("smtps.uol.com.br", "loja", "loja@uol.com.br"),
        ("smtps.uol.com.br", "LOJA@uol.com.br", "loja"),
        ("smtps.bol.com.br", "loja", "loja@bol.com.br"),
        ("smtp.gmail.com", "an.a@gmail.com", "ana@googlemail.com"),
    ],
)
def test_spellings_that_a_provider_takes_for_one_login_are_one_account(
    core: Mailcore, host: str, one: str, other: str
) -> None:
    first = register(core, host=host, username=one, daily_limit=1)
    second = register(core, host=host, username=other, daily_limit=1)
    assert first.account_key == second.account_key
    use(core, first)
    assert not reserve(core, second)[1]


def elastic(core: Mailcore, key: str, **changes: Any) -> MailServer:
    return register(core, key, kind=Kind.ELASTIC_EMAIL, host="", port=None, username="", **changes)


def test_records_with_one_elastic_email_key_share_what_is_used(core: Mailcore) -> None:
    one = elastic(core, "CHAVE-1", daily_limit=5)
    same = elastic(core, "CHAVE-1", daily_limit=5, from_address="b@exemplo.com.br")
    other = elastic(core, "CHAVE-2", daily_limit=5)
    use(core, one, 5)
    assert not reserve(core, same)[1]
    assert reserve(core, other, 5)[1]
    assert "CHAVE" not in one.account_key + other.account_key


def test_the_smallest_limit_holds_in_its_own_unit_and_window(core: Mailcore) -> None:
    large = register(core, username=USER, daily_limit=100)
    small = register(
        core, username=USER, daily_limit=2, limit_unit=LimitUnit.MESSAGES, limit_window=CALENDAR, is_active=False
    )
    register(core, username=USER)
    use(core, large, 40)
    use(core, large, 40)
    row, ours = reserve(core, large)
    assert (ours, code_of(row)) == (False, "quota_full")
    assert row.frees_at == datetime(2026, 11, 25, 3, tzinfo=UTC)
    core.servers.delete(small.id, actor=ME)
    assert reserve(core, large, 20)[1]
    assert not reserve(core, large, 1)[1]


def test_a_limit_of_one_record_holds_for_one_that_has_none(core: Mailcore) -> None:
    without = register(core, username=USER)
    register(core, username=USER, daily_limit=3)
    use(core, without, 3)
    assert not reserve(core, without)[1]


# ---------------------------------------------------------------- what an outcome frees


@each_row(
    ("status", "kept"),
    [
        (SendStatus.ACCEPTED, 4),
        (SendStatus.UNCERTAIN, 4),
        (SendStatus.REFUSED, 0),
        (SendStatus.FAILED, 0),
    ],
)
@each_row("unit", LimitUnit)
def test_what_was_certainly_not_taken_is_freed(core: Mailcore, status: SendStatus, kept: int, unit: LimitUnit) -> None:
    server = register(core, daily_limit=4, limit_unit=unit)
    row, _ = reserve(core, server, 4)
    size = 4 if unit is LimitUnit.RECIPIENTS else 1
    assert used(core, server) == size, "started counts"
    settled = end(core, row, status)
    assert (settled.status, settled.counted) == (status, kept)
    assert (stored(core, row).status, stored(core, row).counted) == (status, kept)
    assert used(core, server) == (size if kept else 0)
    assert reserve(core, server, 4)[1] == (unit is LimitUnit.MESSAGES or not kept)


@each_row(("taken", "counted"), [(3, 3), (1, 1), (0, 0), (9, 4), (None, 4)])
def test_recipients_that_were_refused_are_freed(core: Mailcore, taken: int | None, counted: int) -> None:
    server = register(core, daily_limit=4)
    row, _ = reserve(core, server, 4)
    settled = end(core, row, taken=taken)
    assert (settled.counted, used(core, server)) == (counted, counted)
    assert reserve(core, server, 4 - counted or 1)[1] == (counted < 4)


def test_a_message_partly_refused_is_still_one_message(core: Mailcore) -> None:
    server = register(core, daily_limit=1, limit_unit=LimitUnit.MESSAGES)
    row, _ = reserve(core, server, 4)
    settled = end(core, row, taken=2)
    assert (settled.units, settled.counted, used(core, server)) == (1, 2, 1)
    assert not reserve(core, server)[1]


def test_recipients_that_the_server_refused_are_freed_by_a_send(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer, daily_limit=3)
    peer.script["RCPT"] = [None, Say("550 5.1.1 no such user"), None]
    sent = core.send(server, message(3))
    assert (sent.status, sent.counted, sent.units) == ("accepted", 2, 2)
    assert core.send(server, message(2)).status == "rejected_by_rule"
    assert core.send(server, message(1)).status == "accepted"


@first_row_on_both(
    ("moment", "action", "status", "kept"),
    [
        ("GREETING", Drop(), "failed", 0),
        ("RCPT", Say("550 5.1.1 no such user"), "refused", 0),
        (".", Say("554 5.7.1 spam"), "refused", 0),
        (".", Drop(), "uncertain", 2),
    ],
)
def test_a_send_counts_what_became_of_it(
    core: Mailcore, peer: SmtpPeer, moment: str, action: Any, status: str, kept: int
) -> None:
    server = at_peer(core, peer, daily_limit=2)
    peer.script[moment] = action
    sent = core.send(server, message(2))
    assert (sent.status, used(core, server, now=datetime.now(UTC))) == (status, kept)
    peer.script.clear()
    assert (core.send(server, message(2)).status == "accepted") == (kept == 0)


def test_settling_twice_frees_once(core: Mailcore) -> None:
    server = register(core, daily_limit=10)
    use(core, server, 4)
    row, _ = reserve(core, server, 3)
    copy = stored(core, row)
    for same in (row, row, copy):
        settled = end(core, same, SendStatus.FAILED, reply="primeira" if same is row else "outra")
        assert (settled.status, settled.reply) == (SendStatus.FAILED, "primeira")
        assert used(core, server) == 4
    assert end(core, copy, SendStatus.ACCEPTED).status is SendStatus.FAILED
    assert used(core, server) == 4


def test_settling_partly_and_then_again_frees_once(core: Mailcore) -> None:
    """What is uncertain may be known later; the second word is not spoken over what the first one freed."""
    server = register(core, daily_limit=10)
    row, _ = reserve(core, server, 6)
    copy = stored(core, row)
    end(core, row, SendStatus.UNCERTAIN, taken=2)
    assert used(core, server) == 2
    end(core, copy, SendStatus.FAILED)
    assert (stored(core, row).counted, used(core, server)) == (0, 0)


def test_a_late_word_on_an_earlier_try_says_nothing_of_the_present_one(core: Mailcore) -> None:
    server = register(core, daily_limit=10)
    first, _ = reserve(core, server, 6, key="nota-1")
    end(core, first, SendStatus.FAILED)
    second, ours = reserve(core, server, 2, key="nota-1", now=NOON + HOUR)
    assert ours
    end(core, first, SendStatus.FAILED)
    assert stored(core, second).status is SendStatus.STARTED
    assert used(core, server, now=NOON + HOUR) == 2


def test_what_an_uncertain_send_turns_out_to_be_is_taken_in(core: Mailcore) -> None:
    server = register(core, daily_limit=10)
    row, _ = reserve(core, server, 3)
    end(core, row, SendStatus.UNCERTAIN)
    assert end(core, row, SendStatus.FAILED).status is SendStatus.FAILED
    assert used(core, server) == 0


@first_row_on_both("status", [None, SendStatus.ACCEPTED, SendStatus.REFUSED, SendStatus.UNCERTAIN])
def test_a_key_used_before_returns_the_first_outcome_and_reserves_nothing(
    core: Mailcore, status: SendStatus | None
) -> None:
    server = register(core, daily_limit=10)
    row, _ = reserve(core, server, 3, key="nota-1")
    if status:
        end(core, row, status, reply="as palavras")
    before = used(core, server)
    again, ours = reserve(core, server, 5, key="nota-1", now=NOON + HOUR)
    assert (ours, again.id, again.status) == (False, row.id, status or SendStatus.STARTED)
    assert (again.reply, again.at) == ("as palavras" if status else "", NOON)
    assert used(core, server, now=NOON + HOUR) == before
    assert len(rows(core)) == 1


def test_a_key_refused_by_rule_stays_refused_and_costs_nothing(core: Mailcore) -> None:
    server = register(core, daily_limit=2)
    use(core, server, 2)
    row, _ = reserve(core, server, key="nota-1")
    again, ours = reserve(core, server, key="nota-1", now=NOON + 2 * DAY)
    assert (ours, again.id, again.status) == (False, row.id, SendStatus.REJECTED_BY_RULE)
    assert used(core, server, now=NOON + 2 * DAY) == 0


def test_a_key_that_failed_reserves_anew(core: Mailcore) -> None:
    server = register(core, daily_limit=3)
    row, _ = reserve(core, server, 3, key="nota-1")
    end(core, row, SendStatus.FAILED, reply="caiu")
    again, ours = reserve(core, server, 2, key="nota-1", now=NOON + HOUR)
    assert (ours, again.id, again.status, again.counted) == (True, row.id, SendStatus.STARTED, 2)
    kept = stored(core, again)
    assert (kept.at, kept.reply, kept.diagnosis, kept.counted) == (NOON + HOUR, "", "", 2)
    assert used(core, server, now=NOON + HOUR) == 2
    assert not reserve(core, server, 2, now=NOON + HOUR)[1]


def test_a_key_that_failed_is_refused_where_it_no_longer_fits(core: Mailcore) -> None:
    server = register(core, daily_limit=3)
    row, _ = reserve(core, server, 3, key="nota-1")
    end(core, row, SendStatus.FAILED)
    use(core, server, 2)
    again, ours = reserve(core, server, 3, key="nota-1", now=NOON + HOUR)
    assert (ours, again.id, code_of(again)) == (False, row.id, "quota_full")
    assert used(core, server, now=NOON + HOUR) == 2


# ---------------------------------------------------------------- on hold


def refusal(reply: str, phase: str = "data", provider: str = "") -> Diagnosis:
    return classify(reply, phase=phase, provider=provider)


FULL = refusal("550 5.4.5 Daily user sending limit exceeded.")
WRONG = refusal("535 5.7.8 Error: authentication failed", "auth")

_SMTP_MOMENT = {"auth": "AUTH", "sender": "MAIL", "recipients": "RCPT", "data": "."}
QUOTA_REPLIES = [(phase, reply) for phase, reply, category, _ in provider_replies.SMTP if category == "quota"]


def test_a_refusal_for_quota_holds_the_account_whatever_its_code(core: Mailcore, peer: SmtpPeer) -> None:
    assert len({reply[:3] for _, reply in QUOTA_REPLIES}) > 3, "451, 452, 550, 554 …"
    for phase, reply in QUOTA_REPLIES:
        username = f"u{next(_numbers)}@exemplo.com.br"
        peer.users[username] = PASSWORD
        server = register(core, host=peer.host, port=peer.port, username=username, ca_pem=authority_pem())
        peer.script[_SMTP_MOMENT[phase]] = Say(reply)
        refused = core.send(server, message())
        assert refused.status == "refused"
        contacts = peer.connections
        peer.script.clear()
        held = core.send(server, message())
        assert (held.status, code_of(held)) == ("rejected_by_rule", "account_on_hold"), reply
        assert (peer.connections, peer.inbox) == (contacts, []), "nobody is contacted"
        account = next(row for row in rows(core, Account) if row.key == server.account_key)
        assert (account.held_code, account.held_until) == (code_of(refused), held.frees_at)
        assert account.held_since is not None
        assert account.held_until == account.held_since + DAY, "no limit of ours says when it frees"
        assert json.loads(held.diagnosis)["reply"] == account.held_reply != ""


@pytest.mark.parametrize(
    "reply",
    [
        "451 4.7.1 Domain exemplo.com.br has exceeded the max emails per hour (200/200 (100%)) allowed.",
        "550 5.7.1 Limite de envio por hora excedido",
        "450 4.2.1 You have sent more than 100 messages per hour",
    ],
)
def test_an_hourly_limit_holds_the_account_for_an_hour(core: Mailcore, peer: SmtpPeer, reply: str) -> None:
    server = at_peer(core, peer)
    peer.script["."] = Say(reply)
    assert core.send(server, message()).status == "refused"
    peer.script.clear()
    contacts = peer.connections
    held = core.send(server, message())
    assert (held.status, code_of(held)) == ("rejected_by_rule", "account_on_hold")
    assert peer.connections == contacts, "nobody is contacted"
    (account,) = (row for row in rows(core, Account) if row.key == server.account_key)
    assert account.held_since is not None
    assert account.held_until == account.held_since + HOUR == held.frees_at


def test_a_quota_refusal_of_some_recipients_holds_the_account_too(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer)
    peer.script["RCPT"] = [None, Say("550 5.4.5 Daily user sending limit exceeded."), None]
    sent = core.send(server, message(2))
    assert (sent.status, sent.counted) == ("accepted", 1)
    assert code_of(core.send(server, message())) == "account_on_hold"
    assert peer.connections == 1


def hold(core: Mailcore, server: MailServer, *, now: datetime = NOON, host: str = "", recipients: int = 1) -> datetime:
    """Have a message refused for quota; return until when the account is on hold."""
    row, ours = reserve(core, server, recipients, now=now)
    assert ours
    end(core, row, SendStatus.REFUSED, diagnosis=FULL, host=host or server.host, now=now)
    until = next(account.held_until for account in rows(core, Account) if account.key == server.account_key)
    assert until is not None
    return until


def assert_held_until(core: Mailcore, server: MailServer, until: datetime) -> None:
    for early in (until - HOUR, until - INSTANT):
        row, ours = reserve(core, server, now=early)
        assert (ours, code_of(row), row.frees_at) == (False, "account_on_hold", until)
        local = until.astimezone(SAO_PAULO.zone).strftime("%d/%m às %H:%M")
        assert local in json.loads(row.diagnosis)["remedy"]
    assert reserve(core, server, now=until)[1], "it returns by itself"


def test_our_count_near_the_limit_says_when_the_provider_frees(core: Mailcore) -> None:
    server = register(core, daily_limit=10)
    use(core, server, 3, now=NOON - 20 * HOUR)
    use(core, server, 5, now=NOON - HOUR)
    until = hold(core, server)
    assert until == NOON + 4 * HOUR == end_of_hold(server.host, NOON, NOON + 4 * HOUR, is_explained=True)
    assert_held_until(core, server, until)


def test_our_count_far_from_the_limit_explains_nothing_so_a_day_passes(core: Mailcore) -> None:
    server = register(core, daily_limit=10)
    use(core, server, 7, now=NOON - 20 * HOUR)
    until = hold(core, server)
    assert until == NOON + DAY
    assert_held_until(core, server, until)


def test_what_frees_at_once_is_given_an_hour(core: Mailcore) -> None:
    server = register(core, daily_limit=10)
    use(core, server, 9, now=NOON - DAY + MINUTE)
    assert hold(core, server) == NOON + HOUR


def test_a_calendar_day_ends_the_hold_at_midnight(core: Mailcore) -> None:
    server = register(core, daily_limit=10, limit_window=CALENDAR)
    until = hold(core, server)
    assert until == datetime(2026, 11, 25, 3, tzinfo=UTC)
    assert_held_until(core, server, until)
    late = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)
    assert hold(core, server, now=late) == late + HOUR


@on_one_database
@pytest.mark.parametrize("host", ["smtp.yandex.com", "smtp.yandex.ru"])
@pytest.mark.parametrize("window", LimitWindow)
def test_yandex_is_left_alone_for_a_whole_day(core: Mailcore, host: str, window: LimitWindow) -> None:
    server = register(core, host=host, username="ana@yandex.com", daily_limit=10, limit_window=window)
    use(core, server, 9, now=NOON - 20 * HOUR)
    until = hold(core, server)
    assert until == NOON + DAY
    assert_held_until(core, server, until)


def test_a_hold_is_the_accounts_not_the_records(core: Mailcore) -> None:
    one, same = register(core, username=USER), register(core, username=USER.upper(), port=465)
    other = register(core)
    hold(core, one)
    assert code_of(reserve(core, same)[0]) == "account_on_hold"
    assert reserve(core, other)[1]


def test_a_message_accepted_after_a_hold_ends_it_for_good(core: Mailcore) -> None:
    server = register(core)
    until = hold(core, server)
    use(core, server, now=until)
    assert [(row.held_since, row.held_until, row.held_code) for row in rows(core, Account)] == [(None, None, "")]
    assert reserve(core, server, now=until - HOUR)[1], "even where the clock is set back"


def test_a_message_under_way_before_the_refusal_does_not_end_the_hold(core: Mailcore) -> None:
    server = register(core)
    slow, _ = reserve(core, server)
    until = hold(core, server, now=NOON + MINUTE)
    end(core, slow, now=NOON + 2 * MINUTE)
    assert_held_until(core, server, until)


def test_a_hold_is_lifted_by_a_person_and_the_trail_says_so(core: Mailcore) -> None:
    server = register(core)
    hold(core, server)
    before = len(rows(core, Change))
    core.lift_hold(server, actor=ME)
    assert reserve(core, server)[1]
    assert len(rows(core, Change)) == before + 1


def test_a_key_refused_while_on_hold_is_not_the_servers_word(core: Mailcore) -> None:
    server = register(core, daily_limit=5)
    hold(core, server)
    row, _ = reserve(core, server, 3)
    assert (row.status, row.counted, used(core, server)) == (SendStatus.REJECTED_BY_RULE, 0, 0)


def refuse_login(core: Mailcore, server: MailServer, times: int, *, now: datetime = NOON) -> None:
    for _ in range(times):
        row, ours = reserve(core, server, now=now)
        assert ours, row.diagnosis
        end(core, row, SendStatus.REFUSED, diagnosis=WRONG, now=now)


def is_paused(core: Mailcore, server: MailServer, *, now: datetime = NOON) -> bool:
    row, ours = reserve(core, server, now=now)
    if ours:
        end(core, row, SendStatus.FAILED, now=now)
        return False
    assert (row.status, code_of(row), row.frees_at) == (SendStatus.REJECTED_BY_RULE, "account_paused", None)
    return True


def test_three_refused_logins_in_a_row_pause_the_account(core: Mailcore) -> None:
    server = register(core)
    refuse_login(core, server, 2)
    assert not is_paused(core, server)
    refuse_login(core, server, 1)
    assert is_paused(core, server)
    assert is_paused(core, server, now=NOON + 400 * DAY), "it asks for a person, however long that takes"


@each_row(
    ("reply", "phase"),
    [
        ("530 5.7.0 Must issue a STARTTLS command first", "auth"),
        ("535 5.7.8 SMTP access is not enabled for this account", "auth"),
        ("535 5.7.0 Authentication backend unavailable, try again later", "auth"),
        ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", "auth"),
        ("535 5.7.0 Too many authentication failures", "auth"),
        ("550 5.7.1 I do not like you", "auth"),
        ("530 5.7.0 Authentication required", "sender"),
        ("550 5.7.60 Client does not have permissions to send as this sender", "data"),
    ],
)
def test_what_says_nothing_of_the_password_never_pauses_the_account(core: Mailcore, reply: str, phase: str) -> None:
    server = register(core)
    for _ in range(4):
        row, ours = reserve(core, server)
        assert ours, row.diagnosis
        end(core, row, SendStatus.REFUSED, diagnosis=refusal(reply, phase), now=NOON)
    assert not is_paused(core, server)


def test_the_real_thing_pauses_and_a_new_password_is_tried(core: Mailcore, peer: SmtpPeer) -> None:
    server = at_peer(core, peer, secret="errada")
    assert [core.send(server, message()).status for _ in range(3)] == ["refused"] * 3
    contacts = peer.connections
    paused = core.send(server, message())
    assert (paused.status, code_of(paused), peer.connections) == ("rejected_by_rule", "account_paused", contacts)
    server = core.servers.update(server, replace(draft_of(server), notes="nada disto"), actor=ME).server
    assert core.send(server, message()).status == "rejected_by_rule", "a save without a password changes nothing"
    server = core.servers.update(server, draft_of(server), SecretStr(PASSWORD), actor=ME).server
    assert core.send(server, message()).status == "accepted"
    assert [row.auth_failures for row in rows(core, Account)] == [0]


def test_a_new_password_is_given_three_tries_again(core: Mailcore) -> None:
    server = register(core)
    refuse_login(core, server, 3)
    server = core.servers.update(server, draft_of(server), SecretStr("outra"), actor=ME).server
    refuse_login(core, server, 2)
    assert not is_paused(core, server)
    refuse_login(core, server, 1)
    assert is_paused(core, server)


def test_a_pause_is_lifted_by_a_person(core: Mailcore) -> None:
    server = register(core)
    refuse_login(core, server, 3)
    core.lift_hold(server, actor=ME)
    refuse_login(core, server, 2)
    assert not is_paused(core, server)


def test_a_new_password_does_not_end_a_hold_for_quota(core: Mailcore) -> None:
    server = register(core)
    until = hold(core, server)
    server = core.servers.update(server, draft_of(server), SecretStr("outra"), actor=ME).server
    assert_held_until(core, server, until)


def test_a_quota_refusal_that_comes_late_does_not_end_the_pause(core: Mailcore) -> None:
    server = register(core)
    slow, _ = reserve(core, server)
    refuse_login(core, server, 3)
    end(core, slow, SendStatus.REFUSED, diagnosis=FULL, host=server.host)
    assert is_paused(core, server, now=NOON + 10 * DAY)


def test_an_accepted_message_in_between_begins_the_count_anew(core: Mailcore) -> None:
    server = register(core)
    refuse_login(core, server, 2)
    use(core, server)
    refuse_login(core, server, 2)
    assert not is_paused(core, server)
    refuse_login(core, server, 1)
    assert is_paused(core, server)


@on_one_database
@pytest.mark.parametrize(
    ("moment", "reply"),
    [
        ("AUTH", "454 4.7.0 Temporary authentication failure"),
        ("AUTH", "421 4.7.0 Too many connections"),
        ("GREETING", "421 4.3.2 try later"),
        ("MAIL", "451 4.3.0 try later"),
        (".", "451 4.7.1 greylisted"),
    ],
)
def test_a_passing_trouble_never_pauses(core: Mailcore, peer: SmtpPeer, moment: str, reply: str) -> None:
    server = at_peer(core, peer)
    peer.script[moment] = Say(reply)
    for _ in range(5):
        assert core.send(server, message()).status != "rejected_by_rule"
    peer.script.clear()
    assert core.send(server, message()).status == "accepted"


def test_trouble_on_the_way_neither_pauses_nor_forgives(core: Mailcore) -> None:
    server = register(core)
    refuse_login(core, server, 2)
    row, _ = reserve(core, server)
    end(core, row, SendStatus.FAILED)
    refuse_login(core, server, 1)
    assert is_paused(core, server)


# ---------------------------------------------------------------- old slots, old databases


def sums(core: Mailcore, table: type[Usage] | type[DailyUsage] = Usage) -> dict[str, tuple[int, int, int]]:
    found: dict[str, tuple[int, int, int]] = {}
    for row in rows(core, table):
        one, two, three = found.get(row.account_key, (0, 0, 0))
        found[row.account_key] = (one + row.messages, two + row.recipients, three + row.external)
    return found


def test_old_slots_become_hours_and_every_sum_stays(core: Mailcore) -> None:
    servers = [register(core, username=USER), register(core, username=USER, daily_limit=10_000), register(core)]
    moments = [NOON + number * HOUR + minute * MINUTE for number in range(75) for minute in (1, 17, 44)]
    for number, at in enumerate(moments):
        reserve(core, servers[number // 5 % 3], number % 4 + 1, now=at)
    now = moments[-1]
    of_days = sorted((str(row.day), row.account_key, row.messages, row.recipients) for row in rows(core, DailyUsage))
    before, slots = sums(core), len(rows(core, Usage))
    moments = [now - number * HOUR / 2 for number in range(50)]
    in_window = [[used(core, server, now=at) for server in servers] for at in moments]
    usage.roll_up(core.database, now=now)
    assert len(rows(core, Usage)) < slots
    assert sums(core) == before
    assert [[used(core, server, now=at) for server in servers] for at in moments] == in_window
    again = sorted((str(row.day), row.account_key, row.messages, row.recipients) for row in rows(core, DailyUsage))
    assert again == of_days
    fine = usage.slot_of(now - usage.FINE_FOR)
    assert all(row.slot % usage.HOUR_SECONDS == 0 for row in rows(core, Usage) if row.slot < fine - usage.HOUR_SECONDS)
    assert any(row.slot % usage.HOUR_SECONDS for row in rows(core, Usage) if row.slot > fine), "the window's stay"
    usage.roll_up(core.database, now=now)
    assert sums(core) == before


def test_what_is_settled_after_its_slot_was_rolled_up_keeps_the_sums_right(core: Mailcore) -> None:
    server = register(core)
    use(core, server, 5)
    row, _ = reserve(core, server, 3, now=NOON + 20 * MINUTE)
    usage.roll_up(core.database, now=NOON + 4 * DAY)
    end(core, row, SendStatus.FAILED, now=NOON + 4 * DAY)
    usage.roll_up(core.database, now=NOON + 4 * DAY)
    assert sums(core) == {server.account_key: (1, 5, 0)}
    assert sums(core, DailyUsage) == {server.account_key: (1, 5, 0)}


def test_the_oldest_slots_are_dropped_and_the_days_stay(core: Mailcore) -> None:
    server = register(core)
    use(core, server, 5, now=NOON + 7 * MINUTE)
    use(core, server, 2, now=NOON + usage.HOURS_FOR + 7 * MINUTE)
    usage.roll_up(core.database, now=NOON + usage.HOURS_FOR + 3 * DAY)
    assert sums(core) == {server.account_key: (1, 2, 0)}
    assert sums(core, DailyUsage) == {server.account_key: (2, 7, 0)}


def old_database(settings: Settings, servers: Sequence[dict[str, Any]], sends: Sequence[dict[str, Any]]) -> None:
    """Make a database as version 0002 left it."""
    make_data_dir(settings.data_dir)
    old = Database(settings.database_url)
    with old.write_connection() as connection:
        migrations._upgrade(connection, "0002")
        for number, server in enumerate(servers, 1):
            values = {
                "name": f"S{number}",
                "key": f"s{number}",
                "search": f"s{number}",
                "kind": "smtp",
                "host": "smtp.x.com",
                "username": "",
            }
            values |= {"limit": None, "secret": None} | server
            connection.execute(
                text(
                    "INSERT INTO mail_server (version, name, name_key, kind, host, port, security, security_auto,"
                    " verify_certificate, ca_pem, username, secret_ref, from_address, from_name, reply_to, is_paid,"
                    " is_active, is_default, daily_limit, limit_unit, limit_window, same_address, notes, search_text,"
                    " last_check_state, created_at, updated_at, updated_by) VALUES (1, :name, :key, :kind, :host, 587,"
                    " 'starttls', true, true, '', :username, :secret, 'A@x.com', '', '', false, true, false, :limit,"
                    " 'recipients', 'rolling_24h', 'block', '', :search, 'ok', '2026-01-01 00:00:00',"
                    " '2026-01-01 00:00:00', 'ana')"
                ),
                values,
            )
        for number, send in enumerate(sends):
            values = {"idempotency_key": f"k{number}", "recipients": "b@x.com", "at": JUST_NOW} | send
            values["at"] = old.stored(values["at"])
            connection.execute(
                text(
                    "INSERT INTO send (idempotency_key, server_id, server_name, status, units, recipients, message_id,"
                    " provider_id, reply, warnings, diagnosis, owner, at, follow_state, follow_failures)"
                    " VALUES (:idempotency_key, :server_id, 'Padaria', :status, 1, :recipients, '<1@x>', '', '', '',"
                    " '', 'elsewhere:1', :at, '', '')"
                ),
                values,
            )
    old.dispose()


JUST_NOW = datetime.now(UTC) - HOUR
"""For what is there when the program starts, which tidies up by the clock."""
THREE = "b@x.com\nc@x.com\nd@x.com"


@pytest.mark.empty_database
def test_what_was_sent_before_quotas_came_counts(settings: Settings, open_core: Callable[[], Mailcore]) -> None:
    old_database(
        settings,
        [{"limit": 12, "username": "Ana@x.com"}, {"username": "ana@x.com"}, {}],
        [
            {"server_id": 1, "status": "accepted", "recipients": THREE},
            {"server_id": 2, "status": "uncertain", "recipients": THREE, "at": JUST_NOW - 10 * HOUR},
            {"server_id": 2, "status": "accepted", "at": JUST_NOW - DAY + INSTANT},
            {"server_id": 1, "status": "accepted", "recipients": THREE, "at": JUST_NOW - DAY},
            {"server_id": 1, "status": "refused", "recipients": THREE},
            {"server_id": 1, "status": "failed", "recipients": THREE},
            {"server_id": 1, "status": "rejected_by_rule", "recipients": THREE},
            {"server_id": 3, "status": "accepted"},
            {"server_id": 9, "status": "accepted", "recipients": THREE},
        ],
    )
    core = open_core()
    one, two, three = (core.servers.get(number) for number in (1, 2, 3))
    assert one.account_key == two.account_key == "smtp:smtp.x.com/ana@x.com"
    assert three.account_key == "smtp:smtp.x.com/-/a@x.com"
    assert [used(core, server, now=JUST_NOW) for server in (one, two, three)] == [7, 7, 1]
    assert used(core, one, now=JUST_NOW - INSTANT) == 10
    assert sums(core) == sums(core, DailyUsage)
    assert sums(core)["smtp:?/9"] == (1, 3, 0)
    assert not reserve(core, two, 6, now=JUST_NOW)[1]
    assert reserve(core, two, 5, now=JUST_NOW)[1]


@pytest.mark.empty_database
def test_what_a_dead_process_of_the_old_version_left_counts_too(
    settings: Settings, open_core: Callable[[], Mailcore]
) -> None:
    old_database(settings, [{"limit": 3}], [{"server_id": 1, "status": "started", "recipients": THREE}])
    core = open_core()
    assert [(row.status, row.counted) for row in rows(core)] == [(SendStatus.UNCERTAIN, 3)]
    assert not reserve(core, core.servers.get(1), now=JUST_NOW)[1]


@pytest.mark.empty_database
@first_row_on_both(
    ("host", "username"),
    [
        ("smtps.uol.com.br", "Loja@uol.com.br"),
        ("smtp.gmail.com", "a.na+nota@gmail.com"),
        ("smtp.exemplo.com.br", "ana+nota@exemplo.com.br"),
    ],
)
def test_what_counted_before_a_save_counts_after_it(
    settings: Settings, open_core: Callable[[], Mailcore], host: str, username: str
) -> None:
    """A save spells the account properly; what an old version sent through it stays counted."""
    old_database(
        settings,
        [{"host": host, "username": username, "limit": 3}],
        [{"server_id": 1, "status": "accepted", "recipients": THREE}],
    )
    core = open_core()
    server = core.servers.get(1)
    assert used(core, server, now=JUST_NOW) == 3
    server = core.servers.update(server, replace(draft_of(server), notes="nada"), actor=ME).server
    assert used(core, server, now=JUST_NOW) == 3
    assert not reserve(core, server, now=JUST_NOW)[1]


def test_an_elastic_email_account_is_known_by_its_key_after_the_update(
    settings: Settings, open_core: Callable[[], Mailcore]
) -> None:
    core = open_core()
    one, other = elastic(core, "CHAVE-1", daily_limit=10), elastic(core, "CHAVE-1")
    alone, without = elastic(core, "CHAVE-2"), elastic(core, "CHAVE-3")
    without = core.servers.update(without, draft_of(without), remove_secret=True, actor=ME).server
    known = one.account_key
    use(core, one, 3, now=JUST_NOW)
    with core.database.write() as session:  # as the migration leaves it, which reads no key
        for table in ("mail_server", "send", "usage", "daily_usage"):
            column = "id" if table == "mail_server" else "server_id"
            session.execute(text(f"UPDATE {table} SET account_key = 'elastic_email:?' || {column}"))
    use(core, core.servers.get(other.id), 4, now=JUST_NOW)
    again = open_core()
    keys = [again.servers.get(server.id).account_key for server in (one, other, alone, without)]
    assert keys[:2] == [known, known]
    assert keys[2] != known
    assert not keys[2].startswith("elastic_email:?")
    assert keys[3] == f"elastic_email:?{without.id}"
    server = again.servers.get(one.id)
    assert used(again, server, now=JUST_NOW) == 7
    assert sums(again) == sums(again, DailyUsage) == {known: (2, 7, 0)}
    assert {row.account_key for row in rows(again)} == {known}
    assert not reserve(again, again.servers.get(other.id), 4, now=JUST_NOW)[1]


def test_what_is_returned_is_what_is_stored(core: Mailcore) -> None:
    """Not read again, but made of the values that were written: a new column must not be forgotten there."""
    server = register(core, daily_limit=1)
    for key, is_free in (("first", True), ("over", False)):
        made, may_send = reserve(core, server, key=key)
        stored = core.ledger.get(made.id)
        assert may_send is is_free
        assert _values(made) == _values(stored)
        if may_send:
            settled = core.settle(made, SendStatus.ACCEPTED, reply="250 ok", actor=ME)
            assert _values(settled) == _values(core.ledger.get(made.id))


def _values(send: Send) -> dict[str, Any]:
    return {column.name: getattr(send, column.name) for column in Send.__table__.columns}
