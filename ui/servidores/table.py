"""The list of servers as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailcore.registry.fields import FIELDS, Field, Sort
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import CheckState, Kind
from ui import words
from ui.formats import ago

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

_CHECK_MARKS = {CheckState.NEVER: "○", CheckState.OK: "✓", CheckState.FAILED: "✗"}
_COMPUTED = {"Cota hoje": 92, "Último teste": 180}
"""Columns that are no field; they stand behind "Conta"."""


def _widths() -> dict[str, int]:
    widths: dict[str, int] = {}
    for row in FIELDS:
        if row.column:
            widths[row.column.heading] = row.column.pixels
        if row.name == "is_paid":
            widths |= _COMPUTED
    return widths


WIDTHS = _widths()
"""Column → pixels: everything fits into a window 1,280 wide, and a cut text shows whole when pointed at."""


def servers_table(servers: list[MailServer], used: Mapping[str, float]) -> pa.Table:
    """One row for each server, in the order given, with the columns of the screen.

    ``used`` is how much of its quota an account has used, in percent, by its key; one without a limit is not there.

    An Arrow table, which is what travels to the browser anyway: pandas would be one more thing to load.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {row.column.heading: _cells(servers, row) for row in FIELDS if row.column}
    columns["Cota hoje"] = pa.array([used.get(server.account_key) for server in servers], pa.float64())
    columns["Último teste"] = [_last_check(server) for server in servers]
    return pa.table({heading: columns[heading] for heading in WIDTHS})


def _cells(servers: list[MailServer], row: Field) -> list[Any]:
    if tell := _TOLD.get(row.name):
        return [tell(server) for server in servers]
    values = [getattr(server, row.name) for server in servers]
    return values if row.sort is Sort.FLAG else [row.word(value) for value in values]


def _host(server: MailServer) -> str:
    return "API da Elastic Email" if server.kind is Kind.ELASTIC_EMAIL else server.host


def _security(server: MailServer) -> str:
    return "HTTPS" if server.kind is Kind.ELASTIC_EMAIL else words.SECURITY[server.security]


_TOLD: dict[str, Callable[[MailServer], str]] = {"host": _host, "security": _security}
"""How the list tells a field that not every kind of server has."""


def _last_check(server: MailServer) -> str:
    state = f"{_CHECK_MARKS[server.last_check_state]} {words.CHECK_STATE[server.last_check_state]}"
    return f"{state} · {ago(server.last_check_at)}" if server.last_check_at else state
