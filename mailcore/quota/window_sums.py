"""What the windows of many accounts hold, read at once.

Every figure is read from the slots of ``usage.py``, so the cost follows accounts, not history; only the slot that
the window's beginning cuts is looked at row by row, which makes the figures exact.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from mailcore.quota.rules import FreedUnits, together
from mailcore.quota.usage import SLOT_SECONDS, result_for, slot_of
from mailcore.vocabulary import LimitWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from mailcore.quota.rules import QuotaRule
    from mailcore.storage.database import Database

PACE = timedelta(hours=1)
"""Over which the present pace is measured."""

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
class WindowSums:
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


def window_sums(
    database: Database, session: Session, since: datetime, keys: list[str] | None, now: datetime
) -> dict[str, WindowSums]:
    """Return what the window that begins at ``since`` holds, for each of these accounts, or for all."""
    edge = slot_of(since)
    found: dict[str, WindowSums] = defaultdict(WindowSums)
    whole = _WHOLE_SLOTS.replace("{only}", "WHERE account_key IN :accounts" if keys is not None else "")
    for row in _rows(session, whole, {"edge": edge, "pace": slot_of(now - PACE)}, keys):
        key, messages, recipients, external, pace_messages, pace_recipients = row
        found[key] = WindowSums(int(messages), int(recipients), int(external), int(pace_messages), int(pace_recipients))
    first = _FIRST_SLOTS.replace("{only}", "WHERE account_key IN :accounts" if keys is not None else "")
    for key, messages, recipients, external, newest in _rows(session, first, {"edge": edge}, keys):
        found[key].first = (int(messages), int(recipients), int(external), database.moment(newest))
    cut = _CUT_SLOT.replace("{only}", "AND account_key IN :accounts" if keys is not None else "")
    end = datetime.fromtimestamp(edge + SLOT_SECONDS, UTC)
    between = {"since": database.stored(since), "edge_end": database.stored(end)}
    for key, messages, recipients, external, newest in _rows(session, cut, between, keys):
        sums = found[key]
        sums.messages += int(messages)
        sums.recipients += int(recipients)
        sums.external += int(external)
        before = sums.cut or (0, 0, 0, since)
        sums.cut = (
            before[0] + int(messages),
            before[1] + int(recipients),
            before[2] + int(external),
            max(before[3], database.moment(newest)),
        )
    return dict(found)


def first_freed(rule: QuotaRule, sums: WindowSums, used: int, now: datetime) -> tuple[FreedUnits, ...]:
    """Return what of ``used`` frees first, and when."""
    if rule.window is LimitWindow.CALENDAR_DAY:
        return (FreedUnits(rule.frees(now), used),) if used else ()
    first = sums.cut or sums.first
    freed = [_freed(rule, *first)] if first else []
    return together(each for each in freed if each.units > 0)


def every_slot(
    database: Database, session: Session, key: str, rule: QuotaRule, sums: WindowSums, now: datetime
) -> tuple[FreedUnits, ...]:
    """Return when each slot of the window frees, in order: one statement for an account."""
    freed = [_freed(rule, *sums.cut)] if sums.cut else []
    edge = {"account": key, "edge": slot_of(rule.since(now))}
    for _, _, messages, recipients, external, last in session.execute(text(_ONE_SLOT), edge):
        freed.append(_freed(rule, int(messages), int(recipients), int(external), database.moment(last)))
    return together(each for each in freed if each.units > 0)


def _freed(rule: QuotaRule, messages: int, recipients: int, external: int, newest: datetime) -> FreedUnits:
    return FreedUnits(rule.frees(newest), rule.units(messages, recipients) + external)


def _rows(session: Session, statement: str, values: dict[str, Any], keys: list[str] | None) -> Sequence[Any]:
    # At once: row by row costs as much as to find them.
    return result_for(session, statement, values, keys).all()
