"""How accounts stand: what the analysts' page, the list and the command line show.

Every figure is read from the slots of ``usage.py``, so the cost follows accounts, not history; only the slot that
the window's beginning cuts is looked at row by row, which makes the figures exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain, groupby
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, case, select, text
from sqlalchemy.orm import aliased

from mailcore.quota.account_state import state_of
from mailcore.quota.rules import Count, FreedUnits, Quota, rule_for, stricter, together
from mailcore.quota.usage import HOUR_SECONDS, SLOT_SECONDS, slot_of
from mailcore.storage.tables import Account, MailServer
from mailcore.vocabulary import LimitWindow, QuotaState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy import BindParameter, ColumnElement, Result, Select
    from sqlalchemy.orm import Session

    from mailcore.quota.account_state import AccountState
    from mailcore.quota.rules import QuotaRule, QuotaSettings, ServiceReading
    from mailcore.storage.database import Database

PACE = timedelta(hours=1)
"""Over which the present pace is measured."""
CHART_DAYS, HEAT_DAYS = 30, 7

_IN: BindParameter[Any] = bindparam("accounts", expanding=True)
# CROSS JOIN keeps SQLite at walking from each account into its own slots, and means the same to PostgreSQL.
_WHOLE_SLOTS = """
SELECT k.account_key, sum(u.messages), sum(u.recipients), sum(u.external),
sum(CASE WHEN u.slot >= :pace THEN u.messages ELSE 0 END), sum(CASE WHEN u.slot >= :pace THEN u.recipients ELSE 0 END)
FROM (SELECT DISTINCT account_key FROM mail_server {only}) AS k
CROSS JOIN usage AS u WHERE u.account_key = k.account_key AND u.slot > :edge GROUP BY k.account_key
"""
_CUT_SLOT = """
SELECT account_key, count(*), sum(counted), 0, max(at) FROM send
WHERE at > :since AND at < :edge_end AND counted > 0 {only} GROUP BY account_key
UNION ALL SELECT account_key, 0, 0, sum(units), max(at) FROM external_use
WHERE at > :since AND at < :edge_end {only} GROUP BY account_key
"""
_ONE_SLOT = """
SELECT account_key, slot, sum(messages), sum(recipients), sum(external), max(last_at) FROM usage
WHERE account_key = :account AND slot > :edge GROUP BY account_key, slot ORDER BY slot
"""
_FIRST_SLOTS = """
SELECT u.account_key, sum(u.messages), sum(u.recipients), sum(u.external), max(u.last_at)
FROM (SELECT k.account_key, (SELECT min(slot) FROM usage AS f WHERE f.account_key = k.account_key AND f.slot > :edge
AND f.messages + f.external > 0) AS slot FROM (SELECT DISTINCT account_key FROM mail_server {only}) AS k) AS first
CROSS JOIN usage AS u WHERE u.account_key = first.account_key AND u.slot = first.slot GROUP BY u.account_key
"""


@dataclass(slots=True)
class _Part:
    """What one window of one account holds."""

    messages: int = 0
    recipients: int = 0
    external: int = 0
    pace_messages: int = 0
    pace_recipients: int = 0
    first: tuple[int, int, int, datetime] | None = None
    """Messages, recipients, units from elsewhere and the newest moment of the first whole slot."""
    cut: tuple[int, int, int, datetime] | None = None
    """Messages, recipients, units from elsewhere and the newest moment of the slot that the beginning cuts."""


class DayUse(NamedTuple):
    """What went through one server on one day."""

    day: date
    server_id: int
    messages: int
    recipients: int
    external: int


Readings = Callable[["Sequence[MailServer]"], "Mapping[str, ServiceReading]"]
"""Says what services last told of the accounts of these servers, by account key; it may wait for them or not."""


def no_readings(servers: Sequence[MailServer]) -> Mapping[str, ServiceReading]:  # noqa: ARG001 - as Readings has it
    """Say nothing of any account: figures by our own count alone."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaQuery:
    """Which accounts, and in how much detail; every condition given must hold."""

    server_id: int | None = None
    """Only the account of this server."""
    account_keys: Sequence[str] | None = None
    """Only these accounts."""
    every_slot: bool = False
    """:attr:`Quota.frees` lists all that is used; else only what frees first."""
    one_record: bool = False
    """:attr:`Quota.servers` has only the record whose limit holds: thousands may share an account, and reading them
    all takes far longer than the figures."""

    @property
    def is_part(self) -> bool:
        """Whether not every account is asked for."""
        return self.server_id is not None or self.account_keys is not None


_EVERY = QuotaQuery()


def quotas(
    database: Database,
    settings: QuotaSettings,
    query: QuotaQuery = _EVERY,
    *,
    readings: Readings = no_readings,
    now: datetime | None = None,
) -> list[Quota]:
    """Return how accounts stand, by the description of the first record of each.

    Args:
        readings: what services tell of the accounts that they count for themselves. It is asked after the database
            was read, so that it may take its time.
        now: aware; the present where it is not given.

    Raises:
        StorageError: the database could not be read.
    """
    moment = now or datetime.now(UTC)
    with database.read() as session:
        grouped = _grouped(session, query)
        states = _states(session, grouped, is_part=query.is_part)
        counted = _counted(database, session, settings, grouped, query, moment)
    told = readings([servers[0] for servers in grouped.values()])
    found = []
    for key, servers in grouped.items():
        own, part = counted[key]
        reading, state = told.get(key), states.get(key)
        service = reading.count(own, settings.zone, moment) if reading else None
        found.append(
            Quota(
                account_key=key,
                servers=tuple(servers),
                own=own,
                external=part.external,
                pace=stricter(own, service).rule.units(part.pace_messages, part.pace_recipients),
                hold=state if state is not None and state.is_held(moment) else None,
                service=service,
                unavailable=reading.unavailable if reading else (),
            )
        )
    return found


def near_the_limit(
    database: Database,
    settings: QuotaSettings,
    *,
    readings: Readings = no_readings,
    read_accounts: Iterable[str] = (),
    now: datetime | None = None,
) -> list[Quota]:
    """Return the accounts from 80 % of their limit on, and those on hold, the fullest first.

    Looked at are the accounts that were used in the last two days and those on hold.

    Args:
        readings: as for :func:`quotas`.
        read_accounts: keys of accounts that a service was asked about, to be looked at too.

    Raises:
        StorageError: the database could not be read.
    """
    found = _in_use(database, settings, readings, read_accounts, now or datetime.now(UTC))
    return sorted((quota for quota in found if quota.state is not QuotaState.OK), key=lambda quota: -quota.share)


def used_shares(
    database: Database,
    settings: QuotaSettings,
    *,
    readings: Readings = no_readings,
    read_accounts: Iterable[str] = (),
    now: datetime | None = None,
) -> dict[str, float]:
    """Return how much of its limit each account has used, 1.0 being all, for those that used any, by their key.

    More than any share is that of an account on hold: nothing is left of it. The arguments are those of
    :func:`near_the_limit`.

    Raises:
        StorageError: the database could not be read.
    """
    found = _in_use(database, settings, readings, read_accounts, now or datetime.now(UTC), one_record=True)
    shares = {quota.account_key: inf if quota.hold is not None else quota.share for quota in found}
    return {key: share for key, share in shares.items() if share}


def _in_use(
    database: Database,
    settings: QuotaSettings,
    readings: Readings,
    read_accounts: Iterable[str],
    now: datetime,
    *,
    one_record: bool = False,
) -> list[Quota]:
    """How the accounts stand that were used in the last two days, those on hold, and those of a service."""
    recent = "SELECT DISTINCT account_key FROM usage WHERE slot > :begins"
    with database.read() as session:
        keys = set(session.scalars(text(recent), {"begins": slot_of(now - timedelta(days=2))}))
        keys |= set(session.scalars(select(Account.key).where(Account.held_since.is_not(None))))
    keys |= set(read_accounts)
    query = QuotaQuery(account_keys=sorted(keys), one_record=one_record)
    return quotas(database, settings, query, readings=readings, now=now) if keys else []


def days(
    database: Database,
    zone: ZoneInfo,
    *,
    days: int = CHART_DAYS,
    server_ids: Sequence[int] | None = None,
    until: date | None = None,
    now: datetime | None = None,
) -> list[DayUse]:
    """Return what went through each server on each of ``days`` days.

    Args:
        until: the last of them; today where it is not given.

    Raises:
        StorageError: the database could not be read.
    """
    last = until or (now or datetime.now(UTC)).astimezone(zone).date()
    first = last - timedelta(days=days)
    # In the order of the primary key: to group and sort these rows in SQL takes longer than all the rest.
    statement = (
        "SELECT day, server_id, messages, recipients, external FROM daily_usage "
        "WHERE day > :first AND day <= :last{only} ORDER BY day"
    )
    found: list[DayUse] = []
    with database.read() as session:
        rows = _result(
            session,
            statement.replace("{only}", " AND server_id IN :accounts" if server_ids is not None else ""),
            {name: day.isoformat() if database.is_sqlite else day for name, day in (("first", first), ("last", last))},
            list(server_ids) if server_ids is not None else None,
        )
        # Piece by piece: many thousand rows that live together cost the garbage collector as much as their reading.
        for day, of_day in groupby(chain.from_iterable(rows.partitions(1_000)), itemgetter(0)):
            found += _uses(date.fromisoformat(str(day)), of_day)
    return found


def _uses(day: date, rows: Iterable[Any]) -> Iterable[DayUse]:
    """One for each server, also where it used several accounts that day."""
    uses: dict[int, DayUse] = {}
    for _, server_id, messages, recipients, external in rows:
        if (other := uses.get(server_id)) is not None:
            messages, recipients, external = (
                messages + other.messages,
                recipients + other.recipients,
                external + other.external,
            )
        uses[server_id] = DayUse(day, server_id, messages, recipients, external)
    return uses.values()


def hours(
    database: Database, zone: ZoneInfo, *, account_keys: Sequence[str] | None = None, now: datetime | None = None
) -> dict[tuple[date, int], int]:
    """Return the recipients of each hour of the last seven local days: (day, hour) → how many.

    Raises:
        StorageError: the database could not be read.
    """
    moment = now or datetime.now(UTC)
    first = moment.astimezone(zone).date() - timedelta(days=HEAT_DAYS - 1)
    begins = int(datetime(first.year, first.month, first.day, tzinfo=zone).timestamp())
    only = "WHERE account_key IN :accounts" if account_keys is not None else ""
    statement = f"""
    SELECT u.slot / {HOUR_SECONDS}, sum(u.recipients + u.external)
    FROM (SELECT DISTINCT account_key FROM mail_server {only}) AS k
    CROSS JOIN usage AS u WHERE u.account_key = k.account_key AND u.slot >= :begins GROUP BY 1
    """  # noqa: S608 - words of our own
    with database.read() as session:
        rows = _run(session, statement, {"begins": begins}, list(account_keys) if account_keys is not None else None)
    found: dict[tuple[date, int], int] = defaultdict(int)
    for hour, units in rows:
        local = datetime.fromtimestamp(int(hour) * HOUR_SECONDS, zone)
        found[local.date(), local.hour] += int(units)
    return dict(found)


def runs_out_at(quota: Quota, now: datetime) -> datetime | None:
    """Return when the quota is used up at the pace of the last hour; None where it is not, before it frees."""
    if not quota.remaining or not quota.pace:
        return None
    ends = now + PACE * (quota.remaining / quota.pace)
    return ends if ends < quota.rule.frees(now) else None


def _grouped(session: Session, query: QuotaQuery) -> dict[str, list[MailServer]]:
    conditions = []
    if query.server_id is not None:
        own = select(MailServer.account_key).where(MailServer.id == query.server_id).scalar_subquery()
        conditions.append(MailServer.account_key == own)
    if query.account_keys is not None:
        conditions.append(MailServer.account_key.in_(query.account_keys))
    if query.one_record:
        conditions = [MailServer.id.in_(_ruling(conditions))]
    found = select(MailServer).where(*conditions).order_by(MailServer.name_key)
    grouped: dict[str, list[MailServer]] = {}
    for server in session.scalars(found):
        grouped.setdefault(server.account_key, []).append(server)
    return grouped


def _ruling(conditions: list[ColumnElement[bool]]) -> Select[int]:
    """The record of each account that :func:`mailcore.quota.rules.rule_for` takes the rule from."""
    account = select(MailServer.account_key).distinct().where(*conditions).subquery()
    record = aliased(MailServer)
    has_none = record.daily_limit.is_(None)
    chosen = (
        select(record.id)
        .where(record.account_key == account.c.account_key)
        .order_by(has_none, record.daily_limit, case((has_none, record.name_key)), record.id)
        .limit(1)
    )
    return select(chosen.correlate(account).scalar_subquery()).select_from(account)


def _states(session: Session, grouped: dict[str, list[MailServer]], *, is_part: bool) -> dict[str, AccountState]:
    noted = select(Account).where((Account.held_since.is_not(None)) | (Account.auth_failures > 0))
    if is_part:
        noted = noted.where(Account.key.in_(list(grouped)))
    return {account.key: state_of(account) for account in session.scalars(noted)}


def _counted(
    database: Database,
    session: Session,
    settings: QuotaSettings,
    grouped: dict[str, list[MailServer]],
    query: QuotaQuery,
    now: datetime,
) -> dict[str, tuple[Count, _Part]]:
    """Our own count of each account, and the sums that it was made of."""
    rules = {key: rule_for(servers, settings) for key, servers in grouped.items()}
    by_beginning: dict[datetime, list[str]] = defaultdict(list)
    for key, rule in rules.items():
        by_beginning[rule.since(now)].append(key)
    parts: dict[str, _Part] = {}
    for since, keys in by_beginning.items():
        only = keys if query.is_part or len(by_beginning) > 1 else None
        parts |= _parts(database, session, since, only, now)
    counted = {}
    for key, rule in rules.items():
        part = parts.get(key, _Part())
        used = rule.units(part.messages, part.recipients) + part.external
        if query.every_slot:
            frees = _every_slot(database, session, key, rule, part, now)
        else:
            frees = _first_freed(rule, part, used, now)
        counted[key] = Count(rule, used, frees), part
    return counted


def _parts(
    database: Database, session: Session, since: datetime, keys: list[str] | None, now: datetime
) -> dict[str, _Part]:
    edge = slot_of(since)
    parts: dict[str, _Part] = defaultdict(_Part)
    whole = _WHOLE_SLOTS.replace("{only}", "WHERE account_key IN :accounts" if keys is not None else "")
    for row in _run(session, whole, {"edge": edge, "pace": slot_of(now - PACE)}, keys):
        key, messages, recipients, external, pace_messages, pace_recipients = row
        parts[key] = _Part(int(messages), int(recipients), int(external), int(pace_messages), int(pace_recipients))
    first = _FIRST_SLOTS.replace("{only}", "WHERE account_key IN :accounts" if keys is not None else "")
    for key, messages, recipients, external, newest in _run(session, first, {"edge": edge}, keys):
        parts[key].first = (int(messages), int(recipients), int(external), database.moment(newest))
    cut = _CUT_SLOT.replace("{only}", "AND account_key IN :accounts" if keys is not None else "")
    end = datetime.fromtimestamp(edge + SLOT_SECONDS, UTC)
    between = {"since": database.stored(since), "edge_end": database.stored(end)}
    for key, messages, recipients, external, newest in _run(session, cut, between, keys):
        part = parts[key]
        part.messages += int(messages)
        part.recipients += int(recipients)
        part.external += int(external)
        before = part.cut or (0, 0, 0, since)
        part.cut = (
            before[0] + int(messages),
            before[1] + int(recipients),
            before[2] + int(external),
            max(before[3], database.moment(newest)),
        )
    return dict(parts)


def _first_freed(rule: QuotaRule, part: _Part, used: int, now: datetime) -> tuple[FreedUnits, ...]:
    if rule.window is LimitWindow.CALENDAR_DAY:
        return (FreedUnits(rule.frees(now), used),) if used else ()
    first = part.cut or part.first
    freed = [_freed(rule, *first)] if first else []
    return together(each for each in freed if each.units > 0)


def _every_slot(
    database: Database, session: Session, key: str, rule: QuotaRule, part: _Part, now: datetime
) -> tuple[FreedUnits, ...]:
    freed = [_freed(rule, *part.cut)] if part.cut else []
    edge = {"account": key, "edge": slot_of(rule.since(now))}
    for _, _, messages, recipients, external, last in session.execute(text(_ONE_SLOT), edge):
        freed.append(_freed(rule, int(messages), int(recipients), int(external), database.moment(last)))
    return together(each for each in freed if each.units > 0)


def _freed(rule: QuotaRule, messages: int, recipients: int, external: int, newest: datetime) -> FreedUnits:
    return FreedUnits(rule.frees(newest), rule.units(messages, recipients) + external)


def _run(session: Session, statement: str, values: dict[str, Any], keys: list[Any] | None) -> Sequence[Any]:
    # At once: row by row costs as much as to find them.
    return _result(session, statement, values, keys).all()


def _result(session: Session, statement: str, values: dict[str, Any], keys: list[Any] | None) -> Result[Any]:
    prepared = text(statement)
    if keys is not None:
        prepared, values = prepared.bindparams(_IN), values | {"accounts": keys}
    return session.execute(prepared, values)
