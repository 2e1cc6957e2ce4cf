"""What is typed in a form and not saved, kept in the browser's tab: the session may end before the form is saved.

A restart of the program, a reload, the browser's Back and a long lost connection all end what the session knows. The
tab keeps the fields that it is told to, never a password, until the form is saved or given up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import streamlit as st

from ui.assets import packed, part
from ui.session import DRAFTS_ENDED, PERSON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "mailcore_drafts"
_MOST_REMEMBERED = 20
_PROGRAM = uuid4().hex
"""Tells a restart of the program: what it took away comes back unasked, whatever pages the browser showed meanwhile."""

_component = st.components.v2.component(NAME, js=part("drafts"))


def keep_draft(
    form: str, of: str, base: str, start: Mapping[str, str | bool], token: int, on_found: Callable[[], None]
) -> None:
    """Keep what is typed in the form on screen; call it once in each run of its page.

    Args:
        form: an identity of this opening of the form.
        of: what the form is about: what is found again in another opening about the same.
        base: the state of the record that the form began with.
        start: what each field showed at first, by name; nothing but these fields is kept.
        token: changes where Python has put values into fields.
        on_found: called where the tab has something typed in another opening; ``component_value(NAME, "found")``
            tells it.
    """
    data: dict[str, Any] = {
        "form": form,
        "of": of,
        "base": base,
        "start": dict(start),
        "token": token,
        "program": _PROGRAM,
    }
    _component(key=NAME, data=packed(data | _ended()), on_found_change=on_found)


def end_draft(form: str) -> None:
    """What was typed in this opening is saved or given up."""
    DRAFTS_ENDED.set((*DRAFTS_ENDED.get(), form)[-_MOST_REMEMBERED:])


def drop_ended_drafts() -> None:
    """On a page without a form: have the tab drop what was ended on the page before."""
    if DRAFTS_ENDED.get():
        _component(key=f"{NAME}_ended", data=packed({"form": ""} | _ended()))


def _ended() -> dict[str, Any]:
    return {"ended": list(DRAFTS_ENDED.get()), "who": PERSON.get()}
