"""How a page's script learns who is there.

For each open WebSocket the door writes a ticket into the headers that Streamlit hands to the script: a random name,
good in this process and as long as the connection. What it stands for never leaves the process.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who is at the other end of a connection: a session, or None for this computer's user, where no login is asked."""

    session_id: int | None


_issued: dict[str, Ticket] = {}
_standing: list[bool] = []


def stand() -> None:
    """Say that there is a door in this process."""
    _standing.append(True)


def is_standing() -> bool:
    """Whether there is a door in this process; a script that is run past it must not trust what it finds."""
    return bool(_standing)


@contextmanager
def issued(ticket: Ticket) -> Iterator[str]:
    """Give out a ticket for the life of a connection; yields its name."""
    name = token_urlsafe(16)
    _issued[name] = ticket
    try:
        yield name
    finally:
        del _issued[name]


def find(name: str) -> Ticket | None:
    """Return what a name stands for, or None."""
    return _issued.get(name)
