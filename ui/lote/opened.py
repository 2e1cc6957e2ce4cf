"""What the page's address asks for, and the head of an opened batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mailcore.diagnosis.replies import diagnosis_for, of_batch
from mailcore.errors import NotFoundError
from ui import words
from ui.formats import date_time, plain
from ui.listview.table import counted
from ui.lote.listing import open_list, state_of

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.storage.tables import Batch, MailServer

HEADING = "lote_titulo"
"""The head of an opened batch: where the eyes go first, wherever the button stood that opened it."""


def asked_for() -> str:
    """Return "novo", the number of a batch, or nothing for the list."""
    number = st.query_params.get("lote", "")
    return "novo" if "novo" in st.query_params else number if number.isdecimal() and len(number) < 17 else ""


def opened(core: Mailcore, asked: str) -> Batch | None:
    """Return the batch the address asks for; None for the list."""
    if not asked.isdecimal():
        return None
    try:
        return core.batches.get(int(asked))
    except NotFoundError as error:
        st.warning(plain(str(error)))
        return None


def server_of(core: Mailcore, batch: Batch) -> MailServer | None:
    """Return the server of a batch, without which nothing more can be sent; None where it was deleted."""
    try:
        return core.servers.get(batch.server_id)
    except NotFoundError:
        return None


def say_server_is_gone() -> None:
    """Say that the batch can send nothing more, and what to do instead."""
    gone = of_batch(diagnosis_for("server_gone"))
    st.error(plain(f"{gone.title} {gone.remedy}"), icon=":material/error:")


def heading(core: Mailcore, batch: Batch) -> None:
    """Draw the way back, its name, its state, and what it is."""
    with st.container(key=HEADING):
        st.button(
            "Todos os lotes", key="lote_voltar", type="tertiary", icon=":material/arrow_back:", on_click=open_list
        )
        st.header(plain(batch.name))
    st.set_page_config(page_title=f"{batch.name} — Envio em lote")
    who = f", de {plain(batch.who)}" if batch.who else ""
    st.markdown(
        f"{state_of(batch, core.settings.zone)} · {counted(batch.total, 'destinatário', 'destinatários')} · por "
        f"{plain(batch.server_name)} · {words.BATCH_KIND[batch.kind]} · criado em "
        f"{date_time(batch.created_at, core.settings.zone)}{who}"
    )
