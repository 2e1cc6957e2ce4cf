"""The ledger: what was sent, through which server, and what became of each message."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("envios")
st.title("Envios")  # painted while the rest is being loaded

from ui.context import faults, mailcore
from ui.envios import filters, ledger_table, opened
from ui.shortcuts import shortcuts

core = mailcore()
query = filters(core)
with faults():
    ledger_table(core, query)
with faults():
    opened(core)
shortcuts({})
