"""A question before an act that cannot be taken back: what it does, the button that does it, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mailcore.errors import MailcoreError
from ui.formats import plain

if TYPE_CHECKING:
    from collections.abc import Callable


def confirm(
    title: str,
    say: Callable[[], object],
    act: Callable[[], object],
    forget: Callable[[], None],
    *,
    key: str,
    yes: str = "OK",
    no: str = "Cancelar",
) -> None:
    """Open the dialog; only a press of ``yes`` does the act, and a refusal of it stays to be read.

    Args:
        say: draws what the act does.
        forget: ends the question, so that the next run does not ask it again.
        key: unique on the page, for the two buttons.
        yes: the word on the button that does it.
        no: on the one that does not.
    """

    @st.dialog(title, on_dismiss=forget)
    def body() -> None:
        say()
        with st.container(horizontal=True):
            back = st.button(no, key=f"{key}_no")
            confirmed = st.button(yes, key=f"{key}_yes", type="primary")
        if confirmed:
            try:
                act()
            except MailcoreError as error:
                st.error(plain(str(error)), icon=":material/error:")
                return
        if back or confirmed:
            forget()
            st.rerun()

    body()
