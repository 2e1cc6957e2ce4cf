"""What an installation tidies by itself: sends of dead processes, old sums, rows past their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import text

from mailcore.quota.usage import roll_up
from mailcore.sending.abandoned import settle_abandoned
from mailcore.sending.ledger import purge
from mailcore.storage.history import renew
from mailcore.storage.tables import Installation

if TYPE_CHECKING:
    from mailcore.access.entrance import Access
    from mailcore.oauth.authorizing import Authorizing
    from mailcore.storage.database import Database

_TIDY_SECONDS = 3600


class Housekeeping:
    """Tidies one installation, once an hour however often it is asked to. Safe to share between threads."""

    def __init__(self, database: Database, access: Access, authorizing: Authorizing, retention_days: int) -> None:
        self._database = database
        self._access = access
        self._authorizing = authorizing
        self._retention_days = retention_days
        self._tidied = 0.0
        self._lock = Lock()

    def tidy(self) -> None:
        """Settle what dead processes left and drop rows past their time.

        Raises:
            StorageError: the database could not be written.
        """
        if monotonic() - self._tidied < _TIDY_SECONDS and self._tidied:
            return
        with self._lock:
            renew(self._database)
            settle_abandoned(self._database)
            now = self._believable_now()
            roll_up(self._database, now=now)
            self._access.tidy(now)
            self._authorizing.forget_old()
            gone = purge(self._database, self._retention_days, now=now)
            # While a backlog lasts, each call takes a piece of it.
            self._tidied = 0.0 if gone else monotonic()

    def _believable_now(self) -> datetime:
        """The present, at most a day after the last time: a clock wrong by weeks must not age what is stored."""
        now = datetime.now(UTC)
        first = {"name": "tidied_at", "value": now.isoformat()}
        made = "INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"
        with self._database.write() as session:
            session.execute(text(made), first)  # of several first starts at once, one makes it
            kept = session.get_one(Installation, "tidied_at")
            believed = min(now, datetime.fromisoformat(kept.value) + timedelta(days=1))
            kept.value = believed.isoformat()
        return believed
