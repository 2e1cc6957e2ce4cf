"""Register a server, or change one (`?id=`)."""

import streamlit as st

from ui.alteracoes import history
from ui.cadastro.actions import (
    ask_before_leaving,
    current_form,
    has_news,
    leave,
    save,
    save_and_continue,
    show_conflict,
    show_problems,
    start_new,
    test_connection,
)
from ui.cadastro.drafts import keep, offer_draft
from ui.cadastro.fields import authentication_fields, general_fields, point
from ui.cadastro.form import AUTHENTICATION, GENERAL, field_key
from ui.cadastro.values import is_unsaved
from ui.context import faults, mailcore, notices
from ui.formats import plain
from ui.navigation import enter_through_app
from ui.session import FORM_TAB
from ui.shortcuts import shortcuts

enter_through_app("cadastro")
core = mailcore()
form = current_form(core)

st.set_page_config(page_title=form.title)
st.title(plain(form.title))
cursor = point(form)
notices()
with st.container(key="cadastro_form"):
    offer_draft(form)
    general, authentication = st.tabs([GENERAL, AUTHENTICATION], key=FORM_TAB.name, on_change="rerun")
    with general:
        general_fields(form)
    with authentication:
        authentication_fields(form)

    if form.opened is not None:
        history(core, form.opened.id)

with st.bottom:
    # In sight from either tab and however far the fields are scrolled: right above the buttons, or beside the form.
    verdict = st.container(key="verdict")
    with st.container(horizontal=True, key="cadastro_buttons"):
        st.button("Salvar", key=form.button("save"), type="primary", on_click=save, args=(core, form))
        st.button(
            "Salvar e continuar",
            key=form.button("save_and_continue"),
            on_click=save_and_continue,
            args=(core, form),
        )
        st.button("Novo", key=form.button("new"), on_click=start_new, args=(form,))
        wants_test = st.button("Testar conexão", key=form.button("check"))
        st.button("Cancelar", key=form.button("cancel"), on_click=leave, args=(form,))
    st.caption("F1 abre a ajuda do campo em que você está.")

with verdict:
    show_problems(form)
    show_conflict(core, form)
    with faults():
        test_connection(core, form, start=wants_test)
ask_before_leaving(form)
keep(form)
shortcuts(
    {"F2": form.button("save"), "F3": form.button("save_and_continue"), "F5": form.button("new")},
    unsaved_guard=form.nonce,
    unsaved=is_unsaved(form),
    focus=cursor or (None if has_news(form) else field_key("from_address")),
    focus_first="verdict" if has_news(form) else None,
    focus_token=f"{form.nonce}-{form.tries}",
)
