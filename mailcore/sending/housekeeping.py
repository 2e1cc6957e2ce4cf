"""What an installation tidies by itself: sends of dead processes, old sums, rows past their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select, text

from mailcore.oauth import authorizing
from mailcore.quota import usage
from mailcore.sending.abandoned import IS_UNDER_WAY, settle_abandoned
from mailcore.sending.ledger import past_retention, purge
from mailcore.storage.history import renew
from mailcore.storage.tables import Installation

if TYPE_CHECKING:
    from sqlalchemy import Row

    from mailcore.access.entrance import Access
    from mailcore.oauth.authorizing import Authorizing
    from mailcore.storage.database import Database

_TIDY_SECONDS = 3600
_TIDIED_AT = "tidied_at"
_NOTED_EVERY = timedelta(hours=1)
"""So that a start that finds nothing to do writes nothing."""


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
            present = datetime.now(UTC)
            due = self._look(present)
            now = self._believable(present, due.tidied_at)
            if due.abandoned:
                settle_abandoned(self._database)
            if due.sums:
                usage.roll_up(self._database, now=now)
            if due.access:
                self._access.tidy(now)
            if due.authorizing:
                self._authorizing.forget_old()
            gone = purge(self._database, self._retention_days, now=now) if due.sends else 0
            # While a backlog lasts, each call takes a piece of it.
            self._tidied = 0.0 if gone else monotonic()

    def _look(self, now: datetime) -> Row[Any]:
        """Ask in one statement what there is to do: mostly nothing, and the database may be far away."""
        due = {
            "abandoned": exists().where(IS_UNDER_WAY),
            "sums": exists().where(usage.is_old(now)),
            "access": self._access.is_due(now),
            "authorizing": exists().where(authorizing.is_old()),
            "sends": past_retention(self._retention_days, now).exists(),
            "tidied_at": select(Installation.value).where(Installation.name == _TIDIED_AT).scalar_subquery(),
        }
        with self._database.read() as session:
            return session.execute(select(*(asked.label(name) for name, asked in due.items()))).one()

    def _believable(self, now: datetime, noted: str | None) -> datetime:
        """The present, at most a day after the last time: a clock wrong by weeks must not age what is stored.

        Args:
            now: by this computer's clock.
            noted: the last time, where there was one.
        """
        if noted is not None and abs(now - datetime.fromisoformat(noted)) < _NOTED_EVERY:
            return now
        first = {"name": _TIDIED_AT, "value": now.isoformat()}
        made = "INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"
        with self._database.write() as session:
            session.execute(text(made), first)  # of several first starts at once, one makes it
            kept = session.get_one(Installation, _TIDIED_AT)
            believed = min(now, datetime.fromisoformat(kept.value) + timedelta(days=1))
            kept.value = believed.isoformat()
        return believed
