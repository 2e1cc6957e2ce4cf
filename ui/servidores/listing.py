"""The list of servers: its filters (in the URL), its page, and which record is selected."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import streamlit as st

from mailcore.errors import NotFoundError, RecordGoneError
from mailcore.registry.search import PAGE_SIZE, ServerQuery
from mailcore.vocabulary import CheckState, Kind
from ui import words
from ui.context import current_actor
from ui.formats import number, plain
from ui.jobs import watch
from ui.outcome import show_check
from ui.servidores.table import WIDTHS, servers_table

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.health.probing import Suggestion
    from mailcore.registry.servers import ServerPage
    from mailcore.storage.tables import MailServer

_ALL, _ALL_FEMININE = "Todos", "Todas"
_KINDS = {_ALL: None, **{word: kind for kind, word in words.KIND.items()}}
_SITUATIONS = {_ALL: None, "Ativos": True, "Inativos": False}
_ACCOUNTS = {_ALL_FEMININE: None, **{word: paid for paid, word in words.PAID.items()}}
_CHECKS = {_ALL: None, **{word: state for state, word in words.CHECK_STATE.items()}}
_OPTIONS: dict[str, dict[str, Any]] = {
    "tipo": _KINDS,
    "situacao": _SITUATIONS,
    "conta": _ACCOUNTS,
    "teste": _CHECKS,
}
"""Query parameter → what can be chosen; the first of each means all and is left out of the URL."""


def filters() -> ServerQuery:
    """Draw the filters, as the query string has them at first, and return what they ask for."""
    _begin_with_url()
    with st.container(horizontal=True):  # wraps on a narrow screen
        st.text_input(
            "Buscar",
            key="busca",
            type="search",
            live="100ms",
            placeholder="descrição, servidor, usuário, remetente…",
            on_change=_to_first_page,
            width=420,
        )
        kind: Kind | None = _KINDS[_filter("Tipo", "tipo", _KINDS)]
        is_active = _SITUATIONS[_filter("Situação", "situacao", _SITUATIONS)]
        is_paid = _ACCOUNTS[_filter("Conta", "conta", _ACCOUNTS)]
        last_check: CheckState | None = _CHECKS[_filter("Último teste", "teste", _CHECKS)]
    return ServerQuery(
        text=st.session_state["busca"] or "",
        kind=kind,
        is_active=is_active,
        is_paid=is_paid,
        last_check=last_check,
        page=st.session_state["pagina"],
    )


def _begin_with_url() -> None:
    """Give the filters, where they are not on screen yet, the values of the URL that led here.

    Streamlit's own binding of widgets to the URL is not used: it forbids leaving the page by a button.
    """
    asked = st.query_params
    st.session_state.setdefault("busca", asked.get("busca", "")[:200])
    for key, options in _OPTIONS.items():
        if key not in st.session_state:
            st.session_state[key] = asked[key] if asked.get(key) in options else next(iter(options))
    page = asked.get("pagina", "1")
    st.session_state.setdefault("pagina", int(page) if page.isdecimal() and 0 < len(page) < 7 else 1)


def _filter(label: str, key: str, options: dict[str, Any]) -> str:
    chosen: str = st.selectbox(label, list(options), key=key, on_change=_to_first_page, filter_mode=None, width=170)
    return chosen


def _to_first_page() -> None:
    st.session_state["pagina"] = 1


def _remember_view() -> None:
    """Write the view into the query string: a link reopens it, and the form comes back to it."""
    view = {"busca": st.session_state["busca"] or ""}
    for key, options in _OPTIONS.items():
        chosen = st.session_state[key]
        view[key] = "" if chosen == next(iter(options)) else chosen
    view["pagina"] = "" if st.session_state["pagina"] == 1 else str(st.session_state["pagina"])
    view = {key: value for key, value in view.items() if value}
    st.session_state["list_query"] = view
    if st.query_params.to_dict() != view:
        st.query_params.from_dict(view)


def table(core: Mailcore, page: ServerPage, selected: MailServer | None) -> None:
    """Draw one page of rows; a tick in the first column selects a record, which is kept by its id."""
    ids = [server.id for server in page.servers]
    # A selection is a position: with other rows it is another widget, so that it never moves to another record.
    key = f"rows_{hash(tuple(ids)) & 0xFFFFFFFF:x}"
    # Only what a person ticked is ticked: on a record selected for them, a click must tick and not untick.
    ticked = st.session_state.get("ticked_id")
    st.dataframe(
        servers_table(page.servers, _used(core, page)),
        key=key,
        hide_index=True,
        on_select=lambda: _select(key, ids),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(ticked)] if ticked in ids else []}},
        height="content" if len(ids) <= 12 else 460,
        column_config={
            **{name: st.column_config.Column(width=width) for name, width in WIDTHS.items()},
            "Cota hoje": st.column_config.ProgressColumn(
                "Cota hoje", min_value=0.0, max_value=100.0, format="%.0f %%", width=WIDTHS["Cota hoje"]
            ),
        },
        alt="Servidores de e-mail",
    )
    pages = max(1, ceil(page.matching / PAGE_SIZE))
    st.session_state["pagina"] = page.number
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{number(page.matching)} de {number(page.total)} servidores")
        if selected is not None:
            st.caption(f"Selecionado: **{plain(selected.name)}**")
        if pages > 1:
            st.pagination(pages, key="pagina")
    _remember_view()


def _used(core: Mailcore, page: ServerPage) -> dict[str, float]:
    """How much of its quota each account on this page has used, in percent."""
    keys = sorted({server.account_key for server in page.servers})
    found = core.quotas(account_keys=keys) if keys else []
    return {one.account_key: 100 * min(one.share, 1.0) for one in found if one.limit is not None}


def _select(key: str, ids: list[int]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    st.session_state["ticked_id"] = ids[rows[0]] if rows and rows[0] < len(ids) else None
    st.session_state["selected_id"] = st.session_state["ticked_id"]
    st.session_state.pop("list_check", None)


def leave_if_asked() -> None:
    """Go where "Novo", "Alterar", "Duplicar" or "Enviar teste" leads."""
    selected = st.session_state.get("selected_id")
    if chosen := st.session_state.get("chosen_suggestion"):
        st.switch_page("pages/cadastro.py", query_params={"id": str(chosen[0])})
    if st.session_state.get("new"):
        st.switch_page("pages/cadastro.py")
    if st.session_state.get("edit") and selected is not None:
        st.switch_page("pages/cadastro.py", query_params={"id": str(selected)})
    if st.session_state.get("duplicate") and selected is not None:
        st.switch_page("pages/cadastro.py", query_params={"copia": str(selected)})
    if st.session_state.get("send") and selected is not None:
        st.switch_page("pages/enviar_teste.py", query_params={"servidor": str(selected)})


def selected_server(core: Mailcore, page: ServerPage | None) -> MailServer | None:
    """Return the selected record as it is now, or None where nothing is selected (any more).

    A search that leaves a single record selects it (there is nothing else the buttons could mean), and so
    does a save. The line under the table names it, for it need not be on the page in view.
    """
    only = page.servers[0].id if page and page.matching == 1 < page.total else None
    if only is not None and st.session_state.get("only_id") != only:
        st.session_state["selected_id"] = only
    st.session_state["only_id"] = only
    selected = st.session_state.get("selected_id")
    if selected is None:
        return None
    try:
        return core.servers.get(selected)
    except NotFoundError:
        st.session_state["selected_id"] = None
        return None


def test_connection(core: Mailcore, server: MailServer | None, *, start: bool) -> None:
    """ "Testar conexão" of the selected record: the steps as they happen, then the outcome."""
    if start and server is not None:
        actor = current_actor()
        result, _ = watch(
            uuid4().hex,
            f"Testando “{plain(server.name)}”",
            lambda on_step: core.check(server, on_step, actor=actor),
        )
        st.session_state["list_check"] = (server.id, result)
        st.rerun()  # the table above shows the state from before the test
    shown = st.session_state.get("list_check")
    if shown and server is not None and shown[0] == server.id:
        st.caption(f"Teste de {plain(server.name)}")
        show_check(shown[1], server.id, lambda suggestion: _choose(server.id, suggestion))


def _choose(server_id: int, suggestion: Suggestion) -> None:
    """Take a suggestion along to the form: it is saved there, by the person."""
    st.session_state["chosen_suggestion"] = (server_id, suggestion)


def ask_to_delete(server: MailServer | None) -> None:
    """ "Apagar": remember which record the dialog is about."""
    if server is not None:
        st.session_state["deleting"] = server.id


def delete_dialog(core: Mailcore) -> None:
    """Open the dialog while there is a record to ask about."""
    server_id = st.session_state.get("deleting")
    if server_id is None:
        return
    try:
        server = core.servers.get(server_id)
    except NotFoundError:
        del st.session_state["deleting"]
        return
    _dialog(core, server)


def _dialog(core: Mailcore, server: MailServer) -> None:
    @st.dialog("Apagar servidor", on_dismiss=_close_dialog)
    def body() -> None:
        st.markdown(f"Apagar **{plain(server.name)}**?")
        st.markdown("- Vão embora: o cadastro e a senha guardada.\n- Fica: o histórico dos envios feitos por ele.")
        if server.is_default:
            heir = core.servers.heir(server)
            st.warning(
                f"Este é o servidor padrão. O padrão passa a ser **{plain(heir.name)}**."
                if heir
                else "Este é o servidor padrão. Depois disso, nenhum servidor será o padrão.",
                icon=":material/star:",
            )
        with st.container(horizontal=True):
            cancelled = st.button("Cancelar", key="delete_cancel")
            confirmed = st.button("OK", key="delete_ok", type="primary")
        if cancelled:
            _close_dialog()
            st.rerun()
        if confirmed:
            _delete(core, server)
            st.rerun()

    body()


def _delete(core: Mailcore, server: MailServer) -> None:
    try:
        deleted = core.servers.delete(server.id, actor=current_actor())
    except RecordGoneError as error:
        st.session_state["notices"] = [str(error)]
    else:
        sentence = f"“{server.name}” foi apagado."
        if deleted.new_default:
            sentence += f" O servidor padrão agora é “{deleted.new_default.name}”."
        st.session_state["notices"] = [sentence]
    st.session_state["selected_id"] = st.session_state["ticked_id"] = None
    _close_dialog()


def _close_dialog() -> None:
    st.session_state.pop("deleting", None)
