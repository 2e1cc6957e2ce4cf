"""The columns of the list of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore import labels
from mailcore.registry.fields import FIELD, FIELDS, Field, Sort
from mailcore.storage.tables import MailServer
from mailcore.transports import kind_of
from mailcore.vocabulary import CheckState, QuotaState
from ui import words
from ui.formats import ago, number
from ui.listview.table import Cell, Column, Tone
from ui.servidores.causes import cause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailcore.quota.rules import Quota
    from mailcore.registry.drafts import ServerDraft

TABLE = "servers"
"""The key of the table."""

_FIRST = (
    Column("name", "Descrição", 180, 3, sorts=True),
    Column("host", "Servidor", 150, 2.2, sorts=True),
    Column("is_paid", "Conta", 80, sorts=True),
    Column("quota", "Cota hoje", 142, 0.6, is_number=True, sorts=True),
    Column("last_check", "Último teste", 300, 1.6, wraps=True, sorts=True),
)
_LAST = (
    Column("is_active", "Ativo", 72, sorts=True),
    Column("is_default", "Padrão", 84, sorts=True),
)
_BENEATH = ("from_address", "port", "security")
"""Fields that stand in the second line of another's column."""
_SHOWN = (*(column.name for column in (*_FIRST, *_LAST)), *_BENEATH)
OTHERS = {row.name: row.column for row in FIELDS if row.column and row.name not in _SHOWN}
"""The fields behind "Colunas"."""
_CHECK_TONES: dict[CheckState, Tone] = {CheckState.NEVER: "quiet", CheckState.OK: "good", CheckState.FAILED: "bad"}
_CHECK_MARKS = {CheckState.NEVER: "○", CheckState.OK: "✓", CheckState.FAILED: "✗"}
_QUOTA_TONES: dict[QuotaState, Tone] = {
    QuotaState.OK: "",
    QuotaState.NEAR: "warn",
    QuotaState.FULL: "bad",
    QuotaState.BLOCKED: "bad",
}


def columns(others: Sequence[str]) -> list[Column]:
    """Return the columns of the list, with those a person asked for besides."""
    asked = [
        Column(
            name, OTHERS[name].heading, OTHERS[name].pixels, 1, is_number=FIELD[name].sort is Sort.NUMBER, sorts=True
        )
        for name in others
    ]
    return [*_FIRST, *asked, *_LAST]


def cells(server: MailServer, quotas: Mapping[str, Quota], others: Sequence[str]) -> list[str | Cell]:
    """What stands in the row of a server, in the order of the columns."""
    return [
        Cell(server.name, below=server.from_address),
        Cell(kind_of(server.kind).shown_host(server), below=port_and_security(server)),
        words.PAID[server.is_paid],
        _quota(quotas.get(server.account_key)),
        _last_check(server),
        *(_other(server, FIELD[name]) for name in others),
        "Sim" if server.is_active else Cell("Não", tone="quiet"),
        "Padrão" if server.is_default else "",
    ]


def _other(server: MailServer, field: Field) -> str:
    if field.name == "auth":
        return labels.login(server.auth, server.oauth_provider)
    value = getattr(server, field.name)
    if field.sort is Sort.NUMBER and value is not None:
        return number(value)
    text = " ".join(field.word(value).split())
    return text[:1].upper() + text[1:] if field.sort is Sort.FLAG else text


def port_and_security(server: MailServer | ServerDraft) -> str:
    """ "587 · STARTTLS"; what the kind says of security alone where it has no port."""
    security = kind_of(server.kind).shown_security(server)
    return security if server.port is None else f"{server.port} · {security}"


def _quota(quota: Quota | None) -> str | Cell:
    if quota is None:
        return ""
    tone = _QUOTA_TONES[quota.state]
    if quota.limit is None:
        return Cell("Bloqueada", tone=tone) if quota.state is QuotaState.BLOCKED else ""
    text = f"{number(quota.used)} de {number(quota.limit)}"
    if quota.state is QuotaState.BLOCKED:
        return Cell("Bloqueada", below=text, tone=tone)
    return Cell(text, tone=tone, bar=quota.share)


def _last_check(server: MailServer) -> Cell:
    text = f"{_CHECK_MARKS[server.last_check_state]} {words.CHECK_STATE[server.last_check_state]}"
    if server.last_check_state is CheckState.FAILED and (why := cause(server)):
        text += f": {why}"
    if server.last_check_at:
        text += f" · {ago(server.last_check_at)}"
    return Cell(text, tone=_CHECK_TONES[server.last_check_state])
