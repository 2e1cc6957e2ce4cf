"""Secrets of the database keyring, names of secrets on their way, and values the installation made for itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from mailcore.storage.tables.base import Base


class SecretJournal(Base):
    """Names of secrets that exist in a keyring but belong to no record (yet, or any more).

    A name is written here before its secret is stored, and taken out in the transaction that commits
    the record pointing at it; what a crash leaves behind is swept at the next start.
    """

    __tablename__ = "secret_journal"
    shown = ("ref", "condemned")

    ref: Mapped[str] = mapped_column(String(80), primary_key=True)
    condemned: Mapped[bool] = mapped_column(default=False)
    """A sweep has claimed it: no record may adopt it any more."""
    created_at: Mapped[datetime]


class StoredSecret(Base):
    """One ciphertext of the database keyring; the key is never in the database."""

    __tablename__ = "stored_secret"
    shown = ("name",)

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    ciphertext: Mapped[str] = mapped_column(Text)


class Installation(Base):
    """Values this installation made for itself once, by name."""

    __tablename__ = "installation"
    shown = ("name",)

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
