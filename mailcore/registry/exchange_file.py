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
from mailcore.csv_files import MOST_COLUMNS, TextFile, UnreadableError, delimiter_of, is_spreadsheet, rows, text_file
from mailcore.json_files import NESTED, NoListError, NotJsonError, TooManyMembersError, items
from mailcore.registry.document import CHECK, OAUTH, TIMES, file_columns, file_document
from mailcore.registry.fields import FIELDS as TABLE
from mailcore.registry.fields import IN_FILES
from mailcore.registry.people_file import CODE, CODED, HEADINGS
from mailcore.registry.remarks import Remarks
from mailcore.text import fold, thousands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from mailcore.json_files import Pairs
    from mailcore.storage.tables import MailServer

MAX_BYTES = 20_000_000
"""The largest file that is read: 10,000 servers have about 3 MB."""

MAX_RECORDS = 50_000
"""The most servers of one file, so that it takes neither the machine's memory nor minutes of its time."""

FIELDS = IN_FILES
"""Fields of a :class:`mailcore.registry.drafts.ServerDraft` that a file sets."""

CSV_COLUMNS = file_columns()
_READ_ONLY = frozenset({"has_secret", "last_check", *(f"last_check_{name}" for name in CHECK), *OAUTH, *TIMES})
_COLUMN_OF = {
    **{fold(HEADINGS[name] + CODE): "has_secret" for name in CODED},  # not read, as nothing of what follows is
    **{fold(HEADINGS[name]): name for name in _READ_ONLY if name in HEADINGS},
    **{fold(row.label): row.name for row in TABLE if row.in_file},
    **{fold(row.column.heading): row.name for row in TABLE if row.in_file and row.column},
    "numero": "id",
    **{name: name for name in ("id", *FIELDS, *_READ_ONLY)},
}
_SECRET_WORDS = frozenset(
    {"apikey", "chave", "credential", "pass", "passwd", "password", "pwd", "secret", "senha", "token"}
)

_MOST_HINTED = 60
"""Characters of a column's name that are looked at, and that a sentence repeats."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: field (or ``id``) → its text, for the fields the file has."""

    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class Sheet:
    """A file that is being read, with what could not be read until now."""

    records: Iterator[Record] = field(default_factory=lambda: iter(()))
    """Read while it is walked along; ``columns`` and ``errors`` are whole at its end."""
    columns: dict[str, str] = field(default_factory=dict)
    """Field (or ``id``) → its column as the file calls it."""
    errors: Remarks = field(default_factory=Remarks)
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
    file = text_file(data)
    if file is None:
        return _refused(sheet, "Este arquivo não é um texto CSV nem JSON.")
    first = file.first_char()
    if not first:
        return _refused(sheet, "O arquivo está vazio.")
    sheet.is_json = first in "[{"
    sheet.records = _not_too_many(sheet, _read_json(sheet, file) if sheet.is_json else _read_csv(sheet, file))
    return sheet


def _refused(sheet: Sheet, sentence: str) -> Sheet:
    sheet.errors.add(1, "", sentence)
    return sheet


def _not_too_many(sheet: Sheet, found: Iterator[Record | None]) -> Iterator[Record]:
    """Pass on the records, None being one that could not be read, until there are too many of both."""
    for number, record in enumerate(found, 1):
        if number > MAX_RECORDS:
            most = thousands(MAX_RECORDS)
            _refused(sheet, f"O arquivo tem mais de {most} servidores, e só os primeiros foram lidos. Divida-o.")
            return
        if record is not None:
            yield record


def _read_csv(sheet: Sheet, file: TextFile) -> Iterator[Record | None]:
    found = rows(file, delimiter_of(file, lambda name: _known(name) is not None))
    try:
        line, header = next(found, (1, []))
        names = _header(sheet, line, header)
        if names:
            for line, cells in found:
                yield _record(sheet, line, names, cells)
    except UnreadableError as error:
        sheet.errors.add(error.line, "", str(error))


def _known(name: str) -> str | None:
    """The field that a column sets, as far as anybody knows it."""
    return _COLUMN_OF.get(fold(name[:_MOST_HINTED]))


def _header(sheet: Sheet, line: int, header: list[str]) -> list[str | None]:
    """The field of each column, None for one that is not read; empty where this is no header at all."""
    while header and not header[-1].strip():
        header.pop()
    if len(header) > MOST_COLUMNS:
        sheet.errors.add(line, "", _too_many_columns())
        return []
    if not any(_known(cell) or _is_secret(cell) for cell in header):
        sheet.errors.add(
            line,
            "",
            "Não há nenhuma coluna conhecida. A primeira linha traz os nomes das colunas, por exemplo "
            "name;host;port;from_address. Baixe o modelo para começar.",
        )
        return []
    return [_field(sheet, line, cell) for cell in header]


def _too_many_columns() -> str:
    return (
        f"O arquivo tem mais de {thousands(MOST_COLUMNS)} colunas, e não foi lido daqui em diante. Baixe o modelo "
        "para começar."
    )


def _field(sheet: Sheet, line: int, name: str) -> str | None:
    """Which field a column sets; a column nobody knows, or twice there, is among the errors once."""
    shown = " ".join(name[:_MOST_HINTED].split())
    found = _known(name)
    if found in _READ_ONLY:
        return None
    if found is None:
        if _is_secret(name):
            sentence = (
                "Senhas e chaves não são importadas. Apague esta coluna, também do arquivo guardado, e digite cada "
                "senha no cadastro do servidor."
            )
        else:
            near = get_close_matches(fold(shown), _COLUMN_OF, 1)
            sentence = f"Coluna desconhecida.{f' Seria “{_COLUMN_OF[near[0]]}”?' if near else ' Apague-a do arquivo.'}"
        sheet.errors.add(line, shown, sentence)
    elif found in sheet.columns and not sheet.is_json:
        sheet.errors.add(line, shown, f"Esta coluna está duas vezes, a outra como “{sheet.columns[found]}”.")
        return None
    else:
        sheet.columns.setdefault(found, shown)
    return found


def _is_secret(name: str) -> bool:
    words = set(re.split(r"[^a-z0-9]+", fold(name[:_MOST_HINTED])))
    return _known(name) is None and bool(words & _SECRET_WORDS or {"api", "key"} <= words)


def _record(sheet: Sheet, line: int, names: list[str | None], cells: list[str]) -> Record | None:
    width = len(names)
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        sentence = f"Esta linha tem {len(cells)} células e o cabeçalho {width}. Confira as aspas e os separadores."
        sheet.errors.add(line, "", sentence)
        return None
    return Record(line, {name: read_cell(cell) for name, cell in zip(names, cells, strict=False) if name})


def _read_json(sheet: Sheet, file: TextFile) -> Iterator[Record | None]:
    names: dict[str, str | None] = {}
    number = 0
    try:
        for number, members in enumerate(items(file.text()), 1):
            if members is None:
                sheet.errors.add(number, "", "Este item da lista não é um servidor, entre { e }.")
                yield None
            else:
                yield _document(sheet, number, members, names)
            if len(names) > MOST_COLUMNS:
                sheet.errors.add(number, "", _too_many_columns())
                return
    except NotJsonError as error:
        sheet.errors.add(error.line, "", str(error))
    except NoListError:
        _refused(sheet, "O JSON precisa ser uma lista de servidores, entre [ e ].")
    except TooManyMembersError:
        sheet.errors.add(number + 1, "", _too_many_columns())


def _document(sheet: Sheet, number: int, members: Pairs, names: dict[str, str | None]) -> Record:
    cells: dict[str, str] = {}
    for key, value in members:
        if key not in names:
            names[key] = _field(sheet, number, key)
        name = names[key]
        if name is None:
            continue
        if name in cells:
            sheet.errors.add(number, key[:_MOST_HINTED], "Este campo está duas vezes neste servidor.")
        elif value is NESTED:
            sheet.errors.add(number, key[:_MOST_HINTED], "Aqui cabe um texto ou um número só.")
        else:
            cells[name] = text_of(value)
    return Record(number, cells)
