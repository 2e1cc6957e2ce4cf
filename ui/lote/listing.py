"""The list of batches: how far each has come, and when it will be through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.rights import Right
from mailcore.vocabulary import BatchState
from ui import words
from ui.formats import clock, date_time, number
from ui.listview.filters import Filters
from ui.listview.table import Cell, Column, Tone, counted, pager, table
from ui.person import may
from ui.session import BATCHES_PAGE, BATCHES_SELECTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from mailcore import Mailcore
    from mailcore.batches.reading import BatchPage
    from mailcore.quota.rules import FreedUnits
    from mailcore.storage.tables import Batch

UNDER_WAY = frozenset({BatchState.RUNNING, BatchState.WAITING})
TONES: dict[BatchState, Tone] = {
    BatchState.RUNNING: "good",
    BatchState.WAITING: "warn",
    BatchState.PAUSED: "bad",
    BatchState.DONE: "",
    BatchState.DRAFT: "quiet",
    BatchState.CANCELLED: "quiet",
}
_EVERY = 2.0
_PAGES = Filters(page=BATCHES_PAGE)
_COLUMNS = (
    Column("name", "Nome", 236, 3),
    Column("server", "Servidor", 130, 2, wraps=True),
    Column("state", "Estado", 226),
    Column("progress", "Progresso", 124, 0.5, wraps=True),
    Column("sent", "Enviadas", 92, is_number=True),
    Column("refused", "Recusadas", 108, is_number=True),
    Column("uncertain", "Incertas", 88, is_number=True),
    Column("forecast", "Previsão", 140, 1, wraps=True),
)


def batches(core: Mailcore) -> None:
    """Draw the list, which moves by itself while something is being sent, and the way to a new one."""
    found = core.batches.find(page=BATCHES_PAGE.get())
    if may(Right.DELETE_OR_BULK):
        st.button("Novo lote", key="lote_novo", type="primary", on_click=open_new)
    if not found.matching:
        st.info(
            "Ainda não há lotes. Um lote manda a mesma mensagem a muitos destinatários, cada um com os seus dados, "
            "dentro da cota da conta.",
            icon=":material/stacked_email:",
        )
        return
    is_moving = any(batch.state in UNDER_WAY for batch in found.batches)
    st.fragment(_table, run_every=_EVERY if is_moving else None)(core, is_moving, st.query_params.to_dict())


def _table(core: Mailcore, was_moving: bool, drawn_for: dict[str, str]) -> None:
    found = core.batches.find(page=BATCHES_PAGE.get())
    has_ended = was_moving and not any(batch.state in UNDER_WAY for batch in found.batches)
    # One was opened: what is pressed in here runs no more than this.
    if has_ended or st.query_params.to_dict() != drawn_for:
        st.rerun(scope="app")
    _draw(core, found)


def _draw(core: Mailcore, found: BatchPage) -> None:
    table(
        "lotes",
        "Lotes",
        _COLUMNS,
        [(batch.id, _cells(core, batch)) for batch in found.batches],
        total=found.matching,
        selection=BATCHES_SELECTED,
        on_open=open_one,
    )
    chosen = BATCHES_SELECTED.get().only
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Abrir", key="lote_abrir", disabled=chosen is None, on_click=open_one, args=(chosen,))
        st.caption(counted(found.matching, "lote", "lotes"))
        pager(_PAGES, shown=found.number, matching=found.matching, size=50)


def _cells(core: Mailcore, batch: Batch) -> list[str | Cell]:
    made = f"{words.BATCH_KIND[batch.kind]} · {date_time(batch.created_at, core.settings.zone)}"
    return [
        Cell(batch.name, below=made),
        batch.server_name,
        Cell(words.BATCH_STATE[batch.state], below=goes_on(batch, core.settings.zone), tone=TONES[batch.state]),
        Cell(f"{number(ended(batch))} de {number(batch.total)}", bar=share_ended(batch)),
        number(batch.sent),
        Cell(number(batch.refused), tone="bad" if batch.refused else ""),
        Cell(number(batch.uncertain), tone="warn" if batch.uncertain else ""),
        _forecast(core, batch),
    ]


def goes_on(batch: Batch, zone: ZoneInfo) -> str:
    """ "começa em 27/11/2026 08:00", "continua em …": what stands beside the state of a batch that waits."""
    if batch.state is not BatchState.WAITING or batch.waits_until is None:
        return ""
    return f"{'começa' if batch.waits_for_its_hour else 'continua'} em {date_time(batch.waits_until, zone)}"


def state_of(batch: Batch, zone: ZoneInfo) -> str:
    """ "**Aguardando cota** (continua em 27/11/2026 08:00)", as Markdown."""
    later = goes_on(batch, zone)
    return f"**{words.BATCH_STATE[batch.state]}**" + (f" ({later})" if later else "")


def ended(batch: Batch) -> int:
    """Return how many of its recipients have an end: of a draft none, also not of those it leaves out."""
    return 0 if batch.state is BatchState.DRAFT else batch.total - batch.pending


def share_ended(batch: Batch) -> float:
    """Return which part of its recipients has an end."""
    return ended(batch) / batch.total if batch.total else 1.0


def _forecast(core: Mailcore, batch: Batch) -> str:
    if batch.state not in UNDER_WAY:
        return ""
    goes = core.batches.forecast(batch.id)
    if not goes:
        return "quando alguém liberar a conta"
    now = datetime.now(UTC)
    last = goes[-1].at
    return "agora" if last <= now else f"termina {clock(last, now, core.settings.zone)}"


def forecast_sentence(goes: Sequence[FreedUnits], pending: int, zone: ZoneInfo) -> str:
    """ "480 agora, 520 amanhã a partir das 14:20": when how many go, as far as the quota tells, day by day."""
    now = datetime.now(UTC)
    today = now.astimezone(zone).date()
    told: dict[str, int] = {}
    for each in goes:
        at = each.at.astimezone(zone)
        days = (at.date() - today).days
        day = "hoje" if days == 0 else "amanhã" if days == 1 else f"em {at:%d/%m}"
        told.setdefault("agora" if each.at <= now else f"{day} a partir das {at:%H:%M}", 0)
        same_day = next((when for when in told if when != "agora" and when.startswith(day)), None)
        told["agora" if each.at <= now else same_day or ""] += each.units
    told = {when: units for when, units in told.items() if units}
    left = pending - sum(told.values())
    sentences = [f"**{number(units)}** {when}" for when, units in told.items()]
    return ", ".join([*sentences, f"**{number(left)}** depois disso"] if left > 0 and told else sentences)


def open_new() -> None:
    """ "Novo lote"."""
    st.query_params.from_dict({"novo": "1"})


def open_one(batch_id: int | None) -> None:
    """Open a batch."""
    if batch_id is not None:
        st.query_params.from_dict({"lote": str(batch_id)})


def open_list() -> None:
    """ "Todos os lotes"."""
    st.query_params.clear()
