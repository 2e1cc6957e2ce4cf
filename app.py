"""Servidores de e-mail: what `streamlit run app.py` serves. The pages begin in screen.py."""

import streamlit as st

from ui.door.start import lifespan, middleware, refuse_open_house, routes

refuse_open_house()
app = st.App("screen.py", routes=routes(), middleware=middleware(), lifespan=lifespan)
