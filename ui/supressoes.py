"""The page "Supressões": who gets nothing from batches any more, why and since when; add, take out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mailcore.batches.suppressions import PAGE_SIZE
from mailcore.errors import ValidationError
from mailcore.rights import Right
from mailcore.vocabulary import SuppressionScope
from ui import words
from ui.context import note
from ui.formats import date_time, plain
from ui.listview.filters import Filters, Search
from ui.listview.table import Cell, Column, counted, nothing_found, pager, table
from ui.person import current_actor, may
from ui.session import (
    SUPPRESSION_NONCE,
    SUPPRESSION_PAGE,
    SUPPRESSION_SEARCH,
    SUPPRESSION_SELECTED,
    select,
)

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.batches.suppressions import SuppressionPage
    from mailcore.storage.tables import Suppression

_FILTERS = Filters(
    Search("Buscar", "busca", SUPPRESSION_SEARCH, placeholder="endereço ou parte dele"), page=SUPPRESSION_PAGE
)
_COLUMNS = (
    Column("address", "Endereço", 220, 2),
    Column("scope", "Não recebe", 160),
    Column("source", "Por quê", 260, 3),
    Column("since", "Desde", 152),
    Column("who", "Quem", 120, 1),
)


def suppressions(core: Mailcore) -> None:
    """Draw the list, its search, and the way out of it."""
    _FILTERS.draw()
    found = core.suppressions.search(text=SUPPRESSION_SEARCH.get() or "", page=SUPPRESSION_PAGE.get())
    if not found.matching:
        empty = (
            "Nenhum endereço aqui. Entram sozinhos os que o servidor diz que não existem e os de quem pede para sair."
        )
        nothing_found(_FILTERS, "Nenhum endereço combina com a busca." if _FILTERS.are_set() else empty)
        _FILTERS.remember()
        return
    table(
        "supressoes",
        "Supressões",
        _COLUMNS,
        [(each.id, _cells(core, each)) for each in found.suppressions],
        first=1 + PAGE_SIZE * (found.number - 1),
        total=found.matching,
        selection=SUPPRESSION_SELECTED,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        _take_out(core, found)
        st.caption(counted(found.matching, "endereço", "endereços"))
        pager(_FILTERS, shown=found.number, matching=found.matching, size=PAGE_SIZE)
    _FILTERS.remember()


def _cells(core: Mailcore, each: Suppression) -> list[str | Cell]:
    return [
        each.address,
        words.SUPPRESSION_SCOPE[each.scope],
        Cell(words.SUPPRESSION_SOURCE[each.source], below=each.reason),
        date_time(each.since, core.settings.zone),
        each.who,
    ]


def _take_out(core: Mailcore, found: SuppressionPage) -> None:
    if not may(Right.OPERATE):
        return
    chosen = SUPPRESSION_SELECTED.get().only
    row = next((each for each in found.suppressions if each.id == chosen), None)
    if st.button("Tirar da lista", key="supressao_tirar", disabled=row is None) and row is not None:
        address = core.suppressions.remove(row.address, actor=current_actor())
        select(SUPPRESSION_SELECTED)
        note(f"{address} volta a receber lotes.")
        st.rerun()


def add_form(core: Mailcore) -> None:
    """Draw the form that adds an address."""
    if not may(Right.OPERATE):
        return
    with st.expander("Adicionar", icon=":material/add_circle:", key="supressao_nova"):
        nonce = SUPPRESSION_NONCE.get()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            address = st.text_input(
                "Endereço", key=f"supressao_endereco_{nonce}", live="0ms", on_change="ignore", width=300
            )
            reason = st.text_input("Motivo", key=f"supressao_motivo_{nonce}", live="0ms", on_change="ignore", width=300)
            scopes = list(words.SUPPRESSION_SCOPE.values())
            scope = st.selectbox("Não recebe", scopes, key=f"supressao_escopo_{nonce}", filter_mode=None, width=190)
            pressed = st.button("Adicionar à lista", key=f"supressao_adicionar_{nonce}", type="primary")
        if not pressed:
            return
        chosen = next(each for each, name in words.SUPPRESSION_SCOPE.items() if name == scope)
        _add(core, address or "", reason or "", chosen)


def _add(core: Mailcore, address: str, reason: str, scope: SuppressionScope) -> None:
    try:
        added = core.suppressions.add(address, reason=reason, scope=scope, actor=current_actor())
    except ValidationError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    SUPPRESSION_NONCE.set(SUPPRESSION_NONCE.get() + 1)
    note(f"{added.address} não recebe mais lotes.")
    st.rerun()
