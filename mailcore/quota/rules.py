"""Quotas: which limit holds for an account, how much of it is used, and when it frees.

Records that share an account share what is used, and the smallest limit among them holds, in the unit and over the
window of the record that has it. Windows begin 24 hours ago, or at midnight of the provider's time zone where the
catalogue knows it, else of the configured one. A clock set back frees nothing: what lies ahead of it counts too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailcore.catalog import for_host
from mailcore.vocabulary import LimitUnit, LimitWindow, QuotaState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailcore.quota.holds import AccountState
    from mailcore.storage.tables import MailServer

ROLLING = timedelta(hours=24)
NEAR, VERY_NEAR = 0.80, 0.95
"""Shares of the limit from which on a warning is shown, and a louder one."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Counting:
    """The settings that counting depends on."""

    zone: ZoneInfo
    margin_percent: int = 0
    """How much of every limit is left unused."""


@dataclass(frozen=True, slots=True)
class Rule:
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
        return None if self.limit is None else max(1, self.limit * (100 - self.margin_percent) // 100)

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
class Freeing:
    """Units that stop counting by a moment."""

    at: datetime
    units: int


@dataclass(frozen=True, slots=True)
class Quota:
    """How one account stands now."""

    account_key: str
    servers: tuple[MailServer, ...]
    rule: Rule
    used: int
    external: int
    """Of ``used``: what somebody entered as used elsewhere; the rest left through here."""
    frees: tuple[Freeing, ...]
    """When what is used frees, soonest first."""
    pace: int = 0
    """Units of the last hour, those used elsewhere aside."""
    hold: AccountState | None = None
    """Why and until when nothing is tried through it, where that is so now."""

    def __repr__(self) -> str:
        used = f"{self.used}/{'∞' if self.limit is None else self.limit} {self.rule.unit.value}"
        names = ", ".join(repr(server.name) for server in self.servers[:3])
        more = f" +{len(self.servers) - 3}" if len(self.servers) > 3 else ""
        return f"Quota({self.state.value}, {used}, servers=[{names}{more}])"

    @property
    def limit(self) -> int | None:
        return self.rule.ceiling

    @property
    def remaining(self) -> int | None:
        """How much fits now, never negative; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def share(self) -> float:
        """How much of the limit is used, 1.0 being all of it; 0 without one."""
        if self.limit is None:
            return 0.0
        return self.used / self.limit if self.limit else 1.0

    @property
    def state(self) -> QuotaState:
        if self.hold is not None:
            return QuotaState.BLOCKED
        if self.limit is not None and self.used >= self.limit:
            return QuotaState.FULL
        return QuotaState.NEAR if self.share >= NEAR else QuotaState.OK

    def fits_at(self, units: int, now: datetime) -> datetime | None:
        """Return when so many units will fit, if nothing else is sent; None where they never will."""
        return fits_at(self.limit, self.used, self.frees, units, now)


def fits_at(limit: int | None, used: int, frees: Iterable[Freeing], units: int, now: datetime) -> datetime | None:
    """Return when ``units`` will fit under ``limit``; None where they never will."""
    if limit is None or used + units <= limit:
        return now
    if units > limit:
        return None
    for freeing in frees:
        used -= freeing.units
        if used + units <= limit:
            return freeing.at
    return None


def rule_for(servers: Sequence[MailServer], counting: Counting) -> Rule:
    """Return the rule of an account from its records: that of the smallest limit."""
    limited = [server for server in servers if server.daily_limit is not None]
    strictest = min(limited, key=lambda server: (server.daily_limit or 0, server.id)) if limited else servers[0]
    return rule_of(strictest.daily_limit, strictest.limit_unit, strictest.limit_window, strictest.host, counting)


def rule_of(limit: int | None, unit: LimitUnit, window: LimitWindow, host: str, counting: Counting) -> Rule:
    """Return the rule that one record's fields say."""
    zone = window_zone(host, counting.zone) if window is LimitWindow.CALENDAR_DAY else counting.zone
    return Rule(limit, unit, window, zone, counting.margin_percent)


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
