"""The pages of the app, and the way in through ``app.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.session import ENTERED

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage


def navigation() -> StreamlitPage:
    """Draw the menu and return the page to run.

    The pages have no icons: Streamlit would have the browser fetch the current one's from Google as favicon.
    """
    ENTERED.set(True)
    return st.navigation(
        [
            st.Page("pages/servidores.py", title="Servidores de e-mail", default=True),
            st.Page("pages/cadastro.py", title="Cadastro", url_path="cadastro"),
            st.Page("pages/enviar_teste.py", title="Enviar teste", url_path="enviar_teste"),
            st.Page("pages/cotas.py", title="Cotas", url_path="cotas"),
            st.Page("pages/envios.py", title="Envios", url_path="envios"),
            st.Page("pages/explicar_um_erro.py", title="Explicar um erro", url_path="explicar_um_erro"),
            st.Page("pages/alteracoes.py", title="Alterações", url_path="alteracoes"),
            st.Page("pages/importar.py", title="Importar e exportar", url_path="importar"),
            st.Page("pages/ajuda.py", title="Ajuda", url_path="ajuda"),
        ],
        position="top",
    )


def enter_through_app(page: str) -> None:
    """Go round through ``app.py`` where Streamlit went past it.

    Until ``st.navigation`` has been called once in a process, Streamlit takes the folder ``pages/`` for an
    app of its older kind: the first link into a page after a start would run that file alone.
    """
    if not ENTERED.get():
        navigation()
        st.switch_page(f"pages/{page}.py", query_params=st.query_params.to_dict())
