""" "Registrar consumo externo": what left an account by other programs, by hand or from a file."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import MailcoreError, ValidationError
from mailcore.quota.external_use import Entry
from ui.context import current_actor
from ui.formats import number, plain
from ui.session import EXTERNAL_DONE, EXTERNAL_NONCE, QUOTA_ACCOUNT

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.quota.rules import Quota


def external_use(core: Mailcore) -> None:
    """Draw the form, folded; outside of what refreshes itself, so that nothing typed is lost."""
    wanted = QUOTA_ACCOUNT.get()
    found = core.quotas(account_keys=[wanted]) if wanted else []
    chosen = found[0] if found else None
    # A place of its own: what comes below must not move when the sentence goes.
    with st.container():
        if done := EXTERNAL_DONE.take():
            st.success(plain(done), icon=":material/check:")
    with st.expander("Registrar consumo externo", icon=":material/add_circle:", key="external", on_change="rerun"):
        st.caption(
            "Mensagens que saíram desta conta por outro programa também contam para o provedor. Registre-as aqui para "
            "que a cota fique certa."
        )
        by_hand, by_file = st.tabs(["Digitar", "Arquivo CSV"])
        with by_hand:
            _by_hand(core, chosen)
        with by_file:
            _by_file(core)


def _by_hand(core: Mailcore, chosen: Quota | None) -> None:
    if chosen is None:
        st.caption("Marque uma conta na tabela.")
        return
    server = chosen.servers[0]
    st.markdown(f"Conta: **{plain(server.name)}**")
    now = datetime.now(core.settings.zone)
    nonce = EXTERNAL_NONCE.start(uuid4().hex)
    with st.container(horizontal=True):
        key = f"external_units_{nonce}"
        units = st.number_input("Unidades", min_value=1, value=None, step=1, key=key, width=160)
        day = st.date_input("Dia", value="today", format="DD/MM/YYYY", key="external_day", width=160)
        at = st.time_input("Hora", value=now.time().replace(second=0, microsecond=0), key="external_time", width=160)
    if not st.button("Registrar", key=f"external_add_{nonce}", type="primary"):
        return
    if units is None:
        st.error("Unidades: preencha este campo.", icon=":material/error:")
        return
    moment = datetime.combine(day, at, core.settings.zone)
    _record(core, [Entry(server, moment, int(units))])


def _by_file(core: Mailcore) -> None:
    st.caption(
        "Um CSV com as colunas server_id (o número do servidor), at (data e hora, como 2026-11-23T14:05) e units. Com "
        "um erro em qualquer linha, nada é registrado."
    )
    nonce = EXTERNAL_NONCE.start(uuid4().hex)
    uploaded = st.file_uploader("Arquivo CSV", key=f"external_file_{nonce}", max_upload_size=20)
    if uploaded is None or not st.button("Registrar arquivo", key=f"external_add_file_{nonce}", type="primary"):
        return
    try:
        entries = core.read_external_use(uploaded.getvalue())
    except ValidationError as error:
        for complaint in error.errors[:20]:
            st.error(plain(complaint.message), icon=":material/error:")
        return
    _record(core, entries)


def _record(core: Mailcore, entries: list[Entry]) -> None:
    try:
        core.record_external_use(entries, actor=current_actor())
    except MailcoreError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    units = sum(entry.units for entry in entries)
    EXTERNAL_DONE.set(f"Registrado: {number(units)} unidades de consumo externo.")
    # Other widgets from here on: the second half of a double click, the same number or file, finds nothing.
    EXTERNAL_NONCE.set(uuid4().hex)
    st.rerun()
