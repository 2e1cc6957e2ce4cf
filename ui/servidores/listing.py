"""The list of servers: its filters, its order, its page, and which records are selected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.errors import NotFoundError
from mailcore.registry.order import QUOTA, SORTABLE, Order
from mailcore.registry.search import PAGE_SIZE, ServerQuery
from mailcore.rights import Right
from ui import words
from ui.formats import number, plain
from ui.listview.filters import Choice, Filters, Search
from ui.listview.table import counted, nothing_found, pager, table
from ui.person import may
from ui.servidores.actions import open_form
from ui.servidores.columns import OTHERS, TABLE, cells, columns
from ui.session import (
    LIST_ACCOUNT,
    LIST_CHECK,
    LIST_COLUMNS,
    LIST_KIND,
    LIST_ORDER,
    LIST_PAGE,
    LIST_QUERY,
    LIST_SEARCH,
    LIST_SITUATION,
    ONLY,
    SAVED,
    SELECTED,
    select,
)

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.quota.rules import Quota
    from mailcore.registry.servers import ServerPage
    from mailcore.storage.tables import MailServer

_SHARES_SECONDS = 15
_ALL, _ALL_FEMININE = "Todos", "Todas"
_KINDS = {_ALL: None, **{word: kind for kind, word in words.KIND.items()}}
_SITUATIONS = {_ALL: None, "Ativos": True, "Inativos": False}
_ACCOUNTS = {_ALL_FEMININE: None, **{word: paid for paid, word in words.PAID.items()}}
_CHECKS = {_ALL: None, **{word: state for state, word in words.CHECK_STATE.items()}}

_KIND = Choice("Tipo", "tipo", LIST_KIND, _KINDS, _ALL)
_SITUATION = Choice("Situação", "situacao", LIST_SITUATION, _SITUATIONS, _ALL)
_ACCOUNT = Choice("Conta", "conta", LIST_ACCOUNT, _ACCOUNTS, _ALL_FEMININE)
_CHECK = Choice("Último teste", "teste", LIST_CHECK, _CHECKS, _ALL)
FILTERS = Filters(
    Search("Buscar", "busca", LIST_SEARCH, placeholder="descrição, servidor, usuário, remetente…", live="100ms"),
    _KIND,
    _SITUATION,
    _ACCOUNT,
    _CHECK,
    page=LIST_PAGE,
)


def filters(core: Mailcore) -> ServerQuery:
    """Draw the filters; return what they ask for, turned to the page where a record just saved stands."""
    anew = FILTERS.are_led_elsewhere()
    if anew or not LIST_SEARCH.is_set():  # whoever comes to the page begins with what its address says
        asked = st.query_params.get("ordem", "")
        LIST_ORDER.set(asked if asked.removeprefix("-") in SORTABLE else "")
    with FILTERS.draw():
        _choose_columns(anew=anew)
    query = ServerQuery(
        text=LIST_SEARCH.get() or "",
        kind=_KIND.chosen(),
        is_active=_SITUATION.chosen(),
        is_paid=_ACCOUNT.chosen(),
        last_check=_CHECK.chosen(),
        order=_order(),
        page=LIST_PAGE.get(),
    )
    return _turned_to_saved(core, query)


def _choose_columns(*, anew: bool) -> None:
    """ "Colunas": which fields the table shows besides the usual ones."""
    asked = st.query_params.get("colunas", "").split(",")
    if anew or not LIST_COLUMNS.is_set():
        LIST_COLUMNS.set([name for name in OTHERS if name in asked])
    with st.popover("Colunas", icon=":material/view_column:"):
        st.pills(
            "Mostrar também",
            list(OTHERS),
            format_func=lambda name: OTHERS[name].heading,
            selection_mode="multi",
            key=LIST_COLUMNS.name,
        )


def _order() -> Order:
    asked = LIST_ORDER.get()
    return Order(asked.removeprefix("-") or "name", is_descending=asked.startswith("-"))


def _sort(column: str) -> None:
    """A heading was pressed: sort by it, or the other way round."""
    order = _order()
    is_descending = order.by == column and not order.is_descending
    LIST_ORDER.set(f"-{column}" if is_descending else "" if column == "name" else column)
    FILTERS.to_first_page()


def _turned_to_saved(core: Mailcore, query: ServerQuery) -> ServerQuery:
    saved = SAVED.take()
    if saved is None:
        return query
    try:
        server = core.servers.get(saved)
    except NotFoundError:
        return query
    page = core.servers.page_of(query, server)
    if page is None:
        st.toast(f"“{plain(server.name)}” não aparece com estes filtros.", icon=":material/filter_alt:")
        return query
    LIST_PAGE.set(page)
    return replace(query, page=page)


def server_page(core: Mailcore, query: ServerQuery) -> ServerPage:
    """Return the page of the list that is asked for."""
    shares = _shares(core) if query.order.by == QUOTA else None
    return core.servers.search(query, shares=shares)


@st.cache_data(ttl=_SHARES_SECONDS, show_spinner=False)
def _shares(_core: Mailcore) -> dict[str, float]:
    return _core.used_shares()


def selected_servers(core: Mailcore, query: ServerQuery, page: ServerPage) -> list[MailServer]:
    """Return the selected records as they are now; what the filters have taken out of the list is not selected.

    A search that leaves a single record selects it: there is nothing else the buttons could mean.
    """
    only = page.servers[0].id if page.matching == 1 < page.total else None
    if only is not None and ONLY.get() != only:
        select(SELECTED, only)
    ONLY.set(only)
    ids = SELECTED.get().ids
    found = core.servers.that_match(query, ids) if ids else []
    if len(found) < len(ids):
        left = {server.id for server in found}
        select(SELECTED, *(server_id for server_id in ids if server_id in left))
    return found


def server_table(core: Mailcore, page: ServerPage, selected: list[MailServer], *, opens: bool) -> None:
    """Draw one page of rows (they open where ``opens``), how many match, what is selected, and the pages."""
    if not page.matching:
        nothing_found(FILTERS, "Nenhum servidor combina com a busca e os filtros.")
    else:
        quotas = _quotas(core, page)
        others = [name for name in OTHERS if name in LIST_COLUMNS.get()]
        order = _order()
        table(
            TABLE,
            "Servidores de e-mail",
            columns(others),
            [(server.id, cells(server, quotas, others)) for server in page.servers],
            first=1 + PAGE_SIZE * (page.number - 1),
            total=page.matching,
            selection=SELECTED,
            several=True,
            on_open=open_form if opens else None,
            order=(order.by, order.is_descending),
            on_sort=_sort,
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{number(page.matching)} de {counted(page.total, 'servidor', 'servidores')}")
        if len(selected) == 1:
            st.caption(f"Selecionado: **{plain(selected[0].name)}**")
        elif selected:
            st.caption(f"**{counted(len(selected), 'selecionado', 'selecionados')}**")
        pager(FILTERS, shown=page.number, matching=page.matching, size=PAGE_SIZE)
    LIST_QUERY.set(FILTERS.remember(ordem=LIST_ORDER.get(), colunas=",".join(LIST_COLUMNS.get())))


def _quotas(core: Mailcore, page: ServerPage) -> dict[str, Quota]:
    """How the account of each record on this page stands, by its key."""
    keys = sorted({server.account_key for server in page.servers})
    return {quota.account_key: quota for quota in core.quotas(account_keys=keys, one_record=True)} if keys else {}


def explain_empty_list() -> None:
    """Say what a server is and how the first one gets here; what is done with one stands below."""
    st.info(
        "Ainda não há servidores aqui. Um servidor de e-mail é por onde as mensagens saem: uma conta SMTP "
        "(Gmail, Yahoo, UOL, a hospedagem do cliente…) ou uma conta da Elastic Email. "
        + (
            "Clique em **Novo** para registrar o primeiro; você vai precisar do endereço do servidor, do usuário e "
            "da senha."
            if may(Right.OPERATE)
            else "Quem tem o papel de Suporte ou de Administrador registra o primeiro."
        ),
        icon=":material/mail:",
    )
    if may(Right.DELETE_OR_BULK):
        st.page_link("pages/importar.py", label="Já tem uma lista? Importe um arquivo", icon=":material/upload_file:")
    if may(Right.OPERATE):
        st.caption("Depois, com um servidor selecionado na lista:")
