"""What the buttons above the list of servers do."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import NotFoundError, RecordGoneError
from ui.context import current_actor, note
from ui.formats import plain
from ui.jobs import watch
from ui.outcome import show_check
from ui.session import CHOSEN_SUGGESTION, DELETING, LAST_CHECK, SELECTED, select

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.health.probing import Suggestion
    from mailcore.storage.tables import MailServer


def test_connection(core: Mailcore, server: MailServer | None, *, start: bool) -> None:
    """ "Testar conexão" of the selected record: the steps as they happen, then the outcome."""
    if start and server is not None:
        actor = current_actor()
        result, _ = watch(
            uuid4().hex,
            f"Testando “{plain(server.name)}”",
            lambda on_step: core.check(server, on_step, actor=actor),
        )
        LAST_CHECK.set((server.id, result))
        st.rerun()  # the table above shows the state from before the test
    shown = LAST_CHECK.get()
    if shown and server is not None and shown[0] == server.id:
        st.caption(f"Teste de {plain(server.name)}")
        show_check(shown[1], server.id, lambda suggestion: _choose(server.id, suggestion))


def _choose(server_id: int, suggestion: Suggestion) -> None:
    """Take a suggestion along to the form: it is saved there, by the person."""
    CHOSEN_SUGGESTION.set((server_id, suggestion))


def ask_to_delete(server: MailServer | None) -> None:
    """ "Apagar": remember which record the dialog is about."""
    if server is not None:
        DELETING.set(server.id)


def delete_dialog(core: Mailcore) -> None:
    """Open the dialog while there is a record to ask about."""
    server_id = DELETING.get()
    if server_id is None:
        return
    try:
        server = core.servers.get(server_id)
    except NotFoundError:
        DELETING.forget()
        return
    _dialog(core, server)


def _dialog(core: Mailcore, server: MailServer) -> None:
    @st.dialog("Apagar servidor", on_dismiss=DELETING.forget)
    def body() -> None:
        st.markdown(f"Apagar **{plain(server.name)}**?")
        st.markdown("- Vão embora: o cadastro e a senha guardada.\n- Fica: o histórico dos envios feitos por ele.")
        if server.is_default:
            heir = core.servers.heir(server)
            st.warning(
                f"Este é o servidor padrão. O padrão passa a ser **{plain(heir.name)}**."
                if heir
                else "Este é o servidor padrão. Depois disso, nenhum servidor será o padrão.",
                icon=":material/star:",
            )
        with st.container(horizontal=True):
            cancelled = st.button("Cancelar", key="delete_cancel")
            confirmed = st.button("OK", key="delete_ok", type="primary")
        if cancelled:
            DELETING.forget()
            st.rerun()
        if confirmed:
            _delete(core, server)
            st.rerun()

    body()


def _delete(core: Mailcore, server: MailServer) -> None:
    try:
        deleted = core.servers.delete(server.id, actor=current_actor())
    except RecordGoneError as error:
        note(str(error))
    else:
        sentence = f"“{server.name}” foi apagado."
        if deleted.new_default:
            sentence += f" O servidor padrão agora é “{deleted.new_default.name}”."
        note(sentence)
    select(SELECTED)
    DELETING.forget()
