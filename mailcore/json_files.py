"""Reading a JSON file that holds a list of flat objects, item by item.

``json.loads`` makes an object of every pair of braces: twenty megabytes of them take gigabytes. Here one item is in
memory at a time, and what is nested deeper is passed over.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Pairs = list[tuple[str, object]]

MOST_MEMBERS = 1_000
"""Members of one object that are read."""

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"true|false|null|NaN|-?Infinity")
_WORDS = {"true": True, "false": False, "null": None}
_BRACKET_OR_QUOTE = re.compile(r'["\[\]{}]')
_MOST_BRACKETS = 100 * MOST_MEMBERS
_DECODER = json.JSONDecoder()


class Nested:
    """A list or an object where a text or a number was wanted."""


NESTED = Nested()


class NotJsonError(Exception):
    """The text is no JSON from a place on; the text of the error is a Portuguese sentence."""

    def __init__(self, text: str, at: int) -> None:
        self.line = text.count("\n", 0, at) + 1
        super().__init__(f"Isto não é JSON a partir da linha {self.line}.")


class NoListError(Exception):
    """The JSON is no list."""


class TooManyMembersError(Exception):
    """An object has more members than :data:`MOST_MEMBERS`, or far more than that nested in it."""


def items(text: str) -> Iterator[Pairs | None]:
    """Yield the members of each object of the list, in their order; None for an item that is no object.

    Raises:
        NoListError: it is JSON of another shape.
        NotJsonError: it is no JSON from somewhere on.
        TooManyMembersError: see there.
    """
    return _Reader(text).items()


class _Reader:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def items(self) -> Iterator[Pairs | None]:
        if self._peek() != "[":
            self._skip_value()
            self._end()
            raise NoListError
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            self._end()
            return
        while True:
            if self._peek() == "{":
                yield self._members()
            else:
                self._skip_value()
                yield None
            if self._one_of(",]") == "]":
                break
        self._end()

    def _members(self) -> Pairs:
        self._at += 1
        found: Pairs = []
        if self._peek() == "}":
            self._at += 1
            return found
        while True:
            if self._peek() != '"':
                raise self._wrong()
            name = self._string()
            self._one_of(":")
            found.append((name, self._value()))
            if self._one_of(",}") == "}":
                return found
            if len(found) == MOST_MEMBERS:
                raise TooManyMembersError

    def _value(self) -> object:
        start = self._peek()
        if start == '"':
            return self._string()
        if start in ("[", "{"):
            self._skip_nested()
            return NESTED
        if word := _WORD.match(self._text, self._at):
            self._at = word.end()
            return _WORDS[word[0]] if word[0] in _WORDS else float(word[0])
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            raise self._wrong()
        self._at = number.end()
        if number[1] or number[2]:
            return float(number[0])
        try:
            return int(number[0])
        except ValueError:  # thousands of digits
            raise self._wrong() from None

    def _skip_value(self) -> None:
        if self._peek() in ("[", "{"):
            self._skip_nested()
        else:
            self._value()

    def _skip_nested(self) -> None:
        """Pass over a list or an object without making anything of it; only its brackets are counted."""
        depth = brackets = 0
        while found := _BRACKET_OR_QUOTE.search(self._text, self._at):
            self._at = found.start()
            if found[0] == '"':
                self._string()
                continue
            self._at += 1
            brackets += 1
            if brackets > _MOST_BRACKETS:
                raise TooManyMembersError
            depth += 1 if found[0] in "[{" else -1
            if depth == 0:
                return
        self._at = len(self._text)
        raise self._wrong()

    def _string(self) -> str:
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise NotJsonError(self._text, error.pos) from None
        return str(value)

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        space = _SPACE.match(self._text, self._at)
        if space is not None:
            self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _one_of(self, wanted: str) -> str:
        found = self._peek()
        if not found or found not in wanted:
            raise self._wrong()
        self._at += 1
        return found

    def _end(self) -> None:
        if self._peek():
            raise self._wrong()

    def _wrong(self) -> NotJsonError:
        return NotJsonError(self._text, self._at)
