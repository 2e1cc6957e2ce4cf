"""The name this side gives itself in EHLO (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

import re
import socket
from functools import cache

from mailcore.deadline import Lookups
from mailcore.transports.smtp_wire import Reply

_ASK_SECONDS = 1.0
_lookups = Lookups()
_FULL_NAME = re.compile(r"(?:[a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?")
_NAMES_OF_NOBODY = ("localhost", ".local", ".localdomain", ".arpa", ".lan", ".home", ".internal", ".invalid")

_NAME_WORDS = re.compile(r"\b(?:e?helo|ehlo|host ?name|fqdn|fully.qualified|domain|name)\b", re.IGNORECASE)

REFUSALS = (421, 501, 550)
"""What servers answer to an EHLO whose name they do not take. Google's relay closes with 421 on ``[127.0.0.1]``."""


def is_about_the_name(reply: Reply) -> bool:
    """Whether a refusal of EHLO is one of the name, and not of us or of this moment."""
    return reply.code in (501, 550) or (reply.code == 421 and bool(_NAME_WORDS.search(reply.text)))


def own_name(setting: str, sock: socket.socket) -> str:
    """Return what to call ourselves: the setting, else this machine's full name, else its address."""
    return setting or host_name() or address_literal(sock)


@cache
def host_name() -> str:
    """Return this machine's name on the internet, or empty where it has none: "pc-7" and "pc-7.local" are none."""
    for ask in (socket.gethostname, socket.getfqdn):
        try:
            # getfqdn may ask the DNS, which has no time limit of its own.
            name = _lookups.call(_ASK_SECONDS, ask).rstrip(".").lower()
        except (OSError, UnicodeError):
            continue
        if len(name) <= 253 and _FULL_NAME.fullmatch(name) and not name.endswith(_NAMES_OF_NOBODY):
            return name
    return ""


def address_literal(sock: socket.socket) -> str:
    """Return this end's address as EHLO wants it (RFC 5321 §4.1.3)."""
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if sock.family is socket.AF_INET6 else f"[{address}]"
