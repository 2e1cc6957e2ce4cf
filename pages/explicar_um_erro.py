"""Paste the error a customer sent; read what it means, and open the record it is about."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("explicar_um_erro")
st.title("Explicar um erro")  # painted while the rest is being loaded

from ui.context import faults, mailcore
from ui.explicar_um_erro import pasted_text, show_explanations
from ui.shortcuts import shortcuts

core = mailcore()
text = pasted_text()
with faults():
    show_explanations(core, text)
shortcuts({}, focus="field_pasted")
