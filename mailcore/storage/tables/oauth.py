"""Applications of OAuth2, people on their way through a provider's page, and who is renewing what."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from mailcore.storage.tables.base import Base
from mailcore.vocabulary import OAuthMode


class OAuthApp(Base):
    """An application registered with a provider, by which records log in."""

    __tablename__ = "oauth_app"
    shown = ("id", "name", "provider", "mode")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(400), unique=True)
    provider: Mapped[str] = mapped_column(String(20))
    client_id: Mapped[str] = mapped_column(String(320))
    tenant: Mapped[str] = mapped_column(String(255), default="")
    mode: Mapped[OAuthMode]
    secret_ref: Mapped[str | None] = mapped_column(String(80), unique=True)
    secret_ends_on: Mapped[date | None]
    """The provider's last day for the secret, as the administrator typed it: no provider tells."""
    created_at: Mapped[datetime]

    __table_args__ = ({"sqlite_autoincrement": True},)


class OAuthPending(Base):
    """A person's way through the provider's page, from ``Autorizar`` to the record that takes the authorisation."""

    __tablename__ = "oauth_pending"
    shown = ("app_id", "server_id", "status", "code")

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A hash of ``state``, which is known to the browser alone."""
    app_id: Mapped[int]
    server_id: Mapped[int | None]
    """None: for a form not saved yet."""
    host: Mapped[str] = mapped_column(String(255))
    username: Mapped[str] = mapped_column(String(320))
    redirect: Mapped[str] = mapped_column(Text, default="")
    """Where the provider sends the person; empty for a device code."""
    ref: Mapped[str | None] = mapped_column(String(80), unique=True)
    """The PKCE verifier, or the device code, in the keyring."""
    token_ref: Mapped[str | None] = mapped_column(String(80), unique=True)
    """The refresh token, until a record takes it."""
    who: Mapped[str] = mapped_column(String(200))
    """Who began, and who alone may finish."""
    status: Mapped[str] = mapped_column(String(20))
    """``waiting``, ``taken``, ``done`` or ``failed``."""
    code: Mapped[str] = mapped_column(String(40), default="")
    """The Diagnosis of a failed one."""
    words: Mapped[str] = mapped_column(Text, default="")
    user: Mapped[str] = mapped_column(String(320), default="")
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]

    __table_args__ = (Index("ix_oauth_pending_ends", "ends_at"),)


class OAuthLease(Base):
    """Who is renewing an authorisation just now: one process at a time."""

    __tablename__ = "oauth_lease"
    shown = ("server_id", "until")

    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(String(40))
    until: Mapped[datetime]
