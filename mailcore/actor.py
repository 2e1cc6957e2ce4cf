"""Who does something: handed along as an argument, from the screen or the command line to the trail."""

from __future__ import annotations

import getpass
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """The person, or the program, on whose behalf something is done."""

    name: str
    """What the trail calls them; at most 200 characters are kept."""


def computer_user() -> Actor:
    """Return the user of this computer: who acts on the command line, and on the screen while it has no login."""
    try:
        return Actor(getpass.getuser())
    except (KeyError, OSError, ImportError):  # no such account, as in some containers
        return Actor("desconhecido")
