"""Servers as a CSV file for people: headings and words of the screen, with the codes beside them.

The other file (``exchange_file.py``), in names that are a promise to scripts, is the command line's. An import takes
either.
"""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Any

from mailcore import labels
from mailcore.csv_cells import cell
from mailcore.registry.document import file_columns, file_document
from mailcore.registry.fields import FIELD, IN_FILES, Sort
from mailcore.registry.fields import FIELDS as TABLE
from mailcore.vocabulary import Auth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from mailcore.storage.tables import MailServer

_COLUMNS = file_columns()
CODE = " (código)"
"""After the heading of a word: the column with its code, for programs. An import reads the word."""
HEADINGS = {
    "id": "Número",
    "has_secret": "Senha guardada",
    "last_check_state": "Último teste",
    "last_check_at": "Testado em",
    "last_check_category": "Causa da falha",
    "oauth_state": "Autorização",
    "oauth_user": "Autorizado por",
    "created_at": "Registrado em",
    "updated_at": "Alterado em",
    **{row.name: row.label for row in TABLE if row.in_file},
}
_WORDS: dict[str, dict[Any, str]] = {
    "last_check_state": dict(labels.CHECK_STATE),
    "last_check_category": labels.CATEGORY,
    "oauth_state": labels.OAUTH_STATE,
}
"""Of columns that are no field: what stands for each code."""
CODED = (*_WORDS, *(row.name for row in TABLE if row.sort is Sort.CHOICE))
_EXAMPLE = {
    "name": "Exemplo: Padaria São João, notas fiscais",
    "kind": "SMTP",
    "host": "smtp.exemplo.com.br",
    "port": "587",
    "security": "STARTTLS",
    "verify_certificate": "sim",
    "username": "notas@exemplo.com.br",
    "auth": "Senha",
    "from_address": "notas@exemplo.com.br",
    "from_name": "Padaria São João",
    "is_paid": "Gratuita",
    "is_active": "sim",
    "is_default": "não",
    "daily_limit": "500",
    "limit_unit": "Destinatários",
    "limit_window": "24 horas corridas",
    "same_address": "Bloquear",
    "notes": "Apague esta linha e escreva as suas.",
}


def to_people_csv(servers: Iterable[MailServer], zone: ZoneInfo) -> str:
    """Return the servers as CSV in the screen's words, the codes beside them; an import takes it as it takes the other.

    Cells are separated by ";" and times written "23/11/2026 14:05", as a Brazilian spreadsheet has them.
    """
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow([heading for name in _COLUMNS for heading in _headings(name)])
    for server in servers:
        document = file_document(server, zone)
        check = document["last_check"]
        flat = document | {f"last_check_{name}": value for name, value in check.items()}
        times = {
            "last_check_at": server.last_check_at,
            "created_at": server.created_at,
            "updated_at": server.updated_at,
        }
        flat |= {name: at.astimezone(zone).strftime("%d/%m/%Y %H:%M") if at else None for name, at in times.items()}
        words = {name: _in_words(name, flat[name]) for name in _COLUMNS}
        if server.auth is not Auth.OAUTH2:
            words["oauth_state"] = ("", flat["oauth_state"])  # there is nothing to authorise
        words["auth"] = (labels.login(server.auth, server.oauth_provider), flat["auth"])
        writer.writerow([cell(value) for name in _COLUMNS for value in words[name]])
    return text.getvalue()


def _headings(name: str) -> tuple[str, ...]:
    heading = HEADINGS[name]
    return (heading, heading + CODE) if name in CODED else (heading,)


def _in_words(name: str, code: Any) -> tuple[Any, ...]:
    """A value in words, and its code where the words are those of a few."""
    if name in _WORDS:
        return _WORDS[name].get(code, "" if code is None else str(code)), code
    if name in FIELD and name in CODED:
        return FIELD[name].word(code), code
    return (labels.yes_or_no(code),) if isinstance(code, bool) else (code,)


def people_template_csv() -> str:
    """Return a file to begin with: the headings of the screen, and one server as an example."""
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow([HEADINGS[name] for name in ("id", *IN_FILES)])
    writer.writerow([_EXAMPLE.get(name, "") for name in ("id", *IN_FILES)])
    return text.getvalue()
