"""Reading the CSV files that people have: as Excel writes them in Brazil, as programs write them, as editors save them.

CSV follows RFC 4180; read are also a semicolon or a tab between the cells, a byte-order mark, UTF-16 and Windows-1252.
A file is decoded piece by piece and read row by row: whatever somebody uploads, it takes little more memory than its
own bytes.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper

from mailcore.text import thousands

MOST_COLUMNS = 1_000
"""Columns of a file that are looked at; a file with more is none of ours."""

_DELIMITERS = (";", ",", "\t")
_PIECE = 1_000_000
_MOST_IN_A_ROW = 1_000_000
"""Characters. A record with a certificate and long notes has some ten thousand."""
_MOST_LINES = 1_000_000


class UnreadableError(Exception):
    """From a line on the file cannot be read; the text is a Portuguese sentence."""

    def __init__(self, line: int, sentence: str = "") -> None:
        self.line = line
        super().__init__(
            sentence or "Não consegui ler daqui em diante: confira as aspas, que abrem e fecham uma célula."
        )


class TextFile:
    """The bytes of a text file and their encoding."""

    def __init__(self, data: bytes, encoding: str) -> None:
        self._data = data
        self._encoding = encoding

    def open(self) -> TextIOWrapper:
        """Return it as a file of text that keeps its line ends."""
        return TextIOWrapper(BytesIO(self._data), self._encoding, newline="")

    def text(self) -> str:
        """Return the whole text, which may take four times the memory of the bytes."""
        return self._data.decode(self._encoding)

    def first_char(self) -> str:
        """Return the first character that is no white space; empty where there is none."""
        with self.open() as file:
            while piece := file.read(_PIECE):
                if found := piece.lstrip():
                    return found[0]
        return ""


def text_file(data: bytes) -> TextFile | None:
    """Return the bytes of a file as text, or None where they are none.

    UTF-16 is taken with its mark only, and Windows-1252 for what is no UTF-8.
    """
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            is_text = _is_text(data, encoding)
        except UnicodeDecodeError:
            continue
        return TextFile(data, encoding) if is_text else None
    return None


def _is_text(data: bytes, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(data), _PIECE):
        if "\0" in decoder.decode(data[start : start + _PIECE]):
            return False
    return "\0" not in decoder.decode(b"", final=True)


def is_spreadsheet(data: bytes) -> bool:
    """Whether these are the bytes of a spreadsheet itself: ZIP and OLE, what those are made of."""
    return data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"))


class _Lines:
    """The lines of a file, up to what any sensible file has of them."""

    def __init__(self, file: TextIOWrapper, most: int) -> None:
        self._file = file
        self._most = most
        self._read = 0
        self.begun = 0
        """Characters since the row began."""

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_MOST_IN_A_ROW):
            self._read += 1
            self.begun += len(line)
            if self.begun >= _MOST_IN_A_ROW:
                raise UnreadableError(
                    self._read, "Esta linha não acaba: confira as aspas, que abrem e fecham uma célula."
                )
            if self._read > self._most:
                raise UnreadableError(self._read, f"O arquivo tem mais de {thousands(self._most)} linhas. Divida-o.")
            yield line


def rows(file: TextFile, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that has anything in it, with the line it begins on: a quoted cell may have line feeds.

    Raises:
        UnreadableError: a quote stands where none can, or a row or the file has no end in sight.
    """
    for _, line, cells in numbered_rows(file, delimiter):
        yield line, cells


def numbered_rows(
    file: TextFile, delimiter: str, *, most_lines: int = _MOST_LINES
) -> Iterator[tuple[int, int, list[str]]]:
    """As :func:`rows`, each with its number before its line: as a spreadsheet counts, which shows empty rows too.

    Raises:
        UnreadableError: as there.
    """
    with file.open() as text:
        lines = _Lines(text, most_lines)
        reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
        line, number = 1, 0
        while True:
            lines.begun = 0
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:  # its own words are English, and may repeat what stands there
                raise UnreadableError(line) from None
            number += 1
            if any(cell.strip() for cell in cells):
                yield number, line, cells
            line = reader.line_num + 1


def delimiter_of(file: TextFile, is_known: Callable[[str], bool]) -> str:
    """Return the delimiter under which the first row has most columns that are known."""

    def known(delimiter: str) -> int:
        try:
            _, cells = next(rows(file, delimiter))
        except (UnreadableError, StopIteration):
            return 0
        return sum(map(is_known, cells[:MOST_COLUMNS]))

    return max(_DELIMITERS, key=known)
