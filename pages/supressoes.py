"""Who gets nothing from batches any more, why and since when."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("supressoes")
st.title("Supressões")  # painted while the rest is being loaded

from ui.context import faults, mailcore, notices
from ui.shortcuts import shortcuts
from ui.supressoes import add_form, suppressions

core = mailcore()
notices()
with faults():
    add_form(core)
    suppressions(core)
shortcuts({})
