"""Handing many messages to one server: what goes in, what comes out, and the way that every kind has.

A batch's messages are handed over in groups. Each has an outcome of its own, and a line never raises for what a server
does: a connection that drops leaves some messages accepted, some certainly not taken and some uncertain, and each is
told.
A kind of server that can do better than one message at a time overrides :meth:`Transport.bulk`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from mailcore.messages.compose import OutgoingMessage
from mailcore.transports.base import Step, Transport, TransportError
from mailcore.vocabulary import Outcome, SendStatus, StepState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailcore.messages.merge import Attachment, MergeMessage


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to one recipient."""

    number: int
    """The recipient's row: the caller's key, unique in a group."""
    address: str
    message_id: str
    """The Message-ID, angle brackets included."""
    data: bytes = field(default=b"", repr=False)
    """The whole message, its lines ended by CR LF, dots not yet doubled. Empty for a line that merges for itself."""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The merge fields, for a line that merges for itself."""
    attachments: Sequence[Attachment] = field(default=(), repr=False)
    """Files for this recipient alone, for a line that merges for itself; elsewhere they are in :attr:`data`."""


@dataclass(frozen=True, slots=True)
class ParcelResult:
    """What became of one parcel."""

    number: int
    outcome: SendStatus
    """``accepted``, ``refused``, ``failed`` (certainly not taken) or ``uncertain``."""
    reply: str = ""
    """The server's own words, secrets removed."""
    provider_id: str = ""
    error: TransportError | None = None
    """What went wrong, for the diagnosis; None where it was accepted."""
    begun: bool = True
    """False: the server has not seen a byte of this parcel, and it may be tried again freely."""

    @classmethod
    def of(cls, number: int, error: TransportError) -> ParcelResult:
        """Return the result of a parcel that was not accepted, by the error's own outcome."""
        return cls(number, SendStatus(error.outcome.value), error.reply, error=error)

    @classmethod
    def not_taken(cls, number: int, error: TransportError, *, begun: bool = False) -> ParcelResult:
        """Return ``failed`` for a parcel that something else than itself kept back: a login refused, say."""
        return cls(number, SendStatus.FAILED, error.reply, error=error, begun=begun)


class BulkLine(ABC):
    """A way to one server that is kept open between groups. One thread at a time may use it.

    As a context manager it closes itself; it opens itself with the first group.
    """

    merges_itself: ClassVar[bool] = False
    """It takes parcels without :attr:`Parcel.data` and merges their fields into the message itself."""
    most_lines: ClassVar[int] = 8
    """How many lines to one account make sense at a time, at most."""

    @property
    @abstractmethod
    def group_size(self) -> int:
        """How many parcels a group best has; known for certain once the line is open."""

    @abstractmethod
    def hand_over(self, parcels: Sequence[Parcel]) -> list[ParcelResult]:
        """Hand a group over, each parcel once, and return a result for each, in the order given.

        Raises nothing for what a server does. Where there is no way to it, every result is ``failed`` and not begun.
        """

    def open(self) -> None:  # noqa: B027 - a kind without a connection has nothing to open
        """Come through to the server and log in, where that has not been done.

        Raises:
            TransportError: there is no way in.
        """

    def close(self) -> None:  # noqa: B027
        """Take leave of the server. The next group opens the line again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class OneByOneLine(BulkLine):
    """The line of a kind that sends one message at a time."""

    group_size = 1  # what a death in the middle leaves uncertain

    def __init__(self, transport: Transport, merge: MergeMessage) -> None:
        """Send through ``transport``; contact nobody yet."""
        self._transport = transport
        self._sender = merge.sender.address

    def hand_over(self, parcels: Sequence[Parcel]) -> list[ParcelResult]:
        """Send each parcel as a message of its own; after one that nobody answered, the rest is not begun."""
        results: list[ParcelResult] = []
        lost: TransportError | None = None
        for parcel in parcels:
            if lost is not None:
                results.append(ParcelResult.not_taken(parcel.number, lost))
                continue
            result = self._send(parcel)
            results.append(result)
            if result.error is not None and result.outcome is not SendStatus.REFUSED:
                lost = result.error
        return results

    def _send(self, parcel: Parcel) -> ParcelResult:
        has_begun = not self._transport.hand_over_step

        def listen(step: Step) -> None:
            nonlocal has_begun
            if step.name == self._transport.hand_over_step and step.state is StepState.RUNNING:
                has_begun = True

        data = parcel.data
        message = OutgoingMessage(
            data, data if data.isascii() else b"", parcel.message_id, self._sender, to=(parcel.address,)
        )
        try:
            prepared = self._transport.prepare(message)
            receipt = self._transport.send(prepared, idempotency_key=parcel.message_id, on_step=listen)
        except TransportError as error:
            return ParcelResult.of(parcel.number, error) if has_begun else ParcelResult.not_taken(parcel.number, error)
        except Exception:  # noqa: BLE001 - what is none of ours decides no outcome by itself
            outcome = Outcome.UNCERTAIN if has_begun else Outcome.FAILED
            phase = self._transport.hand_over_step
            fault = TransportError(phase=phase, cause="program_fault", outcome=outcome)
            return ParcelResult.of(parcel.number, fault)
        return ParcelResult(parcel.number, SendStatus.ACCEPTED, receipt.reply, receipt.provider_id)
