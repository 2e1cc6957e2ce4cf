"""The changes trail on the screen: who changed what, when, from what to what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mailcore.audit import PAGE_SIZE, value_of
from mailcore.labels import ACTION
from mailcore.registry.fields import LABELS
from ui import words
from ui.formats import date_time, number

if TYPE_CHECKING:
    import pyarrow as pa

    from mailcore import Mailcore
    from mailcore.storage.tables import Change

_FIELDS = {**LABELS, "account_hold": "Bloqueio da conta"}


def history(core: Mailcore, server_id: int) -> None:
    """The trail of one record, folded; read only when it is opened."""
    panel = st.expander("Histórico de alterações", icon=":material/history:", on_change="rerun", key="history")
    if panel.open:
        with panel:
            _page(core, server_id=server_id)


def all_changes(core: Mailcore) -> None:
    """The trail of every record, those that are gone included."""
    text = st.text_input(
        "Buscar", key="trail_search", type="search", live="200ms", placeholder="descrição do servidor ou pessoa"
    )
    _page(core, text=text or "")


def _page(core: Mailcore, *, server_id: int | None = None, text: str = "") -> None:
    key = f"trail_page_{server_id}_{text}"
    found = core.trail.read(server_id=server_id, text=text, page=st.session_state.get(key, 1))
    if not found.matching:
        st.caption("Nenhuma alteração registrada." if not text else "Nada combina com a busca.")
        return
    st.dataframe(
        _table(found.changes, core, with_server=server_id is None),
        hide_index=True,
        height="content" if len(found.changes) <= 12 else 460,
        alt="Alterações",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("1 alteração" if found.matching == 1 else f"{number(found.matching)} alterações")
        if found.matching > PAGE_SIZE:
            st.pagination(-(-found.matching // PAGE_SIZE), key=key)


def _table(changes: list[Change], core: Mailcore, *, with_server: bool) -> pa.Table:
    import pyarrow as pa

    columns = {"Quando": [date_time(change.at, core.settings.zone) for change in changes]}
    if with_server:
        columns["Servidor"] = [change.server_name for change in changes]
    columns |= {
        "Quem": [change.who for change in changes],
        "O que": [ACTION[change.action] for change in changes],
        "Campo": [_FIELDS.get(change.field, change.field) for change in changes],
        "De": [_before(change) for change in changes],
        "Para": [_after(change) for change in changes],
    }
    return pa.table(columns)


def _before(change: Change) -> str:
    return words.value(change.field, value_of(change.before)) if change.field and change.field != "secret" else ""


def _after(change: Change) -> str:
    return words.value(change.field, value_of(change.after)) if change.field else ""
