"""The words that everything shares: what a value may be, whoever stores, sends or shows it."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Kind(str):
    """The id of a kind of server, as the database, files and the command line have it.

    An open set: what there is to know of a kind is asked of :func:`mailcore.transports.kind_of`, and an id that
    nobody registered (a record of a newer version, say) is a kind too. The same text is the same object.
    """

    __slots__ = ()

    SMTP: ClassVar[Kind]
    ELASTIC_EMAIL: ClassVar[Kind]

    def __new__(cls, value: str) -> Kind:
        """Return the one object of this text."""
        return _KINDS.setdefault(str(value), super().__new__(cls, value))

    @property
    def value(self) -> str:
        """The id as plain text, as the enums beside it have it."""
        return str(self)

    def __repr__(self) -> str:
        return f"Kind({str(self)!r})"


_KINDS: dict[str, Kind] = {}
Kind.SMTP = Kind("smtp")
Kind.ELASTIC_EMAIL = Kind("elastic_email")

DEFAULT_KIND = Kind.SMTP
"""What an empty form starts with."""


class Security(StrEnum):
    """How the connection to an SMTP server is encrypted (RFC 8314 names both TLS forms)."""

    NONE = "none"
    STARTTLS = "starttls"
    SSL_TLS = "ssl_tls"


class Auth(StrEnum):
    """How a record logs in."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105
    OAUTH2 = "oauth2"


class OAuthState(StrEnum):
    """How the authorisation of a record stands."""

    NONE = "none"
    """Nobody has authorised yet, or what it was for has changed since."""
    AUTHORIZED = "authorized"
    REFUSED = "refused"
    """The provider said no, and not because of age."""
    EXPIRED = "expired"
    """It was good once: somebody has to authorise again."""


class OAuthMode(StrEnum):
    """Who gives an application its rights."""

    DELEGATED = "delegated"
    """A person signs in and consents."""
    APPLICATION = "application"
    """It works alone, by an administrator's grant."""


class Outcome(StrEnum):
    """What is known of a message that did not come back as accepted."""

    REFUSED = "refused"
    """The server said no, in words."""
    FAILED = "failed"
    """It was certainly not taken: the connection ended before the message was handed over."""
    UNCERTAIN = "uncertain"
    """The connection died after the message was handed over, before the answer."""


class StepState(StrEnum):
    """How far a step has come."""

    RUNNING = "running"
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class LimitUnit(StrEnum):
    """What a provider counts against the daily limit."""

    RECIPIENTS = "recipients"
    MESSAGES = "messages"


class LimitWindow(StrEnum):
    """Over which time the limit counts."""

    ROLLING_24H = "rolling_24h"
    CALENDAR_DAY = "calendar_day"


class SameAddress(StrEnum):
    """What to do with a message whose origin is also its destination."""

    BLOCK = "block"
    WARN = "warn"
    ALLOW = "allow"


class CheckState(StrEnum):
    """What the last check of a server found."""

    NEVER = "never"
    OK = "ok"
    FAILED = "failed"


class SendStatus(StrEnum):
    """What became of one message. ``started`` is what a dead process leaves behind."""

    STARTED = "started"
    ACCEPTED = "accepted"
    REFUSED = Outcome.REFUSED.value
    FAILED = Outcome.FAILED.value
    UNCERTAIN = Outcome.UNCERTAIN.value
    REJECTED_BY_RULE = "rejected_by_rule"


class Origin(StrEnum):
    """By what a message was sent."""

    UNKNOWN = ""
    """It was sent before that was kept."""
    TEST = "test"
    """The page Enviar teste."""
    COMMAND_LINE = "command_line"
    PROGRAM = "program"
    """A program that uses the library."""
    BATCH = "batch"
    """A batch; never stored: the row names the batch itself."""


class ChangeAction(StrEnum):
    """What was done to a record."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"


class QuotaState(StrEnum):
    """How an account stands."""

    OK = "ok"
    NEAR = "near"
    FULL = "full"
    BLOCKED = "blocked"


class BatchState(StrEnum):
    """How far a batch has come."""

    DRAFT = "draft"
    RUNNING = "running"
    WAITING = "waiting"
    """It goes on by itself at a known time: the quota frees, a hold ends, its start comes."""
    PAUSED = "paused"
    """By a person, or for a reason that a person has to look at."""
    DONE = "done"
    CANCELLED = "cancelled"


class BatchKind(StrEnum):
    """What a batch is for."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"
    """Asks for a way to unsubscribe; who did gets no more of these."""


class RecipientStatus(StrEnum):
    """What became of one recipient of a batch."""

    PENDING = "pending"
    DEFERRED = "deferred"
    """Refused for now, to be tried again at a time of its own; shown as ``pending``."""
    STARTED = "started"
    """Being handed over, or left behind by a dead process; shown as ``pending``."""
    ACCEPTED = "accepted"
    REFUSED = Outcome.REFUSED.value
    FAILED = Outcome.FAILED.value
    UNCERTAIN = Outcome.UNCERTAIN.value
    SUPPRESSED = "suppressed"


class SuppressionScope(StrEnum):
    """Which batches leave an address out."""

    ALL = "all"
    MARKETING = "marketing"


class SuppressionSource(StrEnum):
    """How an address came to be left out."""

    HAND = "hand"
    REFUSAL = "refusal"
    """A server said that there is no such mailbox."""
    SERVICE = "service"
    """A service told afterwards that it could not deliver."""
    UNSUBSCRIBED = "unsubscribed"
