"""A batch that was started: how far it is, what became of each recipient, and what can be done about it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.batches.reading import reason_of, shown_status
from mailcore.rights import Right
from mailcore.vocabulary import BatchState, RecipientStatus
from ui import words
from ui.context import note
from ui.formats import clock, date_time, number, plain
from ui.listview.filters import Choice, Filters
from ui.listview.table import Cell, Column, Tone, counted, nothing_found, pager, table
from ui.lote import result_file
from ui.lote.listing import UNDER_WAY, ended, forecast_sentence, share_ended, state_of
from ui.lote.opened import say_server_is_gone, server_of
from ui.outcome import show_diagnosis
from ui.person import current_actor, may
from ui.question import confirm
from ui.session import BATCH_ASKED, BATCH_RECIPIENTS_PAGE, BATCH_STATUS

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from mailcore import Mailcore
    from mailcore.storage.tables import Batch, BatchRecipient

_EVERY = 1.0
_ALL = "Todas"
_SHOWN = (
    RecipientStatus.PENDING,
    RecipientStatus.ACCEPTED,
    RecipientStatus.REFUSED,
    RecipientStatus.FAILED,
    RecipientStatus.UNCERTAIN,
    RecipientStatus.SUPPRESSED,
)
_COLUMNS = (
    Column("row", "Linha", 70, is_number=True),
    Column("address", "Destinatário", 200, 2),
    Column("status", "Situação", 120),
    Column("at", "Quando", 152),
    Column("reply", "Resposta do servidor", 240, 4),
)
_TONES: dict[RecipientStatus, Tone] = {
    RecipientStatus.PENDING: "quiet",
    RecipientStatus.ACCEPTED: "good",
    RecipientStatus.REFUSED: "bad",
    RecipientStatus.FAILED: "bad",
    RecipientStatus.UNCERTAIN: "warn",
    RecipientStatus.SUPPRESSED: "quiet",
}


def progress(core: Mailcore, batch: Batch) -> None:
    """Draw how far it is; it moves by itself while it is under way, and the page follows when that ends."""
    is_moving = batch.state in UNDER_WAY
    st.fragment(_progress, run_every=_EVERY if is_moving else None)(core, batch.id, state_of(batch, core.settings.zone))


def _progress(core: Mailcore, batch_id: int, drawn: str) -> None:
    """``drawn`` is what the head of the page says of its state."""
    batch = core.batches.get(batch_id)
    if state_of(batch, core.settings.zone) != drawn:
        st.rerun(scope="app")
    st.progress(share_ended(batch), f"{number(ended(batch))} de {number(batch.total)}")
    with st.container(horizontal=True):
        for label, count in (
            ("Enviadas", batch.sent),
            ("Recusadas", batch.refused),
            ("Não entregues", batch.failed),
            ("Incertas", batch.uncertain),
            ("Suprimidas", batch.suppressed),
            ("Não enviadas" if batch.state is BatchState.CANCELLED else "Na fila", batch.pending),
        ):
            st.metric(label, number(count), border=True, width=150)
    _what_next(core, batch)


def _what_next(core: Mailcore, batch: Batch) -> None:
    zone, now = core.settings.zone, datetime.now(UTC)
    if batch.state in UNDER_WAY:
        if batch.state is BatchState.RUNNING and batch.waits_until is not None and batch.waits_until > now:
            st.markdown(f"Continua **{clock(batch.waits_until, now, zone)}**.")
        told = forecast_sentence(core.batches.forecast(batch.id), batch.pending, zone)
        st.caption(f"Previsão: {told}." if told else "Sem previsão: a conta está bloqueada.")
    elif batch.finished_at is not None:
        st.caption(f"{words.BATCH_STATE[batch.state]} em {date_time(batch.finished_at, zone)}.")
    reason = reason_of(batch)
    if reason is None:
        return
    if batch.state is BatchState.PAUSED:
        show_diagnosis(reason, batch.server_id)
    else:
        st.info(f"{plain(reason.title)} {plain(reason.cause)}", icon=":material/schedule:")


def acts(core: Mailcore, batch: Batch) -> None:
    """Draw what can be done to it now, and the question that was asked for."""
    if not may(Right.DELETE_OR_BULK):
        return
    can_send = server_of(core, batch) is not None
    with st.container(horizontal=True):
        if batch.state in UNDER_WAY:
            _button("Pausar", "pause", partial(core.batches.pause, batch.id), f"“{batch.name}” está em pausa.")
        if batch.state is BatchState.PAUSED and can_send:
            _button("Retomar", "resume", partial(core.batches.resume, batch.id), f"“{batch.name}” continua.", main=True)
        if batch.state in UNDER_WAY or batch.state is BatchState.PAUSED:
            st.button("Cancelar lote", key="lote_cancelar", on_click=BATCH_ASKED.set, args=("cancel",))
        may_repeat = can_send and batch.state is not BatchState.CANCELLED
        if may_repeat and batch.failed + batch.refused:
            st.button(
                "Tentar de novo as que falharam",
                key="lote_repetir",
                on_click=BATCH_ASKED.set,
                args=("retry_failed",),
            )
        if may_repeat and batch.uncertain:
            st.button(
                "Tentar de novo as incertas", key="lote_incertas", on_click=BATCH_ASKED.set, args=("retry_uncertain",)
            )
    if batch.state is BatchState.PAUSED and not can_send and reason_of(batch) is None:
        say_server_is_gone()
    questions(core, batch)


def _button(label: str, act: str, do: Callable[..., object], done: str, *, main: bool = False) -> None:
    if st.button(label, key=f"lote_{act}", type="primary" if main else "secondary"):
        do(actor=current_actor())
        note(done)
        st.rerun()


def questions(core: Mailcore, batch: Batch) -> None:
    """Open the dialog of an act that cannot be taken back, where one was asked for."""
    asked = BATCH_ASKED.get()
    if asked == "cancel":
        _question(
            "Cancelar o lote",
            f"**{counted(batch.pending, 'destinatário não recebe', 'destinatários não recebem')}** nada de "
            f"**{plain(batch.name)}**. O que já saiu não volta, e um lote cancelado não continua.",
            partial(core.batches.cancel, batch.id),
            f"“{batch.name}” foi cancelado.",
        )
    elif asked == "retry_failed":
        count = counted(batch.failed + batch.refused, "destinatário que não recebeu", "destinatários que não receberam")
        _question(
            "Tentar de novo",
            f"Enviar de novo a **{count}**, e a mais ninguém, por **{plain(batch.server_name)}**? Quem está em "
            "Supressões fica de fora: lá entram sozinhos os endereços que o servidor disse que não existem.",
            partial(core.batches.retry, batch.id, failed=True),
            "As que falharam estão de novo na fila.",
        )
    elif asked == "retry_uncertain":
        _question(
            "Tentar de novo as incertas",
            f"De **{counted(batch.uncertain, 'destinatário', 'destinatários')}** ninguém sabe se recebeu: a conexão "
            "caiu antes da resposta. Quem já recebeu **recebe duas vezes**. Enviar de novo mesmo assim?",
            partial(core.batches.retry, batch.id, uncertain=True),
            "As incertas estão de novo na fila.",
        )


def _question(title: str, sentence: str, do: Callable[..., object], done: str) -> None:
    def act() -> None:
        do(actor=current_actor())
        note(done)

    confirm(title, partial(st.markdown, sentence), act, BATCH_ASKED.forget, key="lote_dialogo", no="Voltar")


def recipients(core: Mailcore, batch: Batch) -> None:
    """Draw the recipients by state, each with the server's reply, and the result as a file."""
    st.subheader("Destinatários")
    situation = _situation(batch)
    filters = Filters(situation, page=BATCH_RECIPIENTS_PAGE)
    row = filters.draw()
    found = core.batches.recipients(batch.id, status=situation.chosen(), page=BATCH_RECIPIENTS_PAGE.get())
    with row:
        result_file.buttons(core, batch, situation.chosen())
    if not found.matching:
        nothing_found(filters, "Nenhum destinatário nesta situação.")
    else:
        zone = core.settings.zone
        table(
            "lote_destinatarios",
            "Destinatários",
            _COLUMNS,
            [(each.row, _cells(each, batch.state, zone)) for each in found.recipients],
            first=1 + 50 * (found.number - 1),
            total=found.matching,
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(counted(found.matching, "destinatário", "destinatários"))
            pager(filters, shown=found.number, matching=found.matching, size=50)
    filters.remember(lote=str(batch.id))


def _situation(batch: Batch) -> Choice:
    options = {words.recipient_status(status, batch.state): status for status in _SHOWN}
    return Choice("Situação", "situacao", BATCH_STATUS, {_ALL: None, **options}, _ALL)


def _cells(each: BatchRecipient, state: BatchState, zone: ZoneInfo) -> list[str | Cell]:
    status = shown_status(each)
    reason = reason_of(each)
    reply = " ".join(each.reply.split())[:200]
    return [
        number(each.row),
        each.address,
        Cell(words.recipient_status(status, state), tone=_TONES[status]),
        date_time(each.at, zone) if each.at else "",
        Cell(reason.title, below=reply) if reason else reply,
    ]
