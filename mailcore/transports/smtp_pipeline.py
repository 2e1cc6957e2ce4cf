"""A group of messages over one open SMTP conversation, with as few waits for the server as it allows.

========== ============================ ================================================================
way        where                        waits a message
========== ============================ ================================================================
deep       PIPELINING and CHUNKING      next to none: whole messages by BDAT LAST, many on their way at a
                                        time (RFC 2920, RFC 3030)
paired     PIPELINING                   1: text, final dot and the next envelope go in one write, since
                                        DATA must end a group (RFC 2920 §3.1)
single     neither                      4: MAIL, RCPT, DATA and the text each wait for their answer
========== ============================ ================================================================

Whatever ends the conversation, each message's outcome follows from what the network had taken by then: a message whose
last byte had not gone is certainly not taken, one that had gone whole and has no answer is uncertain.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailcore.messages.transfer import carries, has_whole_line_ends
from mailcore.transports.base import TransportError
from mailcore.transports.bulk import Parcel, ParcelResult
from mailcore.transports.smtp_exchange import lost_cause
from mailcore.transports.smtp_wire import NotSmtpError, queue_id
from mailcore.vocabulary import Outcome, SendStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.transports.smtp_session import SmtpSession

DEPTH = 100
"""Messages on their way at a time, at most: as many become uncertain where a connection drops."""
FEWEST_DEEP = 8
"""Under so many BDAT is not worth it: its second small write meets Postfix' delayed acknowledgement."""
_MOST_BYTES = 4_000_000
"""On their way at a time, unless one message alone has more."""
_SLOWEST = 20_000  # bytes a second below which handing over is given up
_CLOSING = 421  # "closing transmission channel" (RFC 5321 §3.8)


@dataclass(slots=True)
class _Flight:
    """A message on its way: where its bytes lie in all that is said over the connection."""

    parcel: Parcel
    commands: list[tuple[str, bytes]]
    """(step, command) up to what carries the text."""
    content: bytes
    """The text as it goes; for DATA with its final dot."""
    begins: int = -1
    """Offset of its first byte; -1 while nothing was written."""
    ends: int = -1
    """Offset behind the byte that makes it a message; -1 while that was not written."""


class _LostError(Exception):
    """No further reply will come."""


@dataclass(slots=True)
class Conversation:
    """Hands one group over and knows the outcome of each parcel, whatever happens."""

    session: SmtpSession
    sender: str
    is_clean: bool
    """Nothing of an earlier message can be left in the server, so that no RSET is needed first."""
    results: dict[int, ParcelResult] = field(default_factory=dict, init=False)
    left: list[Parcel] = field(default_factory=list, init=False)
    """What the connection's end left behind: certainly not taken, and nothing was said against it but 421."""
    is_over: bool = field(default=False, init=False)
    """The connection is of no more use."""
    was_closed: bool = field(default=False, init=False)
    """The server said 421 and has taken nothing since."""
    _cause: str = field(default="disconnected", init=False)
    _last_words: tuple[int, bytes] = field(default=(0, b""), init=False)
    _closing_words: tuple[int, bytes] = field(default=(0, b""), init=False)

    @property
    def accepted(self) -> int:
        """How many the server has taken."""
        return sum(result.outcome is SendStatus.ACCEPTED for result in self.results.values())

    def hand_over(self, parcels: Sequence[Parcel]) -> None:
        """Hand the group over, each parcel once; afterwards :attr:`results` has one for each."""
        is_pipelined = self.session.offers("pipelining")
        is_deep = is_pipelined and self.session.offers("chunking") and len(parcels) >= FEWEST_DEEP
        flights = deque(flight for flight in (self._flight(parcel, is_deep=is_deep) for parcel in parcels) if flight)
        every = list(flights)
        try:
            if is_deep:
                self._deep(flights)
            elif is_pipelined:
                self._paired(flights)
            else:
                self._single(flights)
        except _LostError:
            self.is_over = True
        except Exception:  # noqa: BLE001 - what is none of ours decides no outcome by itself
            self.is_over, self._cause = True, "program_fault"
        self.is_over = self.is_over or self.was_closed
        for flight in every:
            if flight.parcel.number not in self.results:
                result = self.results[flight.parcel.number] = self._unanswered(flight)
                if result.outcome is SendStatus.FAILED:
                    self.left.append(flight.parcel)

    # ------------------------------------------------------------------ the three ways

    def _deep(self, flights: deque[_Flight]) -> None:
        flying: deque[_Flight] = deque()
        waiting = 0
        while flights or flying:
            # Written again when half is answered, so that the server is never without work.
            may_launch = bool(flights) and not self.is_over and not self.was_closed
            if may_launch and len(flying) <= DEPTH // 2 and waiting <= _MOST_BYTES // 2:
                waiting += self._launch(flights, flying)
            if not flying:
                return
            flight = flying[0]
            self._settle(flight, self._answers(flight, accept=True))
            waiting -= len(flight.content)
            flying.popleft()

    def _launch(self, flights: deque[_Flight], flying: deque[_Flight]) -> int:
        buffer, size = bytearray(), 0
        while flights and len(flying) < DEPTH and (not size or size < _MOST_BYTES // 2):
            flight = flights.popleft()
            self._place(flight, buffer)
            buffer += flight.content
            flight.ends = self.session.wire.handed + len(buffer)
            size += len(flight.content)
            flying.append(flight)
        self._write(bytes(buffer))
        return size

    def _paired(self, flights: deque[_Flight]) -> None:
        buffer = bytearray()
        current = flights.popleft() if flights else None
        if current is not None:
            self._place(current, buffer)
            self._write(bytes(buffer))
        while current is not None:
            error, may_go_on = self._answers(current, accept=False)
            if error is not None and error.outcome is Outcome.FAILED:
                # Who knows what it waits for: a dot might send an empty message.
                self._settle(current, (error, False))
                raise _LostError
            buffer = bytearray()
            if may_go_on:
                # Nobody takes it: the lone dot that RFC 2920 §3.1 asks for ends what the server waits for.
                buffer += current.content if error is None else b".\r\n"
                current.ends = self.session.wire.handed + len(buffer) if error is None else -1
                self.is_clean = True  # the final dot ends what the server knows of a message (RFC 5321 §4.1.1.4)
            if error is not None:
                self._settle(current, (error, False))
            following = flights.popleft() if flights and not self.is_over else None
            if following is not None:
                self._place(following, buffer)
            if buffer:
                self._write(bytes(buffer))
            if may_go_on:
                code, lines = self._reply(self.session.limits.accept)
                if error is None:
                    self._settle(current, (self._verdict(code, lines), True))
            if self.was_closed:
                raise _LostError
            current = following

    def _single(self, flights: deque[_Flight]) -> None:
        while flights:
            flight = flights.popleft()
            if not self.is_clean:
                self._write(b"RSET\r\n")
                self._reply(self.session.limits.command)
            self.is_clean = False
            error: TransportError | None = None
            flight.begins = self.session.wire.handed
            for step, command in flight.commands:
                self._write(command)
                code, lines = self._reply(self.session.limits.command)
                error = self._refusal(step, code, lines)
                if error is not None:
                    break
            if error is None:
                flight.ends = self.session.wire.handed + len(flight.content)
                self._write(flight.content)
                self.is_clean = True
                error = self._verdict(*self._reply(self.session.limits.accept))
            self._settle(flight, (error, True))
            if self.was_closed:
                raise _LostError

    # ------------------------------------------------------------------ what is said

    def _flight(self, parcel: Parcel, *, is_deep: bool) -> _Flight | None:
        """Return a parcel ready to be said; None, and its result, where it cannot be."""
        data, address = parcel.data, parcel.address
        utf8 = not (data.isascii() and address.isascii() and self.sender.isascii())
        eight_bit = False
        if utf8:
            head, _, body = data.partition(b"\r\n\r\n")
            eight_bit = not body.isascii()
            utf8 = not (head.isascii() and address.isascii() and self.sender.isascii())
        cause = ""
        is_writable = data.endswith(b"\r\n") and has_whole_line_ends(data) and carries(data, eight_bit=True)
        if not is_writable or not address.isprintable() or any(char in address for char in "<> "):
            cause = "message_unwritable"
        elif utf8 and not self.session.offers("smtputf8"):
            cause = "smtputf8_not_offered"
        elif eight_bit and not self.session.offers("8bitmime"):
            cause = "eight_bit_not_offered"
        if cause:
            error = self.session.failure("sender", cause)
            self.results[parcel.number] = ParcelResult.not_taken(parcel.number, error)
            return None
        options = f" SIZE={len(data)}" if self.session.offers("size") else ""
        options += " SMTPUTF8" if utf8 else ""
        options += " BODY=8BITMIME" if (utf8 or eight_bit) and self.session.offers("8bitmime") else ""
        commands = [
            ("sender", f"MAIL FROM:<{self.sender}>{options}\r\n".encode()),
            ("recipients", f"RCPT TO:<{address}>\r\n".encode()),
            ("data", f"BDAT {len(data)} LAST\r\n".encode() if is_deep else b"DATA\r\n"),
        ]
        return _Flight(parcel, commands, data if is_deep else _dotted(data))

    def _place(self, flight: _Flight, buffer: bytearray) -> None:
        """Write an envelope behind what goes in the same write."""
        if not self.is_clean:
            # A refused message may have left its envelope behind; the next must not go to its recipient too.
            buffer += b"RSET\r\n"
            flight.commands.insert(0, ("reset", b""))
        self.is_clean = False
        flight.begins = self.session.wire.handed + len(buffer)
        buffer += b"".join(command for _, command in flight.commands)

    def _write(self, content: bytes) -> None:
        limits = self.session.limits
        wire = self.session.wire
        wire.deadline = self.session.deadline(limits.data + len(content) / _SLOWEST)
        try:
            wire.send(content)
        except OSError as error:
            # What the server said before it hung up is still to be read.
            self.is_over, self._cause = True, lost_cause(error)

    # ------------------------------------------------------------------ what is answered

    def _reply(self, seconds: float) -> tuple[int, bytes]:
        wire = self.session.wire
        wire.deadline = self.session.deadline(self.session.limits.quit if self.is_over else seconds)
        try:
            code, lines = wire.getreply()
        except NotSmtpError as garbage:
            self.is_over, self._cause, self._last_words = True, "not_smtp", (0, garbage.args[0])
            self.was_closed = False
            raise _LostError from None
        except OSError as error:
            self._cause = self._cause if self.is_over else lost_cause(error)
            # A server that says nothing for long has not closed: it may be busy with the next message.
            self.was_closed = self.was_closed and not isinstance(error, TimeoutError)
            raise _LostError from error
        if code == _CLOSING:
            self.was_closed, self._closing_words = True, (code, lines)
        return code, lines

    def _answers(self, flight: _Flight, *, accept: bool) -> tuple[TransportError | None, bool]:
        """Read the answers to an envelope; return what refuses it, if anything does, and whether its end was reached.

        Args:
            accept: the last one is that to the message itself; else it is DATA's, and the end is a 354.
        """
        seconds = self.session.limits.accept if accept else self.session.limits.command
        error: TransportError | None = None
        try:
            for step, _ in flight.commands:
                code, lines = self._reply(seconds)
                if step == "reset":
                    continue
                if step != "data":
                    error = error or self._refusal(step, code, lines)
                elif not accept:
                    return error or self._refusal(step, code, lines), code == 354
                elif error is None:
                    error = self._verdict(code, lines)
                elif 200 <= code < 300 or (code < 400 and error.outcome is Outcome.FAILED):
                    # Refused, and taken all the same: nobody can tell to whom it goes.
                    error = self._not_smtp(code, lines)
        except _LostError:
            # Words that mean nothing are no refusal: the text may have been taken in spite of them.
            if error is not None and (error.outcome is Outcome.REFUSED or not self._is_whole(flight)):
                self._settle(flight, (error, False))
            raise
        return error, True

    def _refusal(self, step: str, code: int, lines: bytes) -> TransportError | None:
        """Return what an answer before the text refuses; None where it says to go on."""
        if 200 <= code < 300 or (step == "data" and code == 354):
            return None
        reply = self.session.told(code, lines)
        if code >= 400:
            return self.session.failure(step, "", reply, Outcome.REFUSED)
        self.is_over = True
        return self.session.failure(step, "not_smtp", reply)

    def _verdict(self, code: int, lines: bytes) -> TransportError | None:
        """Return what the answer to a whole message refuses; None where it was taken."""
        if 200 <= code < 300:
            # Some say 421 of one message and go on.
            self._last_words, self.was_closed = (code, lines), False
            return None
        if code >= 400:
            return self.session.failure("data", "", self.session.told(code, lines), Outcome.REFUSED)
        return self._not_smtp(code, lines)

    def _not_smtp(self, code: int, lines: bytes) -> TransportError:
        self.is_over = True
        return self.session.failure("data", "not_smtp", self.session.told(code, lines), Outcome.UNCERTAIN)

    # ------------------------------------------------------------------ outcomes

    def _settle(self, flight: _Flight, answer: tuple[TransportError | None, bool]) -> None:
        error, number = answer[0], flight.parcel.number
        if error is not None:
            self.results[number] = ParcelResult.of(number, error)
            if error.code == _CLOSING and error.phase != "data":
                self.left.append(flight.parcel)
            return
        reply = self.session.told(*self._last_words).text
        self.results[number] = ParcelResult(number, SendStatus.ACCEPTED, reply, queue_id(reply))

    def _is_whole(self, flight: _Flight) -> bool:
        """Whether the network has taken all of a message."""
        return 0 <= flight.ends <= self.session.wire.handed

    def _unanswered(self, flight: _Flight) -> ParcelResult:
        handed = self.session.wire.handed
        is_whole = self._is_whole(flight)
        # It works in turn: where it said 421, took nothing after that and hung up, this one's turn did not come.
        outcome = Outcome.UNCERTAIN if is_whole and not self.was_closed else Outcome.FAILED
        words = self._closing_words if self.was_closed else self._last_words
        said = self.session.told(*words) if self.was_closed or self._cause == "not_smtp" else None
        cause = "" if self.was_closed else self._cause
        error = self.session.failure("data" if is_whole else "sender", cause, said, outcome)
        if outcome is Outcome.UNCERTAIN:
            return ParcelResult.of(flight.parcel.number, error)
        return ParcelResult.not_taken(flight.parcel.number, error, begun=0 <= flight.begins < handed)


def _dotted(content: bytes) -> bytes:
    """Double the dots at line starts and add the final one (RFC 5321 §4.5.2); line ends are whole already."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
