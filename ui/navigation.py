"""The pages of the app, and the way in through ``screen.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from mailcore.rights import Right
from ui.person import asks_for_login, enter, may, say_not_allowed
from ui.session import ENTERED, LEAVING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamlit.navigation.page import StreamlitPage


_NEEDS = {
    "cadastro": Right.OPERATE,
    "enviar_teste": Right.OPERATE,
    "usuarios": Right.ADMINISTER,
    "aplicativos_oauth": Right.ADMINISTER,
}
"""The right a page needs, by its address; any other may be seen by everybody who is in."""


def navigation() -> StreamlitPage:
    """Draw the menu and return the page to run.

    The pages have no icons: Streamlit would have the browser fetch the current one's from Google as favicon.
    """
    ENTERED.set(True)
    pages = [
        st.Page("pages/servidores.py", title="Servidores de e-mail", default=True),
        _page("cadastro", "Cadastro"),
        _page("enviar_teste", "Enviar teste"),
        _page("envio_em_lote", "Envio em lote"),
        _page("cotas", "Cotas"),
        _page("envios", "Envios"),
        _page("explicar_um_erro", "Explicar um erro"),
        _page("supressoes", "Supressões"),
        _page("alteracoes", "Alterações"),
        _page("importar", "Importar e exportar"),
        _page("aplicativos_oauth", "Aplicativos OAuth"),
        _page("ajuda", "Ajuda"),
    ]
    if asks_for_login():
        pages.insert(-1, _page("usuarios", "Usuários"))
    return st.navigation(pages, position="top")


def _page(name: str, title: str) -> StreamlitPage:
    """A page; what a role may not use is not in the menu, but a link to it leads there and is told so."""
    shown: Literal["visible", "hidden"] = "visible" if may(_NEEDS.get(name, Right.SEE)) else "hidden"
    return st.Page(f"pages/{name}.py", title=title, url_path=name, visibility=shown)


def go(page: str, query: Mapping[str, str] | None = None) -> None:
    """Leave for a page, in the callback of a press: the page that is left is not run once more.

    Where Streamlit does not know the pages before they are run, as in its AppTest, it is left in the run.
    """
    try:
        st.switch_page(page, query_params=dict(query or {}))
    except StreamlitPageNotFoundError:
        LEAVING.set((page, dict(query or {})))


def run(page: StreamlitPage) -> None:
    """Run a page, or say in its place that the role of who is here does not allow it."""
    right = _NEEDS.get(page.url_path, Right.SEE)
    if may(right):
        page.run()
    else:
        say_not_allowed(page.title, right)


def enter_through_app(page: str) -> None:
    """Go round through ``screen.py`` where Streamlit went past it.

    Until ``st.navigation`` has been called once in a process, Streamlit takes the folder ``pages/`` for an
    app of its older kind: the first link into a page after a start would run that file alone.
    """
    if not ENTERED.get():
        enter()
        navigation()
        st.switch_page(f"pages/{page}.py", query_params=st.query_params.to_dict())
    if (leaving := LEAVING.take()) is not None:
        st.switch_page(leaving[0], query_params=leaving[1])
