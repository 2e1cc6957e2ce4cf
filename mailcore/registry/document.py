"""A record as JSON, as the command line shows it and files begin with it; its keys are a promise to scripts."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from mailcore.registry.fields import FIELDS, Field, Sort

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from mailcore.storage.tables import MailServer

Document = dict[str, Any]

CHECK = ("state", "at", "category")
TIMES = ("created_at", "updated_at")
OAUTH = ("oauth_state", "oauth_user")
ONLY_IN_FILES = tuple(row for row in FIELDS if row.in_file and not row.in_document)
_KEYS = tuple(row for row in FIELDS if row.sort is Sort.SECRET or (row.in_file and row.in_document))


def server_document(server: MailServer, zone: ZoneInfo) -> Document:
    """Return a registered server; of its secret only whether there is one."""
    return {
        "id": server.id,
        **{_key(row): json_value(server, row) for row in _KEYS},
        "last_check": {
            "state": server.last_check_state.value,
            "at": moment(server.last_check_at, zone),
            "category": server.last_check_category,
        },
        "oauth_state": server.oauth_state.value,
        "oauth_user": server.oauth_user or None,
        "created_at": moment(server.created_at, zone),
        "updated_at": moment(server.updated_at, zone),
    }


def file_document(server: MailServer, zone: ZoneInfo) -> Document:
    """Return what a file says of a server: the document, and the long texts at its end."""
    return server_document(server, zone) | {row.name: json_value(server, row) for row in ONLY_IN_FILES}


def file_columns() -> tuple[str, ...]:
    """Return the columns of a CSV file, in its order: the keys of the document, the check's spread out."""
    check = [f"last_check_{name}" for name in CHECK]
    return ("id", *map(_key, _KEYS), *check, *OAUTH, *TIMES, *(row.name for row in ONLY_IN_FILES))


def json_value(server: MailServer, row: Field) -> Any:
    """Return one field's value; what is empty is null."""
    if row.sort is Sort.SECRET:
        return server.secret_ref is not None
    value = getattr(server, row.name)
    if isinstance(value, Enum):
        return value.value
    return None if value == "" else value


def moment(value: datetime | None, zone: ZoneInfo) -> str | None:
    """2026-11-23T14:05:09-03:00."""
    return value.astimezone(zone).isoformat(timespec="seconds") if value is not None else None


def _key(row: Field) -> str:
    return f"has_{row.name}" if row.sort is Sort.SECRET else row.name
