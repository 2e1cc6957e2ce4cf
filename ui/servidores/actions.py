"""What the buttons above the list of servers do with what is selected."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from ui.context import note
from ui.formats import plain
from ui.jobs import watch
from ui.listview.table import counted, take_choice
from ui.navigation import go
from ui.outcome import show_check
from ui.person import current_actor
from ui.servidores.columns import TABLE
from ui.servidores.portfolio import test_these
from ui.session import CHECK_BEGUN, CHOSEN_SUGGESTION, LAST_CHECK, SELECTED

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


def register() -> None:
    """ "Novo": an empty form. Like all that leads away, from the press itself: the list is not run once more before."""
    go("pages/cadastro.py")


def change() -> None:
    """ "Alterar": the form of the selected record."""
    open_form(_selected())


def open_form(server_id: int | None) -> None:
    """Show the form of a record."""
    if server_id is not None:
        go("pages/cadastro.py", {"id": str(server_id)})


def duplicate() -> None:
    """ "Duplicar": a form that begins as a copy of the selected record."""
    if (selected := _selected()) is not None:
        go("pages/cadastro.py", {"copia": str(selected)})


def send_test() -> None:
    """ "Enviar teste": the page of it, with the selected record."""
    if (selected := _selected()) is not None:
        go("pages/enviar_teste.py", {"servidor": str(selected)})


def _selected() -> int | None:
    take_choice(TABLE, SELECTED)
    return SELECTED.get().only


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
    open_form(server_id)


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
