"""Who may enter, in which role, from where they are signed in (administrators)."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("usuarios")
st.title("Usuários")  # painted while the rest is being loaded

from ui.context import faults, mailcore, notices
from ui.shortcuts import shortcuts
from ui.usuarios import (
    ask_new,
    ask_to_change,
    ask_to_end_sessions,
    ask_to_remove,
    dialogs,
    entries,
    everybody,
    searched,
    show_link,
    users_table,
)

core = mailcore()
notices()
with faults():
    users = everybody(core)
    found = searched(users)
    toolbar = st.container(horizontal=True)
    show_link()
    chosen = users_table(core, found)
    with toolbar:
        st.button("Novo usuário", key="user_new", type="primary", on_click=ask_new)
        alone = {"disabled": chosen is None, "args": (chosen,)}
        st.button("Alterar", key="user_edit", on_click=ask_to_change, **alone)
        st.button("Encerrar sessões", key="user_end", on_click=ask_to_end_sessions, **alone)
        st.button("Apagar", key="user_remove", on_click=ask_to_remove, **alone)
    dialogs(core, users)
    entries(core)
shortcuts({})
