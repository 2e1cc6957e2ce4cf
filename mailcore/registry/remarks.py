"""What there is to say about the places of a file: the first told, the rest counted."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from operator import attrgetter

MOST_TOLD = 100
"""Faults of one file that are told. Who has more has one cause for them, and mends that first."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say about one place of a file."""

    line: int
    """CSV: the line of the file where the record begins, the header being 1. JSON: which record, from 1."""
    column: str
    """The column as the file calls it; empty where it is about the whole record or file."""
    message: str


class Remarks:
    """Remarks in the order of the lines: those nearest to the beginning are kept, all are counted."""

    def __init__(self, most: int = MOST_TOLD) -> None:
        self._most = most
        self._told: list[Remark] = []
        self.total = 0

    def add(self, line: int, column: str, message: str) -> None:
        """Note one remark."""
        self.total += 1
        if len(self._told) == self._most:
            if line >= self._told[-1].line:
                return
            self._told.pop()
        insort(self._told, Remark(line, column, message), key=attrgetter("line"))

    @property
    def told(self) -> tuple[Remark, ...]:
        """Those that are told."""
        return tuple(self._told)
