"""The list of servers: find one, then change, delete, test it or send a test through it."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("servidores")
st.title("Servidores de e-mail")  # painted while the rest is being loaded

from mailcore.rights import Right
from ui.context import faults, mailcore, notices
from ui.person import may
from ui.quota_warnings import show_near_the_limit
from ui.servidores.actions import change, duplicate, register, send_test, switch, test_connection
from ui.servidores.deleting import delete_dialog
from ui.servidores.listing import explain_empty_list, filters, selected_servers, server_page, server_table
from ui.servidores.portfolio import show_attention, test_all
from ui.shortcuts import shortcuts

core = mailcore()
notices()

toolbar, outcome = st.container(horizontal=True, key="toolbar"), st.container()
page, selected = None, []
if not core.servers.is_empty():
    query = filters(core)
    page = server_page(core, query)
    selected = selected_servers(core, query, page)
wants_check = wants_all = wants_delete = turns_on = turns_off = False
none, not_one = not selected, len(selected) != 1
if may(Right.OPERATE):
    with toolbar:
        st.button("Novo", key="new", type="primary", help="F5", on_click=register)
if page is None:
    explain_empty_list()
    toolbar = st.container(horizontal=True)  # out of the way until there is a server to act on
if may(Right.OPERATE):
    with toolbar:
        st.button("Alterar", key="edit", disabled=not_one, on_click=change)
        wants_delete = st.button("Apagar", key="delete", disabled=none)
        wants_check = st.button("Testar conexão", key="check", disabled=none)
        st.button("Enviar teste", key="send", disabled=not_one, on_click=send_test)
if may(Right.OPERATE) and page is not None:
    with toolbar:
        turns_on = st.button("Ativar", key="turn_on", disabled=all(server.is_active for server in selected))
        turns_off = st.button("Desativar", key="turn_off", disabled=not any(server.is_active for server in selected))
        st.button("Duplicar", key="duplicate", disabled=not_one, on_click=duplicate)
        wants_all = st.button("Testar todos", key="check_all")

if page is not None:
    show_near_the_limit(core)
    server_table(core, page, selected, opens=may(Right.OPERATE))
    show_attention(core)

with outcome, faults():
    switch(core, selected, on=turns_on, off=turns_off)
    test_connection(core, selected, start=wants_check)
    test_all(core, start=wants_all)
with faults():
    delete_dialog(core, selected, ask=wants_delete)
shortcuts({"F5": "new"}, shows_above=("check", "check_all", "turn_on", "turn_off"))
