"""What can go wrong, one class each.

``str(error)`` is a sentence in Portuguese for the person at the screen: what happened and what to
do. None of them ever carries a password, a key or an address book; the technical cause is chained
with ``raise … from``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class MailcoreError(Exception):
    """Base of every error this library raises on purpose."""


class ConfigurationError(MailcoreError, ValueError):
    """A setting of the environment cannot be used as it stands."""


class ArgumentError(MailcoreError, ValueError, TypeError):
    """A program handed over an argument that cannot be used; nothing was done."""


class NotFoundError(MailcoreError, LookupError):
    """There is no server with this id (any more)."""


class StorageError(MailcoreError):
    """The database could not be read or written: locked, full, read-only or gone."""


class SecretError(MailcoreError):
    """A password or key could not be stored, read or opened."""


class NotAllowedError(MailcoreError, PermissionError):
    """The role of whoever asked does not allow it; nothing was done.

    ``right`` is the right that is missing, ``helpers`` the roles that have it, as the screen calls them.
    """

    SENTENCE = "Seu papel não permite isto."

    def __init__(self, right: str, helpers: list[str]) -> None:
        self.right = right
        self.helpers = helpers
        super().__init__(f"{self.SENTENCE} Quem pode: {' ou '.join(helpers)}.")


class SignInRefusedError(MailcoreError):
    """Somebody is not let in. ``str`` is what the screen may say; ``reason`` is for the trail alone."""

    def __init__(self, sentence: str, reason: str, *, wait_seconds: int = 0) -> None:
        self.reason = reason
        self.wait_seconds = wait_seconds
        """How long to wait before another try; 0 where waiting changes nothing."""
        super().__init__(sentence)


class HeldError(MailcoreError):
    """An account on hold whose provider counts every try against it."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One complaint about one form field.

    ``field`` is the attribute of :class:`mailcore.registry.servers.ServerDraft` (or ``secret``).
    """

    field: str
    message: str


class ValidationError(MailcoreError, ValueError):
    """What was typed cannot be saved; ``errors`` holds one entry for each field to mend."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors
        super().__init__(" ".join(error.message for error in errors))


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What somebody else made of one field since this person opened the record."""

    field: str
    before: object
    after: object


class ConflictError(MailcoreError):
    """Somebody saved this record after it was opened here (lost-update protection).

    ``version`` is the version now stored; saving again with it keeps one's own values.
    """

    def __init__(self, *, who: str, when: datetime, version: int, changes: list[FieldChange]) -> None:
        self.who = who
        self.when = when
        self.version = version
        self.changes = changes
        super().__init__(f"Este servidor foi alterado por outra pessoa ({who}).")


class RecordGoneError(NotFoundError):
    """Somebody deleted this record after it was opened here."""
