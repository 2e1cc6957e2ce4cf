"""A real name server (UDP and TCP on one port of 127.0.0.1) for MX records, which misbehaves on command.

    with DnsPeer({"exemplo.com.br": [(10, "mx1.exemplo.com.br")]}) as peer:
        peer.script["lento.com.br"] = Stall()
        ...
        mx_hosts("exemplo.com.br", resolver=peer.resolver())

A name in neither ``zone`` nor ``script`` does not exist (NXDOMAIN). Messages are built by dnspython, so what is
not broken on purpose is on the wire as RFC 1035 says.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

from tests.peers.quiet import Quiet

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Rcode:
    """Answer with this response code and nothing else."""

    code: dns.rcode.Rcode


class Stall:
    """Never answer."""


@dataclass(frozen=True)
class Late:
    """Answer rightly, after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Garble:
    """Answer with what this makes of the right message's bytes."""

    change: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Truncate:
    """Say over UDP that the answer does not fit; over TCP do as ``then`` says, or answer rightly."""

    then: Stall | Drip | None = None


@dataclass(frozen=True)
class Drip:
    """Over TCP, announce a long answer and send one byte of it at a time."""

    every: float = 0.05


Action = Rcode | Stall | Late | Garble | Truncate | Drip


@dataclass
class DnsPeer:
    """The name server; use as a context manager, or :meth:`start` and :meth:`stop` it."""

    zone: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Domain to its (preference, host) pairs, in the order they are sent; an empty list is a name without MX."""
    script: dict[str, Action] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.queries: list[str] = []
        """The names asked for, over either protocol."""
        self.stopping = threading.Event()
        self._servers: list[socketserver.BaseServer] = []

    def start(self) -> Self:
        """Listen on a port that is free for both protocols."""
        while True:
            tcp = _Tcp((self.host, 0), _stream_handler(self))
            self.port = int(tcp.server_address[1])
            try:
                udp = _Udp((self.host, self.port), _datagram_handler(self))
            except OSError:  # another process has this port over UDP
                tcp.server_close()
                continue
            break
        self._servers = [tcp, udp]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and let stalled connections go."""
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server alone."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [self.host]
        resolver.port = self.port
        return resolver

    def answer(self, wire: bytes, *, stream: bool) -> bytes | Drip | None:
        """Return the answer to one query; None for none at all."""
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        self.queries.append(name)
        action = self.script.get(name)
        response = dns.message.make_response(query, recursion_available=True)
        if isinstance(action, Truncate):
            if not stream:
                response.flags |= dns.flags.TC
                return response.to_wire()
            action = action.then
        match action:
            case Stall():
                return None
            case Drip():
                return action
            case Rcode(code):
                response.set_rcode(code)
                return response.to_wire()
            case Late(seconds):
                time.sleep(seconds)
            case _:
                pass
        self._fill(response, name)
        right = response.to_wire()
        return action.change(right) if isinstance(action, Garble) else right

    def _fill(self, response: dns.message.Message, name: str) -> None:
        records = self.zone.get(name)
        if records is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return
        for preference, host in records:
            rdata = f"{preference} {host.rstrip('.')}."
            response.answer.append(dns.rrset.from_text(response.question[0].name, 300, "IN", "MX", rdata))


class _Tcp(Quiet, socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Udp(Quiet, socketserver.ThreadingUDPServer):
    daemon_threads = True
    block_on_close = False


def _datagram_handler(peer: DnsPeer) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, sock = self.request
            answer = peer.answer(wire, stream=False)
            if isinstance(answer, bytes):
                sock.sendto(answer, self.client_address)

    return Handler


def _stream_handler(peer: DnsPeer) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            (length,) = struct.unpack("!H", self.request.recv(2, socket.MSG_WAITALL))
            answer: Any = peer.answer(self.request.recv(length, socket.MSG_WAITALL), stream=True)
            if isinstance(answer, bytes):
                self.request.sendall(struct.pack("!H", len(answer)) + answer)
            elif isinstance(answer, Drip):
                self._drip(answer.every)
            else:
                peer.stopping.wait()

        def _drip(self, every: float) -> None:
            self.request.sendall(struct.pack("!H", 0xFFFF))
            while not peer.stopping.wait(every):
                try:
                    self.request.sendall(b"\0")
                except OSError:  # the other side gave up
                    return

    return Handler
