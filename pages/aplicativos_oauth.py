"""The applications registered with Microsoft and Google, by which records log in (administrators)."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("aplicativos_oauth")
st.title("Aplicativos OAuth")

from ui.aplicativos_oauth import app_form, field_to_change, list_of_apps, steps_to_register
from ui.context import faults, mailcore, notices
from ui.shortcuts import shortcuts

core = mailcore()
notices()
with faults():
    list_of_apps(core)
    provider, mode = app_form(core)
    steps_to_register(provider, mode)
field = field_to_change()
shortcuts({}, focus=field, focus_token=field or "")
