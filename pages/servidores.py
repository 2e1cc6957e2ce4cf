"""The list of servers: find one, then change, delete, test it or send a test through it."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("servidores")
st.title("Servidores de e-mail")  # painted while the rest is being loaded

from ui.context import faults, mailcore, notices
from ui.server_list import (
    ask_to_delete,
    delete_dialog,
    filters,
    selected_server,
    table,
    test_connection,
)
from ui.shortcuts import shortcuts

core = mailcore()
notices()

toolbar = st.container(horizontal=True)
outcome = st.container()
server = selected_server(core)
with toolbar:
    wants_new = st.button("Novo", key="new", type="primary", help="F5")
    wants_edit = st.button("Alterar", key="edit", disabled=server is None)
    st.button("Apagar", key="delete", disabled=server is None, on_click=ask_to_delete, args=(server,))
    wants_check = st.button("Testar conexão", key="check", disabled=server is None)
    wants_send = st.button("Enviar teste", key="send", disabled=server is None)

if wants_new:
    st.switch_page("pages/cadastro.py")
if wants_edit and server:
    st.switch_page("pages/cadastro.py", query_params={"id": str(server.id)})
if wants_send and server:
    st.switch_page("pages/enviar_teste.py", query_params={"servidor": str(server.id)})

if core.servers.is_empty():
    st.info(
        "Ainda não há servidores aqui. Um servidor de e-mail é por onde as mensagens saem: uma conta SMTP "
        "(Gmail, Outlook, UOL, a hospedagem do cliente…) ou uma conta da Elastic Email. Clique em **Novo** para "
        "registrar o primeiro; você vai precisar do endereço do servidor, do usuário e da senha.",
        icon=":material/mail:",
    )
else:
    table(core.servers.search(filters()))

with outcome, faults():
    test_connection(core, server, start=wants_check)
with faults():
    delete_dialog(core)
shortcuts({"F5": "new"})
