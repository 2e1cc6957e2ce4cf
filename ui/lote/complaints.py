"""What was said against the fields of a new batch, each where the field is."""

from __future__ import annotations

import streamlit as st

from ui.formats import plain
from ui.session import BATCH_ERRORS


def complaints(*fields: str) -> None:
    """Draw the sentences against these fields."""
    for field in fields:
        for sentence in BATCH_ERRORS.get().get(field, []):
            st.error(plain(sentence), icon=":material/error:")
