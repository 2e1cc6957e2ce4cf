"""Use of an account by other programs: entered by hand or from a file, listed, undone."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import streamlit as st

from mailcore.errors import MailcoreError, ValidationError
from mailcore.quota.external_use import PAGE_SIZE, Entry, template_csv
from mailcore.rights import Right
from ui.cotas import files
from ui.downloads import download_buttons
from ui.formats import date_time, number, plain
from ui.listview.filters import Filters
from ui.listview.table import Cell, Column, counted, pager, table
from ui.person import current_actor, may
from ui.session import EXTERNAL_DONE, EXTERNAL_NONCE, EXTERNAL_PAGE, EXTERNAL_SELECTED, Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from mailcore import Mailcore
    from mailcore.quota.external_use import NotedEntry
    from mailcore.quota.rules import Quota

_PAGES = Filters(page=EXTERNAL_PAGE)
_COLUMNS = (
    Column("at", "Quando", 146),
    Column("server", "Servidor", 170, 2),
    Column("units", "Unidades", 96, is_number=True),
    Column("noted_by", "Registrado por", 140, 1),
    Column("noted_at", "Registrado em", 146),
)


def external_use(core: Mailcore, chosen: Quota | None) -> None:
    """Draw form and list, folded; outside of what refreshes itself, so that nothing typed is lost."""
    # A place of its own: what comes below must not move when the sentence goes.
    with st.container():
        if done := EXTERNAL_DONE.take():
            st.success(plain(done), icon=":material/check:")
    if may(Right.OPERATE):
        with st.expander("Registrar consumo externo", icon=":material/add_circle:", key="external", on_change="rerun"):
            st.caption(
                "Mensagens que saíram desta conta por outro programa também contam para o provedor. Registre-as aqui "
                "para que a cota fique certa."
            )
            by_hand, by_file = st.tabs(["Digitar", "Arquivo CSV"])
            with by_hand:
                _by_hand(core, chosen)
            with by_file:
                _by_file(core)
    listed = st.expander("Consumo externo registrado", icon=":material/list:", key="external_list", on_change="rerun")
    if listed.open:
        with listed:
            _list(core, chosen)


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
        # Not "today": that would be the server's day, which after 21:00 in São Paulo may be tomorrow.
        day = st.date_input("Dia", value=now.date(), format="DD/MM/YYYY", key=f"external_day_{nonce}", width=160)
        time = now.time().replace(second=0, microsecond=0)
        at = st.time_input("Hora", value=time, key=f"external_time_{nonce}", width=160)
    if not st.button("Registrar", key=f"external_add_{nonce}", type="primary"):
        return
    if units is None:
        st.error("Unidades: preencha este campo.", icon=":material/error:")
        return
    moment = datetime.combine(day, at, core.settings.zone)
    _record(core, [Entry(server, moment, int(units))])


def _by_file(core: Mailcore) -> None:
    st.caption(
        "Um CSV com as colunas Número do servidor (server_id), Quando (at: 23/11/2026 14:05 ou 2026-11-23T14:05) e "
        "Unidades (units). Com um erro em qualquer linha, nada é registrado."
    )
    st.download_button(
        "Baixar modelo",
        data=partial(_template, core),
        file_name="consumo-externo.csv",
        mime="text/csv",
        key="external_template",
        on_click="ignore",
        type="tertiary",
        icon=":material/table:",
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


def _template(core: Mailcore) -> bytes:
    return template_csv(core.settings.zone).encode("utf-8-sig")


def _record(core: Mailcore, entries: list[Entry]) -> None:
    units = sum(entry.units for entry in entries)
    _do(
        lambda: core.record_external_use(entries, actor=current_actor()),
        f"Registrado: {number(units)} {_word(units)} de consumo externo.",
    )


def _word(units: int) -> str:
    return "unidade" if units == 1 else "unidades"


def _do(act: Callable[[], object], sentence: str) -> None:
    """Do something and say so on the page drawn anew; what goes wrong is said in place."""
    try:
        act()
    except MailcoreError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    EXTERNAL_DONE.set(sentence)
    # Other widgets from here on: the second half of a double click, the same number or file, finds nothing.
    EXTERNAL_NONCE.set(uuid4().hex)
    EXTERNAL_SELECTED.set(Selection())
    st.rerun()


def _list(core: Mailcore, chosen: Quota | None) -> None:
    """What was entered, for the chosen account or for all, and "Desfazer"."""
    page = core.external_use(account_key=chosen.account_key if chosen else None, page=EXTERNAL_PAGE.get())
    if not page.matching:
        st.caption("Nada registrado" + (" para esta conta." if chosen else "."))
        return
    may_undo = may(Right.OPERATE)
    table(
        "external_entries",
        "Consumo externo registrado",
        _COLUMNS,
        [(entry.id, _cells(entry, core.settings.zone)) for entry in page.entries],
        first=1 + PAGE_SIZE * (page.number - 1),
        total=page.matching,
        selection=EXTERNAL_SELECTED if may_undo else None,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if may_undo:
            _undo(core, page.entries)
        st.caption(counted(page.matching, "registro", "registros"))
        pager(_PAGES, shown=page.number, matching=page.matching, size=PAGE_SIZE)
        csv, excel = files.both(partial(files.entries_table, core, chosen), "Consumo externo")
        download_buttons("consumo-externo", "do consumo externo", csv=csv, excel=excel)


def _undo(core: Mailcore, entries: list[NotedEntry]) -> None:
    wanted = EXTERNAL_SELECTED.get().only
    entry = next((entry for entry in entries if entry.id == wanted), None)
    nonce = EXTERNAL_NONCE.start(uuid4().hex)
    if st.button(
        "Desfazer",
        key=f"external_undo_{nonce}",
        icon=":material/undo:",
        disabled=entry is None,
        help="Tira o registro marcado e devolve as unidades à cota. Fica nas Alterações quem desfez.",
    ):
        assert entry is not None  # disabled without one
        _do(
            lambda: core.undo_external_use(entry.id, actor=current_actor()),
            f"Desfeito: {number(entry.units)} {_word(entry.units)} de consumo externo, de novo livres.",
        )


def _cells(entry: NotedEntry, zone: ZoneInfo) -> list[str | Cell]:
    name = entry.server_name or Cell(f"Servidor {entry.server_id} (apagado)", tone="quiet")
    return [date_time(entry.at, zone), name, number(entry.units), entry.noted_by, date_time(entry.noted_at, zone)]
