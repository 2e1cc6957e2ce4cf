"""The list of servers as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.models import CheckState, MailServer
from mailcore.transports.base import Kind
from ui import words
from ui.formats import ago

if TYPE_CHECKING:
    import pandas as pd

_CHECK_MARKS = {CheckState.NEVER: "○", CheckState.OK: "✓", CheckState.FAILED: "✗"}


def servers_table(servers: list[MailServer]) -> pd.DataFrame:
    """One row for each server, in the order given, with the columns of the screen."""
    import pandas as pd

    return pd.DataFrame(
        {
            "Descrição": [server.name for server in servers],
            "Tipo": [words.KIND[server.kind] for server in servers],
            "Servidor": [_host(server) for server in servers],
            "Porta": ["" if server.port is None else str(server.port) for server in servers],
            "Segurança": [_security(server) for server in servers],
            "Usuário": [server.username for server in servers],
            "Remetente": [server.from_address for server in servers],
            "Conta": [words.PAID[server.is_paid] for server in servers],
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
