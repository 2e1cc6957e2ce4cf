"""How fast a provider takes an account's messages: learnt while sending, kept for the next time.

Providers limit connections and messages a minute, and publish neither. So it begins with one connection, adds one
while all goes well, and halves when the provider says that it is too much (421, 450, 4.7.x): first the connections,
then, where one is left, the messages a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore.quota.locked_account import LockedAccount

GROW_AFTER = 20
"""Messages accepted, for each connection in use, before one more is tried."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
NO_LIMIT_FROM = 3_000
"""Messages a minute from which on a learnt limit is forgotten."""

_SELECT = """
SELECT connections, per_minute, window_units, grown, failures, window_from, not_before FROM account_pace
WHERE account_key = :key
"""
_STORE = """
INSERT INTO account_pace
(account_key, connections, per_minute, window_units, grown, failures, window_from, not_before, learnt_at)
VALUES (:key, :connections, :per_minute, :window_units, :grown, :failures, :window_from, :not_before, :now)
ON CONFLICT (account_key) DO UPDATE SET connections = excluded.connections, per_minute = excluded.per_minute,
window_units = excluded.window_units, grown = excluded.grown, failures = excluded.failures,
window_from = excluded.window_from, not_before = excluded.not_before, learnt_at = excluded.learnt_at
"""


@dataclass(slots=True)
class Pace:
    """What was learnt of one account."""

    connections: int = 1
    per_minute: int | None = None
    window_units: int = 0
    """Messages since ``window_from``."""
    grown: int = 0
    """Messages accepted since the last change."""
    failures: int = 0
    """Tries in a row that brought nothing through."""
    window_from: datetime | None = None
    """When the minute at hand began: with its first message."""
    not_before: datetime | None = None

    def pauses_until(self, now: datetime) -> datetime | None:
        """Return until when nothing may go; None where it may. No pause is that long if the clock was not set back."""
        is_pause = self.not_before is not None and now < self.not_before <= now + LONGEST_PAUSE
        return self.not_before if is_pause else None

    def room(self, now: datetime) -> int | None:
        """Return how many messages still fit into this minute; None without a limit."""
        if self.per_minute is None:
            return None
        return max(0, self.per_minute - (self.window_units if self._is_in_window(now) else 0))

    def next_minute(self, now: datetime) -> datetime:
        """Return when there is room again."""
        return (self.window_from or now) + MINUTE

    def count(self, messages: int, now: datetime) -> None:
        """Count messages that go now."""
        if not self._is_in_window(now):
            self.window_from, self.window_units = now, 0
        self.window_units += messages

    def accepted(self, messages: int, most: int) -> None:
        """Learn from messages that were taken.

        Args:
            most: connections that make sense at a time with this kind of server.
        """
        self.failures, self.not_before = 0, None
        self.grown += messages
        if self.grown >= GROW_AFTER * self.connections:
            self.grown = 0
            self.connections = min(self.connections + 1, max(1, most))
            if self.per_minute is not None:
                faster = self.per_minute + max(1, self.per_minute // 10)
                self.per_minute = faster if faster < NO_LIMIT_FROM else None

    def too_fast(self, now: datetime, *, is_stopped: bool) -> None:
        """Learn that the provider wants less.

        Args:
            is_stopped: nothing of the group was taken. Where some were, the next ones go at once: many servers end a
                connection after so many messages, and take the next.
        """
        self.grown = 0
        if is_stopped:
            # Twice in a row with one connection: it is the rate.
            if self.connections == 1 and self.failures:
                self.per_minute = max(1, (self.per_minute or self._rate(now)) // 2)
            self.failed(now)
        self.connections = max(1, self.connections // 2)

    def failed(self, now: datetime) -> None:
        """Learn that nothing got through: each time the next try is later, by 1, 2, 4 … seconds."""
        self.failures += 1
        self.not_before = now + min(FIRST_PAUSE * 2 ** min(self.failures - 1, 12), LONGEST_PAUSE)

    def _is_in_window(self, now: datetime) -> bool:
        return self.window_from is not None and self.window_from <= now < self.window_from + MINUTE

    def _rate(self, now: datetime) -> int:
        """Messages a minute of late."""
        if self.window_from is None:
            return 2
        seconds = min(max((now - self.window_from).total_seconds(), 1), 60)
        return max(2, int(self.window_units * 60 / seconds))


def pace_of(account: LockedAccount) -> Pace:
    """Return what was learnt of an account."""
    row = account.cursor.row(_SELECT, {"key": account.key})
    if row is None:
        return Pace()
    connections, per_minute, units, grown, failures, *moments = row
    window_from, not_before = (account.database.moment(each) if each else None for each in moments)
    return Pace(connections, per_minute, units, grown, failures, window_from, not_before)


def keep_pace(account: LockedAccount, pace: Pace, now: datetime) -> None:
    """Remember it."""
    stored = account.database.stored
    account.cursor.execute(
        _STORE,
        {
            "key": account.key,
            "connections": pace.connections,
            "per_minute": pace.per_minute,
            "window_units": pace.window_units,
            "window_from": stored(pace.window_from) if pace.window_from else None,
            "grown": pace.grown,
            "failures": pace.failures,
            "not_before": stored(pace.not_before) if pace.not_before else None,
            "now": stored(now),
        },
    )
