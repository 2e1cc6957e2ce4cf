"""What every kind of server has in common: its settings in, a receipt or a refusal out.

A transport knows no database and no screen. It is handed a :class:`Connection` (with the secret in
it), reports each step as it happens, and either returns or raises one :class:`TransportError`.
``ADDING_A_TRANSPORT.md`` says how to write another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import SecretStr

from mailcore.errors import MailcoreError
from mailcore.vocabulary import Kind, Outcome, Security, StepState

if TYPE_CHECKING:
    from datetime import datetime

    from mailcore.messages.compose import OutgoingMessage
    from mailcore.messages.merge import MergeMessage
    from mailcore.transports.bulk import BulkLine


CHECK_SECONDS = 20.0
"""The longest a check takes: somebody is on the telephone."""

FIGURES_SECONDS = 5.0
"""For one question about an account: a figure is not worth the time that a message is."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """What a login by OAuth2 shows in place of a password. ``value`` never shows in ``repr``."""

    value: SecretStr = field(repr=False)
    ends_at: datetime
    """Until when it is good, by this machine's clock; for people to read."""
    is_fresh: bool
    """It came from the provider just now: where it is refused, another one would be too."""


TokenSource = Callable[[float, bool], BearerToken]
"""Gives the token of a login: within so many seconds, and one of before or, where True, a new one.

It raises a :class:`TransportError` of the phase ``auth`` where it has none.
"""


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything a transport needs to reach one server. ``secret`` never shows in ``repr``."""

    kind: Kind
    host: str = ""
    port: int = 0
    security: Security = Security.NONE
    verify_certificate: bool = True
    ca_pem: str = ""
    """The authority to trust besides the system's own, as PEM text; empty for none."""
    username: str = ""
    """Empty where the server wants no login."""
    secret: SecretStr | None = field(default=None, repr=False)
    """A password, or the key of an interface."""
    token: TokenSource | None = field(default=None, repr=False)
    """SMTP only: log in by OAuth2 with what this gives, and never with a password."""
    from_address: str = ""
    base_url: str = ""
    """The root of an HTTP interface; empty for a kind that has none, or the one it knows itself."""
    ehlo_name: str = ""
    """SMTP only: what this side calls itself; empty for this machine's full name, or else its address."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a check or a send, reported when it begins (``running``) and when it ends.

    Names: ``resolve connect greeting tls ehlo auth sender recipients data`` for SMTP, ``http account
    domain message`` for Elastic Email.
    """

    name: str
    state: StepState
    milliseconds: float = 0.0
    detail: str = ""
    """What is worth knowing about it, in Portuguese (TLS version, address connected to, …)."""
    reply: str = ""
    """The server's own words, secrets removed."""


StepListener = Callable[[Step], None]


def ignore_steps(step: Step) -> None:
    """Listen to nothing: the default of every call that reports steps."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a TLS server showed of itself."""

    names: tuple[str, ...]
    """The hosts it is for (RFC 6125: the alternative names; the common name where there are none)."""
    issuer: str
    not_before: datetime
    not_after: datetime
    sha256: str = ""
    """Its fingerprint, as two-digit pairs with colons between."""
    pem: str = ""

    def days_left(self, now: datetime) -> int:
        """Return how many whole days it is still valid; negative once it has ended."""
        return floor((self.not_after - now).total_seconds() / 86_400)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check that went through has seen."""

    steps: list[Step]
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server answered to a message it took."""

    reply: str
    provider_id: str = ""
    """The id under which the provider keeps the message (Elastic Email's TransactionID, a queue id)."""
    refused_recipients: dict[str, str] = field(default_factory=dict)
    """Recipients the server refused while it took the message for the others: address -> its words."""


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """A recipient to whom a message that was taken could not be delivered."""

    address: str
    category: str
    """The service's own word for the kind of failure: ``NoMailbox``, ``Spam`` …"""
    code: int
    """Three-digit code the recipient's server answered; 0 where there is none."""
    reply: str
    """Its words, secrets removed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message after it was taken, as far as its service knows."""

    state: str
    """The service's word: ``submitted``, ``in_progress`` or ``complete``."""
    recipients: int
    delivered: int
    pending: int
    failed: tuple[FailedRecipient, ...] = ()
    unsubscribed: tuple[str, ...] = ()
    """Addresses that asked the service itself for no more of this."""
    complained: tuple[str, ...] = ()
    """Addresses that called it spam."""


class TransportError(MailcoreError):
    """A step that did not work: where, what the server said, and what became of the message.

    Attributes:
        phase: the step's name (see :class:`Step`).
        cause: what kind of failure, a key of the texts in ``mailcore/messages`` (``dns_not_found``,
            ``timeout``, ``tls_hostname`` …), or empty where the reply alone must tell.
        code: the three-digit SMTP reply code or the HTTP status; 0 where no answer came.
        enhanced: the enhanced status code ``x.y.z`` (RFC 3463); empty where none was given.
        reply: the server's own words, secrets removed, at most 2,000 characters.
        outcome: what became of the message.
        certificate: the server's, where it was seen before the failure.
    """

    def __init__(
        self,
        *,
        phase: str,
        cause: str = "",
        code: int = 0,
        enhanced: str = "",
        reply: str = "",
        outcome: Outcome = Outcome.FAILED,
        certificate: Certificate | None = None,
    ) -> None:
        self.certificate = certificate
        self.phase = phase
        self.cause = cause
        self.code = code
        self.enhanced = enhanced
        self.reply = reply
        self.outcome = outcome
        super().__init__(f"{phase}: {cause or code} {reply}".strip())


class Transport(ABC):
    """One server, ready to be checked or to be handed a message."""

    stages: ClassVar[tuple[str, ...]]
    """The steps of a check, in their order; those a failure left out are shown as skipped."""
    hand_over_step: ClassVar[str] = ""
    """The step of a send in which the message leaves: before :meth:`send` reports it as running, no byte of the
    message has left. An exception that is none of ours is ``failed`` before that and ``uncertain`` from then on; a
    kind that names no step is taken to hand the message over at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def delivery(self, provider_id: str) -> Delivery:
        """Ask what became of a message that was taken; a kind that cannot be asked leaves this as it is.

        Args:
            provider_id: of its :class:`Receipt`.

        Raises:
            TransportError: no answer, or none that says so.
            NotImplementedError: this kind of server does not tell.
        """
        raise NotImplementedError

    def account_data(self, *, seconds: float = FIGURES_SECONDS) -> dict[str, Any]:
        """Ask the service for the state of the account; a kind that has none leaves this as it is.

        Args:
            seconds: by then it is over, the connection closed, whatever the service does.

        Returns:
            What it tells of ``daily_limit``, ``credits``, ``reputation`` and ``status``, secrets taken out.

        Raises:
            TransportError: no answer, or none that says so.
            NotImplementedError: this kind of server has no such thing.
        """
        raise NotImplementedError

    def statistics(self, since: datetime, *, seconds: float = FIGURES_SECONDS) -> dict[str, Any]:
        """Ask the service what the account has sent since a moment; see :meth:`account_data`.

        Returns:
            ``sent`` and ``delivered``, e-mails; what it does not tell is not there.
        """
        raise NotImplementedError

    @abstractmethod
    def check(
        self, on_step: StepListener = ignore_steps, *, recipient: str = "", seconds: float = CHECK_SECONDS
    ) -> Findings:
        """Connect and log in without sending anything.

        Args:
            recipient: an address to ask about too, where the kind of server can; empty asks about none.
            seconds: by then it is over, whatever the server does.

        Raises:
            TransportError: at the first step that fails.
        """

    def prepare(self, message: OutgoingMessage) -> OutgoingMessage:
        """Return the message as :meth:`send` is to be given it, written as far as it can be without the server.

        Called before anything is reserved and before anybody is contacted, so that a message that cannot be written
        costs nothing. A kind that has nothing to prepare leaves this as it is.

        Raises:
            TransportError: the message cannot be written; ``outcome`` is ``failed`` and ``cause`` says why.
        """
        return message

    @abstractmethod
    def send(
        self,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
    ) -> Receipt:
        """Hand over one message, once; never retry after it was handed over.

        Raises:
            TransportError: with ``outcome`` telling whether the message may have been taken.
        """

    def bulk(self, merge: MergeMessage) -> BulkLine:
        """Return a line for the messages of a batch; nobody is contacted yet.

        A kind that leaves this as it is sends them one by one through :meth:`send`.

        Args:
            merge: the message that every parcel of the line is a copy of; its sender is the envelope's.
        """
        from mailcore.transports.bulk import OneByOneLine

        return OneByOneLine(self, merge)
