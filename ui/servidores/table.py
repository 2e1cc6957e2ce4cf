"""The list of servers as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.storage.tables import MailServer
from mailcore.vocabulary import CheckState, Kind
from ui import words
from ui.formats import ago

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_CHECK_MARKS = {CheckState.NEVER: "○", CheckState.OK: "✓", CheckState.FAILED: "✗"}


WIDTHS = {
    "Descrição": 176,
    "Tipo": 84,
    "Servidor": 134,
    "Porta": 50,
    "Segurança": 100,
    "Usuário": 92,
    "Remetente": 92,
    "Conta": 72,
    "Cota hoje": 92,
    "Último teste": 180,
    "Ativo": 50,
    "Padrão": 58,
}
"""Pixels: everything fits into a window 1,280 wide, and a cut text shows whole when pointed at."""


def servers_table(servers: list[MailServer], used: Mapping[str, float]) -> pa.Table:
    """One row for each server, in the order given, with the columns of the screen.

    ``used`` is how much of its quota an account has used, in percent, by its key; one without a limit is not there.

    An Arrow table, which is what travels to the browser anyway: pandas would be one more thing to load.
    """
    import pyarrow as pa

    return pa.table(
        {
            "Descrição": [server.name for server in servers],
            "Tipo": [words.KIND[server.kind] for server in servers],
            "Servidor": [_host(server) for server in servers],
            "Porta": ["" if server.port is None else str(server.port) for server in servers],
            "Segurança": [_security(server) for server in servers],
            "Usuário": [server.username for server in servers],
            "Remetente": [server.from_address for server in servers],
            "Conta": [words.PAID[server.is_paid] for server in servers],
            "Cota hoje": pa.array([used.get(server.account_key) for server in servers], pa.float64()),
            "Último teste": [_last_check(server) for server in servers],
            "Ativo": [server.is_active for server in servers],
            "Padrão": [server.is_default for server in servers],
        }
    )


def _host(server: MailServer) -> str:
    return "API da Elastic Email" if server.kind is Kind.ELASTIC_EMAIL else server.host


def _security(server: MailServer) -> str:
    return "HTTPS" if server.kind is Kind.ELASTIC_EMAIL else words.SECURITY[server.security]


def _last_check(server: MailServer) -> str:
    state = f"{_CHECK_MARKS[server.last_check_state]} {words.CHECK_STATE[server.last_check_state]}"
    return f"{state} · {ago(server.last_check_at)}" if server.last_check_at else state
