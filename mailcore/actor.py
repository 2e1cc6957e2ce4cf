"""Who does something, and whether they may: handed along as an argument, from the screen or the command line.

An act that not everybody may do is marked with :func:`needs`, where it is done. So it is refused whoever asks and
however: page, command line or another program's code.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import ParamSpec, TypeVar

from mailcore.errors import ArgumentError, NotAllowedError
from mailcore.rights import ROLE_LABELS, Right, Role, rights_of, roles_with

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Actor:
    """The person, or the program, on whose behalf something is done."""

    name: str
    """What the trail and the ledger call them; at most 200 characters are kept."""
    role: Role = Role.ADMINISTRATOR
    """A program that uses the library runs as a user of this computer, who can read the database anyway; for whoever
    signs in, the role of their registration stands here."""
    user_id: int | None = None
    """The registered user; None for the user of this computer."""

    def may(self, right: Right) -> bool:
        """Whether this actor has the right."""
        return right in rights_of(self.role)

    def must(self, right: Right) -> None:
        """Refuse what this actor may not do.

        Raises:
            NotAllowedError: the role does not have the right.
        """
        if not self.may(right):
            raise NotAllowedError(right.value, [ROLE_LABELS[role] for role in roles_with(right)])


def computer_user() -> Actor:
    """Return the user of this computer, who has every right.

    It acts on the command line, in a program that names nobody else, and on the screen while that has no login.
    """
    try:
        return Actor(getpass.getuser())
    except (KeyError, OSError, ImportError):  # no such account, as in some containers
        return Actor("desconhecido")


THIS_COMPUTERS_USER = computer_user()
"""Default of the front door (:class:`mailcore.installation.Mailcore`), and of nothing behind it."""


def needs(right: Right) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark an act as one that needs a right: its ``actor`` is asked for it before anything is done.

    The act must take ``actor`` as a keyword. A default is allowed only at the front door.

    Raises:
        ArgumentError: (when the act is called) no actor was given; nothing was done.
        NotAllowedError: (when the act is called) the actor does not have the right; nothing was done.
        TypeError: (when the module is loaded) the act takes no actor.
    """

    def mark(act: Callable[P, R]) -> Callable[P, R]:
        parameter = signature(act).parameters.get("actor")
        if parameter is None or parameter.kind is not Parameter.KEYWORD_ONLY:
            raise TypeError(f"{act.__qualname__} takes no keyword “actor”")
        default = None if parameter.default is Parameter.empty else parameter.default

        @wraps(act)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            actor = kwargs.get("actor", default)
            if not isinstance(actor, Actor):
                raise ArgumentError(
                    f"actor: {act.__qualname__} precisa de quem faz; dê um Actor, como mailcore.computer_user()."
                )
            actor.must(right)
            return act(*args, **kwargs)

        vars(checked)["right"] = right
        return checked

    return mark


def right_of(act: object) -> Right | None:
    """Return the right an act was marked with, or None."""
    found = getattr(act, "right", None)
    return found if isinstance(found, Right) else None
