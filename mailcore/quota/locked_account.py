"""One account inside one write transaction: what reserving, settling and counting work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.quota.account_state import AccountState
from mailcore.quota.rules import QuotaRule, QuotaSettings, RecordLimit, rule_for
from mailcore.vocabulary import LimitUnit, LimitWindow

if TYPE_CHECKING:
    from mailcore.quota.rules import LimitFields
    from mailcore.storage.database import Database, FastCursor

_SELECT = "SELECT held_since, held_until, held_code, held_reply, auth_failures FROM account WHERE key = :key"
_NEW = """
INSERT INTO account (key, held_code, held_reply, auth_failures) VALUES (:key, '', '', 0) ON CONFLICT (key) DO NOTHING
"""
_LIMITS = """
SELECT id, daily_limit, limit_unit, limit_window, host FROM mail_server
WHERE account_key = :key AND daily_limit IS NOT NULL
"""


class LockedAccount:
    """An account that nobody else reserves or settles in until the transaction ends."""

    __slots__ = ("cursor", "database", "key", "settings", "state")

    def __init__(self, database: Database, cursor: FastCursor, settings: QuotaSettings, key: str) -> None:
        """Wait for the account's lock, and take it.

        Args:
            cursor: of a :meth:`Database.fast_write`, which the account must not outlive.
        """
        self.database = database
        self.cursor = cursor
        self.settings = settings
        self.key = key
        self.state = self._lock()

    def rule(self, record: LimitFields | None = None) -> QuotaRule | None:
        """Return the rule of the account.

        Args:
            record: whose unit and window hold where no record of the account has a limit; without one, None is
                returned there.
        """
        rows = self.cursor.rows(_LIMITS, {"key": self.key})
        records: list[LimitFields] = [
            RecordLimit(number, limit, LimitUnit(unit), LimitWindow(window), host)
            for number, limit, unit, window, host in rows
        ]
        if records:
            return rule_for(records, self.settings)
        if record is None:
            return None
        without = RecordLimit(record.id, None, record.limit_unit, record.limit_window, record.host)
        return rule_for([without], self.settings)

    def _lock(self) -> AccountState:
        statement = _SELECT if self.database.is_sqlite else f"{_SELECT} FOR UPDATE"
        row = self.cursor.row(statement, {"key": self.key})
        if row is None:
            self.cursor.execute(_NEW, {"key": self.key})
            row = self.cursor.row(statement, {"key": self.key})
        since, until, code, reply, failures = row or (None, None, "", "", 0)
        moment = self.database.moment
        return AccountState(moment(since) if since else None, moment(until) if until else None, code, reply, failures)
