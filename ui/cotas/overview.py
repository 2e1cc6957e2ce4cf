"""The page "Cotas": its filters, the cards, and one row an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.health.service_figures import has_figures
from mailcore.text import fold
from mailcore.vocabulary import QuotaState
from ui import words
from ui.cotas.columns import SORTABLE, cells, columns, sorted_by, text_of
from ui.cotas.files import to_csv, to_excel
from ui.downloads import download_buttons
from ui.formats import number
from ui.listview.filters import Choice, Filters, Search
from ui.listview.period import CHOOSE, Period
from ui.listview.table import counted, nothing_found, pager, table, turned
from ui.session import (
    QUOTA_BEGINS,
    QUOTA_ENDS,
    QUOTA_NAMED,
    QUOTA_PAGE,
    QUOTA_PERIOD,
    QUOTA_PLACES,
    QUOTA_SEARCH,
    QUOTA_SELECTED,
    QUOTA_SORT,
    QUOTA_STATE,
    select,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailcore import Mailcore
    from mailcore.health.service_figures import ServiceFigures
    from mailcore.quota.rules import Quota

PAGE_SIZE = 50
_ALL = "Todos"
_STATE = Choice(
    "Estado",
    "estado",
    QUOTA_STATE,
    {_ALL: None, **{word: state for state, word in words.QUOTA_STATE.items()}},
    _ALL,
    190,
)
_FILTERS = Filters(
    Search("Buscar", "busca", QUOTA_SEARCH, placeholder="descrição, usuário ou servidor", width=420),
    _STATE,
    page=QUOTA_PAGE,
)
PERIOD = Period(
    QUOTA_PERIOD,
    QUOTA_BEGINS,
    QUOTA_ENDS,
    ("Últimos 7 dias", "Últimos 30 dias", "Últimos 90 dias", CHOOSE),
    "Últimos 30 dias",
)


@dataclass(frozen=True, slots=True)
class View:
    """Every account there is, those that match, and the chosen one."""

    every: Sequence[Quota] = ()
    matching: Sequence[Quota] = ()
    chosen: Quota | None = None
    figures: Mapping[str, ServiceFigures | None] = field(default_factory=dict)
    """What the service last said of each account that has one."""

    @property
    def page(self) -> int:
        """Which page of the table is shown: the one asked for, or the last one."""
        return _FILTERS.shown_page(len(self.matching), PAGE_SIZE)


def filters() -> None:
    """Draw the filters, as the query string has them at first, and take from it what it says of the rest."""
    asked, anew = st.query_params, _FILTERS.are_led_elsewhere()
    if anew:
        select(QUOTA_SELECTED)
    if anew or not QUOTA_SORT.is_set():
        order = asked.get("ordem", "")
        QUOTA_SORT.set(order if order.removeprefix("-") in SORTABLE else "")
    server = asked.get("servidor", "")
    if server.isdecimal() and len(server) < 10 and (anew or not QUOTA_SEARCH.is_set()):
        select(QUOTA_SELECTED, int(server))
    PERIOD.begin(asked, anew=anew)
    _FILTERS.draw()


def note_what_is_named() -> None:
    """Remember which account and which filters the rest of the page shows: another choice draws it anew."""
    QUOTA_NAMED.set(_named())


def _named() -> tuple[object, ...]:
    return (*QUOTA_SELECTED.get().ids, QUOTA_SEARCH.get() or "", QUOTA_STATE.get())


def overview(core: Mailcore) -> View:
    """Draw the cards; return what there is to show."""
    if QUOTA_NAMED.get() != _named():
        st.rerun(scope="app")
    every = core.quotas()
    figures = {quota.account_key: _figures(core, quota) for quota in every}
    matching = _matching(every, figures)
    _cards(every)
    _batches(core)
    return View(every, matching, _chosen(matching), figures)


def accounts(core: Mailcore, view: View) -> None:
    """Draw one page of the table, or say why there is none."""
    if not view.every:
        st.info("Ainda não há servidores registrados.", icon=":material/mail:")
        st.page_link("pages/cadastro.py", label="Registrar um servidor", icon=":material/add:")
        return
    if not view.matching:
        nothing_found(_FILTERS, "Nenhuma conta combina com os filtros.")
        return
    shown = view.matching[(view.page - 1) * PAGE_SIZE : view.page * PAGE_SIZE]
    figures = {quota.account_key: view.figures[quota.account_key] for quota in shown}
    now, zone = datetime.now(UTC), core.settings.zone
    table(
        "quotas",
        "Cotas",
        columns(figures),
        [(quota.servers[0].id, cells(quota, figures, zone, now)) for quota in shown],
        first=1 + PAGE_SIZE * (view.page - 1),
        total=len(view.matching),
        selection=QUOTA_SELECTED,
        order=(QUOTA_SORT.get().removeprefix("-"), QUOTA_SORT.get().startswith("-")),
        on_sort=_sort,
        has_detail=view.chosen is not None,
    )


def below_the_table(core: Mailcore, view: View) -> None:
    """How many there are, the pages, the files; and the address that reopens all of it."""
    matching = view.matching
    if matching:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(counted(len(matching), "conta", "contas"))
            pager(_FILTERS, shown=view.page, matching=len(matching), size=PAGE_SIZE)
            quotas = list(matching)
            download_buttons("cotas", "", csv=partial(to_csv, core, quotas), excel=partial(to_excel, core, quotas))
        st.caption(
            f"Atualizado às {datetime.now(core.settings.zone):%H:%M:%S}. “Usado” é o que saiu por este programa, mais "
            "o consumo externo registrado; o que sai por fora sem registro não aparece."
        )
    chosen = str(view.chosen.servers[0].id) if view.chosen else ""
    _FILTERS.remember(servidor=chosen, ordem=QUOTA_SORT.get(), **PERIOD.asked())


def _matching(every: list[Quota], figures: dict[str, ServiceFigures | None]) -> list[Quota]:
    wanted, terms = _STATE.chosen(), fold(QUOTA_SEARCH.get() or "").split()
    found = [quota for quota in every if wanted in (None, quota.state)]
    if terms:
        found = [quota for quota in found if all(term in text_of(quota) for term in terms)]
    found = sorted_by(found, QUOTA_SORT.get(), figures)
    # As it was: rows that move while one reads are rows one loses.
    view = (QUOTA_SEARCH.get(), QUOTA_STATE.get(), QUOTA_SORT.get())
    kept_view, places = QUOTA_PLACES.get()
    if kept_view == view:
        found.sort(key=lambda quota: places.get(quota.account_key, len(places)))
    QUOTA_PLACES.set((view, {quota.account_key: place for place, quota in enumerate(found)}))
    return found


def _sort(column: str) -> None:
    QUOTA_SORT.set(turned(QUOTA_SORT.get(), column))
    _FILTERS.to_first_page()


def _cards(every: list[Quota]) -> None:
    states = [quota.state for quota in every]
    limited = [quota for quota in every if quota.remaining is not None and quota.hold is None]
    with st.container(horizontal=True):
        st.metric("Usado", number(sum(quota.used for quota in every)), border=True, width=200)
        left = number(sum(quota.remaining or 0 for quota in limited)) if limited else "—"
        st.metric("Resta", left, border=True, width=200, help="Soma das contas com limite, sem as bloqueadas.")
        near = states.count(QuotaState.NEAR) + states.count(QuotaState.FULL)
        st.metric("Perto do limite", number(near), border=True, width=200, help="De 80 % em diante, e sem cota.")
        st.metric("Bloqueadas", number(states.count(QuotaState.BLOCKED)), border=True, width=200)


def _batches(core: Mailcore) -> None:
    """Say what batches under way will still use."""
    planned = core.batches.planned()
    if not planned:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        units = counted(sum(planned.values()), "mensagem ainda vai sair", "mensagens ainda vão sair")
        st.markdown(f"Lotes em andamento: **{units}**, por {counted(len(planned), 'conta', 'contas')}.")
        st.page_link("pages/envio_em_lote.py", label="Ver os lotes", icon=":material/stacked_email:")


def _chosen(matching: list[Quota]) -> Quota | None:
    """The account of the selected record; the address may name any of its records, the table knows the first."""
    wanted = QUOTA_SELECTED.get().only
    for quota in matching:
        if any(server.id == wanted for server in quota.servers):
            if quota.servers[0].id != wanted:
                select(QUOTA_SELECTED, quota.servers[0].id)
                note_what_is_named()
            return quota
    return None


def _figures(core: Mailcore, quota: Quota) -> ServiceFigures | None:
    server = quota.servers[0]
    return core.figures.latest(server) if has_figures(server) else None
