"""Send one test message through a server and see what became of it."""

import streamlit as st

from ui.context import faults, mailcore
from ui.send_test import choose_server, message_fields, send_pressed, show_last_outcome
from ui.shortcuts import shortcuts

st.title("Enviar teste")
core = mailcore()
server = choose_server(core)
if server is None:
    st.stop()

message_fields(core, server)
with faults():
    send_pressed(core, server)
show_last_outcome(server)
shortcuts({})
