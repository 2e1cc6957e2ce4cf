"""Servidores de e-mail: what `streamlit run app.py` serves. The pages begin in screen.py."""

import gc

import streamlit as st

# What a start loads stays for good. With Python's own threshold of 700 new objects the collector would look through
# it a thousand times: a tenth of a second. Streamlit collects after every run of a page besides.
gc.set_threshold(100_000)

from ui.door.start import lifespan, middleware, refuse_open_house, routes
from ui.first_run import spare_start

spare_start()
refuse_open_house()
app = st.App("screen.py", routes=routes(), middleware=middleware(), lifespan=lifespan)
