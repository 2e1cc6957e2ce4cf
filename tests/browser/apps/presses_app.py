"""Buttons of the sorts that the app has, for the tests of what a double click does (ui/assets/presses.js)."""

import streamlit as st

from ui.chrome import chrome
from ui.shortcuts import shortcuts

state = st.session_state
state.setdefault("count", 0)


def press() -> None:
    state.count += 1


@st.dialog("Pergunta")
def ask() -> None:
    if st.button("OK", key="ok", on_click=press):
        st.rerun()


def page() -> None:
    st.button("Igual", key="same", on_click=press)
    # Another button stands in its place after the press, as with "Enviar".
    st.button("Outro", key=f"other_{state.count}", on_click=press)
    if st.button("Abrir", key="open"):
        ask()
    st.text_input("Texto", key="text")
    st.markdown(f"Apertos: {state.count}")
    shortcuts({"F2": "same"})


current = st.navigation([st.Page(page, title="Apertos", default=True)])
chrome()
current.run()
