"""What the buttons above the list of servers do with what is selected."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from ui.context import current_actor, note
from ui.formats import plain
from ui.jobs import watch
from ui.listview.table import counted
from ui.outcome import show_check
from ui.servidores.portfolio import test_these
from ui.session import CHECK_BEGUN, CHOSEN_SUGGESTION, DUPLICATE, EDIT, LAST_CHECK, NEW, OPENED, SELECTED, SEND

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.health.check import CheckResult
    from mailcore.health.probing import Suggestion
    from mailcore.storage.tables import MailServer

_SECOND_CLICK = 2.0
"""Seconds within which a press is the second half of a double click: it joins what the first one began."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A test of one record, under way or over."""

    server_id: int
    job: str = field(default_factory=lambda: uuid4().hex)
    at: float = field(default_factory=monotonic)


@dataclass(frozen=True, slots=True)
class ListCheck:
    """The outcome of the last test of one record from the list."""

    server: MailServer
    result: CheckResult


def leave_if_asked() -> None:
    """Go where an opened row, "Novo", "Alterar", "Duplicar" or "Enviar teste" leads."""
    selected = SELECTED.get().only
    opened = OPENED.take()
    if chosen := CHOSEN_SUGGESTION.get():
        opened = chosen[0]
    elif EDIT.get():
        opened = selected
    if opened is not None:
        st.switch_page("pages/cadastro.py", query_params={"id": str(opened)})
    if NEW.get():
        st.switch_page("pages/cadastro.py")
    if DUPLICATE.get() and selected is not None:
        st.switch_page("pages/cadastro.py", query_params={"copia": str(selected)})
    if SEND.get() and selected is not None:
        st.switch_page("pages/enviar_teste.py", query_params={"servidor": str(selected)})


def test_connection(core: Mailcore, selected: list[MailServer], *, start: bool) -> None:
    """ "Testar conexão": of one record the steps as they happen, then the outcome; of several as "Testar todos"."""
    last = LAST_CHECK.get()
    if start and len(selected) == 1:
        (server,) = selected
        begun, actor = CHECK_BEGUN.get(), current_actor()
        if begun is None or begun.server_id != server.id or monotonic() - begun.at > _SECOND_CLICK:
            begun = Begun(server.id)
            CHECK_BEGUN.set(begun)
        result, _ = watch(
            begun.job, f"Testando “{plain(server.name)}”", lambda heard: core.check(server, heard, actor=actor)
        )
        CHECK_BEGUN.forget()  # the next press is another test
        LAST_CHECK.set(ListCheck(server, result))
        st.rerun()  # the table above shows the state from before the test
    if start and selected:
        LAST_CHECK.forget()
        test_these(core, selected)
    if last is not None and (not selected or [server.id for server in selected] == [last.server.id]):
        st.caption(f"Teste de {plain(last.server.name)}")
        show_check(last.result, last.server.id, lambda suggestion: _choose(last.server.id, suggestion))


def _choose(server_id: int, suggestion: Suggestion) -> None:
    """Take a suggestion along to the form: it is saved there, by the person."""
    CHOSEN_SUGGESTION.set((server_id, suggestion))


def switch(core: Mailcore, selected: list[MailServer], *, on: bool, off: bool) -> None:
    """ "Ativar" and "Desativar": what is selected accepts sends, or not."""
    if not on and not off:
        return
    changed = core.servers.set_active([server.id for server in selected], is_active=on, actor=current_actor())
    word = "ativado" if on else "desativado"
    if len(changed) == 1:
        note(f"“{changed[0].name}” foi {word}.")
    elif changed:
        note(f"{counted(len(changed), 'servidor', 'servidores')} foram {word}s.")
    st.rerun()
