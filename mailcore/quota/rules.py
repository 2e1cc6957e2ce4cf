"""Quotas: which limit holds for an account, how much of it is used, and when it frees.

This is the one place that says so; the screen, the command line, the files and the reservation of a send all ask
here. Records that share an account share what is used, and the smallest limit among them holds, in the unit and
over the window of the record that has it. Windows begin 24 hours ago, or at midnight of the provider's time zone
where the catalogue knows it, else of the configured one. A clock set back frees nothing: what lies ahead of it
counts too.

A service that counts for itself (Elastic Email) may know of more use than we do, or of another limit. Of the two
counts the stricter one is shown; see :func:`stricter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailcore.catalog import for_host
from mailcore.vocabulary import LimitUnit, LimitWindow, QuotaState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailcore.quota.account_state import AccountState
    from mailcore.storage.tables import MailServer

ROLLING = timedelta(hours=24)
NEAR, VERY_NEAR = 0.80, 0.95
"""Shares of the limit from which on a warning is shown, and a louder one."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """The settings that quotas depend on."""

    zone: ZoneInfo
    margin_percent: int = 0
    """How much of every limit in a record is left unused."""


class LimitFields(Protocol):
    """The fields of a record that say what may be sent; :class:`MailServer` has them, and :class:`RecordLimit`."""

    @property
    def id(self) -> int: ...
    @property
    def daily_limit(self) -> int | None: ...
    @property
    def limit_unit(self) -> LimitUnit: ...
    @property
    def limit_window(self) -> LimitWindow: ...
    @property
    def host(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RecordLimit:
    """The limit of one record, as read without the rest of it."""

    id: int
    daily_limit: int | None
    limit_unit: LimitUnit
    limit_window: LimitWindow
    host: str


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """The limit that holds for an account, and how it is counted."""

    limit: int | None
    """As entered, in ``unit``; None where no record of the account has one."""
    unit: LimitUnit
    window: LimitWindow
    zone: ZoneInfo
    margin_percent: int = 0

    @property
    def ceiling(self) -> int | None:
        """The limit less the safety margin, rounded down but never to nothing: what may be counted at most."""
        if self.limit is None or not self.margin_percent:
            return self.limit
        return max(1, self.limit * (100 - self.margin_percent) // 100)

    def since(self, now: datetime) -> datetime:
        """Return the beginning of the window, exclusive: what is later counts."""
        if self.window is LimitWindow.ROLLING_24H:
            return now - ROLLING
        return _midnight(now.astimezone(self.zone), self.zone) - _INSTANT

    def frees(self, at: datetime) -> datetime:
        """Return when what was counted at this moment stops counting."""
        if self.window is LimitWindow.ROLLING_24H:
            return at + ROLLING
        return _midnight(at.astimezone(self.zone) + timedelta(days=1), self.zone)

    def units(self, messages: int, recipients: int) -> int:
        """Return how many units these are."""
        return messages if self.unit is LimitUnit.MESSAGES else recipients


@dataclass(frozen=True, slots=True)
class FreedUnits:
    """Units that stop counting by a moment."""

    at: datetime
    units: int


@dataclass(frozen=True, slots=True)
class Count:
    """What is used of a limit, by our own count or by the service's."""

    rule: QuotaRule
    used: int
    frees: tuple[FreedUnits, ...] = ()
    """When what is used frees, soonest first."""

    @property
    def limit(self) -> int | None:
        return self.rule.ceiling

    @property
    def left(self) -> int | None:
        """How much fits now, never negative; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def share(self) -> float:
        """How much of the limit is used, 1.0 being all of it; 0 without one."""
        if self.limit is None:
            return 0.0
        return self.used / self.limit if self.limit else 1.0


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """What a service last said of an account's limit and of its use today."""

    read_at: datetime
    daily_limit: int | None = None
    """Recipients a day; None where it did not say."""
    used_today: int | None = None
    """Recipients since midnight of the configured zone; None where it did not say."""
    unavailable: tuple[tuple[str, str], ...] = ()
    """Figures that could not be read, each with its reason."""

    def count(self, own: Count, zone: ZoneInfo, now: datetime) -> Count | None:
        """Return the service's side of the count, or None where it told no limit.

        The service's limit is taken as it is, without the safety margin: that is for use we cannot see, and the
        service sees all of it. Where it did not tell the use, or told it before the day began, its limit is held
        against our own count, which is the least that was used.

        Args:
            own: our count of the same account.
            zone: the configured zone, whose day ``used_today`` is of.
        """
        if self.daily_limit is None:
            return None
        if self.used_today is None or self.read_at.astimezone(zone).date() != now.astimezone(zone).date():
            rule = QuotaRule(self.daily_limit, own.rule.unit, own.rule.window, own.rule.zone)
            return Count(rule, own.used, own.frees)
        rule = QuotaRule(self.daily_limit, LimitUnit.RECIPIENTS, LimitWindow.CALENDAR_DAY, zone)
        frees = (FreedUnits(rule.frees(now), self.used_today),) if self.used_today else ()
        return Count(rule, self.used_today, frees)


def stricter(own: Count, service: Count | None) -> Count:
    """Return the count that holds for an account: the one that leaves less.

    A count without a limit leaves everything. Where both leave the same, it is the one whose limit is used up
    further; where that is the same too, ours. Limit, use, unit, window and what frees are then all of that one count,
    never mixed. The two are compared as numbers: a service counts recipients, whatever unit a record has.
    """
    if service is None or service.left is None:
        return own
    if own.left is None:
        return service
    return service if (service.left, -service.share) < (own.left, -own.share) else own


@dataclass(frozen=True, slots=True)
class Quota:
    """How one account stands now: one truth for every screen, file and command."""

    account_key: str
    servers: tuple[MailServer, ...]
    own: Count
    """By the ledger and what was entered as used elsewhere."""
    external: int = 0
    """Of ``own.used``: what somebody entered as used elsewhere."""
    pace: int = 0
    """Units of the last hour by our ledger, in the unit of :attr:`rule`."""
    hold: AccountState | None = None
    """Why and until when nothing is tried through it, where that is so now."""
    service: Count | None = None
    """By the service, where it counts for itself and told."""
    unavailable: tuple[tuple[str, str], ...] = ()
    """Figures of the service that could not be read, each with its reason."""

    def __repr__(self) -> str:
        used = f"{self.used}/{'∞' if self.limit is None else self.limit} {self.rule.unit.value}"
        names = ", ".join(repr(server.name) for server in self.servers[:3])
        more = f" +{len(self.servers) - 3}" if len(self.servers) > 3 else ""
        return f"Quota({self.state.value}, {used}, servers=[{names}{more}])"

    @property
    def shown(self) -> Count:
        """The stricter count, which every figure below is of."""
        return stricter(self.own, self.service)

    @property
    def rule(self) -> QuotaRule:
        return self.shown.rule

    @property
    def limit(self) -> int | None:
        return self.shown.limit

    @property
    def used(self) -> int:
        return self.shown.used

    @property
    def frees(self) -> tuple[FreedUnits, ...]:
        """When what is used frees, soonest first."""
        return self.shown.frees

    @property
    def sent_here(self) -> int:
        """Units that left through this program, by our own count."""
        return self.own.used - self.external

    @property
    def remaining(self) -> int | None:
        """How much may be sent now: limit less use, never negative, 0 while blocked; None without a limit."""
        return 0 if self.hold is not None else self.shown.left

    @property
    def share(self) -> float:
        """How much of the limit is used, 1.0 being all of it; 0 without one."""
        return self.shown.share

    @property
    def state(self) -> QuotaState:
        if self.hold is not None:
            return QuotaState.BLOCKED
        shown = self.shown
        if shown.left == 0:
            return QuotaState.FULL
        return QuotaState.NEAR if shown.share >= NEAR else QuotaState.OK

    def fits_at(self, units: int, now: datetime) -> datetime | None:
        """Return when so many units will fit, if nothing else is sent; None where they never will."""
        return fits_at(self.shown, units, now)


def fits_at(count: Count, units: int, now: datetime) -> datetime | None:
    """Return when ``units`` more will fit, if nothing else is sent; None where they never will."""
    limit, used = count.limit, count.used
    if limit is None or used + units <= limit:
        return now
    if units > limit:
        return None
    for freed in count.frees:
        used -= freed.units
        if used + units <= limit:
            return freed.at
    return None


def together(found: Iterable[FreedUnits]) -> tuple[FreedUnits, ...]:
    """Return units that free at one moment (midnight, say) as one entry, soonest first."""
    by_moment: dict[datetime, int] = {}
    for freed in found:
        by_moment[freed.at] = by_moment.get(freed.at, 0) + freed.units
    return tuple(FreedUnits(at, units) for at, units in sorted(by_moment.items()))


def rule_for(records: Sequence[LimitFields], settings: QuotaSettings) -> QuotaRule:
    """Return the rule of an account from its records: that of the smallest limit; of equal ones, the oldest record's.

    Args:
        records: at least one. Those without a limit matter only where none has one: then the first gives the unit.
    """
    limited = [record for record in records if record.daily_limit is not None]
    chosen = min(limited, key=lambda record: (record.daily_limit or 0, record.id)) if limited else records[0]
    zone = settings.zone
    if chosen.limit_window is LimitWindow.CALENDAR_DAY:
        zone = window_zone(chosen.host, zone)
    return QuotaRule(chosen.daily_limit, chosen.limit_unit, chosen.limit_window, zone, settings.margin_percent)


def window_zone(host: str, configured: ZoneInfo) -> ZoneInfo:
    """Return the time zone in which a provider's day begins; the configured one where nobody published it."""
    try:
        name = _published_zone(host)
        return ZoneInfo(name) if name else configured
    except (ZoneInfoNotFoundError, ValueError):
        return configured


@cache
def _published_zone(host: str) -> str:
    provider = for_host(host)
    return provider.window_zone if provider else ""


def _midnight(local: datetime, zone: ZoneInfo) -> datetime:
    """The day's beginning as UTC; where the clock skips midnight, the moment it is skipped to."""
    return datetime.combine(local.date(), time(), zone).astimezone(UTC)
