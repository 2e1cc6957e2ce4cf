"""Coming through to a host that has several addresses."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.deadline import Deadline

Address = tuple[socket.AddressFamily, tuple[str, int]]


def connected(addresses: Sequence[Address], deadline: Deadline) -> tuple[socket.socket, tuple[str, int]]:
    """Connect to the first address that answers, each given its share of the time.

    Raises:
        OSError: none did. It is that of the address which tells most: one that said no, before one that said
            nothing, before one that there is no way to. A closed port behind IPv4 is no missing network because
            this machine has no IPv6.
    """
    errors: list[OSError] = []
    for index, (family, address) in enumerate(addresses):
        try:
            return _connected(family, address, deadline.remaining() / (len(addresses) - index)), address
        except OSError as error:
            errors.append(error)
    raise min(errors, key=_little_told) if errors else ConnectionRefusedError()


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


def _little_told(error: OSError) -> int:
    if isinstance(error, ConnectionError):
        return 0
    return 1 if isinstance(error, TimeoutError) else 2


def cause_of(error: OSError) -> str:
    """Return which of the causes a connection that did not come about has."""
    if isinstance(error, TimeoutError):
        return "connect_timeout"
    return "connect_refused" if isinstance(error, ConnectionRefusedError) else "connect_unreachable"
