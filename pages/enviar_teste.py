"""Send one test message through a server and see what became of it."""

import streamlit as st

from ui.navigation import enter_through_app

enter_through_app("enviar_teste")
st.title("Enviar teste")  # painted while the rest is being loaded

from ui.context import faults, mailcore
from ui.enviar_teste import choose_server, message_fields, send_pressed, show_last_outcome
from ui.outcome import OUTCOME
from ui.quota_warnings import show_quota_of
from ui.shortcuts import shortcuts

core = mailcore()
server = choose_server(core)
if server is None:
    st.stop()
st.set_page_config(page_title=f"Enviar teste — {server.name}")

message_fields(server)
with faults():
    show_quota_of(core, server)
    send_pressed(core, server)
sent = show_last_outcome(core, server)
shortcuts({}, focus_first=OUTCOME if sent else None, focus_token=sent)
