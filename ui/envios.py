"""The page "Envios": the ledger, its filters (in the URL), and each row with its Diagnosis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.errors import NotFoundError
from mailcore.sending import ledger
from mailcore.sending.delivery_status import can_follow, failure_text, failures_of
from mailcore.sending.ledger import PAGE_SIZE, LedgerQuery, origin_of
from mailcore.vocabulary import SendStatus
from ui import words
from ui.downloads import download_buttons
from ui.envios_file import MOST_EXPORTED, to_csv, to_excel
from ui.formats import ago, date_time, number, plain
from ui.listview.filters import Choice, Filters, Search
from ui.listview.period import CHOOSE, EVERYTHING, Period
from ui.listview.table import Cell, Column, Tone, counted, nothing_found, pager, table
from ui.outcome import show_diagnosis, show_send
from ui.session import (
    LEDGER_BEGINS,
    LEDGER_ENDS,
    LEDGER_OPENED,
    LEDGER_ORIGIN,
    LEDGER_OUTCOME,
    LEDGER_PAGE,
    LEDGER_PERIOD,
    LEDGER_RECIPIENT,
    LEDGER_SERVER,
    LEDGER_SERVER_NAME,
    select,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from mailcore import Mailcore
    from mailcore.batches.reading import BatchPage
    from mailcore.sending.ledger import LedgerPage
    from mailcore.storage.tables import Send

_MOST_BATCHES = 5
_OUTCOMES: dict[str, SendStatus | None] = {
    "Todos": None,
    **{word: status for status, word in words.OUTCOME.items() if status is not SendStatus.STARTED},
}
_MARKS = {
    SendStatus.ACCEPTED: "✓",
    SendStatus.REFUSED: "✗",
    SendStatus.FAILED: "✗",
    SendStatus.UNCERTAIN: "?",
    SendStatus.REJECTED_BY_RULE: "⊘",
    SendStatus.STARTED: "…",
}
_TONES: dict[SendStatus, Tone] = {
    SendStatus.ACCEPTED: "good",
    SendStatus.REFUSED: "bad",
    SendStatus.FAILED: "bad",
    SendStatus.UNCERTAIN: "warn",
    SendStatus.REJECTED_BY_RULE: "bad",
    SendStatus.STARTED: "quiet",
}
_PERIOD = Period(
    LEDGER_PERIOD,
    LEDGER_BEGINS,
    LEDGER_ENDS,
    ("Hoje", "Últimos 7 dias", "Últimos 30 dias", EVERYTHING, CHOOSE),
    "Últimos 7 dias",
)
_OUTCOME = Choice("Resultado", "resultado", LEDGER_OUTCOME, _OUTCOMES, "Todos")
_ORIGINS = {"Todas": None, **{word: origin for origin, word in words.ORIGIN.items() if word}}
_ORIGIN = Choice("Origem", "origem", LEDGER_ORIGIN, _ORIGINS, "Todas")
_FILTERS = Filters(
    _PERIOD,
    Search("Servidor", "descricao", LEDGER_SERVER_NAME, placeholder="descrição do servidor", width=260),
    _OUTCOME,
    Search("Destinatário", "para", LEDGER_RECIPIENT, placeholder="endereço ou parte dele", width=260),
    _ORIGIN,
    page=LEDGER_PAGE,
)
_COLUMNS = (
    Column("at", "Quando", 146),
    Column("status", "Resultado", 128),
    Column("server", "Servidor", 180, 2.5),
    Column("recipients", "Para", 190, 2),
    Column("who", "Quem", 140, 1.4),
    Column("what", "O que houve", 220, 3),
)


def filters(core: Mailcore) -> LedgerQuery:
    """Draw the filters, as the query string has them at first, and return what they ask for."""
    _begin_with_url(core)
    _FILTERS.draw()
    server = LEDGER_SERVER.get()
    if server is not None:
        st.button(
            f"Só de {plain(server.name)}: ver de todos",
            key="envios_todos",
            type="tertiary",
            icon=":material/close:",
            on_click=_all_servers,
        )
    span = _PERIOD.span(core.settings.zone)
    since, until = span.moments(core.settings.zone)
    # A batch is one line that opens, until one looks for a message or an outcome.
    is_whole = _OUTCOME.chosen() is None and _ORIGIN.chosen() is None and not LEDGER_RECIPIENT.get() and server is None
    return LedgerQuery(
        without_batches=is_whole,
        server_id=server.id if server else None,
        server_name=LEDGER_SERVER_NAME.get() or "",
        since=since,
        until=until,
        origin=_ORIGIN.chosen(),
        status=_OUTCOME.chosen(),
        recipient=LEDGER_RECIPIENT.get() or "",
        page=LEDGER_PAGE.get(),
    )


def _begin_with_url(core: Mailcore) -> None:
    asked, anew = st.query_params, _FILTERS.are_led_elsewhere()
    if anew:
        LEDGER_SERVER.forget()
        select(LEDGER_OPENED)
    wanted = asked.get("servidor", "")
    if wanted.isdecimal() and len(wanted) < 10 and not LEDGER_SERVER.is_set():
        try:
            LEDGER_SERVER.set(core.servers.get(int(wanted)))
        except NotFoundError:
            st.warning("O servidor deste endereço não existe mais; os envios dele continuam nesta lista.")
    if (send := asked.get("envio", "")).isdecimal() and len(send) < 17 and (anew or not LEDGER_PERIOD.is_set()):
        select(LEDGER_OPENED, int(send))


def _all_servers() -> None:
    LEDGER_SERVER.set(None)
    _FILTERS.to_first_page()


def batches_of(core: Mailcore, query: LedgerQuery) -> None:
    """Draw each batch of the period as one line that opens it, where its messages are not in the table themselves."""
    if not query.without_batches:
        return
    found = core.batches.find(
        since=query.since, until=query.until, server_name=query.server_name, page_size=_MOST_BATCHES
    )
    if found.matching > 1:
        # Folded: the messages are what one came for, and a row's detail stands under them.
        with st.expander(f"{number(found.matching)} lotes neste período", icon=":material/stacked_email:"):
            _links(core, found)
    else:
        _links(core, found)


def _links(core: Mailcore, found: BatchPage) -> None:
    for batch in found.batches:
        if batch.started_at is None:
            continue
        ends = [
            counted(batch.sent, "aceita", "aceitas"),
            *([counted(batch.refused, "recusada", "recusadas")] if batch.refused else []),
            *([counted(batch.uncertain, "incerta", "incertas")] if batch.uncertain else []),
        ]
        st.page_link(
            "pages/envio_em_lote.py",
            label=f"Lote {number(batch.id)} “{plain(batch.name)}”, {date_time(batch.started_at, core.settings.zone)}, "
            f"por {plain(batch.server_name)}: {', '.join(ends)} de {number(batch.total)}",
            icon=":material/stacked_email:",
            query_params={"lote": str(batch.id)},
        )
    if found.matching > _MOST_BATCHES:
        more = counted(found.matching - _MOST_BATCHES, "lote", "lotes")
        st.page_link("pages/envio_em_lote.py", label=f"e mais {more}", icon=":material/stacked_email:")


def ledger_table(core: Mailcore, page: LedgerPage) -> None:
    """Draw one page of the ledger; a click opens a row, which is kept by its id."""
    if not page.matching:
        with_these, or_clear = (" com estes filtros", " ou limpe os filtros") if _FILTERS.are_set() else ("", "")
        nothing_found(
            _FILTERS,
            f"Nenhum envio neste período{with_these}. Escolha outro período{or_clear}; mensagens enviadas por fora "
            "deste programa não aparecem aqui.",
        )
        return
    table(
        "sends",
        "Envios",
        _COLUMNS,
        [(send.id, _cells(send, core.settings.zone)) for send in page.sends],
        first=1 + PAGE_SIZE * (page.number - 1),
        total=page.matching,
        selection=LEDGER_OPENED,
        has_detail=LEDGER_OPENED.get().only is not None,
    )


def below_the_table(core: Mailcore, query: LedgerQuery, page: LedgerPage) -> None:
    """How many there are, the pages, the file; and the address that reopens all of it."""
    whole = replace(query, without_batches=False)  # a file has every message
    if page.matching:
        if LEDGER_OPENED.get().only is None:
            st.caption("Marque um envio na lista para ver o que houve com ele.")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(counted(page.matching, "envio", "envios"))
            pager(_FILTERS, shown=page.number, matching=page.matching, size=PAGE_SIZE)
            download_buttons("envios", "", csv=partial(to_csv, core, whole), excel=partial(to_excel, core, whole))
            if page.matching > MOST_EXPORTED:
                st.caption(f"Os arquivos trazem os {number(MOST_EXPORTED)} mais novos.")
    _FILTERS.remember(servidor=str(query.server_id or ""), envio=str(LEDGER_OPENED.get().only or ""))


def _cells(send: Send, zone: ZoneInfo) -> list[str | Cell]:
    return [
        date_time(send.at, zone),
        Cell(f"{_MARKS[send.status]} {words.OUTCOME[send.status]}", tone=_TONES[send.status]),
        send.server_name,
        _recipients(send),
        Cell(send.who or words.ORIGIN[origin_of(send)], below=words.ORIGIN[origin_of(send)] if send.who else ""),
        _what(send),
    ]


def _recipients(send: Send) -> str:
    first, *more = send.recipients.split("\n")
    return f"{first} e mais {number(len(more))}" if more else first


def _what(send: Send) -> str:
    failed = failures_of(send)
    if failed:
        return counted(len(failed), "não recebeu", "não receberam")
    diagnosis = ledger.diagnosis_of(send)
    return diagnosis.title if diagnosis else " ".join(send.reply.split())[:200]


def opened(core: Mailcore) -> None:
    """Show the opened row, if one is: what was sent to whom, what became of it, why, and what to do."""
    send_id = LEDGER_OPENED.get().only
    if send_id is None:
        st.set_page_config(page_title="Envios")
        return
    try:
        send = core.ledger.get(send_id)
    except NotFoundError as error:
        st.warning(plain(str(error)))
        return
    st.header(f"Envio {send.id}")
    st.set_page_config(page_title=f"Envio {send.id} — {send.server_name}")
    recipients = send.recipients.split("\n")
    st.markdown(
        f"**{plain(send.server_name)}**, {date_time(send.at, core.settings.zone)}, para "
        + (plain(recipients[0]) if len(recipients) == 1 else f"{number(len(recipients))} destinatários")
        + (f", por {plain(send.who)}" if send.who else "")
        + (f" ({_by_what(send)})" if origin_of(send) else "")
    )
    if len(recipients) > 1:
        with st.expander("Destinatários"):
            st.code("\n".join(recipients), language=None)
    show_send(send, [])
    _delivery(core, send)


def _by_what(send: Send) -> str:
    """ "Enviar teste", "Linha de comando"; of a batch its number too."""
    word = plain(words.ORIGIN[origin_of(send)])
    return word if send.batch_id is None else f"{word} {number(send.batch_id)}"


def _delivery(core: Mailcore, send: Send) -> None:
    """What the service says became of it, and the button that asks."""
    try:
        server = core.servers.get(send.server_id)
    except NotFoundError:
        return
    if not can_follow(send, server.kind):
        return
    if st.button("Consultar entrega", key=f"envios_consultar_{send.id}", icon=":material/sync:"):
        with st.spinner("Consultando o serviço…"):
            followed = core.follow_up(send.id)
        send = followed.send
        if followed.diagnosis:
            show_diagnosis(followed.diagnosis, server.id)
    if send.followed_at is None:
        st.caption("O serviço aceitou a mensagem. Se ela chegou, só ele sabe: consulte.")
        return
    failed = failures_of(send)
    state = words.FOLLOW_STATE.get(send.follow_state, send.follow_state)
    st.markdown(f"**No serviço:** {plain(state)} (consultado {ago(send.followed_at, datetime.now(UTC))})")
    if not failed:
        st.caption("Nenhuma falha de entrega até a consulta.")
    for failure in failed:
        title, remedy = failure_text(failure.category)
        with st.container(border=True):
            st.markdown(f"**{plain(failure.address)}**: {plain(title)}")
            st.markdown(f"**O que fazer:** {plain(remedy)}")
            if failure.reply:
                st.code(f"{failure.code or ''} {failure.reply}".strip(), language=None, wrap_lines=True)
