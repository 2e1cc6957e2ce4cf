"""The columns of the table of accounts: what stands in each, and by what each is sorted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailcore.quota.reports import runs_out_at
from mailcore.text import fold
from mailcore.vocabulary import QuotaState
from ui import words
from ui.formats import clock, number
from ui.listview.table import Cell, Column, Tone, in_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from mailcore.health.service_figures import ServiceFigures
    from mailcore.quota.rules import Quota

_COLUMNS = (
    Column("account", "Conta", 160, 2, wraps=True, sorts=True),
    Column("share", "Uso", 72, 0.3, is_number=True, sorts=True),
    Column("used", "Usado", 88, is_number=True, sorts=True),
    Column("limit", "Limite", 94, is_number=True, sorts=True),
    Column("left", "Resta", 84, is_number=True, sorts=True),
    Column("state", "Estado", 138, sorts=True),
    Column("frees", "Libera", 160, 1, wraps=True, sorts=True),
    Column("ends", "Previsão", 136, 0.5, sorts=True),
)
_SERVICE = Column("service", "No serviço", 150, 0.5, is_number=True, wraps=True, sorts=True)
SORTABLE = tuple(column.name for column in (*_COLUMNS, _SERVICE))
SEVERITY = {QuotaState.BLOCKED: 0, QuotaState.FULL: 1, QuotaState.NEAR: 2, QuotaState.OK: 3}
"""What needs somebody first."""
_MARKS = {QuotaState.OK: "✓", QuotaState.NEAR: "!", QuotaState.FULL: "✗", QuotaState.BLOCKED: "⊘"}
_TONES: dict[QuotaState, Tone] = {
    QuotaState.OK: "good",
    QuotaState.NEAR: "warn",
    QuotaState.FULL: "bad",
    QuotaState.BLOCKED: "bad",
}


def columns(figures: Mapping[str, ServiceFigures | None]) -> list[Column]:
    """Return the columns; that of the services only where an account on the page has one."""
    return [*_COLUMNS, _SERVICE] if any(figures.values()) else list(_COLUMNS)


def cells(
    quota: Quota, figures: Mapping[str, ServiceFigures | None], zone: ZoneInfo, now: datetime
) -> list[str | Cell]:
    """What stands in the row of an account."""
    tone = _TONES[quota.state]
    bar = Cell(f"{100 * quota.share:.0f} %", tone="" if tone == "good" else tone, bar=quota.share)
    found: list[str | Cell] = [
        name_of(quota),
        "" if quota.limit is None else bar,
        number(quota.used),
        "sem limite" if quota.limit is None else number(quota.limit),
        "" if quota.remaining is None else number(quota.remaining),
        Cell(f"{_MARKS[quota.state]} {words.QUOTA_STATE[quota.state]}", tone=tone),
        frees_text(quota, now, zone),
        _forecast(quota, now, zone),
    ]
    if any(figures.values()):
        found.append(_at_service(figures.get(quota.account_key), zone))
    return found


def value(quota: Quota, column: str, figures: ServiceFigures | None = None) -> Any:
    """Return what an account is sorted by in a column; None where it has nothing there."""
    match column:
        case "account":
            return fold(name_of(quota))
        case "share":
            return None if quota.limit is None else quota.share
        case "used":
            return quota.used
        case "limit":
            return quota.limit
        case "left":
            return quota.remaining
        case "state":
            return SEVERITY[quota.state]
        case "frees" if quota.hold is not None:
            return quota.hold.held_until
        case "frees":
            return quota.frees[0].at if quota.frees else None
        case "ends":
            return runs_out_at(quota, datetime.now(UTC))
        case _:
            sent = figures.sent_today.value if figures else None
            return sent if isinstance(sent, int | float) else None


def text_of(quota: Quota) -> str:
    """Return what a search looks through, folded."""
    return fold(" ".join(f"{server.name} {server.username} {server.host}" for server in quota.servers))


def name_of(quota: Quota) -> str:
    """The description of the account's record, or of its first with how many more."""
    first, *more = [server.name for server in quota.servers]
    return f"{first} (+{len(more)})" if more else first


def frees_text(quota: Quota, now: datetime, zone: ZoneInfo) -> str:
    """ "libera 37 às 14:20"; for an account on hold, until when."""
    if quota.hold is not None:
        return f"volta {clock(quota.hold.held_until, now, zone)}" if quota.hold.held_until else "espera uma pessoa"
    if not quota.frees:
        return ""
    return f"libera {number(quota.frees[0].units)} {clock(quota.frees[0].at, now, zone)}"


def _forecast(quota: Quota, now: datetime, zone: ZoneInfo) -> str:
    ends = runs_out_at(quota, now)
    return f"acaba {clock(ends, now, zone)}" if ends else ""


def _at_service(figures: ServiceFigures | None, zone: ZoneInfo) -> str:
    if figures is None:
        return ""
    if figures.sent_today.value is None and figures.daily_limit.value is None:
        return "não foi possível ler"
    sent, limit = (_whole(figure.value) for figure in (figures.sent_today, figures.daily_limit))
    return f"{sent} de {limit} (lido {figures.read_at.astimezone(zone):%H:%M})"


def _whole(value: float | str | None) -> str:
    return number(int(value)) if isinstance(value, int | float) else "?"


def sorted_by(found: Sequence[Quota], order: str, figures: Mapping[str, ServiceFigures | None]) -> list[Quota]:
    """Return accounts in the order of a column; without one, what needs somebody first."""
    if order.removeprefix("-") in SORTABLE:
        return in_order(found, order, lambda quota, name: value(quota, name, figures.get(quota.account_key)))
    return sorted(found, key=lambda quota: (SEVERITY[quota.state], -quota.share))
