"""The rows of an XLSX file as text, read one by one."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from mailcore.batches.labels import refused
from mailcore.batches.number_format import shown
from mailcore.csv_files import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_UNPACKED = 2_000_000_000
"""Bytes. A sheet with Excel's million rows has some hundred millions; a file made to fill the memory has no end."""


def sheet_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each row of the first visible sheet that has anything in it, with its number.

    A formula gives the value that was stored with it, an error its text (``#N/D``).

    Raises:
        UnreadableError: (while the rows are read) it is damaged from this row on.
        ValidationError: it is no XLSX file, or one that was made to do harm.
    """
    # 0.1 s of its own: only who reads a spreadsheet waits for it.
    from openpyxl import load_workbook

    try:
        with ZipFile(BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MOST_UNPACKED:
                raise refused("recipients", "esta planilha é grande demais quando aberta. Salve-a como CSV.")
        workbook = load_workbook(BytesIO(data), read_only=True, data_only=True)
        sheets = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"] or workbook.worksheets
        sheet = sheets[0]
        # What a file says of its own size is often wrong, and read-only mode would believe it.
        sheet.reset_dimensions()
    except (BadZipFile, KeyError, ValueError, IndexError, OSError, SyntaxError) as error:
        raise refused("recipients", "esta planilha não abre. Salve-a de novo como .xlsx, ou como CSV.") from error
    return _text_rows(sheet)


def _text_rows(sheet: object) -> Iterator[tuple[int, list[str]]]:
    number = 1
    try:
        for number, row in enumerate(sheet.iter_rows(), 1):  # type: ignore[attr-defined]
            cells = [_text(cell) for cell in row]
            if any(cell.strip() for cell in cells):
                yield number, cells
            number += 1  # which is read next
    except Exception as error:  # whatever openpyxl stumbles over in a damaged file, half of it read by then
        sentence = "Não consegui ler a planilha daqui em diante. Salve-a de novo como .xlsx, ou como CSV."
        raise UnreadableError(number, sentence) from error


def _text(cell: object) -> str:
    value = cell.value  # type: ignore[attr-defined]
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\0", "").replace("_x000D_", "")
    return shown(value, cell.number_format or "General")  # type: ignore[attr-defined]
