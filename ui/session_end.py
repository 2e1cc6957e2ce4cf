"""What an open page says when its session ended: over the page, which keeps what was typed."""

from __future__ import annotations

import streamlit as st

from ui.assets import packed, part
from ui.door.knock import base_path

_component = st.components.v2.component("mailcore_session_end", js=part("session_end"))


def watch_session_end() -> None:
    """Have the page watch for the end of the session; call it once a run, where somebody is signed in."""
    _component(key="mailcore_session_end", data=packed({"base": base_path()}))
