"""Small mail servers on this machine that answer for the demo's hosts, as long as the demo runs.

Every host of the demo ends in .example (RFC 2606). In this process such a name leads to 127.0.0.1, and one that no
stand-in has is not found; nobody outside is ever contacted.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

DAILY = b"550 5.4.6 Daily sending limit reached"
_NO_SUCH_USER = b"550 5.1.1 <%s> User unknown; mailbox not found"
_TURNED_OFF = b"535 5.7.8 Error: authentication failed"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An account at a stand-in."""

    password: str
    is_full: bool = False
    """Its provider's own limit of the day is used up."""


class MailServers:
    """One SMTP server for all hosts: STARTTLS on one port, TLS from the first byte on another."""

    def __init__(self, contexts: dict[str, ssl.SSLContext], mailboxes: dict[str, Mailbox]) -> None:
        """Keep the certificate of each host, and the accounts by user name."""
        self.contexts = contexts
        self.mailboxes = mailboxes
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._default = next(iter(contexts.values()))

    def start(self, starttls: int, tls: int) -> tuple[int, int]:
        """Listen on two ports of 127.0.0.1 (0: any free one) until the process ends; return the ports.

        Raises:
            OSError: a port is taken.
        """
        offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        offered.sni_callback = self._choose  # type: ignore[assignment]
        self._offered = offered
        ports = []
        for port, context in ((starttls, None), (tls, offered)):
            sock = socket.create_server(("127.0.0.1", port))
            ports.append(sock.getsockname()[1])
            self._loop.run_until_complete(asyncio.start_server(self._serve, sock=sock, ssl=context))
        threading.Thread(target=self._loop.run_forever, name="demo-smtp", daemon=True).start()
        return ports[0], ports[1]

    def _choose(self, sock: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> None:
        sock.context = self.contexts.get(host or "", self._default)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, ValueError):
            await _Dialogue(self, reader, writer).run()
        writer.close()

    def next_number(self) -> int:
        """Return the number a message is queued under."""
        return next(self._numbers)

    @property
    def offered(self) -> ssl.SSLContext:
        """What STARTTLS is answered with."""
        return self._offered


class _Dialogue:
    """One connection."""

    def __init__(self, servers: MailServers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._servers = servers
        self._reader = reader
        self._writer = writer
        self._mailbox: Mailbox | None = None

    async def run(self) -> None:
        await self._say(b"220 servidor de exemplo ESMTP")
        while line := await self._reader.readline():
            verb, _, rest = line.strip().partition(b" ")
            if verb.upper() == b"QUIT":
                await self._say(b"221 2.0.0 ate logo")
                return
            answer = getattr(self, f"_on_{verb.decode('ascii', 'replace').lower()}", None)
            await self._say(await answer(rest) if answer else b"500 5.5.2 comando desconhecido")

    async def _say(self, answer: bytes) -> None:
        self._writer.write(answer + b"\r\n")
        await self._writer.drain()

    async def _on_ehlo(self, _: bytes) -> bytes:
        is_encrypted = self._writer.get_extra_info("ssl_object") is not None
        offers = b"250-AUTH PLAIN LOGIN" if is_encrypted else b"250-STARTTLS"
        return b"250-servidor de exemplo\r\n" + offers + b"\r\n250-SIZE 25000000\r\n250-8BITMIME\r\n250 SMTPUTF8"

    async def _on_starttls(self, _: bytes) -> bytes:
        self._writer.write(b"220 2.0.0 pode comecar\r\n")
        await self._writer.start_tls(self._servers.offered)
        line = await self._reader.readline()
        return await self._on_ehlo(line) if line[:4].upper() == b"EHLO" else b"503 5.5.1 EHLO primeiro"

    async def _on_auth(self, rest: bytes) -> bytes:
        mechanism, _, first = rest.partition(b" ")
        if mechanism.upper() == b"PLAIN":
            told = first or await self._asked(b"")
            _, user, password = (base64.b64decode(told) + b"\0\0\0").split(b"\0")[:3]
        else:
            user = base64.b64decode(first or await self._asked(base64.b64encode(b"Username:")))
            password = base64.b64decode(await self._asked(base64.b64encode(b"Password:")))
        mailbox = self._servers.mailboxes.get(user.decode("utf-8", "replace"))
        if mailbox is None or mailbox.password != password.decode("utf-8", "replace"):
            return _TURNED_OFF
        self._mailbox = mailbox
        return b"235 2.7.0 aceito"

    async def _asked(self, challenge: bytes) -> bytes:
        await self._say(b"334 " + challenge)
        return (await self._reader.readline()).strip()

    async def _on_mail(self, _: bytes) -> bytes:
        if self._mailbox is None:
            return b"530 5.7.0 Authentication required"
        return DAILY if self._mailbox.is_full else b"250 2.1.0 ok"

    async def _on_rcpt(self, rest: bytes) -> bytes:
        found = re.search(rb"<([^>]*)>", rest)
        address = found[1] if found else b""
        return _NO_SUCH_USER % address if address.startswith(b"nao-existe") else b"250 2.1.5 ok"

    async def _on_data(self, _: bytes) -> bytes:
        await self._say(b"354 escreva; um ponto sozinho encerra")
        while await self._reader.readline() not in (b".\r\n", b""):
            pass
        return b"250 2.0.0 Ok: queued as EX%05d" % self._servers.next_number()

    async def _on_rset(self, _: bytes) -> bytes:
        return b"250 2.0.0 ok"

    async def _on_noop(self, _: bytes) -> bytes:
        return b"250 2.0.0 ok"


def lead_here(hosts: set[str]) -> None:
    """Let names that end in .example lead to 127.0.0.1 in this process where they are among ``hosts``, else nowhere."""
    real = socket.getaddrinfo

    def found(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host or "")
        if not name.rstrip(".").endswith(".example"):
            return real(host, *args, **kwargs)
        if name.rstrip(".") not in hosts:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1", *args, **kwargs)

    socket.getaddrinfo = found
