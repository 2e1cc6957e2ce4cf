"""The changes trail on the screen: who changed what, when, from what to what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mailcore.audit import PAGE_SIZE, value_of
from mailcore.labels import ACTION, BATCH_ACT
from mailcore.oauth.apps import LABELS as APP_LABELS
from mailcore.registry.fields import LABELS
from ui import words
from ui.formats import date_time
from ui.listview.filters import Filters, Search
from ui.listview.table import Column, counted, nothing_found, pager, table
from ui.session import HISTORY_OF, HISTORY_PAGE, TRAIL_PAGE, TRAIL_SEARCH

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from mailcore import Mailcore
    from mailcore.storage.tables import Change

_FIELDS = {
    **LABELS,
    "account_hold": "Bloqueio da conta",
    "external_use": "Consumo externo",
    **{f"app_{name}": label for name, label in APP_LABELS.items()},
}

_TRAIL = Filters(
    Search("Buscar", "busca", TRAIL_SEARCH, placeholder="descrição do servidor ou pessoa"), page=TRAIL_PAGE
)
_HISTORY = Filters(page=HISTORY_PAGE)
_COLUMNS = (
    Column("at", "Quando", 146),
    Column("server", "Servidor", 150, 2.2),
    Column("who", "Quem", 110, 1),
    Column("action", "O que", 150),
    Column("field", "Campo", 130, 1),
    Column("before", "De", 120, 1.3),
    Column("after", "Para", 190, 2.5),
)


def history(core: Mailcore, server_id: int) -> None:
    """The trail of one record, folded; read only when it is opened."""
    panel = st.expander("Histórico de alterações", icon=":material/history:", on_change="rerun", key="history")
    if panel.open:
        if HISTORY_OF.get() != server_id:
            HISTORY_OF.set(server_id)
            HISTORY_PAGE.set(1)
        with panel:
            _page(core, _HISTORY, server_id=server_id)


def all_changes(core: Mailcore) -> None:
    """The trail of every record, those that are gone included."""
    _TRAIL.draw()
    _page(core, _TRAIL, text=TRAIL_SEARCH.get() or "")
    _TRAIL.remember()


def _page(core: Mailcore, filters: Filters, *, server_id: int | None = None, text: str = "") -> None:
    found = core.trail.read(server_id=server_id, text=text, page=filters.page.get())
    if not found.matching:
        nothing_found(filters, "Nada combina com a busca." if text else "Nenhuma alteração registrada.")
        return
    shown = filters.shown_page(found.matching, PAGE_SIZE)
    if shown < filters.page.get():  # an address with a page that is no more
        found = core.trail.read(server_id=server_id, text=text, page=shown)
    every = server_id is None
    table(
        "changes" if every else "changes_of_one",
        "Alterações",
        [column for column in _COLUMNS if every or column.name != "server"],
        [(change.id, _cells(change, core.settings.zone, with_server=every)) for change in found.changes],
        first=1 + PAGE_SIZE * (shown - 1),
        total=found.matching,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(counted(found.matching, "alteração", "alterações"))
        pager(filters, shown=shown, matching=found.matching, size=PAGE_SIZE)


def _cells(change: Change, zone: ZoneInfo, *, with_server: bool) -> list[str]:
    return [
        date_time(change.at, zone),
        *([change.server_name] if with_server else []),
        change.who,
        *_what(change),
    ]


def _what(change: Change) -> tuple[str, str, str, str]:
    """What was done, to which field, from what, to what."""
    if change.field in BATCH_ACT:
        # No field of the record: the value names the batch and how many recipients.
        batch, _, count = _after(change).rpartition(": ")
        word = "destinatário" if count == "1" else "destinatários"
        return BATCH_ACT[change.field], "", "", f"{batch}: {count} {word}"
    return ACTION[change.action], _FIELDS.get(change.field, change.field), _before(change), _after(change)


def _before(change: Change) -> str:
    return words.value(change.field, value_of(change.before)) if change.field and change.field != "secret" else ""


def _after(change: Change) -> str:
    return words.value(change.field, value_of(change.after)) if change.field else ""
