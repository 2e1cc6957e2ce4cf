"""A real SMTP server (aiosmtpd) in a thread, which misbehaves where its script says so.

    with SmtpPeer(users={"ana@exemplo.com.br": "senha"}, security="starttls") as peer:
        peer.script["RCPT"] = Say("550 5.1.1 no such user")
        ...
        assert peer.inbox == []

The keys of ``script`` are ``GREETING``, the verbs, ``BODY`` (after 354, while the text comes) and ``.``
(after the final dot). A list of actions is worked off call by call; None in it means "behave".
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage


@dataclass(frozen=True)
class Say:
    """Answer with this, a line feed between the lines of a multi-line reply; then perhaps hang up."""

    reply: str | bytes
    then_drop: bool = False


class Stall:
    """Say nothing more, ever."""


class Drop:
    """Close the connection without a word."""


@dataclass(frozen=True)
class Drip:
    """Send one byte of a reply that never ends at a time."""

    every: float = 0.02


Action = Say | Stall | Drop | Drip


@dataclass(frozen=True)
class Received:
    """One accepted message and its envelope."""

    envelope_from: str
    recipients: list[str]
    content: bytes
    mail_options: list[str]
    login: str | None

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return email.message_from_bytes(self.content, policy=email.policy.default)  # type: ignore[return-value]


@dataclass
class SmtpPeer:
    """The server; use as a context manager, or :meth:`start` and :meth:`stop` it."""

    security: str = "none"
    """``none``, ``starttls`` or ``ssl_tls``."""
    tls: ssl.SSLContext | None = None
    """The certificate; see :mod:`tests.peers.certificates`."""
    users: dict[str, str] = field(default_factory=dict)
    """User → password; with one there, login is required, under STARTTLS only after it."""
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    smtputf8: bool = True
    eight_bit: bool = True
    size_limit: int = 10_000_000
    queue_id: str = "3F8A21C0D4"
    script: dict[str, Action | list[Action | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.inbox: list[Received] = []
        self.commands: list[tuple[str, str]] = []
        """Every verb received, with its argument as it came."""
        self.connections = 0
        self.logins: list[tuple[str, str]] = []
        """(mechanism, user) of every attempt."""
        self.lines: set[Any] = set()
        """What is open now."""
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._run, name="smtp-peer", daemon=True)

    def start(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        if self.security != "none" and self.tls is None:
            from tests.peers.certificates import server_context

            self.tls = server_context()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Hang up on everybody and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def verbs(self) -> list[str]:
        """Return the verbs received, in order."""
        return [verb for verb, _ in self.commands]

    def next_action(self, moment: str) -> Action | None:
        """Return what the script says for this moment, taking it off a list."""
        planned = self.script.get(moment)
        if isinstance(planned, list):
            return planned.pop(0) if planned else None
        return planned

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        direct = self.tls if self.security == "ssl_tls" else None
        self._server = await self._loop.create_server(lambda: _Server(self), self.host, 0, ssl=direct)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for line in self.lines:
            line.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Server(SMTP):
    """One connection."""

    def __init__(self, peer: SmtpPeer) -> None:
        self.peer = peer
        self._greeted = False
        super().__init__(
            _Handler(peer),
            hostname="peer.example",
            ident="ESMTP",
            data_size_limit=peer.size_limit,
            enable_SMTPUTF8=peer.smtputf8,
            tls_context=peer.tls if peer.security == "starttls" else None,
            require_starttls=peer.security == "starttls",
            auth_require_tls=peer.security == "starttls",
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(peer.mechanisms),
            authenticator=self._check_login,
            loop=peer._loop,
        )
        # Set here, for the constructor warns of a login without encryption, which some tests are about.
        self._auth_required = bool(peer.users)
        # A long password does not fit into aiosmtpd's 512 (RFC 4954 §4 asks for 12,288).
        self.command_size_limits["AUTH"] = 12_288
        self._smtp_methods: dict[str, Any] = {
            verb: self._scripted(verb, method) for verb, method in self._smtp_methods.items()
        }

    def connection_made(self, transport: Any) -> None:
        if not self._greeted:
            self.peer.connections += 1
        self.peer.lines.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.peer.lines.discard(self.transport)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        if not self._greeted:
            self._greeted = True
            if await self._act(self.peer.next_action("GREETING")):
                return
        text = status if isinstance(status, str) else status.decode()
        if text.startswith("250-8BITMIME") and not self.peer.eight_bit:
            return
        if text.startswith("354") and (action := self.peer.next_action("BODY")):
            await super().push(status)
            await self._reader.read(100)
            await self._act(action)
            return
        await super().push(status)

    def _scripted(self, verb: str, method: Callable[[str], Any]) -> Callable[[str], Any]:
        async def run(arg: str) -> None:
            self.peer.commands.append((verb, arg or ""))
            if not await self._act(self.peer.next_action(verb)):
                await method(arg)

        return run

    async def _act(self, action: Action | None) -> bool:
        """Misbehave; return whether there was anything to do."""
        if action is None:
            return False
        if isinstance(action, Stall):
            await asyncio.Event().wait()
        if isinstance(action, Drip):
            await self._drip(action.every)
        if isinstance(action, Say):
            raw = action.reply if isinstance(action.reply, bytes) else _lines(action.reply)
            self._writer.write(raw)
            await self._writer.drain()
        if isinstance(action, Drop) or (isinstance(action, Say) and action.then_drop):
            self._writer.close()
            raise asyncio.CancelledError
        return True

    async def _drip(self, every: float) -> None:
        self._writer.write(b"250-")
        while True:
            self._writer.write(b"x")
            await self._writer.drain()
            await asyncio.sleep(every)

    def _check_login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user = data.login.decode()
        self.peer.logins.append((mechanism, user))
        if self.peer.users.get(user) == data.password.decode():
            session.peer_login = user
            return AuthResult(success=True)
        return AuthResult(
            success=False,
            handled=False,
            message="535 5.7.8 Error: authentication failed",
        )


class _Handler:
    def __init__(self, peer: SmtpPeer) -> None:
        self.peer = peer

    async def handle_DATA(self, server: _Server, session: Session, envelope: Envelope) -> str:  # noqa: N802
        action = self.peer.next_action(".")
        if isinstance(action, Say) and not action.then_drop and isinstance(action.reply, str):
            return _lines(action.reply).decode().rstrip("\r\n")
        await server._act(action)
        self.peer.inbox.append(
            Received(
                str(envelope.mail_from),
                [str(address) for address in envelope.rcpt_tos],
                bytes(envelope.original_content or b""),
                list(envelope.mail_options),
                getattr(session, "peer_login", None),
            )
        )
        return f"250 2.0.0 Ok: queued as {self.peer.queue_id}"


def _lines(reply: str) -> bytes:
    """Write a reply as it goes on the wire: "550 a" + "550 b" lines become "550-a", "550 b"."""
    lines = reply.split("\n")
    joined = [f"{line[:3]}-{line[4:]}" for line in lines[:-1]] + [lines[-1]]
    return "\r\n".join([*joined, ""]).encode()
