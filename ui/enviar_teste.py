"""The page "Enviar teste": which server, what to send, one message for one press, and its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import NotFoundError, ValidationError
from mailcore.messages.addresses import split_addresses
from mailcore.messages.compose import compose
from mailcore.sending.ledger import diagnosis_of
from mailcore.vocabulary import Origin
from ui.formats import plain
from ui.jobs import watch
from ui.outcome import OUTCOME, show_send
from ui.person import current_actor
from ui.quota_warnings import offer_paid_server
from ui.server_choice import found_servers, in_words
from ui.session import (
    LAST_RECIPIENT,
    SELECTED,
    SEND_ERRORS,
    SEND_FOR,
    SEND_KEY,
    SEND_OUTCOME,
    SEND_SEARCH,
    SEND_SUBJECT,
    SEND_TEXT,
    SEND_TO,
)

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

_SUBJECT = "Teste de envio"
_TEXT = "Esta é uma mensagem de teste. Se você a recebeu, o servidor de e-mail está funcionando."
_FIELDS = {"to": "Para", "subject": "Assunto", "text": "Mensagem"}


def choose_server(core: Mailcore) -> MailServer | None:
    """Draw the choice of the server; the one in the URL, else the default, stands there first."""
    chosen = _from_url(core) or _selected(core) or core.servers.default()
    options = found_servers(core, SEND_SEARCH, only_active=False, persists=False)
    if not options:
        return None
    if chosen is not None and not SEND_SEARCH.get():
        options = {chosen.id: chosen} | options
    server_id = st.selectbox(
        "Servidor",
        list(options),
        index=0,
        format_func=lambda key: in_words(options[key]),
        key=f"send_server_{chosen.id if chosen else 0}_{SEND_SEARCH.get() or ''}",
        filter_mode="contains",
    )
    return options.get(server_id) if server_id else None


def _from_url(core: Mailcore) -> MailServer | None:
    asked = st.query_params.get("servidor", "")
    if not asked.isdecimal() or len(asked) > 17:
        return None
    try:
        return core.servers.get(int(asked))
    except NotFoundError:
        st.warning("O servidor deste endereço não existe mais. Escolha outro.")
        return None


def _selected(core: Mailcore) -> MailServer | None:
    """The record selected in the list: the menu takes it along, as the button there does."""
    selected = SELECTED.get().only
    if selected is None or "servidor" in st.query_params:
        return None
    try:
        server = core.servers.get(selected)
    except NotFoundError:
        return None
    st.query_params["servidor"] = str(server.id)
    return server


def message_fields(server: MailServer) -> None:
    """Draw what to send. "Para" offers the last address this person used, never the sender's own."""
    if SEND_FOR.get() != server.id:
        SEND_FOR.set(server.id)
        if SEND_TO.get().strip() == server.from_address:
            SEND_TO.set("")  # it was meant for the server chosen before
    last = LAST_RECIPIENT.get()
    SEND_TO.start("" if last == server.from_address else last)
    SEND_SUBJECT.start(_SUBJECT)
    SEND_TEXT.start(_TEXT)
    errors = SEND_ERRORS.get()
    st.text_input("Para", key=SEND_TO.name, live="0ms", on_change="ignore", placeholder="nome@exemplo.com.br")
    _error(errors, "to")
    st.text_input("Assunto", key=SEND_SUBJECT.name, live="0ms", on_change="ignore")
    _error(errors, "subject")
    st.text_area("Mensagem", key=SEND_TEXT.name, on_change="ignore")
    _error(errors, "text")
    if not server.is_active:
        st.warning("Este servidor está inativo: um envio por ele é recusado aqui mesmo. Ative-o no cadastro.")


def _error(errors: dict[str, str], field: str) -> None:
    if field in errors:
        st.error(plain(errors[field]), icon=":material/error:")


def send_pressed(core: Mailcore, server: MailServer) -> None:
    """ "Enviar": one message for one press.

    The button carries the send's idempotency key, and is another button once the outcome is on screen:
    the second half of a double click finds the first send or nothing.
    """
    key = SEND_KEY.start(uuid4().hex)
    if not st.button("Enviar", key=f"send_{key}", type="primary"):
        return
    try:
        message = compose(
            from_address=server.from_address,
            from_name=server.from_name,
            reply_to=server.reply_to,
            to=split_addresses(SEND_TO.get()),
            subject=SEND_SUBJECT.get(),
            text=SEND_TEXT.get(),
        )
    except ValidationError as error:
        SEND_ERRORS.set({item.field: item.message for item in error.errors})
        st.rerun()
    SEND_ERRORS.set({})
    LAST_RECIPIENT.set(SEND_TO.get())
    actor = current_actor()
    send, steps = watch(
        key,
        f"Enviando por “{plain(server.name)}”",
        lambda on_step: core.send(
            server, message, idempotency_key=key, on_step=on_step, origin=Origin.TEST, actor=actor
        ),
    )
    SEND_OUTCOME.set((server.id, send, steps))
    SEND_KEY.set(uuid4().hex)
    st.rerun()


def show_last_outcome(core: Mailcore, server: MailServer) -> int | None:
    """Show what became of the last message sent through this server from this page; return its row's id."""
    shown = SEND_OUTCOME.get()
    if not shown or shown[0] != server.id:
        return None
    with st.container(key=OUTCOME):
        show_send(*shown[1:])
        if diagnosis := diagnosis_of(shown[1]):
            offer_paid_server(core, shown[1], diagnosis.code)
    return shown[1].id
