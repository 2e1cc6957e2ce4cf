"""Who may enter, who did, and who was refused."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from mailcore.rights import Role
from mailcore.storage.tables.base import Base


class User(Base):
    """A person who may enter. Not the table ``user``: PostgreSQL keeps that word for itself."""

    __tablename__ = "app_user"
    shown = ("id", "role", "is_active", "is_registered", "created_at", "last_seen_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    email_key: Mapped[str] = mapped_column(String(320), unique=True)
    """``email`` in lower case: how a person is found."""
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role]
    is_active: Mapped[bool]
    is_registered: Mapped[bool]
    """False for who came in only because of the domain of their address, and may do so only while that is listed."""
    password_hash: Mapped[str] = mapped_column(Text, default="")
    """argon2id, or empty where there is no password."""
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]

    __table_args__ = ({"sqlite_autoincrement": True},)


class LoginSession(Base):
    """One signed-in browser. Its token is known to the browser alone; here is only its hash."""

    __tablename__ = "login_session"
    shown = ("id", "user_id", "door", "created_at", "last_seen_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    door: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(300))

    __table_args__ = (Index("ix_login_session_user", "user_id"), {"sqlite_autoincrement": True})


class PasswordLink(Base):
    """A link of one use to set one's password; the link itself is kept nowhere, only its hash."""

    __tablename__ = "password_link"
    shown = ("user_id", "ends_at")

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), unique=True)
    ends_at: Mapped[datetime]


class SignInTries(Base):
    """Failed tries to sign in, by account and by network address: each makes the next wait longer."""

    __tablename__ = "sign_in_tries"
    shown = ("failures", "last_at", "blocked_until")

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    """A hash of the account's or the network's address, for a person may have typed a password there."""
    failures: Mapped[int]
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime]

    __table_args__ = (Index("ix_sign_in_tries_last", "last_at"),)


class AccessEvent(Base):
    """The trail of who came in, who was refused and why, and of what was done to users."""

    __tablename__ = "access_event"
    shown = ("id", "at", "event", "door", "reason")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(30))
    """See ``mailcore.access.trail.EVENTS``."""
    email: Mapped[str] = mapped_column(String(320))
    """Whom it is about; empty where what was typed is no known user's: it may have been a password."""
    by: Mapped[str] = mapped_column(String(200))
    """Who did it, where that is somebody else."""
    door: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(40))

    __table_args__ = (Index("ix_access_event_at", "at"), {"sqlite_autoincrement": True})
