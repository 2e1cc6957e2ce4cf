"""The function keys of a page, and what else only the browser can do for a form.

Streamlit's own ``shortcut=`` does not fire while a text field has the focus, does not keep F5 from reloading
the page nor F3 from opening the find bar, and fires behind an open dialog. This module mounts a script-only
component that listens on ``window`` in the capture phase, before the page and before the browser's own
commands. Call :func:`shortcuts` exactly once a page, in every run of it.
"""

import re
from collections.abc import Collection, Hashable, Mapping

import streamlit as st

from ui.assets import packed, part
from ui.drafts import drop_ended_drafts

_LEAVE = "Há dados digitados que ainda não foram salvos. Sair desta página e perdê-los?"


# Registered once, when the module is imported: registering in each run makes Streamlit warn and remount.
_component = st.components.v2.component("mailcore_shortcuts", js=part("shortcuts"))


def _key_class(key: str) -> str:
    """The CSS class Streamlit gives the element of a widget ``key``."""
    return "st-key-" + re.sub(r"[^a-zA-Z0-9_-]", "-", key.strip())


def shortcuts(
    bindings: Mapping[str, str],
    *,
    unsaved_guard: str | None = None,
    unsaved: bool = False,
    focus: str | None = None,
    focus_token: Hashable = "",
    focus_first: str | None = None,
    help_page: str | None = "ajuda",
    shows_above: Collection[str] = (),
) -> None:
    """Bind function keys to buttons of the page, and guard what was typed.

    A bound key presses its button with the cursor anywhere, and what was just typed goes along: the field is
    left first, so Streamlit has its text before the click. The browser's own use of the key (F5 reloads, F3
    finds) is suppressed, also where the button is disabled or missing. With a dialog open a key does nothing.
    Repeats of a held key do nothing; with Ctrl, Shift, Alt or Meta the key belongs to the browser.

    :param bindings: name of the key as in ``KeyboardEvent.key`` ("F2") to the Streamlit key of the button.
    :param unsaved_guard: an identity of the form on screen, or None on a page with nothing to lose. While it
        stays the same, anything typed or chosen makes the browser ask before the page is left (reload, tab
        closed, a link of the menu); a new value (saved, another record, an empty form) starts clean.
    :param unsaved: True when Python knows of unsaved data whatever happened in the browser, as in a form
        brought back after a conflict.
    :param focus: Streamlit key of the field to put the cursor in, once for each pair with ``focus_token``.
    :param focus_token: anything whose text changes when ``focus`` is to be honoured again.
    :param focus_first: Streamlit key of a container with news: the cursor goes there first, so that it is seen and
        read out, and on to ``focus``, or stays there where that is None.
    :param help_page: URL path of the help page, opened by F1 in a tab of its own, with ``?campo=<name>`` when
        the cursor is in a field keyed ``field_<name>`` or ``field_<name>__<anything>``; None leaves F1 alone.
    :param shows_above: Streamlit keys of buttons whose outcome appears at the top of the page: a press of one
        brings that into view.
    """
    if unsaved_guard is None:
        drop_ended_drafts()
    _component(
        key="mailcore_shortcuts",
        data=packed(
            {
                "keys": {name: _key_class(key) for name, key in bindings.items()},
                "guard": unsaved_guard,
                "unsaved": unsaved,
                "leave": _LEAVE if unsaved_guard is not None else "",
                "focus": [_key_class(focus) if focus else "", str(focus_token)] if focus or focus_first else None,
                "first": _key_class(focus_first) if focus_first else "",
                "help": help_page,
                "above": [_key_class(key) for key in shows_above],
            }
        ),
    )
