"""Sessions: who is signed in, from where, and until when.

The browser holds a random token, the database its hash. A session ends 12 hours after its last use and 7 days after
it began, and at once when its row is taken away: nothing of it is kept in memory, so whoever asks hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, or_, select, update

from mailcore.actor import Actor
from mailcore.rights import Role
from mailcore.storage.tables import LoginSession, User
from mailcore.text import as_text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from mailcore.access.trail import Visitor
    from mailcore.storage.database import Database

UNUSED = timedelta(hours=12)
LONGEST = timedelta(days=7)
NOTED_EVERY = timedelta(minutes=1)
"""How exactly the last use is known: to write at every message would cost more than the message."""

_WHO = """
SELECT s.id, s.door, s.created_at, s.last_seen_at, u.id, u.email, u.name, u.role
FROM login_session s JOIN app_user u ON u.id = s.user_id WHERE u.is_active AND
"""
_OF_TOKEN = f"{_WHO} s.token_hash = :hash"
_OF_ID = f"{_WHO} s.id = :id"
_AT_PROXY = f"{_WHO} u.email_key = :email AND s.door = 'proxy' AND s.address = :address AND s.user_agent = :agent"


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody signed in."""

    session_id: int
    user_id: int
    email: str
    name: str
    role: Role
    door: str
    created_at: datetime
    last_seen_at: datetime

    @property
    def label(self) -> str:
        """What the menu calls them."""
        return self.name or self.email

    @property
    def actor(self) -> Actor:
        """Who acts: named so that two people of one name can be told apart."""
        return Actor(person(self.name, self.email), self.role, self.user_id)

    def is_over(self, now: datetime) -> bool:
        """Whether it ended by itself."""
        return now - self.last_seen_at > UNUSED or now - self.created_at > LONGEST


def person(name: str, email: str) -> str:
    """ "Ana Souza (ana@exemplo.com.br)"."""
    return f"{name} ({email})" if name else email


def begin(session: Session, user: User, door: str, visitor: Visitor) -> str:
    """Begin a session and return its token, which exists nowhere else."""
    token = token_urlsafe(32)
    now = datetime.now(UTC)
    session.add(
        LoginSession(
            token_hash=token_hash(token),
            user_id=user.id,
            door=door,
            created_at=now,
            last_seen_at=now,
            address=visitor.address[:64],
            user_agent=visitor.user_agent[:300],
        )
    )
    user.last_seen_at = now
    return token


def token_hash(token: str) -> str:
    """What is kept of a token. It is 256 random bits: a plain hash of it cannot be guessed back."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def end_all(session: Session, user_id: int) -> int:
    """End every session of a user; return how many there were."""
    ended = session.scalars(select(LoginSession.id).where(LoginSession.user_id == user_id)).all()
    session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))
    return len(ended)


def is_over(now: datetime) -> ColumnElement[bool]:
    """Condition of the sessions that ended by themselves."""
    return or_(LoginSession.last_seen_at < now - UNUSED, LoginSession.created_at < now - LONGEST)


def purge(session: Session, now: datetime) -> None:
    """Drop the rows of sessions that ended by themselves."""
    session.execute(delete(LoginSession).where(is_over(now)))


class Sessions:
    """Looks at sessions, before every message of every page: one statement each time, by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_token(self, token: str) -> Entered | None:
        """Return who holds this token, or None where the session is over or never was.

        Raises:
            StorageError: the database could not be read.
        """
        return self._look(_OF_TOKEN, hash=token_hash(token)) if token else None

    def get(self, session_id: int) -> Entered | None:
        """Return who is in this session, or None where it is over.

        Raises:
            StorageError: the database could not be read.
        """
        return self._look(_OF_ID, id=session_id)

    def at_proxy(self, email_key: str, visitor: Visitor) -> Entered | None:
        """Return the session of somebody whom the proxy names, from this browser; None where there is none yet.

        Raises:
            StorageError: the database could not be read.
        """
        return self._look(
            _AT_PROXY, email=as_text(email_key), address=visitor.address[:64], agent=visitor.user_agent[:300]
        )

    def used(self, entered: Entered, now: datetime) -> None:
        """Note that a session was used.

        Raises:
            StorageError: the database could not be written.
        """
        with self._database.write_connection() as connection:
            seen = {"last_seen_at": now}
            connection.execute(update(LoginSession).where(LoginSession.id == entered.session_id).values(seen))
            connection.execute(update(User).where(User.id == entered.user_id).values(seen))

    def _look(self, statement: str, **parameters: Any) -> Entered | None:
        with self._database.fast_read() as cursor:
            row = cursor.row(statement, parameters)
        if row is None:
            return None
        session_id, door, created_at, last_seen_at, user_id, email, name, role = row
        moments = self._database.moment(created_at), self._database.moment(last_seen_at)
        entered = Entered(session_id, user_id, email, name, Role(role), door, *moments)
        return None if entered.is_over(datetime.now(UTC)) else entered
