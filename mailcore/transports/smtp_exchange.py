"""One command and its reply at a time, each within its limits, and every fault told as what it is."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from mailcore.deadline import Deadline
from mailcore.transports.base import Certificate, Connection, Step, StepListener, TransportError
from mailcore.transports.scrub import scrubber
from mailcore.transports.smtp_wire import NotSmtpError, Reply, Wire, as_text
from mailcore.transports.steps import StepLog
from mailcore.vocabulary import Outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds each step may take as a whole.

    RFC 5321 §4.5.3.2 grants five minutes and more, for servers talking to each other; here somebody is
    watching. Only the answer to a handed-over message gets long, because giving it up leaves the
    outcome uncertain.
    """

    resolve: float = 10
    connect: float = 15
    greeting: float = 30
    silence: float = 6
    """On port 465 without direct TLS, where silence most likely means the wrong mode."""
    tls: float = 15
    command: float = 30
    data: float = 60
    """For handing over the message, besides what its size takes."""
    accept: float = 180
    quit: float = 2
    whole: float | None = None
    """For everything together but the goodbye; None sets no limit beyond those of the steps."""


class Exchange:
    """A conversation's socket, its time and its faults. What is said is up to whoever derives from it."""

    def __init__(self, connection: Connection, limits: Limits, on_step: StepListener) -> None:
        self.connection = connection
        self.limits = limits
        self.certificate: Certificate | None = None
        """The server's, once it was seen."""
        self.log = StepLog(on_step)
        self.whole = Deadline(limits.whole) if limits.whole is not None else None
        self._secret = connection.secret.get_secret_value() if connection.secret else ""
        self._scrub = scrubber(connection.username, self._secret)
        self._socket: socket.socket | None = None
        self._wire: Wire | None = None
        self._broken = False

    def hide(self, secret: str) -> None:
        """Take this out of replies too from now on."""
        before, more = self._scrub, scrubber(self.connection.username, secret)
        self._scrub = lambda text: more(before(text))

    def clean(self, words: str) -> str:
        """Return words of the server's as they may be shown and stored: as text, no secret in them, and not endless."""
        return self._scrub(words)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.connection.host}:{self.connection.port}>"

    @property
    def steps(self) -> list[Step]:
        """The steps that have ended."""
        return self.log.ended

    @property
    def wire(self) -> Wire:
        """The connection.

        Raises:
            RuntimeError: there is none yet.
        """
        if self._wire is None:
            raise RuntimeError("the session is not connected")
        return self._wire

    def offers(self, extension: str) -> bool:
        """Whether the last EHLO named this extension (lower case)."""
        return bool(self.wire.has_extn(extension))

    # ------------------------------------------------------------------ time

    def deadline(self, seconds: float) -> Deadline:
        """Return when a step of so many seconds must be over."""
        return Deadline(seconds, self.whole)

    def seconds(self, limit: float) -> float:
        """Return how long a step may take; never 0, which would mean "do not wait at all" to a socket."""
        return max(0.01, self.deadline(limit).left())

    # ------------------------------------------------------------------ one exchange

    def command(self, phase: str, line: str, seconds: float | None = None) -> Reply:
        """Say one line and return what is answered.

        Raises:
            TransportError: the line cannot be said, or no answer came.
        """
        try:
            raw = line.encode(self.wire.command_encoding) if line.isprintable() else b""
        except UnicodeEncodeError:
            raw = b""
        if not raw:
            raise self.failure(phase, "message_unwritable")
        return self.command_raw(phase, raw, seconds)

    def command_raw(self, phase: str, raw: bytes, seconds: float | None = None) -> Reply:
        """Say one line as it is, be it empty, and return what is answered.

        Raises:
            TransportError: no answer came.
        """
        self.hand_over(phase, raw + b"\r\n", self.limits.command if seconds is None else seconds)
        return self.read(phase)

    def hand_over(self, phase: str, content: bytes, seconds: float) -> None:
        """Give bytes to the network, all of them."""
        self.wire.deadline = self.deadline(seconds)
        try:
            self.wire.send(content)
        except OSError as error:
            self._broken = True
            last_words = self._last_words()
            if last_words is not None:
                self.refuse(phase, last_words)
            raise self.failure(phase, lost_cause(error)) from error

    def read(self, phase: str, *, outcome: Outcome = Outcome.FAILED) -> Reply:
        """Read a reply; ``outcome`` is what it means to get none."""
        try:
            code, lines = self.wire.getreply()
        except NotSmtpError as garbage:
            self._broken = True
            came = self.told(0, garbage.args[0])
            raise self.failure(phase, "not_smtp", came, outcome) from None
        except OSError as error:
            self._broken = True
            raise self.failure(phase, lost_cause(error), outcome=outcome) from error
        return self.told(code, lines)

    def told(self, code: int, lines: bytes) -> Reply:
        """Return what came as a reply that can be shown."""
        return Reply(code, self._scrub(as_text(lines)))

    def _last_words(self) -> Reply | None:
        """Return the refusal a server wrote before it closed on us mid-sentence, if it did."""
        self.wire.deadline = self.deadline(self.limits.quit)
        with suppress(OSError, NotSmtpError):
            code, lines = self.wire.getreply()
            if code >= 400:
                return self.told(code, lines)
        return None

    def quit(self) -> None:
        """Say goodbye if there still is somebody, and close; nothing that happens here changes an outcome."""
        if self._wire is not None and not self._broken:
            self.whole = None  # nobody waits for more than the limit of this step
            with suppress(TransportError):
                self.command("quit", "QUIT", self.limits.quit)
        self.hang_up()

    def hang_up(self) -> None:
        """Close without a word."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
        self._socket, self._wire = None, None

    # ------------------------------------------------------------------ failures

    def failure(
        self, phase: str, cause: str, reply: Reply | None = None, outcome: Outcome = Outcome.FAILED
    ) -> TransportError:
        """Return the error of a step."""
        reply = reply or Reply(0, "")
        return TransportError(
            phase=phase,
            cause=cause,
            code=reply.code,
            enhanced=reply.enhanced,
            reply=reply.text,
            outcome=outcome,
            certificate=self.certificate,
        )

    def refuse(self, phase: str, reply: Reply, cause: str = "") -> NoReturn:
        """Raise for a reply that is not the one hoped for: a refusal, or nothing an SMTP server says here."""
        if reply.code >= 400:
            raise self.failure(phase, cause, reply, Outcome.REFUSED)
        raise self.failure(phase, "not_smtp", reply)


def lost_cause(error: Exception) -> str:
    """Return which of the causes a conversation that broke off has."""
    return "timeout" if isinstance(error, TimeoutError) else "disconnected"
