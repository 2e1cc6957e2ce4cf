"""The page "Envios": the ledger, its filters (in the URL), and each row with its Diagnosis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.errors import NotFoundError
from mailcore.sending import ledger
from mailcore.sending.delivery_status import can_follow, failure_text, failures_of
from mailcore.sending.ledger import MOST_EXPORTED, PAGE_SIZE, LedgerQuery
from mailcore.vocabulary import SendStatus
from ui import words
from ui.formats import ago, date_time, number, plain
from ui.outcome import show_diagnosis, show_send

if TYPE_CHECKING:
    import pyarrow as pa

    from mailcore import Mailcore
    from mailcore.sending.ledger import LedgerPage
    from mailcore.storage.tables import MailServer, Send

_EXCEL = "utf-8-sig"
_PERIODS: dict[str, int | None] = {"Hoje": 0, "Últimos 7 dias": 6, "Últimos 30 dias": 29, "Tudo": None}
"""What can be chosen → how many days before today it begins."""
_DEFAULT_PERIOD = "Últimos 7 dias"
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
_STATES = {"submitted": "na fila do serviço", "in_progress": "entregando", "complete": "terminou"}
_WIDTHS = {"Quando": 140, "Resultado": 140, "Servidor": 220, "Para": 260, "Quem": 180, "O que houve": 440}


def filters(core: Mailcore) -> LedgerQuery:
    """Draw the filters, as the query string has them at first, and return what they ask for."""
    _begin_with_url(core)
    with st.container(horizontal=True):
        period = st.selectbox(
            "Período", list(_PERIODS), key="envios_periodo", on_change=_to_first_page, filter_mode=None, width=170
        )
        st.text_input(
            "Servidor",
            key="envios_servidor",
            type="search",
            live="200ms",
            placeholder="descrição do servidor",
            on_change=_to_first_page,
            width=260,
        )
        outcome = st.selectbox(
            "Resultado", list(_OUTCOMES), key="envios_resultado", on_change=_to_first_page, filter_mode=None, width=170
        )
        st.text_input(
            "Destinatário",
            key="envios_para",
            type="search",
            live="200ms",
            placeholder="endereço ou parte dele",
            on_change=_to_first_page,
            width=260,
        )
    server: MailServer | None = st.session_state.get("envios_um")
    if server is not None:
        st.button(
            f"Só de {plain(server.name)}: ver de todos",
            key="envios_todos",
            type="tertiary",
            icon=":material/close:",
            on_click=_all_servers,
        )
    return LedgerQuery(
        server_id=server.id if server else None,
        server_name=st.session_state["envios_servidor"] or "",
        since=_since(_PERIODS[period], core),
        status=_OUTCOMES[outcome],
        recipient=st.session_state["envios_para"] or "",
        page=st.session_state["envios_pagina"],
    )


def _since(days: int | None, core: Mailcore) -> datetime | None:
    if days is None:
        return None
    today = datetime.now(core.settings.zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return today - timedelta(days=days)


def _begin_with_url(core: Mailcore) -> None:
    asked = st.query_params
    state = st.session_state
    for key, parameter, options in (
        ("envios_periodo", "periodo", _PERIODS),
        ("envios_resultado", "resultado", _OUTCOMES),
    ):
        if key not in state:
            first = _DEFAULT_PERIOD if key == "envios_periodo" else next(iter(options))
            state[key] = asked[parameter] if asked.get(parameter) in options else first
    for key, parameter in (("envios_servidor", "descricao"), ("envios_para", "para")):
        state.setdefault(key, asked.get(parameter, "")[:200])
    state.setdefault("envios_pagina", 1)
    wanted = asked.get("servidor", "")
    if wanted.isdecimal() and len(wanted) < 10 and "envios_um" not in state:
        try:
            state["envios_um"] = core.servers.get(int(wanted))
        except NotFoundError:
            st.warning("O servidor deste endereço não existe mais; os envios dele continuam nesta lista.")
    if (send := asked.get("envio", "")).isdecimal() and len(send) < 17:
        state.setdefault("envios_aberto", int(send))


def _to_first_page() -> None:
    st.session_state["envios_pagina"] = 1


def _all_servers() -> None:
    st.session_state["envios_um"] = None
    _to_first_page()


def _remember_view(query: LedgerQuery) -> None:
    state = st.session_state
    view = {
        "servidor": str(query.server_id or ""),
        "periodo": "" if state["envios_periodo"] == _DEFAULT_PERIOD else state["envios_periodo"],
        "descricao": query.server_name,
        "resultado": "" if query.status is None else state["envios_resultado"],
        "para": query.recipient,
        "envio": str(state.get("envios_aberto") or ""),
    }
    view = {name: text for name, text in view.items() if text}
    if st.query_params.to_dict() != view:
        st.query_params.from_dict(view)


def table(core: Mailcore, query: LedgerQuery) -> None:
    """Draw one page of the ledger; a tick opens a row, which is kept by its id."""
    page = core.ledger.search(query)
    if not page.matching:
        st.info(
            "Nenhum envio neste período com estes filtros. Escolha outro período ou limpe os filtros; mensagens "
            "enviadas por fora deste programa não aparecem aqui.",
            icon=":material/inbox:",
        )
        _remember_view(query)
        return
    ids = [send.id for send in page.sends]
    key = f"envios_{hash(tuple(ids)) & 0xFFFFFFFF:x}"
    opened = st.session_state.get("envios_aberto")
    st.dataframe(
        _rows(page, core),
        key=key,
        hide_index=True,
        on_select=lambda: _open(key, ids),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(opened)] if opened in ids else []}},
        height="content" if len(ids) <= 10 else 390,
        column_config={name: st.column_config.Column(width=width) for name, width in _WIDTHS.items()},
        alt="Envios",
    )
    st.session_state["envios_pagina"] = page.number
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("1 envio" if page.matching == 1 else f"{number(page.matching)} envios")
        if page.matching > PAGE_SIZE:
            st.pagination(-(-page.matching // PAGE_SIZE), key="envios_pagina")
        st.download_button(
            "Baixar CSV",
            data=partial(_csv, core, replace(query, page=1)),
            file_name="envios.csv",
            mime="text/csv",
            key="envios_csv",
            on_click="ignore",
            icon=":material/download:",
        )
        if page.matching > MOST_EXPORTED:
            st.caption(f"O CSV traz os {number(MOST_EXPORTED)} mais novos.")
    _remember_view(query)


def _csv(core: Mailcore, query: LedgerQuery) -> bytes:
    return core.ledger.to_csv(query, core.settings.zone, delimiter=";").encode(_EXCEL)


def _open(key: str, ids: list[int]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    st.session_state["envios_aberto"] = ids[rows[0]] if rows and rows[0] < len(ids) else None


def _rows(page: LedgerPage, core: Mailcore) -> pa.Table:
    import pyarrow as pa

    zone = core.settings.zone
    columns: dict[str, list[Any]] = {
        "Quando": [date_time(send.at, zone) for send in page.sends],
        "Resultado": [f"{_MARKS[send.status]} {words.OUTCOME[send.status]}" for send in page.sends],
        "Servidor": [send.server_name for send in page.sends],
        "Para": [_recipients(send) for send in page.sends],
        "Quem": [send.who for send in page.sends],
        "O que houve": [_what(send) for send in page.sends],
    }
    return pa.table(columns)


def _recipients(send: Send) -> str:
    first, *more = send.recipients.split("\n")
    return f"{first} e mais {number(len(more))}" if more else first


def _what(send: Send) -> str:
    failed = failures_of(send)
    if failed:
        return f"{number(len(failed))} não recebeu" if len(failed) == 1 else f"{number(len(failed))} não receberam"
    diagnosis = ledger.diagnosis_of(send)
    return diagnosis.title if diagnosis else " ".join(send.reply.split())[:200]


def opened(core: Mailcore) -> None:
    """Show the opened row: what was sent to whom, what became of it, why, and what to do."""
    send_id = st.session_state.get("envios_aberto")
    if send_id is None:
        st.caption("Marque um envio na primeira coluna para ver o que houve com ele.")
        return
    try:
        send = core.ledger.get(send_id)
    except NotFoundError as error:
        st.warning(str(error))
        return
    st.subheader(f"Envio {send.id}")
    recipients = send.recipients.split("\n")
    st.markdown(
        f"**{plain(send.server_name)}**, {date_time(send.at, core.settings.zone)}, para "
        + (plain(recipients[0]) if len(recipients) == 1 else f"{number(len(recipients))} destinatários")
        + (f", por {plain(send.who)}" if send.who else "")
    )
    if len(recipients) > 1:
        with st.expander("Destinatários"):
            st.code("\n".join(recipients), language=None)
    show_send(send, [])
    _delivery(core, send)


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
    state = _STATES.get(send.follow_state, send.follow_state)
    st.markdown(f"**No serviço:** {plain(state)} (consultado {ago(send.followed_at, datetime.now(UTC))})")
    if not failed:
        st.caption("Nenhuma falha de entrega até a consulta.")
    for one in failed:
        title, remedy = failure_text(one.category)
        with st.container(border=True):
            st.markdown(f"**{plain(one.address)}**: {plain(title)}")
            st.markdown(f"**O que fazer:** {plain(remedy)}")
            if one.reply:
                st.code(f"{one.code or ''} {one.reply}".strip(), language=None, wrap_lines=True)
