"""A small form with every kind of field, for the tests of ui.shortcuts and ui.chrome.

The form has F2, F3 and F5; another page binds F2 alone, to a button of its own. `?control=1` leaves the
component out: the browser's own F5 and F3 then show what the component keeps away.
"""

import json

import pandas as pd
import streamlit as st

from ui.chrome import chrome
from ui.shortcuts import shortcuts

FIELDS = ("name", "password", "notes", "kind", "port")


def form() -> None:
    state = st.session_state
    state.setdefault("token", 0)
    state.setdefault("presses", [])
    state.setdefault("runs", 0)
    state.runs += 1

    tab_a, tab_b = st.tabs(["Geral", "Autenticação"])
    with tab_a:
        st.text_input("Nome", key="field_name", live="0ms", on_change="ignore")
        st.text_area("Notas", key="field_notes", on_change="ignore")
        st.selectbox("Tipo", ["SMTP", "Elastic Email"], key="field_kind")
        st.number_input("Porta", 1, 65535, 587, key="field_port", on_change="ignore")
        st.checkbox("Ativo", key="field_active")
        table = pd.DataFrame({"a": range(30)})
        st.dataframe(table, height=150, key="grid", on_select="rerun", selection_mode="single-row")
    with tab_b:
        st.text_input("Senha", type="password", key="field_password", live="0ms", on_change="ignore")

    def press(button: str) -> None:
        values = {name: state.get(f"field_{name}") for name in FIELDS}
        state.presses.append({"button": button, **values})
        state.focus = "field_notes" if button == "save_and_continue" else None
        state.token += button == "save"
        state.asking = button == "new"

    with st.container(horizontal=True):
        st.button("Salvar", key="save", on_click=press, args=("save",))
        off = st.query_params.get("disabled") == "1"
        args = ("save_and_continue",)
        st.button("Continuar", key="save_and_continue", on_click=press, args=args, disabled=off)
        st.button("Novo", key="new", on_click=press, args=("new",))

    if state.get("asking"):
        state.asking = False
        ask()
    st.code(json.dumps({"presses": state.presses, "runs": state.runs}), language=None)
    if "control" not in st.query_params:
        shortcuts(
            {"F2": "save", "F3": "save_and_continue", "F5": "new"},
            unsaved_guard=f"form-{state.token}",
            focus=state.get("focus"),
            focus_token=len(state.presses),
        )


@st.dialog("Descartar?")
def ask() -> None:
    st.text_input("No diálogo", key="dialog_text")
    if st.button("OK", key="ok"):
        st.rerun()


def other() -> None:
    st.session_state.setdefault("other", 0)

    def count() -> None:
        st.session_state.other += 1

    st.text_input("Busca", key="search")
    st.button("Outra ação", key="other_action", on_click=count)
    st.code(json.dumps({"other": st.session_state.other}), language=None)
    shortcuts({"F2": "other_action"}, help_page=None)


def ajuda() -> None:
    st.title("Ajuda")
    st.write("campo:", st.query_params.get("campo", "nenhum"))
    shortcuts({})


page = st.navigation(
    [
        st.Page(form, title="Formulário", default=True),
        st.Page(other, title="Outra", url_path="outra"),
        st.Page(ajuda, title="Ajuda", url_path="ajuda"),
    ]
)
chrome()
page.run()
