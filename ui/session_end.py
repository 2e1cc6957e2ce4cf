"""What an open page says when its session ended: over the page, which keeps what was typed."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.door.knock import base_path
from ui.shortcuts import compact

_CSS = """
#mailcore-session-end {
  position: fixed; inset: auto 0 1rem 0; margin: auto; width: fit-content; max-width: 90vw; z-index: 1000002;
  padding: .8rem 1.2rem; border-radius: .5rem; background: #7a2e0b; color: #fff;
}
#mailcore-session-end a { color: #fff; font-weight: 650; text-decoration: underline; }
body:has(#mailcore-session-end) [data-testid="stApp"]::after { content: none; }
"""
_component = st.components.v2.component(
    "mailcore_session_end", js=(Path(__file__).parent / "assets" / "session_end.js").read_text("utf-8")
)


def watch_session_end() -> None:
    """Have the page watch for the end of the session; call it once a run, where somebody is signed in."""
    st.html(f"<style>{compact(_CSS)}</style>")
    _component(key="mailcore_session_end", data={"base": base_path()})
