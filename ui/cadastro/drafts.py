"""What was typed in the form and lost its session: back in the fields, or offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.cadastro.form import Draft
from ui.cadastro.values import put_typed, shown_at_first, typed_other_than, value_of_shown
from ui.context import note
from ui.drafts import NAME, end_draft, keep_draft
from ui.session import FORM, component_value

if TYPE_CHECKING:
    from ui.cadastro.form import ServerForm

_PASSWORD = "A senha não é guardada: digite-a de novo."  # noqa: S105


def keep(form: ServerForm) -> None:
    """Keep what is typed, and take in what an earlier opening of this form had."""
    of = str(form.opened.id) if form.opened else f"copia-{form.copy_of}" if form.copy_of else "novo"
    keep_draft(form.nonce, of, _base(form), shown_at_first(form), form.tries, _found)


def _base(form: ServerForm) -> str:
    return str(form.opened.version) if form.opened else ""


def _found() -> None:
    form, told = FORM.get(), component_value(NAME, "found")
    if form is None or not isinstance(told, dict) or told.get("form") != form.nonce:
        return
    kept = told.get("draft") or {}
    shown = kept.get("values") or {}
    values = {name: value_of_shown(name, shown[name]) for name in shown_at_first(form) if name in shown}
    values = {name: value for name, value in values.items() if value is not None}
    draft = Draft(str(kept.get("form", "")), values, kept.get("base") == _base(form))
    if not values:
        return
    # After a restart the browser may still tell of the fields what they had before: that is the draft itself.
    if kept.get("left") or not draft.is_of_this_state or typed_other_than(form, values):
        form.draft = draft
    else:
        put_typed(form, values)
        note(f"O que você tinha digitado voltou. {_PASSWORD}")


def offer_draft(form: ServerForm) -> None:
    """Offer what was typed in this form before it was left."""
    draft = form.draft
    if draft is None:
        return
    changed = "" if draft.is_of_this_state else " Desde então o cadastro mudou: confira antes de salvar."
    st.info(f"Há dados digitados aqui que não foram salvos. {_PASSWORD}{changed}", icon=":material/history:")
    with st.container(horizontal=True):
        st.button(
            "Recuperar o que foi digitado", key=form.button("recover"), type="primary", on_click=_recover, args=(form,)
        )
        st.button("Descartar", key=form.button("drop_draft"), on_click=_drop, args=(form,))


def _recover(form: ServerForm) -> None:
    if form.draft is not None:
        put_typed(form, form.draft.values)
        form.draft = None


def _drop(form: ServerForm) -> None:
    if form.draft is not None:
        end_draft(form.draft.form)
        form.draft = None
