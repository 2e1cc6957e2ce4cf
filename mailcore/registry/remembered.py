"""What searches found, remembered until the next write to the registry, whichever process writes.

Triggers on ``mail_server`` move a number (migration 0004), and every answer is kept under the number it was
found at. On SQLite the number is read in the transaction that searches, so both are of one state. On PostgreSQL
it is a sequence, which moves when a writer begins. An answer is therefore kept only if no writer was at work
after the number was read: later ones move it, earlier ones are seen by the search, whose statements come after.

An answer may depend on nothing but ``mail_server``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sized
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sqlalchemy.orm import Session

T = TypeVar("T")

_MOST_NUMBERS = 1_000_000
"""Numbers kept in all answers together; 8 MB of ids."""
_KEY_SIZE = 50
"""What a key takes up, in numbers."""

_SQLITE_NUMBER = text("SELECT number FROM mail_server_changes")
_POSTGRES_NUMBER = text("SELECT last_value FROM mail_server_changes")
# A writer holds this lock on the table until its changes are visible to others.
_POSTGRES_WRITERS = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'mail_server'::regclass AND mode = 'RowExclusiveLock' "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


class Remembered:
    """The answers one process keeps, safe to share between threads. An answer is a number or many."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._numbers = 0
        self._lock = Lock()

    def during(self, session: Session) -> Moment:
        """Return what is remembered of the registry as this session sees it."""
        return Moment(self, session)

    def find(self, key: Hashable) -> Any | None:
        """Return the answer kept under a key, or None."""
        with self._lock:
            if key not in self._answers:
                return None
            self._answers.move_to_end(key)
            return self._answers[key][0]

    def keep(self, key: Hashable, answer: Any) -> None:
        """Keep an answer; those not asked for in the longest time make room."""
        size = _KEY_SIZE + (len(answer) if isinstance(answer, Sized) else 1)
        with self._lock:
            self._numbers += size - self._answers.pop(key, (None, 0))[1]
            self._answers[key] = (answer, size)
            while self._numbers > _MOST_NUMBERS:
                self._numbers -= self._answers.popitem(last=False)[1][1]


class Moment:
    """The answers that hold for what one session sees."""

    def __init__(self, remembered: Remembered, session: Session) -> None:
        self._remembered = remembered
        self._session = session
        bind = session.get_bind()
        self._is_sqlite = bind.dialect.name == "sqlite"
        # What a writing session sees may be rolled back, and its number then belong to something else.
        self._may_keep: bool | None = None if not bind.get_execution_options().get("mailcore_write") else False
        self._number: int = session.scalar(_SQLITE_NUMBER if self._is_sqlite else _POSTGRES_NUMBER) or 0

    def answer(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Return the remembered answer, or work it out and keep it; ``None`` is no answer."""
        known = self._remembered.find((self._number, key))
        if known is not None:
            return cast("T", known)
        if self._may_keep is None:
            self._may_keep = self._is_sqlite or not self._session.scalar(_POSTGRES_WRITERS)
        answer = work_out()
        if self._may_keep:
            self._remembered.keep((self._number, key), answer)
        return answer
