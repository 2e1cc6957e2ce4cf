"""Reading the CSV files that people have: as Excel writes them in Brazil, as programs write them, as editors save them.

CSV follows RFC 4180; read are also a semicolon or a tab between the cells, a byte-order mark, UTF-16 and Windows-1252.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator
from io import StringIO

_DELIMITERS = (";", ",", "\t")


class UnreadableError(Exception):
    """From a line on the file cannot be read; the text is a Portuguese sentence."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__("Não consegui ler daqui em diante: confira as aspas, que abrem e fecham uma célula.")


def decoded(data: bytes) -> str | None:
    """Return the text of a file, or None where it is none.

    UTF-16 is taken with its mark only, and Windows-1252 for what is no UTF-8.
    """
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def is_spreadsheet(data: bytes) -> bool:
    """Whether these are the bytes of a spreadsheet itself: ZIP and OLE, what those are made of."""
    return data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"))


def rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that has anything in it, with the line it begins on: a quoted cell may have line feeds.

    Raises:
        UnreadableError: a quote stands where none can.
    """
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:  # its own words are English, and may repeat what stands there
            raise UnreadableError(line) from None
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def delimiter_of(text: str, is_known: Callable[[str], bool]) -> str:
    """Return the delimiter under which the first row has most columns that are known."""

    def known(delimiter: str) -> int:
        try:
            _, cells = next(rows(text, delimiter))
        except (UnreadableError, StopIteration):
            return 0
        return sum(map(is_known, cells))

    return max(_DELIMITERS, key=known)
