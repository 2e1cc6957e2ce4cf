"""How accounts stand: what the analysts' page, the list and the command line show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

from sqlalchemy import case, select, text
from sqlalchemy.orm import aliased

from mailcore.quota.account_state import state_of
from mailcore.quota.rules import Count, Quota, rule_for, stricter
from mailcore.quota.usage import slot_of
from mailcore.quota.window_sums import PACE, WindowSums, every_slot, first_freed, window_sums
from mailcore.storage.tables import Account, MailServer
from mailcore.vocabulary import QuotaState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

    from mailcore.quota.account_state import AccountState
    from mailcore.quota.rules import QuotaSettings, ServiceReading
    from mailcore.storage.database import Database

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
        own, sums = counted[key]
        reading, state = told.get(key), states.get(key)
        service = reading.count(own, settings.zone, moment) if reading else None
        found.append(
            Quota(
                account_key=key,
                servers=tuple(servers),
                own=own,
                external=sums.external,
                pace=stricter(own, service).rule.units(sums.pace_messages, sums.pace_recipients),
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
) -> dict[str, tuple[Count, WindowSums]]:
    """Our own count of each account, and the sums that it was made of."""
    rules = {key: rule_for(servers, settings) for key, servers in grouped.items()}
    by_beginning: dict[datetime, list[str]] = defaultdict(list)
    for key, rule in rules.items():
        by_beginning[rule.since(now)].append(key)
    by_account: dict[str, WindowSums] = {}
    for since, keys in by_beginning.items():
        only = keys if query.is_part or len(by_beginning) > 1 else None
        by_account |= window_sums(database, session, since, only, now)
    counted = {}
    for key, rule in rules.items():
        sums = by_account.get(key, WindowSums())
        used = rule.units(sums.messages, sums.recipients) + sums.external
        if query.every_slot:
            frees = every_slot(database, session, key, rule, sums, now)
        else:
            frees = first_freed(rule, sums, used, now)
        counted[key] = Count(rule, used, frees), sums
    return counted
