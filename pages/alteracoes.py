"""Who changed which record, when, from what to what."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("alteracoes")
st.title("Alterações")  # painted while the rest is being loaded
st.caption("De uma senha fica registrado só que foi alterada.")

from ui.alteracoes import all_changes
from ui.context import faults, mailcore
from ui.shortcuts import shortcuts

core = mailcore()
with faults():
    all_changes(core)
shortcuts({})
