"""What became of messages, for analysts: by server, recipient's domain and cause, and week against week."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.sending.ledger import LedgerQuery
from mailcore.sending.outcomes import WEEKS
from mailcore.text import fold
from ui import words
from ui.cotas import files
from ui.downloads import download_buttons
from ui.formats import number, percent
from ui.listview.table import Cell, Column, Tone, counted, in_order, table, turned
from ui.session import OUTCOME_SORT

if TYPE_CHECKING:
    from datetime import datetime

    from mailcore import Mailcore
    from mailcore.quota.rules import Quota
    from mailcore.sending.outcomes import Tally
    from ui.listview.period import Span

_MOST_ROWS = 200
_SECONDS = 60
_VIEWS = {
    "server": ("Por servidor", "servidor", "servidores", "dos"),
    "domain": ("Por domínio", "domínio", "domínios", "dos"),
    "cause": ("Por causa", "causa", "causas", "das"),
    "week": ("Semana a semana", "semana", "semanas", "das"),
}
"""By what → the tab, what one row of it and several are called, and "of the"."""
_LOW, _POOR = 0.98, 0.90
"""Shares of accepted messages below which a row is worth a look, and below which something is wrong."""


def outcomes(core: Mailcore, chosen: Quota | None, span: Span) -> None:
    """Draw the tables; only the open one is counted."""
    since, until = span.moments(core.settings.zone)
    query = LedgerQuery(account_key=chosen.account_key if chosen else "", since=since, until=until)
    tabs = st.tabs([view[0] for view in _VIEWS.values()], key="cotas_resultados", on_change="rerun")
    for tab, by in zip(tabs, _VIEWS, strict=True):
        if tab.open:
            with tab:
                _view(core, by, query)


def _view(core: Mailcore, by: str, query: LedgerQuery) -> None:
    if by == "week":
        st.caption(f"As últimas {WEEKS} semanas, de segunda a domingo; o período escolhido acima não muda esta tabela.")
    elif by == "domain":
        st.caption("Conta destinatários, não mensagens.")
    elif by == "cause":
        st.caption("Só o que não foi aceito. Cada diagnóstico está explicado na Ajuda.")
    found: list[Tally] = _tallies(core, by, query.account_key, query.since, query.until)
    if by == "week" and not any(tally.tried or tally.barred for tally in found):
        found = []
    if not found:
        st.caption("Nada a contar neste período." if by != "cause" else "Nenhuma falha neste período.")
        return
    before = {tally.key: found[at + 1].acceptance for at, tally in enumerate(found[:-1])} if by == "week" else {}
    order = OUTCOME_SORT.get().get(by, "")
    if order:
        found = in_order(found, order, partial(_value, before))
    table(
        f"outcomes_{by}",
        _VIEWS[by][0],
        _columns(by),
        [(at, _cells(by, tally, before)) for at, tally in enumerate(found[:_MOST_ROWS], 1)],
        total=len(found),
        order=(order.removeprefix("-"), order.startswith("-")),
        on_sort=partial(_sort, by),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        title, one, many, of_the = _VIEWS[by]
        st.caption(counted(len(found), one, many))
        if len(found) > _MOST_ROWS:
            st.caption(f"As primeiras {number(_MOST_ROWS)}; todas nos arquivos.")
        csv, excel = files.both(partial(files.outcomes_table, core, by, query), title)
        download_buttons(f"resultados-{fold(one)}", f"{of_the} {many}", csv=csv, excel=excel)


@st.cache_data(ttl=_SECONDS, max_entries=100, show_spinner="Contando…")
def _tallies(_core: Mailcore, by: str, account_key: str, since: datetime | None, until: datetime | None) -> list[Tally]:
    query = LedgerQuery(account_key=account_key, since=since, until=until)
    found: list[Tally] = getattr(_core.outcomes, f"by_{by}")(query)
    return found


def _columns(by: str) -> list[Column]:
    return [
        Column("label", files.OUTCOME_HEADINGS[by], 200, 3, sorts=True),
        *([Column("category", "Categoria", 110, 1, sorts=True)] if by == "cause" else []),
        *([] if by == "cause" else [Column("tried", "Tentadas", 104, is_number=True, sorts=True)]),
        *([] if by == "cause" else [Column("accepted", "Aceitas", 96, is_number=True, sorts=True)]),
        Column("refused", "Recusadas", 112, is_number=True, sorts=True),
        Column("failed", "Não entregues", 140, is_number=True, sorts=True),
        Column("uncertain", "Incertas", 104, is_number=True, sorts=True),
        Column("barred", "Barradas", 108, is_number=True, sorts=True),
        *([] if by == "cause" else [Column("acceptance", "Aceitação", 116, is_number=True, sorts=True)]),
        *([Column("change", "Ante a anterior", 148, is_number=True, sorts=True)] if by == "week" else []),
    ]


def _cells(by: str, tally: Tally, before: dict[str, float | None]) -> list[str | Cell]:
    cells: dict[str, str | Cell] = {
        "label": _label(by, tally),
        "category": words.CATEGORY.get(tally.category, ""),
        "acceptance": "" if tally.acceptance is None else Cell(percent(tally.acceptance), tone=_tone(tally.acceptance)),
        "change": _change(tally, before),
    }
    return [
        cells[column.name] if column.name in cells else number(getattr(tally, column.name)) for column in _columns(by)
    ]


def _label(by: str, tally: Tally) -> str:
    if by == "week":
        monday = date.fromisoformat(tally.key)
        return f"{monday:%d/%m} a {monday + timedelta(days=6):%d/%m/%Y}"
    if tally.label:
        return tally.label
    return "Sem endereço" if by == "domain" else "Sem explicação"


def _tone(acceptance: float) -> Tone:
    return "bad" if acceptance < _POOR else "warn" if acceptance < _LOW else "good"


def _change(tally: Tally, before: dict[str, float | None]) -> str | Cell:
    """The difference to the week before, in points: 97 % after 99 % is -2,0."""
    points = _points(tally, before)
    if points is None:
        return ""
    return Cell(
        f"{points:+.1f} p.p.".replace(".", ",", 1).replace("-", "−"),
        tone="bad" if points <= -2 else "good" if points >= 2 else "",
    )


def _points(tally: Tally, before: dict[str, float | None]) -> float | None:
    earlier = before.get(tally.key)
    return None if tally.acceptance is None or earlier is None else 100 * (tally.acceptance - earlier)


def _value(before: dict[str, float | None], tally: Tally, column: str) -> Any:
    if column == "change":
        return _points(tally, before)
    if column == "label":
        return tally.key if tally.key == tally.label else fold(tally.label)
    return getattr(tally, column)


def _sort(by: str, column: str) -> None:
    OUTCOME_SORT.set(OUTCOME_SORT.get() | {by: turned(OUTCOME_SORT.get().get(by, ""), column)})
