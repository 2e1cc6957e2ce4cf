"""Servidores de e-mail: page config and navigation."""

import streamlit as st

from ui.chrome import chrome
from ui.context import page_faults

st.set_page_config(page_icon=":material/outgoing_mail:", layout="wide")
page = st.navigation(
    [
        st.Page("pages/servidores.py", title="Servidores de e-mail", icon=":material/dns:", default=True),
        st.Page("pages/cadastro.py", title="Cadastro", icon=":material/edit_note:", url_path="cadastro"),
        st.Page("pages/enviar_teste.py", title="Enviar teste", icon=":material/send:", url_path="enviar_teste"),
        st.Page("pages/ajuda.py", title="Ajuda", icon=":material/help:", url_path="ajuda"),
    ],
    position="top",
)
chrome()
with page_faults():
    page.run()
