"""Take servers in from a CSV or JSON file, and out to one; passwords never."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("importar")
st.title("Importar e exportar")  # painted while the rest is being loaded

from mailcore.rights import Right
from ui.context import faults, mailcore
from ui.importar import downloads, import_pressed, show_imported, uploaded_plan
from ui.importar_plan import show_plan
from ui.person import may
from ui.shortcuts import shortcuts

core = mailcore()
st.header("Exportar")
downloads(core)

if may(Right.DELETE_OR_BULK):
    st.header("Importar")
    with faults():
        show_imported()
        plan = uploaded_plan(core)
        if plan is not None:
            show_plan(plan)
            import_pressed(core, plan)
shortcuts({})
