"""The help: every field and button, app passwords, published limits, the keys."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("ajuda")
st.title("Ajuda")

from ui.ajuda import diagnoses_table, limits_table, show_topics, topics_to_show
from ui.shortcuts import shortcuts

wanted = st.query_params.get("campo", "")
query = st.text_input(
    "Buscar na ajuda", type="search", live="200ms", key="help_search", placeholder="porta, senha de app…"
)
with st.container(key="help_topics"):
    show_topics(topics_to_show(query), opened=wanted)

st.header("Limites por provedor")
st.caption(
    "O que cada provedor publica, com a fonte e a data em que foi lida. Os limites mudam sem "
    "aviso e com a reputação da conta: na dúvida, use menos."
)
limits_table(query)

st.header("O que cada erro quer dizer")
diagnoses_table(query)
shortcuts({}, help_page=None)
