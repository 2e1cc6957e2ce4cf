"""One SMTP conversation (RFC 5321) with TLS (RFC 3207, RFC 8314), a method for each step.

:mod:`mailcore.transports.smtp_exchange` says one thing at a time and :mod:`mailcore.transports.smtp_wire` frames the
bytes. What ``smtplib`` leaves open is closed in them: a limit on the whole of each step, replies kept whole, and the
exact point up to which a message that got no answer is certainly not taken.
"""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from mailcore.deadline import resolve
from mailcore.transports import smtp_hello
from mailcore.transports.base import Certificate, Connection, StepListener, TransportError, ignore_steps
from mailcore.transports.smtp_connect import Address, connected
from mailcore.transports.smtp_connect import cause_of as connect_cause
from mailcore.transports.smtp_exchange import Exchange, Limits, lost_cause
from mailcore.transports.smtp_login import login, login_with_token, mechanism_for_token
from mailcore.transports.smtp_wire import Reply, Wire
from mailcore.transports.tls import EXPIRY_WARNING_DAYS, cause_of, certificate_of, client_context, describe
from mailcore.vocabulary import Outcome, Security, StepState

if TYPE_CHECKING:
    from types import TracebackType

    from mailcore.transports.base import TokenSource
    from mailcore.transports.steps import Running

_SLOWEST = 20_000  # bytes a second below which handing over a message is given up
_MOST_OFFERED = 500
"""Characters of what a server offers that are shown."""
_SLOW_GREETING = 5.0
"""Seconds after which a server's first word is worth a remark."""


class SmtpSession(Exchange):
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
            inspect: say of the certificate what is worth a remark, though it be good.
        """
        super().__init__(connection, limits or Limits(), on_step)
        self._inspect = inspect
        self._addresses: list[Address] = []
        self._encrypted = False
        self._name = connection.ehlo_name
        self._tried_domain = False

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
            self.log.skip("auth", "O cadastro não pede login.")

    def reach(self) -> None:
        """Come as far as the encryption the connection asks for; nothing of the account is said yet."""
        self.resolve()
        self._come_through()

    def _come_through(self) -> None:
        security = self.connection.security
        self.connect()
        if security is Security.SSL_TLS:
            self.direct_tls()
        self.greeting()
        if security is Security.STARTTLS:
            self.start_tls()
        elif security is Security.NONE:
            self.log.skip("tls", "Sem criptografia, como pede o cadastro.")

    # ------------------------------------------------------------------ step by step

    def resolve(self) -> None:
        """Look the host's addresses up."""
        host, port = self.connection.host, self.connection.port
        with self.log.step("resolve") as step:
            try:
                self._addresses = resolve(host, port, self.seconds(self.limits.resolve))
            except TimeoutError as error:
                raise self.failure("resolve", "dns_failed") from error
            except (OSError, UnicodeError, ValueError) as error:
                # EAI_AGAIN and EAI_FAIL speak of the resolver, not of the name (RFC 3493 §6.1).
                temporary = isinstance(error, socket.gaierror) and error.errno in (
                    socket.EAI_AGAIN,
                    socket.EAI_FAIL,
                )
                raise self.failure("resolve", "dns_failed" if temporary else "dns_not_found") from error
            step.detail = ", ".join(dict.fromkeys(address[0] for _, address in self._addresses))

    def connect(self) -> None:
        """Connect to the first address that answers."""
        with self.log.step("connect") as step:
            try:
                self._socket, address = connected(self._addresses, self.deadline(self.limits.connect))
            except OSError as error:
                raise self.failure("connect", connect_cause(error)) from error
            self._name = self._name or smtp_hello.own_name("", self._socket)
            self._wire = Wire(self._socket, self._name)
            self._encrypted = self._broken = False
            step.detail = f"{address[0]}, porta {address[1]}"

    def direct_tls(self) -> None:
        """Encrypt before the first word (implicit TLS)."""
        with self.log.step("tls") as step:
            self._handshake(step)

    def greeting(self) -> Reply:
        """Wait for the server to say who it is."""
        silent_port = self.connection.port == 465 and not self._encrypted
        seconds = self.limits.silence if silent_port else self.limits.greeting
        with self.log.step("greeting") as step:
            self.wire.deadline = self.deadline(seconds)
            try:
                reply = self.read("greeting")
            except TransportError as error:
                if not self._encrypted and self._speaks_tls(error):
                    raise self.failure("greeting", "tls_wrong_mode") from error
                raise
            step.reply = reply.text
            if reply.code != 220:
                self.refuse("greeting", reply)
            if self._inspect and step.seconds > _SLOW_GREETING:
                step.state = StepState.WARNING
                step.detail = f"O servidor é lento: levou {step.seconds:.0f} s para dar a primeira resposta."
        return reply

    def start_tls(self) -> None:
        """Encrypt by STARTTLS, or fail: nothing goes on in plain text."""
        with self.log.only_failures("ehlo"):
            self._say_hello()
        with self.log.step("tls") as step:
            if not self.offers("starttls"):
                raise self.failure("tls", "starttls_not_offered")
            reply = self.command("tls", "STARTTLS")
            if reply.code != 220:
                self.refuse("tls", reply, "starttls_refused")
            self._handshake(step)

    def ehlo(self) -> Reply:
        """Introduce this side and learn what the server can do."""
        with self.log.step("ehlo") as step:
            reply = self._say_hello()
            step.reply = reply.text
            step.detail = self.clean(_offers(self.wire.esmtp_features))[:_MOST_OFFERED]
            if self._inspect and not self._encrypted and self.offers("starttls"):
                step.state = StepState.WARNING
                step.detail = "; ".join(filter(None, [step.detail, "o servidor oferece STARTTLS: marque “SSL”"]))
        return reply

    def login(self) -> None:
        """Log in by PLAIN, else by LOGIN; by OAuth2 where the connection has a token."""
        with self.log.step("auth") as step:
            if self.connection.token is not None:
                self._login_with_token(self.connection.token, step)
                return
            if not self._secret:
                raise self.failure("auth", "secret_missing")
            if self.connection.security is not Security.NONE and not self._encrypted:
                raise self.failure("auth", "not_encrypted")
            login(self, self._secret, step)

    def _login_with_token(self, source: TokenSource, step: Running) -> None:
        """Show a token; where an old one is refused, a new one, once, over a new connection."""
        if not self._encrypted or not self.connection.verify_certificate:
            raise self.failure("auth", "oauth_not_encrypted")
        mechanism = mechanism_for_token(self)
        token = source(self.seconds(self.limits.command), False)
        if login_with_token(self, mechanism, token, step, may_fail=not token.is_fresh):
            return
        self._begin_anew()
        with self.log.silence():
            self.ehlo()
        login_with_token(self, mechanism, source(self.seconds(self.limits.command), True), step)

    def sender(self, address: str, *, size: int = 0, eight_bit: bool = False, utf8: bool = False) -> None:
        """Name the envelope sender; ``size`` is that of the message in bytes, 0 for unknown (RFC 1870).

        What the server cannot take by its own word is refused before it is asked: addresses outside ASCII without
        SMTPUTF8, 8 bits without 8BITMIME. Too large a message it refuses itself, by the size it is told here.
        """
        with self.log.step("sender") as step:
            utf8 = utf8 or not address.isascii()
            options = ""
            if utf8:
                if not self.offers("smtputf8"):
                    raise self.failure("sender", "smtputf8_not_offered")
                self.wire.command_encoding = "utf-8"
                options += " SMTPUTF8"
            if eight_bit and not self.offers("8bitmime"):
                raise self.failure("sender", "eight_bit_not_offered")
            if size and self.offers("size"):
                options += f" SIZE={size}"
            if (eight_bit or utf8) and self.offers("8bitmime"):
                options += " BODY=8BITMIME"
            reply = self.command("sender", f"MAIL FROM:<{address}>{options}")
            step.reply = reply.text
            if not reply.accepts:
                self.refuse("sender", reply)

    def recipients(self, addresses: tuple[str, ...]) -> dict[str, str]:
        """Name the recipients; return those refused, with the server's words, while others were taken.

        Raises:
            TransportError: all were refused.
        """
        refused: dict[str, Reply] = {}
        with self.log.step("recipients") as step:
            for address in addresses:
                reply = self.command("recipients", f"RCPT TO:<{address}>")
                if reply.code == 421:  # the server is closing the connection (RFC 5321 §3.8)
                    self.refuse("recipients", reply)
                if not reply.accepts:
                    refused[address] = reply
            step.detail = f"{len(addresses) - len(refused)} de {len(addresses)} aceitos"
            step.reply = "\n".join(f"{address}: {reply.text}" for address, reply in refused.items())
            if len(refused) == len(addresses):
                self.refuse("recipients", next(iter(refused.values()), Reply(0, "")))
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
        # The dot's own line is what makes a message: without it no server may take it (§4.1.1.4).
        dotted = re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"
        with self.log.step("data") as step:
            reply = self.command("data", "DATA")
            if reply.code != 354:
                self.refuse("data", reply)
            self.hand_over("data", dotted, self.limits.data + len(dotted) / _SLOWEST)
            self.wire.deadline = self.deadline(self.limits.accept)
            reply = self.read("data", outcome=Outcome.UNCERTAIN)
            step.reply = reply.text
            if reply.code >= 400:
                self.refuse("data", reply)
            if not reply.accepts:
                self._broken = True
                raise self.failure("data", "not_smtp", reply, Outcome.UNCERTAIN)
        return reply

    def reset(self) -> None:
        """Drop the envelope named so far (RSET); what the server answers does not matter."""
        with suppress(TransportError):
            self.command("sender", "RSET")

    # ------------------------------------------------------------------ EHLO

    def _say_hello(self) -> Reply:
        reply = self.command("ehlo", f"EHLO {self._name}")
        if reply.code in smtp_hello.REFUSALS and self._take_senders_domain():
            if reply.code == 421:  # it closes the connection (RFC 5321 §3.8)
                self._begin_anew()
            reply = self.command("ehlo", f"EHLO {self._name}")
        if reply.code in (500, 501, 502, 504, 550):  # knows no EHLO (RFC 5321 §3.2)
            reply = self.command("ehlo", f"HELO {self._name}")
        elif reply.code == 250:
            self.wire.note_features()
        if reply.code != 250:
            self.refuse("ehlo", reply, "ehlo_name_refused" if smtp_hello.is_about_the_name(reply) else "")
        return reply

    def _take_senders_domain(self) -> bool:
        """Call ourselves by the sender's domain from now on; once, and only where that is another name."""
        domain = self.connection.from_address.rpartition("@")[2]
        if self._tried_domain or not domain or domain.startswith("[") or domain == self._name:
            return False
        self._tried_domain, self._name = True, domain
        return True

    def _begin_anew(self) -> None:
        was_encrypted = self._encrypted
        self.hang_up()
        with self.log.silence():
            if self.connection.security is Security.STARTTLS and not was_encrypted:
                self.connect()
                self.greeting()
            else:
                self._come_through()

    # ------------------------------------------------------------------ TLS

    def _handshake(self, step: Running) -> None:
        connection = self.connection
        try:
            context = client_context(connection.verify_certificate, connection.ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise self.failure("tls", "tls_bad_authority") from error
        assert self._socket is not None
        self._broken = True  # until it worked: there is nobody to say QUIT to
        try:
            self._socket.settimeout(self.seconds(self.limits.tls))
            encrypted = context.wrap_socket(self._socket, server_hostname=connection.host)
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLCertVerificationError):
                self.certificate = self._refused_certificate()
                step.detail = describe(self.certificate) if self.certificate else ""
            raise self.failure(
                "tls", cause_of(error, self.certificate, own_authority=bool(connection.ca_pem))
            ) from error
        except (OSError, ValueError) as error:
            raise self.failure("tls", lost_cause(error)) from error
        self._socket, self._broken, self._encrypted = encrypted, False, True
        self.wire.use(encrypted)
        cipher = encrypted.cipher()
        step.detail = f"{encrypted.version()}, {cipher[0] if cipher else ''}"
        if self._inspect:
            self._look_at(certificate_of(encrypted.getpeercert(binary_form=True)), step)
        if not connection.verify_certificate:
            step.state = StepState.WARNING
            step.detail += "; certificado não conferido, como pede o cadastro"

    def _look_at(self, certificate: Certificate | None, step: Running) -> None:
        self.certificate = certificate
        if certificate is None:
            return
        step.detail += f"; {describe(certificate)}"
        if certificate.days_left(datetime.now(UTC)) < EXPIRY_WARNING_DAYS:
            step.state = StepState.WARNING

    def _refused_certificate(self) -> Certificate | None:
        """The certificate that was refused: Python gives it only of a connection that takes any.

        It tells an expired certificate from an expired authority, and which names it is for. Nothing of the account
        is said over that connection.
        """
        unverified = replace(self.connection, verify_certificate=False, username="", secret=None)
        limits = replace(self.limits, whole=self.whole.left() if self.whole else self.limits.tls)
        with SmtpSession(unverified, limits, inspect=True) as session:
            with suppress(TransportError):
                session.reach()
            return session.certificate

    def _speaks_tls(self, error: TransportError) -> bool:
        """Tell whether a server that did not greet was waiting for TLS all the while."""
        if self.wire.unread[:2] == b"\x15\x03":  # a TLS alert record
            return True
        if error.cause != "timeout" or self._socket is None:
            return False
        try:
            self._socket.settimeout(self.seconds(self.limits.silence))
            # Nothing is said over it: any certificate will do to learn that this is TLS.
            self._socket = client_context(False, "").wrap_socket(self._socket)
        except (OSError, ValueError):
            return False
        return True


def _largest(features: dict[str, str]) -> int:
    """The largest message the server says to take; 0 where it does not say."""
    said = features.get("size", "")
    return int(said) if re.fullmatch(r"[0-9]{1,15}", said) else 0


def _offers(features: dict[str, str]) -> str:
    """What the server can do, as far as somebody may ask: size, extensions, ways to log in."""
    megabytes = _largest(features) / 1_000_000
    parts = [f"mensagens de até {megabytes:.0f} MB"] if megabytes >= 1 else []
    parts += [name.upper() for name in ("pipelining", "chunking", "8bitmime", "smtputf8") if name in features]
    methods = " ".join(dict.fromkeys(features.get("auth", "").upper().split()))
    return "; ".join([*parts, *([f"login por {methods}"] if methods else [])])
