"""Register a server, or change one (`?id=`)."""

import streamlit as st

from ui.alteracoes import history
from ui.cadastro.actions import (
    ask_before_leaving,
    close,
    current_form,
    save,
    save_and_continue,
    show_conflict,
    show_problems,
    start_new,
    test_connection,
)
from ui.cadastro.form import (
    AUTHENTICATION,
    GENERAL,
    authentication_fields,
    field_key,
    general_fields,
    is_unsaved,
    point,
)
from ui.context import faults, mailcore, notices
from ui.navigation import enter_through_app
from ui.session import FORM_TAB
from ui.shortcuts import shortcuts

enter_through_app("cadastro")
core = mailcore()
form = current_form(core)
if form.saved:
    close()

st.title(form.title)
cursor = point(form)
notices()
# One place for all that is said above the tabs: with nothing to say the fields stay where they are.
messages = st.container()
with messages:
    show_problems(form)
    show_conflict(core, form)

general, authentication = st.tabs([GENERAL, AUTHENTICATION], key=FORM_TAB.name, on_change="rerun")
with general:
    general_fields(form)
with authentication:
    authentication_fields(form)

if form.opened is not None:
    history(core, form.opened.id)

with st.bottom, st.container(horizontal=True):
    st.button("Salvar", key=form.button("save"), type="primary", help="F2", on_click=save, args=(core, form))
    st.button(
        "Salvar e continuar",
        key=form.button("save_and_continue"),
        help="F3",
        on_click=save_and_continue,
        args=(core, form),
    )
    st.button("Novo", key=form.button("new"), help="F5", on_click=start_new, args=(form,))
    wants_test = st.button("Testar conexão", key=form.button("check"))
    wants_out = st.button("Cancelar", key=form.button("cancel"))

if wants_out:
    close()
with messages, faults():
    test_connection(core, form, start=wants_test)
ask_before_leaving(form)
shortcuts(
    {"F2": form.button("save"), "F3": form.button("save_and_continue"), "F5": form.button("new")},
    unsaved_guard=form.nonce,
    unsaved=is_unsaved(form),
    focus=cursor or field_key("name"),
    focus_token=f"{form.nonce}-{form.tries}",
)
