"""Servers as a CSV or JSON file and back: what such a file looks like, and nothing of what it means.

A file never holds a secret. CSV follows RFC 4180; read are also a semicolon or a tab between the cells, a
byte-order mark, UTF-16 and Windows-1252, as Excel writes them in Brazil.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from io import StringIO
from typing import TYPE_CHECKING, Any

from mailcore.csv_cells import cell, read_cell, text_of
from mailcore.csv_files import UnreadableError, decoded, delimiter_of, is_spreadsheet, rows
from mailcore.registry.document import CHECK, OAUTH, TIMES, file_columns, file_document
from mailcore.registry.fields import FIELDS as TABLE
from mailcore.registry.fields import IN_FILES
from mailcore.text import fold

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from mailcore.storage.tables import MailServer

MAX_BYTES = 20_000_000
"""The largest file that is read: 10,000 servers have about 3 MB."""

FIELDS = IN_FILES
"""Fields of a :class:`mailcore.registry.drafts.ServerDraft` that a file sets."""

CSV_COLUMNS = file_columns()
_READ_ONLY = frozenset({"has_secret", "last_check", *(f"last_check_{name}" for name in CHECK), *OAUTH, *TIMES})
_COLUMN_OF = {
    **{fold(row.label): row.name for row in TABLE if row.in_file},
    **{fold(row.column.heading): row.name for row in TABLE if row.in_file and row.column},
    "numero": "id",
    **{name: name for name in ("id", *FIELDS, *_READ_ONLY)},
}
_SECRET_WORDS = frozenset(
    {"apikey", "chave", "credential", "pass", "passwd", "password", "pwd", "secret", "senha", "token"}
)

_MOST_HINTED = 60
"""Characters of a column's name that a sentence repeats."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say about one place of a file."""

    line: int
    """CSV: the line of the file where the record begins, the header being 1. JSON: which record, from 1."""
    column: str
    """The column as the file calls it; empty where it is about the whole record or file."""
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: field (or ``id``) → its text, for the fields the file has."""

    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class Sheet:
    """A file as read, with what could not be read."""

    records: list[Record] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    """Field (or ``id``) → its column as the file calls it."""
    errors: list[Remark] = field(default_factory=list)
    is_json: bool = False

    def column(self, name: str) -> str:
        """What the file calls a field, or the field's own name where the file has it not."""
        return self.columns.get(name, name)


def export_rows(servers: Iterable[MailServer], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return what a JSON file says of each server; of its secret only whether there is one."""
    return [file_document(server, zone) for server in servers]


def to_json(servers: Iterable[MailServer], zone: ZoneInfo) -> str:
    """Return the servers as one JSON document; times are ISO 8601 in ``zone``."""
    return json.dumps(export_rows(servers, zone), ensure_ascii=False, indent=2) + "\n"


def to_csv(servers: Iterable[MailServer], zone: ZoneInfo, *, delimiter: str = ",") -> str:
    """Return the servers as CSV; with CRLF, as RFC 4180 wants it."""
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(CSV_COLUMNS)
    for document in export_rows(servers, zone):
        check = document["last_check"]
        flat = document | {f"last_check_{name}": value for name, value in check.items()}
        writer.writerow([cell(flat[name]) for name in CSV_COLUMNS])
    return text.getvalue()


def template_csv(*, delimiter: str = ";") -> str:
    """Return a CSV with a header alone: the columns a file can set."""
    text = StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerow(("id", *FIELDS))
    return text.getvalue()


def read(data: bytes) -> Sheet:
    """Read a CSV or JSON file, whichever it is; what cannot be read is among the errors."""
    sheet = Sheet()
    if len(data) > MAX_BYTES:
        return _refused(sheet, f"O arquivo é grande demais; cabem até {MAX_BYTES // 1_000_000} MB.")
    if is_spreadsheet(data):
        return _refused(sheet, "Isto é uma planilha. Abra-a e salve como “CSV UTF-8 (separado por vírgulas)”.")
    text = decoded(data)
    if text is None:
        return _refused(sheet, "Este arquivo não é um texto CSV nem JSON.")
    if not text.strip():
        return _refused(sheet, "O arquivo está vazio.")
    if text.lstrip()[0] in "[{":
        _read_json(sheet, text)
    else:
        _read_csv(sheet, text)
    return sheet


def _refused(sheet: Sheet, sentence: str) -> Sheet:
    sheet.errors.append(Remark(1, "", sentence))
    return sheet


def _read_csv(sheet: Sheet, text: str) -> None:
    found = rows(text, delimiter_of(text, lambda name: fold(name) in _COLUMN_OF))
    try:
        line, header = next(found, (1, []))
        names = _header(sheet, line, header)
        if names:
            for line, cells in found:
                _add_row(sheet, line, header, names, cells)
    except UnreadableError as error:
        sheet.errors.append(Remark(error.line, "", str(error)))


def _header(sheet: Sheet, line: int, header: list[str]) -> list[str | None]:
    """The field of each column, None for one that is not read; empty where this is no header at all."""
    while header and not header[-1].strip():
        header.pop()
    if not any(fold(cell) in _COLUMN_OF or _is_secret(cell) for cell in header):
        sheet.errors.append(
            Remark(
                line,
                "",
                "Não há nenhuma coluna conhecida. A primeira linha traz os nomes das colunas, por exemplo "
                "name;host;port;from_address. Baixe o modelo para começar.",
            )
        )
        return []
    return [_field(sheet, line, cell) for cell in header]


def _field(sheet: Sheet, line: int, name: str) -> str | None:
    """Which field a column sets; a column nobody knows, or twice there, is among the errors once."""
    shown = " ".join(name.split())[:_MOST_HINTED]
    found = _COLUMN_OF.get(fold(name))
    if found in _READ_ONLY:
        return None
    if found is None:
        if _is_secret(name):
            sentence = (
                "Senhas e chaves não são importadas. Apague esta coluna, também do arquivo guardado, e digite cada "
                "senha no cadastro do servidor."
            )
        else:
            near = get_close_matches(fold(name), _COLUMN_OF, 1)
            sentence = f"Coluna desconhecida.{f' Seria “{_COLUMN_OF[near[0]]}”?' if near else ' Apague-a do arquivo.'}"
        sheet.errors.append(Remark(line, shown, sentence))
    elif found in sheet.columns and not sheet.is_json:
        sheet.errors.append(Remark(line, shown, f"Esta coluna está duas vezes, a outra como “{sheet.columns[found]}”."))
        return None
    else:
        sheet.columns.setdefault(found, shown)
    return found


def _is_secret(name: str) -> bool:
    words = set(re.split(r"[^a-z0-9]+", fold(name)))
    return fold(name) not in _COLUMN_OF and bool(words & _SECRET_WORDS or {"api", "key"} <= words)


def _add_row(sheet: Sheet, line: int, header: list[str], names: list[str | None], cells: list[str]) -> None:
    if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
        sentence = (
            f"Esta linha tem {len(cells)} células e o cabeçalho {len(header)}. Confira as aspas e os separadores."
        )
        sheet.errors.append(Remark(line, "", sentence))
        return
    found = {name: read_cell(cell) for name, cell in zip(names, cells, strict=False) if name}
    sheet.records.append(Record(line, found))


def _read_json(sheet: Sheet, text: str) -> None:
    sheet.is_json = True
    try:
        documents = json.loads(text)
    except json.JSONDecodeError as error:
        sheet.errors.append(Remark(error.lineno, "", f"Isto não é JSON a partir da linha {error.lineno}."))
        return
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets without end
        _refused(sheet, "Isto não é um JSON que eu consiga ler.")
        return
    if not isinstance(documents, list):
        _refused(sheet, "O JSON precisa ser uma lista de servidores, entre [ e ].")
        return
    names: dict[str, str | None] = {}
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            sheet.errors.append(Remark(number, "", "Este item da lista não é um servidor, entre { e }."))
            continue
        _add_document(sheet, number, document, names)


def _add_document(sheet: Sheet, number: int, document: dict[str, Any], names: dict[str, str | None]) -> None:
    cells: dict[str, str] = {}
    for key, value in document.items():
        if key not in names:
            names[key] = _field(sheet, number, key)
        name = names[key]
        if name is None:
            continue
        if name in cells:
            sheet.errors.append(Remark(number, key[:_MOST_HINTED], "Este campo está duas vezes neste servidor."))
        elif isinstance(value, dict | list):
            sheet.errors.append(Remark(number, key[:_MOST_HINTED], "Aqui cabe um texto ou um número só."))
        else:
            cells[name] = text_of(value)
    sheet.records.append(Record(number, cells))
