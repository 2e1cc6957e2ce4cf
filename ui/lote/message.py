"""A batch's message as one recipient sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.assets import packed, part
from ui.formats import plain

if TYPE_CHECKING:
    from mailcore.messages.merge import Preview

_component = st.components.v2.component("mailcore_message", js=part("message"))


def show_message(to: str, message: Preview) -> None:
    """Draw whom it goes to, its subject, and its text or both its texts."""
    with st.container(border=True):
        st.markdown(f"**Para:** {plain(to)}  \n**Assunto:** {plain(message.subject)}")
        if not message.html:
            st.code(message.text, language=None, wrap_lines=True)
            return
        as_html, as_text = st.tabs(["HTML", "Texto simples"])
        with as_html:
            _component(key="lote_html", data=packed({"html": message.html, "title": "Mensagem em HTML"}))
        with as_text:
            st.code(message.text, language=None, wrap_lines=True)
