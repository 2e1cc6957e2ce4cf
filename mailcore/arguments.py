"""Complaints about what a program hands over: a sentence instead of a failure deep inside."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from mailcore.errors import ArgumentError
from mailcore.text import is_text

if TYPE_CHECKING:
    from collections.abc import Collection

NOT_TEXT = "há um pedaço que não é texto (meio caractere, ou um NUL). Confira de onde ele veio e digite-o de novo."
"""Why a text cannot be taken; after the name of what it stands in."""

_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)


def need(name: str, value: object, wanted: type[_T], hint: str = "") -> _T:
    """Return ``value`` if it is of the type wanted.

    Args:
        name: of the argument, as the caller wrote it.
        hint: where to get a right one, as code.

    Raises:
        ArgumentError: it is of another type.
    """
    if isinstance(value, wanted):
        return value
    where = f"; veja {hint}" if hint else ""
    raise ArgumentError(f"{name}: esperava {wanted.__name__}, veio {_shown(value)}{where}.")


def need_text(name: str, value: object) -> str:
    """Return ``value`` if it is a text whose every character is one; see :func:`mailcore.text.is_text`.

    Raises:
        ArgumentError: it is of another type, or has a half of a character or a NUL in it.
    """
    text = need(name, value, str)
    if not is_text(text):
        raise ArgumentError(f"{name}: {NOT_TEXT}")
    return text


def need_one_of(name: str, value: object, allowed: Collection[_E]) -> _E:
    """Return ``value`` if it is one of these members, not merely a text that looks like one.

    Raises:
        ArgumentError: it is not.
    """
    for member in allowed:
        if value is member:
            return member
    members = ", ".join(f"{type(member).__name__}.{member.name}" for member in allowed)
    raise ArgumentError(f"{name}: use um destes: {members}; veio {_shown(value)}.")


def need_moment(name: str, value: object) -> datetime:
    """Return ``value`` if it is a moment with a time zone.

    Raises:
        ArgumentError: it is not.
    """
    moment = need(name, value, datetime)
    if moment.tzinfo is None:
        raise ArgumentError(f"{name}: falta o fuso horário, como em datetime.now(UTC).")
    return moment


def need_count(name: str, value: object, *, least: int = 1) -> int:
    """Return ``value`` if it is a whole number of at least ``least``.

    Raises:
        ArgumentError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ArgumentError(f"{name}: use um número inteiro a partir de {least}; veio {_shown(value)}.")
    return value


def _shown(value: object) -> str:
    """The type alone, for the value may be a secret; a number or None says nothing more than itself."""
    return repr(value) if value is None or isinstance(value, int | float) else f"um {type(value).__name__}"
