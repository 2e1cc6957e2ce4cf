"""What holds for every page: Streamlit's own words in Portuguese, and that a double click is one act.

Streamlit 1.67 has its interface in English, written into its scripts. What adds nothing is hidden with CSS;
the rest is translated where it appears, by exact match and, for visible text, only inside Streamlit's own
parts, so that a server called "Search" keeps its name.
"""

import streamlit as st

from ui.assets import all_parts, part, style

_component = st.components.v2.component(
    "mailcore_chrome", js=all_parts("chrome"), css=style("rows.css"), isolate_styles=False
)
_presses = st.components.v2.component("mailcore_presses", js=part("presses"))


def chrome() -> None:
    """Put Streamlit's own interface in Portuguese, set the language of the document, make a double click one press.

    Call it once a run, in ``screen.py`` before the page runs.
    """
    st.html("<style>" + style("chrome.css") + "</style>")
    _component(key="mailcore_chrome")
    _presses(key="mailcore_presses")
