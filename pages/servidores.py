"""The list of servers: find one, then change, delete, test it or send a test through it."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("servidores")
st.title("Servidores de e-mail")  # painted while the rest is being loaded

from mailcore.rights import Right
from ui.context import faults, mailcore, notices
from ui.person import may
from ui.quota_warnings import show_near_the_limit
from ui.servidores.actions import ask_to_delete, delete_dialog, test_connection
from ui.servidores.listing import leave_if_asked, query, selected_server, server_table
from ui.servidores.portfolio import show_attention, test_all
from ui.session import DUPLICATE, EDIT, NEW, SEND
from ui.shortcuts import shortcuts

# Leaving comes before drawing: a press is known before its button is on the page again.
leave_if_asked()
core = mailcore()
notices()

toolbar, outcome = st.container(horizontal=True), st.container()
page = None if core.servers.is_empty() else core.servers.search(query())
server = selected_server(core, page)
wants_check = wants_all = False
if may(Right.OPERATE):
    with toolbar:
        st.button("Novo", key=NEW.name, type="primary", help="F5")
        st.button("Alterar", key=EDIT.name, disabled=server is None)
        st.button("Apagar", key="delete", disabled=server is None, on_click=ask_to_delete, args=(server,))
        wants_check = st.button("Testar conexão", key="check", disabled=server is None)
        st.button("Enviar teste", key=SEND.name, disabled=server is None)
        st.button("Duplicar", key=DUPLICATE.name, disabled=server is None)
        wants_all = st.button("Testar todos", key="check_all", disabled=page is None)

if page is None:
    st.info(
        "Ainda não há servidores aqui. Um servidor de e-mail é por onde as mensagens saem: uma conta SMTP "
        "(Gmail, Yahoo, UOL, a hospedagem do cliente…) ou uma conta da Elastic Email. Clique em **Novo** para "
        "registrar o primeiro; você vai precisar do endereço do servidor, do usuário e da senha.",
        icon=":material/mail:",
    )
else:
    show_near_the_limit(core)
    server_table(core, page, server)
    show_attention(core)

with outcome, faults():
    test_connection(core, server, start=wants_check)
    test_all(core, start=wants_all)
with faults():
    delete_dialog(core)
shortcuts({"F5": NEW.name})
