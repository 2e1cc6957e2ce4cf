"""The page "Enviar teste": which server, what to send, one message for one press, and its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import NotFoundError, ValidationError
from mailcore.messages.addresses import split_addresses
from mailcore.messages.compose import compose
from mailcore.registry.search import ServerQuery
from mailcore.sending.ledger import diagnosis_of
from ui.context import current_actor
from ui.formats import plain
from ui.jobs import watch
from ui.outcome import show_send
from ui.quota_warnings import offer_paid_server

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

_SUBJECT = "Teste de envio"
_TEXT = "Esta é uma mensagem de teste. Se você a recebeu, o servidor de e-mail está funcionando."
_FIELDS = {"to": "Para", "subject": "Assunto", "text": "Mensagem"}


def choose_server(core: Mailcore) -> MailServer | None:
    """Draw the choice of the server; the one in the URL, else the default, stands there first."""
    chosen = _from_url(core) or core.servers.default()
    found = core.servers.search(ServerQuery(text=st.session_state.get("send_search") or ""))
    if found.total == 0:
        st.info("Ainda não há servidores registrados.", icon=":material/mail:")
        st.page_link("pages/cadastro.py", label="Registrar um servidor", icon=":material/add:")
        return None
    if found.total > len(found.servers) or st.session_state.get("send_search"):
        st.text_input(
            "Buscar",
            key="send_search",
            type="search",
            live="200ms",
            placeholder="para achar o servidor na lista",
        )
    options = {server.id: server for server in found.servers}
    if chosen is not None and not st.session_state.get("send_search"):
        options = {chosen.id: chosen} | options
    if not options:
        st.warning("Nenhum servidor combina com a busca.")
        return None
    server_id = st.selectbox(
        "Servidor",
        list(options),
        index=0,
        format_func=lambda key: f"{options[key].name} — {options[key].from_address}",
        key=f"send_server_{chosen.id if chosen else 0}_{st.session_state.get('send_search') or ''}",
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


def message_fields(server: MailServer) -> None:
    """Draw what to send. "Para" offers the last address this person used, never the sender's own."""
    if st.session_state.get("send_for") != server.id:
        st.session_state["send_for"] = server.id
        if st.session_state.get("field_send_to", "").strip() == server.from_address:
            st.session_state["field_send_to"] = ""  # it was meant for the server chosen before
    last = st.session_state.get("last_recipient", "")
    st.session_state.setdefault("field_send_to", "" if last == server.from_address else last)
    st.session_state.setdefault("field_send_subject", _SUBJECT)
    st.session_state.setdefault("field_send_text", _TEXT)
    errors: dict[str, str] = st.session_state.get("send_errors", {})
    st.text_input("Para", key="field_send_to", live="0ms", on_change="ignore", placeholder="nome@exemplo.com.br")
    _error(errors, "to")
    st.text_input("Assunto", key="field_send_subject", live="0ms", on_change="ignore")
    _error(errors, "subject")
    st.text_area("Mensagem", key="field_send_text", on_change="ignore")
    _error(errors, "text")
    if not server.is_active:
        st.warning("Este servidor está inativo: um envio por ele é recusado aqui mesmo. Ative-o no cadastro.")


def _error(errors: dict[str, str], field: str) -> None:
    if field in errors:
        st.error(errors[field], icon=":material/error:")


def send_pressed(core: Mailcore, server: MailServer) -> None:
    """ "Enviar": one message for one press.

    The button carries the send's idempotency key, and is another button once the outcome is on screen:
    the second half of a double click finds the first send or nothing.
    """
    key = st.session_state.setdefault("send_key", uuid4().hex)
    if not st.button("Enviar", key=f"send_{key}", type="primary"):
        return
    try:
        message = compose(
            from_address=server.from_address,
            from_name=server.from_name,
            reply_to=server.reply_to,
            to=split_addresses(st.session_state["field_send_to"]),
            subject=st.session_state["field_send_subject"],
            text=st.session_state["field_send_text"],
        )
    except ValidationError as error:
        st.session_state["send_errors"] = {item.field: item.message for item in error.errors}
        st.rerun()
    st.session_state["send_errors"] = {}
    st.session_state["last_recipient"] = st.session_state["field_send_to"]
    actor = current_actor()
    send, steps = watch(
        key,
        f"Enviando por “{plain(server.name)}”",
        lambda on_step: core.send(server, message, idempotency_key=key, on_step=on_step, actor=actor),
    )
    st.session_state["send_outcome"] = (server.id, send, steps)
    st.session_state["send_key"] = uuid4().hex
    st.rerun()


def show_last_outcome(core: Mailcore, server: MailServer) -> None:
    """Show what became of the last message sent through this server from this page."""
    shown = st.session_state.get("send_outcome")
    if shown and shown[0] == server.id:
        show_send(*shown[1:])
        if diagnosis := diagnosis_of(shown[1]):
            offer_paid_server(core, shown[1], diagnosis.code)
