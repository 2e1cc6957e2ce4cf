"""One SMTP conversation (RFC 5321) with TLS (RFC 3207, RFC 8314) and AUTH PLAIN and LOGIN (RFC 4954).

:class:`SmtpSession` has a method for each step; :mod:`mailcore.transports.smtp_wire` frames the bytes. What
``smtplib`` leaves open is closed in them: a limit on the whole of each step, replies kept whole, and the exact
point up to which a message that got no answer is certainly not taken.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, Self

from mailcore.deadline import Deadline, resolve
from mailcore.transports.base import Certificate, Connection, Step, StepListener, TransportError, ignore_steps
from mailcore.transports.scrub import scrubber
from mailcore.transports.smtp_wire import NotSmtpError, Reply, Wire, as_text
from mailcore.transports.tls import EXPIRY_WARNING_DAYS, cause_of, certificate_of, client_context, describe
from mailcore.vocabulary import Outcome, Security, StepState

if TYPE_CHECKING:
    from types import TracebackType

_SLOWEST = 20_000  # bytes a second below which handing over a message is given up
_MECHANISM_UNKNOWN = (500, 501, 502, 503, 504)  # RFC 4954 §6: not about the password, so another may do


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


class SmtpSession:
    """One conversation with one server. Use as a context manager; call the steps in order, or :meth:`open`.

    Every method raises :class:`TransportError` with its step as the phase. Steps are reported when they
    begin and when they end, and the ended ones are kept in :attr:`steps`.
    """

    def __init__(
        self,
        connection: Connection,
        limits: Limits | None = None,
        on_step: StepListener = ignore_steps,
        *,
        inspect: bool = False,
    ) -> None:
        """Contact nobody yet.

        Args:
            inspect: read the server's certificate too, over a second connection where it was refused.
        """
        self.connection = connection
        self.limits = limits or Limits()
        self.steps: list[Step] = []
        self.certificate: Certificate | None = None
        self._inspect = inspect
        self._whole = Deadline(self.limits.whole) if self.limits.whole is not None else None
        self._on_step = on_step
        self._secret = connection.secret.get_secret_value() if connection.secret else ""
        self._scrub = scrubber(connection.username, self._secret)
        self._addresses: list[tuple[socket.AddressFamily, tuple[str, int]]] = []
        self._socket: socket.socket | None = None
        self._wire_or_none: Wire | None = None
        self._encrypted = False
        self._broken = False

    def __repr__(self) -> str:
        return f"<SmtpSession {self.connection.host}:{self.connection.port}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.quit()

    # ------------------------------------------------------------------ the whole way in

    def open(self) -> None:
        """Resolve, connect, encrypt as the connection says, greet, and log in where there is a user name."""
        self.reach()
        self.ehlo()
        if self.connection.username:
            self.login()
        else:
            self._skip("auth", "O cadastro não pede login.")

    def reach(self) -> None:
        """Come as far as the encryption the connection asks for; nothing of the account is said yet."""
        security = self.connection.security
        self.resolve()
        self.connect()
        if security is Security.SSL_TLS:
            self.direct_tls()
        self.greeting()
        if security is Security.STARTTLS:
            self.start_tls()
        elif security is Security.NONE:
            self._skip("tls", "Sem criptografia, como pede o cadastro.")

    # ------------------------------------------------------------------ step by step

    def resolve(self) -> None:
        """Look the host's addresses up."""
        host, port = self.connection.host, self.connection.port
        with self._step("resolve") as step:
            try:
                self._addresses = resolve(host, port, self._seconds(self.limits.resolve))
            except TimeoutError as error:
                raise self._failure("resolve", "dns_failed") from error
            except (socket.gaierror, UnicodeError) as error:
                # EAI_AGAIN and EAI_FAIL speak of the resolver, not of the name (RFC 3493 §6.1).
                temporary = isinstance(error, socket.gaierror) and error.errno in (
                    socket.EAI_AGAIN,
                    socket.EAI_FAIL,
                )
                raise self._failure("resolve", "dns_failed" if temporary else "dns_not_found") from error
            step.detail = ", ".join(dict.fromkeys(address[0] for _, address in self._addresses))

    def connect(self) -> None:
        """Connect to the first address that answers, each given its share of the time."""
        deadline = self._deadline(self.limits.connect)
        last_error: OSError = ConnectionRefusedError()
        with self._step("connect") as step:
            for index, (family, address) in enumerate(self._addresses):
                try:
                    share = deadline.remaining() / (len(self._addresses) - index)
                    self._socket = _connected(family, address, share)
                except OSError as error:
                    last_error = error
                    continue
                self._wire_or_none = Wire(self._socket, _address_literal(self._socket))
                step.detail = f"{address[0]}, porta {address[1]}"
                return
            raise self._failure("connect", _connect_cause(last_error)) from last_error

    def direct_tls(self) -> None:
        """Encrypt before the first word (implicit TLS)."""
        with self._step("tls") as step:
            self._handshake(step)

    def greeting(self) -> Reply:
        """Wait for the server to say who it is."""
        silent_port = self.connection.port == 465 and not self._encrypted
        seconds = self.limits.silence if silent_port else self.limits.greeting
        with self._step("greeting") as step:
            self._wire.deadline = self._deadline(seconds)
            try:
                reply = self._read("greeting")
            except TransportError as error:
                if not self._encrypted and self._speaks_tls(error):
                    raise self._failure("greeting", "tls_wrong_mode") from error
                raise
            step.reply = reply.text
            if reply.code != 220:
                self._refuse("greeting", reply)
        return reply

    def start_tls(self) -> None:
        """Encrypt by STARTTLS, or fail: nothing goes on in plain text."""
        with self._unreported_ehlo():
            self._say_hello()
        with self._step("tls") as step:
            if not self._wire.has_extn("starttls"):
                raise self._failure("tls", "starttls_not_offered")
            reply = self._command("tls", "STARTTLS", self.limits.command)
            if reply.code != 220:
                self._refuse("tls", reply, "starttls_refused")
            self._handshake(step)

    def ehlo(self) -> Reply:
        """Introduce this side and learn what the server can do."""
        with self._step("ehlo") as step:
            reply = self._say_hello()
            step.reply = reply.text
            step.detail = _offers(self._wire.esmtp_features)
            if self._inspect and not self._encrypted and self.offers("starttls"):
                step.state = StepState.WARNING
                step.detail = "; ".join(filter(None, [step.detail, "o servidor oferece STARTTLS: marque “SSL”"]))
        return reply

    def login(self) -> None:
        """Log in by PLAIN, else by LOGIN."""
        with self._step("auth") as step:
            if not self._secret:
                raise self._failure("auth", "secret_missing")
            if self.connection.security is not Security.NONE and not self._encrypted:
                raise self._failure("auth", "not_encrypted")
            reply = Reply(0, "")
            for mechanism in self._mechanisms():
                step.detail = mechanism
                reply = self._plain() if mechanism == "PLAIN" else self._login()
                step.reply = reply.text
                if reply.accepts:
                    return
                # A refused password is not tried again another way: accounts get locked for that.
                if reply.code not in _MECHANISM_UNKNOWN:
                    break
            self._refuse("auth", reply)

    def sender(self, address: str, *, size: int = 0, eight_bit: bool = False, utf8: bool = False) -> None:
        """Name the envelope sender; ``size`` is that of the message in bytes, 0 for unknown (RFC 1870)."""
        with self._step("sender") as step:
            utf8 = utf8 or not address.isascii()
            options = ""
            if utf8:
                if not self.offers("smtputf8"):
                    raise self._failure("sender", "smtputf8_not_offered")
                self._wire.command_encoding = "utf-8"
                options += " SMTPUTF8"
            if size and self.offers("size"):
                options += f" SIZE={size}"
            if eight_bit and self.offers("8bitmime"):
                options += " BODY=8BITMIME"
            reply = self._command("sender", f"MAIL FROM:<{address}>{options}", self.limits.command)
            step.reply = reply.text
            if not reply.accepts:
                self._refuse("sender", reply)

    def recipients(self, addresses: tuple[str, ...]) -> dict[str, str]:
        """Name the recipients; return those refused, with the server's words, while others were taken.

        Raises:
            TransportError: all were refused.
        """
        refused: dict[str, Reply] = {}
        with self._step("recipients") as step:
            for address in addresses:
                reply = self._command("recipients", f"RCPT TO:<{address}>", self.limits.command)
                if reply.code == 421:  # the server is closing the connection (RFC 5321 §3.8)
                    self._refuse("recipients", reply)
                if not reply.accepts:
                    refused[address] = reply
            step.detail = f"{len(addresses) - len(refused)} de {len(addresses)} aceitos"
            step.reply = "\n".join(f"{address}: {reply.text}" for address, reply in refused.items())
            if len(refused) == len(addresses):
                self._refuse("recipients", next(iter(refused.values())))
            if refused:
                step.state = StepState.WARNING
        return {address: reply.text for address, reply in refused.items()}

    def data(self, content: bytes) -> Reply:
        """Hand the message over and return the server's acceptance.

        Raises:
            TransportError: ``failed`` if the connection ended before the final dot was wholly handed to
                the network, ``uncertain`` if after it and before an answer, ``refused`` if the server
                said no.
        """
        with self._step("data") as step:
            reply = self._command("data", "DATA", self.limits.command)
            if reply.code != 354:
                self._refuse("data", reply)
            # The dot's own line is what makes a message: without it no server may take it (§4.1.1.4).
            dotted = re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"
            self._hand_over("data", dotted, self.limits.data + len(dotted) / _SLOWEST)
            self._wire.deadline = self._deadline(self.limits.accept)
            reply = self._read("data", outcome=Outcome.UNCERTAIN)
            step.reply = reply.text
            if reply.code >= 400:
                self._refuse("data", reply)
            if not reply.accepts:
                self._broken = True
                raise self._failure("data", "not_smtp", reply, Outcome.UNCERTAIN)
        return reply

    def reset(self) -> None:
        """Drop the envelope named so far (RSET); what the server answers does not matter."""
        with suppress(TransportError):
            self._command("sender", "RSET", self.limits.command)

    def quit(self) -> None:
        """Say goodbye if there still is somebody, and close; nothing that happens here changes an outcome."""
        if self._wire_or_none is not None and not self._broken:
            self._whole = None  # nobody waits for more than the limit of this step
            with suppress(TransportError):
                self._command("quit", "QUIT", self.limits.quit)
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
        self._socket, self._wire_or_none = None, None

    def offers(self, extension: str) -> bool:
        """Whether the last EHLO named this extension (lower case)."""
        return bool(self._wire.has_extn(extension))

    # ------------------------------------------------------------------ time

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, self._whole)

    def _seconds(self, limit: float) -> float:
        # Never 0, which would mean "do not wait at all" to a socket.
        return max(0.01, self._deadline(limit).left())

    # ------------------------------------------------------------------ one exchange

    @property
    def _wire(self) -> Wire:
        if self._wire_or_none is None:
            raise RuntimeError("the session is not connected")
        return self._wire_or_none

    def _command(self, phase: str, line: str, seconds: float) -> Reply:
        if "\r" in line or "\n" in line:
            raise ValueError("a command is one line")
        self._hand_over(phase, line.encode(self._wire.command_encoding) + b"\r\n", seconds)
        return self._read(phase)

    def _hand_over(self, phase: str, content: bytes, seconds: float) -> None:
        self._wire.deadline = self._deadline(seconds)
        try:
            self._wire.send(content)
        except OSError as error:
            self._broken = True
            last_words = self._last_words()
            if last_words is not None:
                self._refuse(phase, last_words)
            raise self._failure(phase, _lost_cause(error)) from error

    def _read(self, phase: str, *, outcome: Outcome = Outcome.FAILED) -> Reply:
        """Read a reply; ``outcome`` is what it means to get none."""
        try:
            code, lines = self._wire.getreply()
        except NotSmtpError as garbage:
            self._broken = True
            came = Reply(0, self._scrub(as_text(garbage.args[0])))
            raise self._failure(phase, "not_smtp", came, outcome) from None
        except OSError as error:
            self._broken = True
            raise self._failure(phase, _lost_cause(error), outcome=outcome) from error
        return Reply(code, self._scrub(as_text(lines)))

    def _last_words(self) -> Reply | None:
        """Return the refusal a server wrote before it closed on us mid-sentence, if it did."""
        self._wire.deadline = self._deadline(self.limits.quit)
        with suppress(OSError, NotSmtpError):
            code, lines = self._wire.getreply()
            if code >= 400:
                return Reply(code, self._scrub(as_text(lines)))
        return None

    # ------------------------------------------------------------------ TLS

    def _handshake(self, step: _Running) -> None:
        connection = self.connection
        try:
            context = client_context(connection.verify_certificate, connection.ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise self._failure("tls", "tls_bad_authority") from error
        assert self._socket is not None
        self._broken = True  # until it worked: there is nobody to say QUIT to
        try:
            self._socket.settimeout(self._seconds(self.limits.tls))
            encrypted = context.wrap_socket(self._socket, server_hostname=connection.host)
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLCertVerificationError) and self._inspect:
                self.certificate = self._refused_certificate()
                step.detail = describe(self.certificate) if self.certificate else ""
            raise self._failure("tls", cause_of(error)) from error
        except (OSError, ValueError) as error:
            raise self._failure("tls", _lost_cause(error)) from error
        self._socket, self._broken, self._encrypted = encrypted, False, True
        self._wire.use(encrypted)
        cipher = encrypted.cipher()
        step.detail = f"{encrypted.version()}, {cipher[0] if cipher else ''}"
        if self._inspect:
            self._look_at(certificate_of(encrypted.getpeercert(binary_form=True)), step)
        if not connection.verify_certificate:
            step.state = StepState.WARNING
            step.detail += "; certificado não conferido, como pede o cadastro"

    def _look_at(self, certificate: Certificate | None, step: _Running) -> None:
        self.certificate = certificate
        if certificate is None:
            return
        step.detail += f"; {describe(certificate)}"
        if certificate.days_left(datetime.now(UTC)) < EXPIRY_WARNING_DAYS:
            step.state = StepState.WARNING

    def _refused_certificate(self) -> Certificate | None:
        """The certificate that was refused: Python gives it only of a connection that takes any.

        Nothing of the account is said over that one.
        """
        unverified = replace(self.connection, verify_certificate=False, username="", secret=None)
        limits = replace(self.limits, whole=self._whole.left() if self._whole else self.limits.tls)
        with SmtpSession(unverified, limits, inspect=True) as session:
            with suppress(TransportError):
                session.reach()
            return session.certificate

    def _speaks_tls(self, error: TransportError) -> bool:
        """Tell whether a server that did not greet was waiting for TLS all the while."""
        if self._wire.unread[:2] == b"\x15\x03":  # a TLS alert record
            return True
        if error.cause != "timeout" or self._socket is None:
            return False
        try:
            self._socket.settimeout(self._seconds(self.limits.silence))
            # Nothing is said over it: any certificate will do to learn that this is TLS.
            self._socket = client_context(False, "").wrap_socket(self._socket)
        except (OSError, ValueError):
            return False
        return True

    # ------------------------------------------------------------------ EHLO and AUTH

    def _say_hello(self) -> Reply:
        wire, phase = self._wire, "ehlo"
        reply = self._command(phase, f"EHLO {wire.local_hostname}", self.limits.command)
        if reply.code in (500, 501, 502, 504, 550):  # knows no EHLO (RFC 5321 §3.2)
            reply = self._command(phase, f"HELO {wire.local_hostname}", self.limits.command)
        elif reply.code == 250:
            wire.note_features()
        if reply.code != 250:
            self._refuse(phase, reply)
        return reply

    def _mechanisms(self) -> list[str]:
        offered = self._wire.esmtp_features.get("auth")
        if offered is None:
            raise self._failure("auth", "auth_not_offered")
        names = offered.upper().split()
        usable: list[str] = [name for name in ("PLAIN", "LOGIN") if name in names]
        if not usable:
            oauth = bool(names) and set(names) <= {"XOAUTH2", "OAUTHBEARER"}
            cause = "auth_oauth_only" if oauth else "auth_no_method"
            raise self._failure("auth", cause, Reply(0, f"AUTH {' '.join(names)}"))
        return usable

    def _plain(self) -> Reply:
        answer = _base64(f"\0{self.connection.username}\0{self._secret}")
        reply = self._command("auth", f"AUTH PLAIN {answer}", self.limits.command)
        if reply.code == 334:  # some servers ask again although the answer came along
            reply = self._command("auth", answer, self.limits.command)
        return reply

    def _login(self) -> Reply:
        reply = self._command("auth", "AUTH LOGIN", self.limits.command)
        for answer in (self.connection.username, self._secret):
            if reply.code != 334:
                break
            reply = self._command("auth", _base64(answer), self.limits.command)
        return reply

    # ------------------------------------------------------------------ failures and steps

    def _failure(
        self, phase: str, cause: str, reply: Reply | None = None, outcome: Outcome = Outcome.FAILED
    ) -> TransportError:
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

    def _refuse(self, phase: str, reply: Reply, cause: str = "") -> NoReturn:
        """Raise for a reply that is not the one hoped for: a refusal, or nothing an SMTP server says here."""
        if reply.code >= 400:
            raise self._failure(phase, cause, reply, Outcome.REFUSED)
        raise self._failure(phase, "not_smtp", reply)

    @contextmanager
    def _step(self, name: str) -> Iterator[_Running]:
        self._on_step(Step(name, StepState.RUNNING))
        running = _Running()
        try:
            yield running
        except TransportError as error:
            self._finish(running.ended(name, StepState.FAILED, error.reply))
            raise
        self._finish(running.ended(name, running.state))

    @contextmanager
    def _unreported_ehlo(self) -> Iterator[None]:
        """The EHLO before STARTTLS is worth reporting only where it fails; the one after it counts."""
        running = _Running()
        try:
            yield
        except TransportError as error:
            self._finish(running.ended("ehlo", StepState.FAILED, error.reply))
            raise

    def _skip(self, name: str, detail: str) -> None:
        self._finish(Step(name, StepState.SKIPPED, detail=detail))

    def _finish(self, step: Step) -> None:
        self.steps.append(step)
        self._on_step(step)


@dataclass(slots=True)
class _Running:
    """A step under way, and what there will be to say of it."""

    state: StepState = StepState.OK
    detail: str = ""
    reply: str = ""
    began: float = field(default_factory=time.perf_counter)

    def ended(self, name: str, state: StepState, reply: str = "") -> Step:
        milliseconds = (time.perf_counter() - self.began) * 1_000
        return Step(name, state, milliseconds, self.detail, reply or self.reply)


def _connected(family: socket.AddressFamily, address: tuple[str, int], seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        # Each command is one small write that waits for an answer: Nagle's algorithm would hold some of them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_cause(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "connect_timeout"
    return "connect_refused" if isinstance(error, ConnectionRefusedError) else "connect_unreachable"


def _lost_cause(error: Exception) -> str:
    return "timeout" if isinstance(error, TimeoutError) else "disconnected"


def _offers(features: dict[str, str]) -> str:
    """What the server can do, as far as somebody may ask: size, extensions, ways to log in."""
    size = features.get("size", "")
    megabytes = int(size) / 1_000_000 if size.isdecimal() else 0
    parts = [f"mensagens de até {megabytes:.0f} MB"] if megabytes >= 1 else []
    parts += [name.upper() for name in ("pipelining", "chunking", "8bitmime", "smtputf8") if name in features]
    methods = " ".join(dict.fromkeys(features.get("auth", "").upper().split()))
    return "; ".join([*parts, *([f"login por {methods}"] if methods else [])])


def _address_literal(sock: socket.socket) -> str:
    """Return this end's address as EHLO wants it (RFC 5321 §4.1.3); a host name may be nobody's business."""
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if sock.family is socket.AF_INET6 else f"[{address}]"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")
