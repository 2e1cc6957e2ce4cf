"""How a command ends."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, stable for scripts."""

    DONE = 0
    WRONG_USE = 2
    """An option, a field or an id that cannot be used; also a record that somebody else changed meanwhile."""
    REJECTED_BY_RULE = 3
    """Our own rules said no: inactive server, origin = destination. Nobody was contacted."""
    NOT_DONE = 4
    """The server refused or could not be reached; or the database, the keyring or a setting failed."""
    UNCERTAIN = 5
    """Nobody knows whether the message was taken: look before sending again."""
    INTERRUPTED = 130
    """Ctrl+C before anything was sent (128 + SIGINT, as shells count)."""


class WrongUseError(Exception):
    """The command cannot be run as it was given; ``str`` is the sentence for the person."""
