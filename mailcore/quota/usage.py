"""What accounts used, summed up in slots of time, so that a sum costs the same whatever the number of sends.

A slot is five minutes long; every time zone's midnight falls between two slots. Slots too old for any window are
merged into slots of an hour; a table of days, in the configured zone, serves the charts of a month.

The statements are plain SQL on the driver's own cursor, because reserving runs through them; SQLite and PostgreSQL
take the same text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, text, update

from mailcore.quota.rules import Count, FreedUnits
from mailcore.storage.tables import Account, Batch, DailyUsage, ExternalUse, MailServer, Send, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import BindParameter, ColumnElement, Result
    from sqlalchemy.orm import Session

    from mailcore.quota.locked_account import LockedAccount
    from mailcore.quota.rules import QuotaRule
    from mailcore.storage.database import Database

_IN: BindParameter[Any] = bindparam("accounts", expanding=True)
SLOT_SECONDS = 300
HOUR_SECONDS = 3_600
FINE_FOR = timedelta(hours=50)
"""How long slots of five minutes are kept apart: a window of 24 hours, and a clock set back by a day."""
HOURS_FOR = timedelta(days=40)
"""How long hours are kept."""

_ADD = """
INSERT INTO usage (account_key, slot, server_id, messages, recipients, external, last_at)
VALUES (:account, :slot, :server, :messages, :recipients, :external, :at)
ON CONFLICT (account_key, slot, server_id) DO UPDATE SET messages = usage.messages + excluded.messages,
recipients = usage.recipients + excluded.recipients, external = usage.external + excluded.external,
last_at = CASE WHEN excluded.last_at > usage.last_at THEN excluded.last_at ELSE usage.last_at END
"""
_ADD_DAY = """
INSERT INTO daily_usage (day, account_key, server_id, messages, recipients, external)
VALUES (:day, :account, :server, :messages, :recipients, :external)
ON CONFLICT (day, account_key, server_id) DO UPDATE SET messages = daily_usage.messages + excluded.messages,
recipients = daily_usage.recipients + excluded.recipients, external = daily_usage.external + excluded.external
"""
# Whole slots from their sums; of the slot that the window's beginning cuts, each row.
_USED = """
SELECT coalesce(sum(messages), 0), coalesce(sum(recipients), 0) FROM (
SELECT sum(messages + external) AS messages, sum(recipients + external) AS recipients
FROM usage WHERE account_key = :account AND slot > :edge
UNION ALL SELECT count(*), sum(counted) FROM send
WHERE account_key = :account AND at > :since AND at < :edge_end AND counted > 0
UNION ALL SELECT sum(units), sum(units) FROM external_use
WHERE account_key = :account AND at > :since AND at < :edge_end) AS parts
"""
# What counts of the slot that the window's beginning cuts, and the newest of it.
_CUT = """
SELECT coalesce(sum(messages), 0), coalesce(sum(recipients), 0), max(newest) FROM (
SELECT count(*) AS messages, sum(counted) AS recipients, max(at) AS newest FROM send
WHERE account_key = :account AND at > :since AND at < :edge_end AND counted > 0
UNION ALL SELECT sum(units), sum(units), max(at) FROM external_use
WHERE account_key = :account AND at > :since AND at < :edge_end) AS parts
"""
_SLOTS = """
SELECT sum(messages + external), sum(recipients + external), max(last_at) FROM usage
WHERE account_key = :account AND slot > :edge GROUP BY slot ORDER BY slot
"""
_OLD = "usage WHERE slot < :before AND slot % 3600 <> 0"
_TO_HOURS = """
INSERT INTO usage (account_key, slot, server_id, messages, recipients, external, last_at)
SELECT account_key, slot / 3600 * 3600, server_id, sum(messages), sum(recipients), sum(external), max(last_at)
FROM {old} GROUP BY 1, 2, 3
ON CONFLICT (account_key, slot, server_id) DO UPDATE SET messages = usage.messages + excluded.messages,
recipients = usage.recipients + excluded.recipients, external = usage.external + excluded.external,
last_at = CASE WHEN excluded.last_at > usage.last_at THEN excluded.last_at ELSE usage.last_at END
"""


@dataclass(frozen=True, slots=True)
class Amount:
    """What is counted at once; negative where it is given back."""

    messages: int = 0
    recipients: int = 0
    external: int = 0


def slot_of(moment: datetime) -> int:
    """Return the slot a moment falls into: its beginning, in seconds since 1970."""
    return int(moment.timestamp()) // SLOT_SECONDS * SLOT_SECONDS


def add(account: LockedAccount, server_id: int, at: datetime, amount: Amount) -> None:
    """Count an amount at a moment, or, where it is negative, give it back there."""
    counted = {
        "account": account.key,
        "server": server_id,
        "messages": amount.messages,
        "recipients": amount.recipients,
        "external": amount.external,
    }
    account.cursor.execute(_ADD, counted | {"slot": slot_of(at), "at": account.database.stored(at)})
    day = at.astimezone(account.settings.zone).date().isoformat()
    account.cursor.execute(_ADD_DAY, counted | {"day": day})


def used(account: LockedAccount, since: datetime) -> tuple[int, int]:
    """Return the messages and the recipients counted after ``since``, whatever the clock says now."""
    row = account.cursor.row(_USED, _window(account, since))
    return (int(row[0]), int(row[1])) if row else (0, 0)


def count(account: LockedAccount, rule: QuotaRule, now: datetime) -> Count:
    """Return what is used of a rule's limit; what frees is left out (see :func:`freed`)."""
    return Count(rule, rule.units(*used(account, rule.since(now))))


def freed(account: LockedAccount, rule: QuotaRule, now: datetime) -> tuple[FreedUnits, ...]:
    """Return when what is used frees: what still counts of the slot that the window's beginning cuts, then by slots."""
    window = _window(account, rule.since(now))
    rows = account.cursor.rows(_CUT, {name: value for name, value in window.items() if name != "edge"})
    rows += account.cursor.rows(_SLOTS, {"account": account.key, "edge": window["edge"]})
    return tuple(
        FreedUnits(rule.frees(account.database.moment(newest)), units)
        for messages, recipients, newest in rows
        if newest is not None and (units := rule.units(int(messages), int(recipients))) > 0
    )


def _window(account: LockedAccount, since: datetime) -> dict[str, object]:
    """What :data:`_USED` is asked with; ``since`` is exclusive: a moment later is inside."""
    edge = slot_of(since)
    return {
        "account": account.key,
        "edge": edge,
        "since": account.database.stored(since),
        "edge_end": account.database.stored(datetime.fromtimestamp(edge + SLOT_SECONDS, UTC)),
    }


def is_old(now: datetime) -> ColumnElement[bool]:
    """Condition of the slots that :func:`roll_up` merges."""
    return and_(Usage.slot < _fine_from(now), Usage.slot % HOUR_SECONDS != 0)


def _fine_from(now: datetime) -> int:
    return slot_of(now - FINE_FOR) // HOUR_SECONDS * HOUR_SECONDS


def roll_up(database: Database, *, now: datetime | None = None) -> None:
    """Merge old slots into hours, and drop the oldest: cost follows accounts, not history.

    Raises:
        StorageError: the database could not be written.
    """
    moment = now or datetime.now(UTC)
    fine = {"before": _fine_from(moment)}
    hours = {"before": slot_of(moment - HOURS_FOR)}
    with database.write_connection() as connection:
        if database.is_sqlite:
            connection.execute(text(_TO_HOURS.replace("{old}", _OLD)), fine)
            connection.execute(text(f"DELETE FROM {_OLD}"), fine)  # noqa: S608 - words of our own
        else:
            # In one statement: of two that roll up at once, the other finds nothing to add a second time.
            gone = f"WITH gone AS (DELETE FROM {_OLD} RETURNING *) "  # noqa: S608
            connection.execute(text(gone + _TO_HOURS.replace("{old}", "gone")), fine)
        connection.execute(text("DELETE FROM usage WHERE slot < :before"), hours)


def rename_account(database: Database, server_id: int, old: str, new: str) -> None:
    """Let everything that was counted for a server under one key count under another, its hold included.

    Raises:
        StorageError: the database could not be written; nothing was changed.
    """
    with database.write() as session:
        # In one order, so that two renames cannot block each other.
        rows = {key: session.get(Account, key, with_for_update=True) for key in sorted((old, new))}
        before, after = rows[old], rows[new]
        if before is not None and before.held_since is not None:
            if after is None:
                after = Account(key=new)
                session.add(after)
            if after.held_since is None:
                for name in ("held_since", "held_until", "held_code", "held_reply", "auth_failures"):
                    setattr(after, name, getattr(before, name))
        session.execute(update(MailServer).where(MailServer.id == server_id).values(account_key=new))
        for table in (Send, Usage, DailyUsage, ExternalUse, Batch):
            ours = table.server_id == server_id, table.account_key == old
            session.execute(update(table).where(*ours).values(account_key=new))


def result_for(session: Session, statement: str, values: Mapping[str, Any], keys: Sequence[Any] | None) -> Result[Any]:
    """Run a statement; where ``keys`` are given, for these alone: they stand in it as ``IN :accounts``."""
    prepared = text(statement)
    if keys is not None:
        prepared, values = prepared.bindparams(_IN), {**values, "accounts": list(keys)}
    return session.execute(prepared, values)
