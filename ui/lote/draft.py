"""A draft before it starts: its preview, a test to oneself, the forecast, and the question."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import MailcoreError
from mailcore.messages.compose import from_eml
from mailcore.vocabulary import Origin
from ui.context import note
from ui.formats import date_time, number, plain
from ui.jobs import watch
from ui.listview.table import counted
from ui.lote.form import forget_form
from ui.lote.listing import forecast_sentence, open_new
from ui.lote.message import show_message
from ui.lote.opened import say_server_is_gone, server_of
from ui.outcome import OUTCOME, show_send
from ui.person import current_actor
from ui.question import confirm
from ui.quota_warnings import show_quota_of
from ui.session import BATCH_ASKED, BATCH_ROW, BATCH_TEST, BATCH_TEST_TO, LAST_RECIPIENT, SEND_KEY

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import Batch, MailServer


def draft(core: Mailcore, batch: Batch) -> int | None:
    """Draw all there is to look at before a batch starts, and what starts it; return the row of its last test."""
    server = server_of(core, batch)
    with st.container(horizontal=True):
        if server is not None:
            st.button("Iniciar", key="lote_iniciar", type="primary", on_click=BATCH_ASKED.set, args=("start",))
        # With another server, where this one is gone.
        if st.button("Alterar", key="lote_alterar"):
            _change(core, batch)
        st.button("Cancelar lote", key="lote_cancelar", on_click=BATCH_ASKED.set, args=("cancel",))
    if server is None:
        say_server_is_gone()
        return None
    _forecast(core, batch, server)
    st.subheader("Prévia")
    row = _preview(core, batch)
    st.subheader("Enviar teste")
    tested = _test(core, batch, server, row)
    if BATCH_ASKED.get() == "start":
        _question(core, batch)
    return tested


def _change(core: Mailcore, batch: Batch) -> None:
    """Back to the form with what was typed; this draft ends, for the form makes another."""
    core.batches.cancel(batch.id, actor=current_actor())
    open_new()
    st.rerun()


def _forecast(core: Mailcore, batch: Batch, server: MailServer) -> None:
    st.subheader("Previsão")
    if batch.starts_at is not None:
        st.markdown(f"Começa em **{date_time(batch.starts_at, core.settings.zone)}**.")
    told = forecast_sentence(core.batches.forecast(batch.id), batch.pending, core.settings.zone)
    st.markdown(f"{told}." if told else "A conta está bloqueada: nada sai até alguém liberá-la.")
    show_quota_of(core, server)


def _preview(core: Mailcore, batch: Batch) -> int:
    first = core.batches.recipients(batch.id, page_size=1).recipients[0].row
    BATCH_ROW.start(first)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        row = st.number_input("Linha da lista", min_value=1, step=1, key=BATCH_ROW.name, width=160)
        st.caption("Como o destinatário desta linha recebe. A linha é a da planilha, com os títulos na 1.")
    chosen = int(row or first)
    try:
        show_message(*core.batches.preview(batch.id, chosen))
    except MailcoreError as error:
        st.warning(plain(str(error)), icon=":material/search_off:")
        return first
    return chosen


def _test(core: Mailcore, batch: Batch, server: MailServer, row: int) -> int | None:
    """ "Enviar teste": the message of the row in the preview, to oneself; one message for one press."""
    last = LAST_RECIPIENT.get()
    BATCH_TEST_TO.start("" if last == server.from_address else last)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Para", key=BATCH_TEST_TO.name, live="0ms", on_change="ignore", placeholder="o seu endereço", width=330
        )
        key = SEND_KEY.start(uuid4().hex)
        pressed = st.button("Enviar teste", key=f"lote_teste_{key}")
    if pressed:
        to = BATCH_TEST_TO.get()
        message = from_eml(core.batches.sample_message(batch.id, row, to), envelope_from=server.from_address, to=to)
        LAST_RECIPIENT.set(to)
        actor = current_actor()
        sent = watch(
            key,
            f"Enviando o teste por “{plain(server.name)}”",
            lambda on_step: core.send(
                server, message, idempotency_key=key, on_step=on_step, origin=Origin.TEST, actor=actor
            ),
        )
        BATCH_TEST.set((batch.id, *sent))
        SEND_KEY.set(uuid4().hex)
        st.rerun()
    shown = BATCH_TEST.get()
    if shown is None or shown[0] != batch.id:
        return None
    with st.container(key=OUTCOME):
        show_send(*shown[1:])
    return shown[1].id


def _question(core: Mailcore, batch: Batch) -> None:
    def say() -> None:
        to_go = counted(batch.pending, "destinatário", "destinatários")
        st.markdown(f"Enviar **{plain(batch.name)}** para **{to_go}** por **{plain(batch.server_name)}**?")
        left_out = batch.suppressed + batch.refused
        if left_out:
            st.caption(f"{number(left_out)} da lista não recebem: estão suprimidos ou são o próprio remetente.")
        if batch.starts_at is not None:
            st.caption(f"Começa em {date_time(batch.starts_at, core.settings.zone)}.")

    def start() -> None:
        core.batches.start(batch.id, actor=current_actor())
        forget_form()
        note(f"“{batch.name}” foi iniciado.")

    confirm("Iniciar o lote", say, start, BATCH_ASKED.forget, key="lote_dialogo", yes="Iniciar")
