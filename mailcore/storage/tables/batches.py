"""Batches, their recipients, who gets none any more, and who sends through which account."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Index, Integer, LargeBinary, String, Text, and_
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from mailcore.storage.tables.base import Base
from mailcore.vocabulary import (
    BatchKind,
    BatchState,
    RecipientStatus,
    SuppressionScope,
    SuppressionSource,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


class Batch(Base):
    """One message to many, and how far it has come; each recipient is a row of :class:`BatchRecipient`."""

    __tablename__ = "batch"
    shown = ("id", "name", "server_id", "state", "total", "pending", "sent", "refused", "failed", "uncertain")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    server_id: Mapped[int]
    """No foreign key: the batch outlives the record."""
    server_name: Mapped[str] = mapped_column(String(200))
    account_key: Mapped[str] = mapped_column(String(700))
    """The account it is sent through."""
    identity: Mapped[str] = mapped_column(Text, default="")
    """What of the record must not change while it is sent (see ``batches/lifecycle.py``); empty before the start."""
    kind: Mapped[BatchKind]
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    email_column: Mapped[str] = mapped_column(String(200))
    file_column: Mapped[str] = mapped_column(String(200), default="")
    """The column that names each recipient's own attachment; empty where there is none."""
    columns: Mapped[str] = mapped_column(Text)
    """The names of the columns, as a JSON list; a recipient's ``fields`` are in this order."""
    state: Mapped[BatchState]
    is_loaded: Mapped[bool]
    """All its recipients are stored. Until then nobody sees it, and what a crash leaves is swept."""
    total: Mapped[int] = mapped_column(default=0)
    pending: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    uncertain: Mapped[int] = mapped_column(default=0)
    suppressed: Mapped[int] = mapped_column(default=0)
    starts_at: Mapped[datetime | None]
    """Not before; None: as soon as it is started."""
    waits_until: Mapped[datetime | None]
    """When a waiting one goes on, as far as that is known."""
    retry_at: Mapped[datetime | None]
    """When the first recipient that was refused for now is tried again."""
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why it waits or is paused: a Diagnosis as JSON, or empty."""
    wakes_by_itself: Mapped[bool] = mapped_column(default=False)
    """It is paused because its account is on hold, and goes on when a person lifts that."""
    refusal_share: Mapped[int] = mapped_column(default=10)
    """Percent of refused recipients at which it pauses."""
    judged_tries: Mapped[int] = mapped_column(default=0)
    judged_refused: Mapped[int] = mapped_column(default=0)
    """What the share is counted of: since the start, or since a person let it go on."""
    served_at: Mapped[datetime | None]
    """When a worker last took it up: of several of one account, the one that waited longest is next."""
    who: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_batch_state", "state", "account_key"),
        Index("ix_batch_server", "server_id"),
        {"sqlite_autoincrement": True},
    )

    @hybrid_property
    def waits_for_its_hour(self) -> bool:
        """Whether it waits to begin at the hour it was given, and not for quota; in a query, the condition of that."""
        return self.state is BatchState.WAITING and self.starts_at is not None and self.starts_at == self.waits_until

    @waits_for_its_hour.inplace.expression
    @classmethod
    def _waits_for_its_hour(cls) -> ColumnElement[bool]:
        return and_(cls.state == BatchState.WAITING, cls.starts_at.is_not(None), cls.starts_at == cls.waits_until)


class BatchRecipient(Base):
    """One recipient of a batch, and what became of the message to it."""

    __tablename__ = "batch_recipient"
    shown = ("batch_id", "row", "status", "at", "tries")

    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The line of the file as a spreadsheet numbers it."""
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320))
    """``address`` in folded case: nobody is in a batch twice."""
    fields: Mapped[str] = mapped_column(Text)
    """The merge fields as a JSON list, in the order of the batch's columns."""
    status: Mapped[RecipientStatus]
    at: Mapped[datetime | None]
    """When its last try began: that of its row in the ledger."""
    reply: Mapped[str] = mapped_column(Text, default="")
    message_id: Mapped[str] = mapped_column(String(255), default="")
    provider_id: Mapped[str] = mapped_column(String(255), default="")
    diagnosis: Mapped[str] = mapped_column(Text, default="")
    tries: Mapped[int] = mapped_column(default=0)
    repeat: Mapped[int] = mapped_column(default=0)
    """How often a person had an uncertain message sent again: each time it gets a ledger row of its own."""
    next_at: Mapped[datetime | None]
    """When a deferred one is tried again."""
    owner: Mapped[str] = mapped_column(String(120), default="")
    """The lease under which it is being handed over."""

    __table_args__ = (
        Index("uq_batch_recipient_address", "batch_id", "address_key", unique=True),
        Index("ix_batch_recipient_status", "batch_id", "status", "row"),
        {"sqlite_with_rowid": False},
    )


class BatchFile(Base):
    """An attachment of a batch: for all, or for the recipients whose row names it."""

    __tablename__ = "batch_file"
    shown = ("id", "batch_id", "name", "content_type", "for_all")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    batch_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    name_key: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(100))
    data: Mapped[bytes] = mapped_column(LargeBinary)
    for_all: Mapped[bool]

    __table_args__ = (Index("uq_batch_file_name", "batch_id", "name_key", unique=True), {"sqlite_autoincrement": True})


class BatchFollowUp(Base):
    """A group that a service took, to be asked about until each recipient has an end."""

    __tablename__ = "batch_follow_up"
    shown = ("id", "batch_id", "provider_id", "step", "next_at")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    batch_id: Mapped[int]
    server_id: Mapped[int]
    provider_id: Mapped[str] = mapped_column(String(255))
    since: Mapped[datetime]
    step: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    first_row: Mapped[int | None]
    """Between this row of the batch and :attr:`last_row` all its recipients are; unknown of old groups."""
    last_row: Mapped[int | None]

    __table_args__ = (
        Index("uq_batch_follow_up", "batch_id", "provider_id", unique=True),
        Index("ix_batch_follow_up_next", "next_at"),
        {"sqlite_autoincrement": True},
    )


class Suppression(Base):
    """An address that batches leave out."""

    __tablename__ = "suppression"
    shown = ("id", "scope", "source", "since")

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    address: Mapped[str] = mapped_column(String(320))
    address_key: Mapped[str] = mapped_column(String(320))
    scope: Mapped[SuppressionScope]
    source: Mapped[SuppressionSource]
    reason: Mapped[str] = mapped_column(String(300), default="")
    since: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))

    __table_args__ = (
        Index("uq_suppression_address", "address_key", "scope", unique=True),
        Index("ix_suppression_since", "since"),
        {"sqlite_autoincrement": True},
    )


class AccountLease(Base):
    """Who is sending through an account: one row for each connection in use."""

    __tablename__ = "account_lease"
    shown = ("account_key", "slot", "owner", "until")

    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime]
    """Kept ahead of the clock while its process lives."""


class AccountPace(Base):
    """What was learnt of how fast a provider takes an account's messages."""

    __tablename__ = "account_pace"
    shown = ("account_key", "connections", "per_minute", "failures", "not_before")

    account_key: Mapped[str] = mapped_column(String(700), primary_key=True)
    connections: Mapped[int]
    per_minute: Mapped[int | None]
    """Messages a minute at most; None where no limit has shown itself."""
    window_units: Mapped[int] = mapped_column(default=0)
    """Messages since ``window_from``."""
    window_from: Mapped[datetime | None]
    """When the minute at hand began, with its first message."""
    grown: Mapped[int] = mapped_column(default=0)
    """Messages accepted since the last change of pace."""
    failures: Mapped[int] = mapped_column(default=0)
    """Tries in a row that brought nothing through."""
    not_before: Mapped[datetime | None]
    learnt_at: Mapped[datetime]
