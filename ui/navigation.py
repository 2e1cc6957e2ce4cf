"""The pages of the app, and the way in through ``screen.py``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.rights import Right
from ui.person import enter, may, say_not_allowed, signed_in

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

_ENTERED = "entered_through_app"


def navigation() -> StreamlitPage:
    """Draw the menu and return the page to run."""
    return st.navigation(list(_pages().values()), position="top")


def _pages() -> dict[str, StreamlitPage]:
    """The pages by the name of their file.

    They have no icons: Streamlit would have the browser fetch the current one's from Google as favicon. What a role
    may not see is not in the menu, but a link to it says so.
    """
    st.session_state[_ENTERED] = True
    is_signed_in = signed_in() is not None
    pages = {
        "servidores": st.Page("pages/servidores.py", title="Servidores de e-mail", default=True),
        "cadastro": _page("cadastro", "Cadastro", Right.OPERATE),
        "enviar_teste": _page("enviar_teste", "Enviar teste", Right.OPERATE),
        "cotas": _page("cotas", "Cotas"),
        "envios": _page("envios", "Envios"),
        "explicar_um_erro": _page("explicar_um_erro", "Explicar um erro"),
        "alteracoes": _page("alteracoes", "Alterações"),
        "importar": _page("importar", "Importar e exportar"),
        "usuarios": _page("usuarios", "Usuários", Right.ADMINISTER) if is_signed_in else None,
        "ajuda": _page("ajuda", "Ajuda"),
    }
    return {name: page for name, page in pages.items() if page is not None}


def _page(name: str, title: str, right: Right = Right.SEE) -> StreamlitPage:
    if may(right):
        return st.Page(f"pages/{name}.py", title=title, url_path=name)
    return st.Page(partial(say_not_allowed, title, right), title=title, url_path=name, visibility="hidden")


def enter_through_app(page: str) -> None:
    """Go round through ``screen.py`` where Streamlit went past it.

    Until ``st.navigation`` has been called once in a process, Streamlit takes the folder ``pages/`` for an
    app of its older kind: the first link into a page after a start would run that file alone.
    """
    if not st.session_state.get(_ENTERED):
        enter()
        pages = _pages()
        st.navigation(list(pages.values()), position="top")
        st.switch_page(pages[page], query_params=st.query_params.to_dict())
