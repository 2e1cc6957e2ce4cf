"""Servidores de e-mail: page config and navigation."""

import streamlit as st

from ui.chrome import chrome
from ui.context import page_faults
from ui.navigation import navigation

st.set_page_config(page_icon="ui/favicon.svg", layout="wide")
page = navigation()
chrome()
with page_faults(page.title):
    page.run()
