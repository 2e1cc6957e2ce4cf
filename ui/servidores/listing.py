"""The list of servers: its filters, its page, and which records are selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mailcore.errors import NotFoundError
from mailcore.registry.search import PAGE_SIZE, ServerQuery
from ui import words
from ui.formats import number, plain
from ui.listview.filters import Choice, Filters, Search
from ui.listview.table import nothing_found, pager, table
from ui.servidores.columns import OTHERS, cells, columns
from ui.session import (
    CHOSEN_SUGGESTION,
    DUPLICATE,
    EDIT,
    LIST_ACCOUNT,
    LIST_CHECK,
    LIST_COLUMNS,
    LIST_KIND,
    LIST_PAGE,
    LIST_QUERY,
    LIST_SEARCH,
    LIST_SITUATION,
    NEW,
    ONLY,
    OPENED,
    SELECTED,
    SEND,
    select,
)

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.quota.rules import Quota
    from mailcore.registry.servers import ServerPage
    from mailcore.storage.tables import MailServer

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


def query() -> ServerQuery:
    """Draw the filters and return what they ask for."""
    with FILTERS.draw():
        _choose_columns()
    return ServerQuery(
        text=LIST_SEARCH.get() or "",
        kind=_KIND.chosen(),
        is_active=_SITUATION.chosen(),
        is_paid=_ACCOUNT.chosen(),
        last_check=_CHECK.chosen(),
        page=LIST_PAGE.get(),
    )


def _choose_columns() -> None:
    """ "Colunas": which fields the table shows besides the usual ones."""
    asked = st.query_params.get("colunas", "").split(",")
    LIST_COLUMNS.start([name for name in OTHERS if name in asked])
    with st.popover("Colunas", icon=":material/view_column:"):
        st.pills(
            "Mostrar também",
            list(OTHERS),
            format_func=lambda name: OTHERS[name].heading,
            selection_mode="multi",
            key=LIST_COLUMNS.name,
        )


def server_table(core: Mailcore, page: ServerPage, selected: MailServer | None) -> None:
    """Draw one page of rows, how many match, and the choice of the page."""
    if not page.matching:
        nothing_found(FILTERS, "Nenhum servidor combina com a busca e os filtros.")
    else:
        quotas = _quotas(core, page)
        others = [name for name in OTHERS if name in LIST_COLUMNS.get()]
        table(
            "servers",
            "Servidores de e-mail",
            columns(others),
            [(server.id, cells(server, quotas, others)) for server in page.servers],
            first=1 + PAGE_SIZE * (page.number - 1),
            total=page.matching,
            selection=SELECTED,
            on_open=OPENED.set,
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{number(page.matching)} de {number(page.total)} servidores")
        if selected is not None:
            st.caption(f"Selecionado: **{plain(selected.name)}**")
        pager(FILTERS, shown=page.number, matching=page.matching, size=PAGE_SIZE)
    LIST_QUERY.set(FILTERS.remember(colunas=",".join(LIST_COLUMNS.get())))


def _quotas(core: Mailcore, page: ServerPage) -> dict[str, Quota]:
    """How the account of each record on this page stands, by its key."""
    keys = sorted({server.account_key for server in page.servers})
    return {quota.account_key: quota for quota in core.quotas(account_keys=keys)} if keys else {}


def leave_if_asked() -> None:
    """Go where an opened row, "Novo", "Alterar", "Duplicar" or "Enviar teste" leads."""
    selected = SELECTED.get().only
    opened = OPENED.take()
    if chosen := CHOSEN_SUGGESTION.get():
        opened = chosen[0]
    elif EDIT.get():
        opened = selected
    if opened is not None:
        st.switch_page("pages/cadastro.py", query_params={"id": str(opened)})
    if NEW.get():
        st.switch_page("pages/cadastro.py")
    if DUPLICATE.get() and selected is not None:
        st.switch_page("pages/cadastro.py", query_params={"copia": str(selected)})
    if SEND.get() and selected is not None:
        st.switch_page("pages/enviar_teste.py", query_params={"servidor": str(selected)})


def selected_server(core: Mailcore, page: ServerPage | None) -> MailServer | None:
    """Return the selected record as it is now, or None where nothing is selected (any more).

    A search that leaves a single record selects it: there is nothing else the buttons could mean.
    """
    only = page.servers[0].id if page and page.matching == 1 < page.total else None
    if only is not None and ONLY.get() != only:
        select(SELECTED, only)
    ONLY.set(only)
    selected = SELECTED.get().only
    if selected is None:
        return None
    try:
        return core.servers.get(selected)
    except NotFoundError:
        select(SELECTED)
        return None
