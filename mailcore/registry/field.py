"""What a row of the table of fields says; the table itself is :mod:`mailcore.registry.fields`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from mailcore import labels


class Sort(Enum):
    """What a field takes, and so its widget, its column and its rules."""

    LINE = "one line of text"
    LINES = "text of any lines"
    ADDRESS = "an e-mail address"
    NUMBER = "a whole number, or nothing"
    CHOICE = "one of ``choices``"
    FLAG = "yes or no"
    SECRET = "a password or key, which is no part of the record"  # noqa: S105


class Tab(StrEnum):
    """The tabs of the form."""

    GENERAL = "Geral"
    AUTHENTICATION = "Autenticação"


class Group(StrEnum):
    """The headings under which the command line explains its options."""

    KIND = "tipo"
    IDENTITY = "identificação"
    CONNECTION = "conexão"
    LOGIN = "login"
    LIMITS = "conta e limites"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the form shows a field."""

    tab: Tab
    spot: int
    """Row and place in the row: 20 begins the second row, 21 stands beside it. There is room between for new ones."""
    width: int = 1
    """In proportion to the others of its row."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list; a file may call the field so too."""

    heading: str
    pixels: int


@dataclass(frozen=True, slots=True)
class Option:
    """An option of ``servers add`` and ``servers edit``."""

    flag: str
    group: Group
    help: str
    metavar: str = "TEXTO"
    off: str = ""
    """The option that says no to a flag; empty where nothing does."""
    off_help: str = ""
    reads_file: bool = False
    """Its value is the path of a text file; an empty one empties the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a record: a row of the table."""

    name: str
    """Of the column, the attribute and the JSON key; a promise to scripts, it never changes."""
    label: str
    """What the screen, complaints and the trail call it."""
    sort: Sort
    default: Any = ""
    """What an empty form starts with."""
    absent: Any = None
    """What a record of a kind without this field has there; None is the same as :attr:`default`."""
    max_length: int = 0
    """Characters of a text."""
    needed: bool = False
    """May not be empty, where the kind of server has the field."""
    least: int = 0
    most: int = 2**31 - 1
    """Of a number."""
    complaint: str = "use um número inteiro a partir de 0, ou deixe em branco."
    """What a number out of these bounds is answered, after the label."""
    choices: Mapping[Any, str] = field(default_factory=dict)
    """Value → its word."""
    also: Mapping[str, Any] = field(default_factory=dict)
    """Other words that a file may use, folded → value."""
    accepts: str = ""
    """What a file may say, for the complaint; empty is made of the choices."""

    place: Place
    placeholder: str = ""
    column: Column | None = None
    """None cannot be shown in the list."""
    option: Option | None = None
    """None has no option of its own: it follows from others."""
    in_file: bool = True
    """Exports have it, imports take it."""
    in_document: bool = True
    """The JSON of the command line has it too (``servers show --json``); without, only exports have it, at the end."""
    searched: bool = False
    secret_bound: bool = False
    """A stored secret is for this value: where it changes the secret is asked for again (invariant 2)."""
    check_bound: bool = False
    """A change makes the last check's result say nothing any more."""
    of_connection: bool = False
    """Only those kinds of server have it that name it; every kind has the others."""
    stored: bool = True
    """It is a column of the record."""

    def choice(self, text: str) -> Any:
        """Return the value of :attr:`choices` that is stored as ``text``.

        Raises:
            KeyError: there is none.
        """
        for value in self.choices:
            if value == text:
                return value
        raise KeyError(text)

    @property
    def is_choice(self) -> bool:
        """Whether its values are few and known."""
        return self.sort in (Sort.CHOICE, Sort.FLAG)

    def word(self, value: object) -> str:
        """Return a value in words, as at the beginning of a label; empty where it is empty."""
        if value in self.choices:
            return self.choices[value]
        if isinstance(value, bool):
            return labels.yes_or_no(value)
        return "" if value is None else str(value)
