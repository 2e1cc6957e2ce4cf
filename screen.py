"""What Streamlit runs for every page: page config, who is here, navigation."""

import streamlit as st

from ui.chrome import chrome
from ui.context import page_faults
from ui.durations import read_durations_here
from ui.first_run import spare_first_run
from ui.navigation import navigation, run
from ui.person import enter, person_menu

spare_first_run()
st.set_page_config(layout="wide")
read_durations_here()
enter()
page = navigation()
chrome()
person_menu()
with page_faults(page.title):
    run(page)
