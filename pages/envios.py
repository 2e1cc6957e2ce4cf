"""The ledger: what was sent, through which server, and what became of each message."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("envios")
st.title("Envios")  # painted while the rest is being loaded

from ui.context import faults, mailcore
from ui.envios import batches_of, below_the_table, filters, ledger_table, opened
from ui.listview.table import pair
from ui.shortcuts import shortcuts

core = mailcore()
query = filters(core)
with faults():
    batches_of(core, query)
    page = core.ledger.search(query)
    table, detail = pair("sends")
    with table:
        ledger_table(core, page)
    with detail, faults():
        opened(core)
    below_the_table(core, query, page)
shortcuts({})
