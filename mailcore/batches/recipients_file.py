"""Reading recipients: from a CSV or XLSX file, or from pasted text, row by row whatever its size.

A row is numbered as a spreadsheet numbers it, the heading included; of pasted addresses, by its line.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailcore.batches.labels import refused
from mailcore.batches.spreadsheet import sheet_rows
from mailcore.csv_files import MOST_COLUMNS, UnreadableError, delimiter_of, is_spreadsheet, numbered_rows, text_file
from mailcore.messages.addresses import parse_address, split_addresses
from mailcore.text import fold, thousands

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ROWS = 5_000_000
MOST_FAULTS = 100
"""Faults that are kept with their line; the others are counted."""
PASTED_EMAIL, PASTED_NAME = "email", "nome"
"""The columns of pasted addresses."""

_PLAIN = re.compile(
    r"[A-Za-z0-9_%+'=-]+(?:\.[A-Za-z0-9_%+'=-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
"""Addresses that nothing is wrong with: looked at first, for there are a million of them."""
_EMAIL_NAMES = ("email", "e mail", "mail", "correio", "correio eletronico", "endereco de email", "destinatario", "para")
_NAMED = re.compile(r"\s*\"?([^<>\"]*)\"?\s*<[^<>]*>\s*")
_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class RecipientsFile:
    """Where the recipients of a batch come from."""

    data: bytes | str
    """The bytes of a file, or pasted text."""
    filename: str = ""


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with one row."""

    row: int
    column: str
    """Empty where it is the row as a whole."""
    message: str
    """The end of a sentence: "falta o endereço."."""

    def __str__(self) -> str:
        where = f", {self.column}" if self.column else ""
        return f"Linha {thousands(self.row)}{where}: {self.message}"


@dataclass(slots=True)
class Faults:
    """The faults of a file: the first with their words, all of them counted."""

    most: int = MOST_FAULTS
    first: list[LineFault] = field(default_factory=list)
    count: int = 0

    def add(self, row: int, column: str, message: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.first) < self.most:
            self.first.append(LineFault(row, column, message))


@dataclass(frozen=True, slots=True)
class ReadRow:
    """One recipient as read."""

    row: int
    address: str
    """As it goes on the wire."""
    fields: list[str]
    """One text for each column."""


class Recipients:
    """An opened list of recipients: its columns first, then its rows once."""

    def __init__(self, source: RecipientsFile, email_column: str = "") -> None:
        """Open it and find the column of addresses.

        Args:
            email_column: its heading, case and accents apart; empty to find it.

        Raises:
            ValidationError: (field ``recipients``) it is no list that can be read, or is empty; (``email_column``)
                there is no such column, or none has addresses.
        """
        self.faults = Faults()
        self._rows = _opened(source)
        try:
            self._sample = [row for _, row in zip(range(_SAMPLE), self._rows, strict=False)]
        except UnreadableError as error:
            raise refused("recipients", f"linha {error.line}: {error}") from None
        if not self._sample:
            raise refused("recipients", "não há nada na lista. Escolha um arquivo com uma linha por destinatário.")
        heading = self._sample[0][1]
        if any(_is_address(cell) for cell in heading):
            width = max(len(cells) for _, cells in self._sample)
            self.columns = [f"coluna {number + 1}" for number in range(width)]
            self._email = next(index for index, cell in enumerate(heading) if _is_address(cell))
            self.columns[self._email] = PASTED_EMAIL
            if email_column and fold(email_column) != PASTED_EMAIL:
                raise refused("email_column", "a lista não tem uma linha de títulos; deixe este campo em branco.")
        else:
            self.columns = _named(heading)
            del self._sample[0]
            self._email = self._find(email_column)
        self.email_column = self.columns[self._email]

    def rows(self) -> Iterator[ReadRow]:
        """Yield each good recipient once; what is wrong with the others is in :attr:`faults`.

        A second row with an address that was there before is yielded too: who stores them tells doubles apart.
        """
        width, email, name = len(self.columns), self._email, self.email_column
        try:
            for number, cells in self._all():
                typed = cells[email] if email < len(cells) else ""
                address = typed
                if not _PLAIN.fullmatch(typed) or len(typed) > 254 or typed.index("@") > 64:
                    try:
                        address = parse_address(typed) if typed.strip() else ""
                    except ValueError as error:
                        self.faults.add(number, name, f"em “{_shown(typed)}”, {error}")
                        continue
                    if not address:
                        self.faults.add(number, name, "falta o endereço.")
                        continue
                if len(cells) != width:
                    if any(cell.strip() for cell in cells[width:]):
                        self.faults.add(number, "", f"há {len(cells)} células, e só {width} colunas.")
                        continue
                    cells = (cells + [""] * width)[:width]
                if (broken := _error_cell(cells)) is not None:
                    self.faults.add(number, self.columns[broken], f"a fórmula deu erro ({cells[broken]}).")
                    continue
                yield ReadRow(number, address, cells)
        except UnreadableError as error:
            self.faults.add(error.line, "", str(error))

    def _all(self) -> Iterator[tuple[int, list[str]]]:
        yield from self._sample
        yield from self._rows

    def _find(self, wanted: str) -> int:
        keys = [_key(column) for column in self.columns]
        if wanted:
            if _key(wanted) in keys:
                return keys.index(_key(wanted))
            raise refused(
                "email_column", f"não há coluna “{_shown(wanted)}”. As colunas são: {', '.join(self.columns)}."
            )
        for name in _EMAIL_NAMES:
            if name in keys:
                return keys.index(name)
        counts = [
            sum(_is_address(cells[index]) for _, cells in self._sample if index < len(cells))
            for index in range(len(keys))
        ]
        best = max(range(len(keys)), key=lambda index: (counts[index], "mail" in keys[index]))
        if not counts[best] and "mail" not in keys[best]:
            raise refused(
                "recipients", f"nenhuma coluna tem endereços de e-mail. As colunas são: {', '.join(self.columns)}."
            )
        return best


def _opened(source: RecipientsFile) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of the list, its heading first, each with its number."""
    data = source.data
    if isinstance(data, str):
        pasted = data.replace("\0", "")
        first = next((line for line in pasted.splitlines() if line.strip()), "")
        if "@" in first:
            return iter(_pasted(pasted))
        data = pasted.encode("utf-8", "replace")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise refused("recipients", "esta é uma planilha antiga (.xls). Salve-a como .xlsx ou CSV.")
    if is_spreadsheet(data):
        return sheet_rows(data)
    text = text_file(data)
    if text is None:
        raise refused("recipients", "não é um arquivo CSV nem uma planilha XLSX.")
    delimiter = delimiter_of(text, lambda cell: bool(cell.strip()))
    return ((number, cells) for number, _, cells in numbered_rows(text, delimiter, most_lines=MOST_ROWS))


def _pasted(text: str) -> list[tuple[int, list[str]]]:
    """Return pasted addresses as rows; where a line holds several they are numbered one after another."""
    found: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        addresses = split_addresses(line)
        named = _NAMED.fullmatch(line) if len(addresses) == 1 else None
        found += [(number, [address, named[1].strip() if named else ""]) for address in addresses]
    if len({number for number, _ in found}) < len(found):
        found = [(number, cells) for number, (_, cells) in enumerate(found, 1)]
    has_names = any(cells[1] for _, cells in found)
    heading = (0, [PASTED_EMAIL, PASTED_NAME] if has_names else [PASTED_EMAIL])
    return [heading, *((number, cells if has_names else cells[:1]) for number, cells in found)]


def _named(heading: list[str]) -> list[str]:
    """Return the names of the columns, each of its own."""
    if len(heading) > MOST_COLUMNS:
        raise refused("recipients", f"há mais de {thousands(MOST_COLUMNS)} colunas. Deixe só as que a mensagem usa.")
    while len(heading) > 1 and not heading[-1].strip():
        heading = heading[:-1]
    names: list[str] = []
    taken: set[str] = set()
    for number, cell in enumerate(heading, 1):
        name = " ".join(cell.split())[:100] or f"coluna {number}"
        while _key(name) in taken:
            name = f"{name} {number}"
        taken.add(_key(name))
        names.append(name)
    return names


def _key(column: str) -> str:
    return fold(re.sub(r"[-_.]+", " ", column))


def _is_address(cell: str) -> bool:
    if "@" not in cell:
        return False
    try:
        parse_address(cell)
    except ValueError:
        return False
    return True


def _error_cell(cells: list[str]) -> int | None:
    """Where a formula of a spreadsheet gave an error, which must not be mailed to anybody."""
    for index, cell in enumerate(cells):
        if cell.startswith("#") and cell in _SHEET_ERRORS:
            return index
    return None


_SHEET_ERRORS = frozenset(
    {
        *("#N/A", "#N/D", "#REF!", "#VALUE!", "#VALOR!", "#DIV/0!", "#NAME?", "#NOME?", "#NUM!", "#NÚM!"),
        *("#NULL!", "#NULO!", "#SPILL!", "#DESPEJAR!", "#CALC!"),
    }
)


def _shown(text: str) -> str:
    return "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text)[:80]
