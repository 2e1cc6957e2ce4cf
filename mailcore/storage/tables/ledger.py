"""Every message handed to a server, and what each account used."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from mailcore.storage.tables.base import Base, partial_index
from mailcore.vocabulary import Origin, SendStatus


class Send(Base):
    """The ledger: one row for one message handed, or about to be handed, to a server. No bodies."""

    __tablename__ = "send"
    shown = ("id", "status", "at", "server_id", "server_name", "units", "message_id", "frees_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(255), unique=True)
    server_id: Mapped[int]
    """No foreign key: the history outlives the record, and ids are never used again."""
    server_name: Mapped[str] = mapped_column(String(200))
    """The description at the time of sending."""
    status: Mapped[SendStatus]
    units: Mapped[int]
    recipients: Mapped[str] = mapped_column(Text)
    """One address a line."""
    message_id: Mapped[str] = mapped_column(String(998))
    provider_id: Mapped[str] = mapped_column(String(255), default="")
    reply: Mapped[str] = mapped_column(Text, default="")
    warnings: Mapped[str] = mapped_column(Text, default="")
    diagnosis: Mapped[str] = mapped_column(Text, default="")
    """The Diagnosis as JSON, or empty."""
    owner: Mapped[str] = mapped_column(String(80), default="")
    """The process that holds a ``started`` row (see ``reservation.py``)."""
    at: Mapped[datetime]
    account_key: Mapped[str] = mapped_column(String(700), default="")
    """The account it counts for, as it was when it was sent."""
    counted: Mapped[int] = mapped_column(default=0)
    """Recipients it counts; 0 once it is certain that the message was not taken."""
    frees_at: Mapped[datetime | None]
    """Refused for quota: when it would fit; None where it was not, or never will."""
    followed_at: Mapped[datetime | None]
    """When the service was last asked what became of it (Elastic Email); None where it never was."""
    follow_state: Mapped[str] = mapped_column(String(40), default="")
    """The service's own word for its state: ``submitted``, ``in_progress``, ``complete``."""
    follow_failures: Mapped[str] = mapped_column(Text, default="")
    """Recipients it could not be delivered to, as JSON: ``[{"address", "category", "error"}]``; or empty."""
    who: Mapped[str] = mapped_column(String(200), default="")
    """The person, or the program, on whose behalf it was sent; empty for what was sent before that was kept."""
    origin: Mapped[Origin] = mapped_column(default=Origin.UNKNOWN)
    """By what it was sent; of a message of a batch :attr:`batch_id` says so."""
    batch_id: Mapped[int | None]
    """The batch it is a part of, which may be gone."""

    __table_args__ = (
        Index("ix_send_server_at", "server_id", "at"),
        Index("ix_send_at", "at"),
        Index("ix_send_account", "account_key", "at", "counted"),
        # Apart from single sends, which pay nothing for it.
        partial_index("ix_send_batch", "batch_id", "id", where="batch_id IS NOT NULL"),
        # At start the rows of dead processes are looked for: few among millions.
        partial_index("ix_send_started", "status", where="status = 'started'"),
        {"sqlite_autoincrement": True},
    )


class Account(Base):
    """What is known of an account besides its use: whether it is on hold, and how often its login failed."""

    __tablename__ = "account"
    shown = ("key", "held_since", "held_until", "held_code", "auth_failures")

    key: Mapped[str] = mapped_column(String(700), primary_key=True)
    held_since: Mapped[datetime | None]
    """None where it is not on hold."""
    held_until: Mapped[datetime | None]
    """When it returns by itself; None while on hold: not before a person lifts it."""
    held_code: Mapped[str] = mapped_column(String(40), default="")
    """The Diagnosis that put it on hold."""
    held_reply: Mapped[str] = mapped_column(Text, default="")
    auth_failures: Mapped[int] = mapped_column(default=0)
    """Refused logins since the last one that worked."""


class Usage(Base):
    """What an account used, summed up in slots of time: sums cost the same whatever the number of sends.

    A slot is five minutes long; old ones are merged into hours, and those into days (see ``usage.py``).
    """

    __tablename__ = "usage"
    shown = ("account_key", "slot", "server_id", "messages", "recipients", "external")

    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    slot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """When it begins, in seconds since 1970 (UTC)."""
    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    messages: Mapped[int] = mapped_column(BigInteger)
    recipients: Mapped[int] = mapped_column(BigInteger)
    external: Mapped[int] = mapped_column(BigInteger)
    """Units used elsewhere, as somebody entered them."""
    last_at: Mapped[datetime]
    """The newest of what it holds."""

    __table_args__ = ({"sqlite_with_rowid": False},)


class DailyUsage(Base):
    """What went through a server on one day of the configured time zone."""

    __tablename__ = "daily_usage"
    shown = ("day", "account_key", "server_id", "messages", "recipients", "external")

    day: Mapped[date] = mapped_column(primary_key=True)
    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    server_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    messages: Mapped[int] = mapped_column(BigInteger)
    recipients: Mapped[int] = mapped_column(BigInteger)
    external: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = ({"sqlite_with_rowid": False},)


class ExternalUse(Base):
    """Use of an account made elsewhere, entered by a person or from a file."""

    __tablename__ = "external_use"
    shown = ("id", "account_key", "server_id", "at", "units")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    account_key: Mapped[str] = mapped_column(String(700))
    server_id: Mapped[int]
    at: Mapped[datetime]
    units: Mapped[int]
    noted_at: Mapped[datetime]
    noted_by: Mapped[str] = mapped_column(String(200))

    __table_args__ = (Index("ix_external_use_account", "account_key", "at"), {"sqlite_autoincrement": True})
