"""The page "Cotas": cards, one row an account, its charts, and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.diagnosis.replies import diagnosis_for
from mailcore.health.service_figures import has_figures
from mailcore.quota.reports import runs_out_at
from mailcore.rights import Right
from mailcore.text import fold
from mailcore.vocabulary import QuotaState
from ui import words
from ui.context import current_actor
from ui.cotas.files import to_csv, to_excel
from ui.formats import clock, date_time, number, plain
from ui.person import may
from ui.session import (
    QUOTA_ACCOUNT,
    QUOTA_CHOSEN,
    QUOTA_ORDER,
    QUOTA_PAGE,
    QUOTA_SEARCH,
    QUOTA_SERVER,
    QUOTA_STATE,
    ticked_rows,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from mailcore import Mailcore
    from mailcore.health.service_figures import ServiceFigures
    from mailcore.quota.rules import Quota

PAGE_SIZE = 50
_ALL = "Todos"
_STATES = {_ALL: None, **{word: state for state, word in words.QUOTA_STATE.items()}}
_MARKS = {QuotaState.OK: "✓", QuotaState.NEAR: "!", QuotaState.FULL: "✗", QuotaState.BLOCKED: "⊘"}
_WIDTHS = {
    "Conta": 214,
    "Uso": 104,
    "Usado": 72,
    "Limite": 84,
    "Resta": 72,
    "Estado": 128,
    "Libera": 216,
    "Previsão": 130,
    "No serviço": 190,
}


@dataclass(frozen=True, slots=True)
class View:
    """What is on screen: every account that matches, and the chosen one."""

    matching: list[Quota]
    chosen: Quota | None


def filters() -> None:
    """Draw the filters, as the query string has them at first."""
    asked = st.query_params
    QUOTA_SEARCH.start(asked.get("busca", "")[:200])
    if not QUOTA_STATE.is_set():
        wanted = asked.get("estado", _ALL)
        QUOTA_STATE.set(wanted if wanted in _STATES else _ALL)
    QUOTA_PAGE.start(1)
    if not QUOTA_ACCOUNT.is_set() and (server := asked.get("servidor", "")).isdecimal():
        QUOTA_SERVER.set(int(server[:9]))
    with st.container(horizontal=True):
        st.text_input(
            "Buscar",
            key=QUOTA_SEARCH.name,
            type="search",
            live="200ms",
            placeholder="descrição, usuário ou servidor",
            on_change=_to_first_page,
            width=420,
        )
        st.selectbox(
            "Estado", list(_STATES), key=QUOTA_STATE.name, on_change=_to_first_page, filter_mode=None, width=190
        )


def _to_first_page() -> None:
    QUOTA_PAGE.set(1)


def overview(core: Mailcore) -> View:
    """Draw cards and table; return what they show."""
    if QUOTA_CHOSEN.take():
        st.rerun(scope="app")  # the form below names the account, and stands outside of what refreshes itself
    every = core.quotas()
    matching = _matching(every)
    _cards(every)
    if not every:
        st.info("Ainda não há servidores registrados.", icon=":material/mail:")
        st.page_link("pages/cadastro.py", label="Registrar um servidor", icon=":material/add:")
        return View([], None)
    if not matching:
        st.info("Nenhuma conta combina com os filtros.", icon=":material/search_off:")
        return View([], None)
    pages = -(-len(matching) // PAGE_SIZE)
    page = min(QUOTA_PAGE.get(), pages)
    QUOTA_PAGE.set(page)
    shown = matching[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    figures = {quota.account_key: _figures(core, quota) for quota in shown}
    keys = [quota.account_key for quota in shown]
    chosen = _chosen(matching)
    widget = f"cotas_{hash(tuple(keys)) & 0xFFFFFFFF:x}"
    position = [keys.index(chosen.account_key)] if chosen and chosen.account_key in keys else []
    st.dataframe(
        rows(shown, figures, core),
        key=widget,
        hide_index=True,
        on_select=lambda: _choose(widget, keys),
        selection_mode="single-row",
        selection_default={"selection": {"rows": position}},
        height="content" if len(shown) <= 12 else 460,
        column_config={
            **{name: st.column_config.Column(width=width) for name, width in _WIDTHS.items()},
            "Uso": st.column_config.ProgressColumn(
                "Uso", min_value=0.0, max_value=100.0, format="%.0f %%", width=_WIDTHS["Uso"]
            ),
        },
        alt="Cotas",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("1 conta" if len(matching) == 1 else f"{number(len(matching))} contas")
        if pages > 1:
            st.pagination(pages, key=QUOTA_PAGE.name)
        for name, mime, make in (
            ("CSV", "text/csv", to_csv),
            ("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", to_excel),
        ):
            st.download_button(
                f"Baixar {name}",
                data=partial(make, core, matching),
                file_name=f"cotas.{'csv' if name == 'CSV' else 'xlsx'}",
                mime=mime,
                key=f"cotas_{name.lower()}",
                on_click="ignore",
                icon=":material/download:",
            )
    st.caption(
        f"Atualizado às {datetime.now(core.settings.zone):%H:%M:%S}. “Usado” é o que saiu por este programa, mais o "
        "consumo externo registrado; o que sai por fora sem registro não aparece."
    )
    _remember_view(chosen)
    return View(matching, chosen)


def _matching(every: list[Quota]) -> list[Quota]:
    wanted = _STATES[QUOTA_STATE.get()]
    terms = fold(QUOTA_SEARCH.get() or "").split()
    found = [quota for quota in every if wanted in (None, quota.state)]
    if terms:
        found = [quota for quota in found if all(term in _text(quota) for term in terms)]
    # What needs somebody first; then as it was, for rows that move while one reads are rows one loses.
    order = {QuotaState.BLOCKED: 0, QuotaState.FULL: 1, QuotaState.NEAR: 2, QuotaState.OK: 3}
    found.sort(key=lambda quota: (order[quota.state], -quota.share))
    view = (QUOTA_SEARCH.get(), QUOTA_STATE.get())
    kept_view, places = QUOTA_ORDER.get()
    if kept_view == view:
        found.sort(key=lambda quota: places.get(quota.account_key, len(places)))
    QUOTA_ORDER.set((view, {quota.account_key: place for place, quota in enumerate(found)}))
    return found


def _text(quota: Quota) -> str:
    return fold(" ".join(f"{server.name} {server.username} {server.host}" for server in quota.servers))


def _cards(every: list[Quota]) -> None:
    states = [quota.state for quota in every]
    limited = [quota for quota in every if quota.remaining is not None and quota.hold is None]
    with st.container(horizontal=True):
        st.metric("Usado", number(sum(quota.used for quota in every)), border=True, width=200)
        left = number(sum(quota.remaining or 0 for quota in limited)) if limited else "—"
        st.metric("Resta", left, border=True, width=200, help="Soma das contas com limite, sem as bloqueadas.")
        near = states.count(QuotaState.NEAR) + states.count(QuotaState.FULL)
        st.metric("Perto do limite", number(near), border=True, width=200, help="De 80 % em diante, e sem cota.")
        st.metric("Bloqueadas", number(states.count(QuotaState.BLOCKED)), border=True, width=200)


def _chosen(matching: list[Quota]) -> Quota | None:
    server = QUOTA_SERVER.take()
    for quota in matching:
        if server is not None and any(each.id == server for each in quota.servers):
            QUOTA_ACCOUNT.set(quota.account_key)
    wanted = QUOTA_ACCOUNT.get()
    return next((quota for quota in matching if quota.account_key == wanted), None)


def _choose(widget: str, keys: list[str]) -> None:
    ticked = ticked_rows(widget)
    QUOTA_CHOSEN.set(True)
    QUOTA_ACCOUNT.set(keys[ticked[0]] if ticked and ticked[0] < len(keys) else None)


def _remember_view(chosen: Quota | None) -> None:
    state = QUOTA_STATE.get()
    view = {
        "busca": QUOTA_SEARCH.get() or "",
        "estado": "" if state == _ALL else state,
        "servidor": str(chosen.servers[0].id) if chosen else "",
    }
    view = {name: text for name, text in view.items() if text}
    if st.query_params.to_dict() != view:
        st.query_params.from_dict(view)


def rows(shown: list[Quota], figures: dict[str, ServiceFigures | None], core: Mailcore) -> pa.Table:
    """One row for each account, in the order given."""
    import pyarrow as pa

    now, zone = datetime.now(UTC), core.settings.zone
    columns: dict[str, list[Any]] = {
        "Conta": [name_of(quota) for quota in shown],
        "Estado": [f"{_MARKS[quota.state]} {words.QUOTA_STATE[quota.state]}" for quota in shown],
        "Uso": [None if quota.limit is None else 100 * min(quota.share, 1.0) for quota in shown],
        "Usado": [number(quota.used) for quota in shown],
        "Limite": ["sem limite" if quota.limit is None else number(quota.limit) for quota in shown],
        "Resta": [_left(quota) for quota in shown],
        "Libera": [frees_text(quota, now, zone) for quota in shown],
        "Previsão": [_forecast(quota, now, zone) for quota in shown],
        "No serviço": [_at_service(figures.get(quota.account_key), zone) for quota in shown],
    }
    return pa.table(columns)


def _left(quota: Quota) -> str:
    """What may be sent now; nothing where there is no limit."""
    return "" if quota.remaining is None else number(quota.remaining)


def name_of(quota: Quota) -> str:
    """The description of the account's record, or of its first with how many more."""
    first, *more = [server.name for server in quota.servers]
    return f"{first} (+{len(more)})" if more else first


def frees_text(quota: Quota, now: datetime, zone: Any) -> str:
    """ "libera 37 às 14:20"; for an account on hold, until when."""
    if quota.hold is not None:
        return f"volta {clock(quota.hold.held_until, now, zone)}" if quota.hold.held_until else "espera uma pessoa"
    if not quota.frees:
        return ""
    return f"libera {number(quota.frees[0].units)} {clock(quota.frees[0].at, now, zone)}"


def _forecast(quota: Quota, now: datetime, zone: Any) -> str:
    ends = runs_out_at(quota, now)
    return f"acaba {clock(ends, now, zone)}" if ends else ""


def _figures(core: Mailcore, quota: Quota) -> ServiceFigures | None:
    server = quota.servers[0]
    return core.figures.latest(server) if has_figures(server) else None


def _at_service(figures: ServiceFigures | None, zone: Any) -> str:
    if figures is None:
        return ""
    sent, limit = figures.sent_today.value, figures.daily_limit.value
    read = figures.read_at.astimezone(zone).strftime("%H:%M")
    return f"{sent if sent is not None else '?'} de {limit if limit is not None else '?'} (lido {read})"


def details(core: Mailcore, quota: Quota) -> None:
    """The chosen account: why it is on hold, and its records, how it frees, and the service's own figures."""
    st.subheader(plain(name_of(quota)))
    _hold(core, quota)
    records, freeing = st.columns(2)
    zone = core.settings.zone
    with records:
        unit, window = words.UNIT[quota.rule.unit].lower(), words.WINDOW[quota.rule.window].lower()
        limit = f"{number(quota.limit)} {unit}, {window}" if quota.limit is not None else "sem limite no cadastro"
        margin = f" (margem de segurança de {quota.rule.margin_percent} %)" if quota.rule.margin_percent else ""
        st.markdown(f"**Limite:** {limit}{margin}")
        st.markdown(
            f"**Usado:** {number(quota.sent_here)} por este programa e {number(quota.external)} de consumo externo"
        )
        if quota.shown is quota.service:
            st.caption("Vale a contagem do serviço, que deixa menos: o limite e o “Usado” da tabela são dela.")
        st.markdown("**Cadastros desta conta:**")
        for server in quota.servers[:20]:
            label = f"{plain(server.name)} (número {server.id})"
            st.page_link("pages/cadastro.py", label=label, query_params={"id": str(server.id)})
    with freeing:
        _frees_list(core, quota)
    server = quota.servers[0]
    if has_figures(server):
        _service(core, quota, zone)


def _hold(core: Mailcore, quota: Quota) -> None:
    if quota.hold is None:
        return
    why = diagnosis_for(quota.hold.held_code)
    until = date_time(quota.hold.held_until, core.settings.zone) if quota.hold.held_until else "alguém resolver"
    st.error(f"**Bloqueada até {until}.** {plain(why.title)}", icon=":material/block:")
    st.markdown(f"**Por quê:** {plain(why.cause)}")
    st.markdown(f"**O que fazer:** {plain(why.remedy)}")
    if quota.hold.held_reply:
        st.code(quota.hold.held_reply, language=None, wrap_lines=True)
    if may(Right.OPERATE) and st.button(
        "Liberar agora",
        key="cotas_liberar",
        help="Só se o provedor já voltou a aceitar: tentar antes pode aumentar o bloqueio. Fica nas Alterações quem "
        "liberou.",
    ):
        core.lift_hold(quota.servers[0], actor=current_actor())
        st.rerun()


def _frees_list(core: Mailcore, quota: Quota) -> None:
    full = core.quotas(server_id=quota.servers[0].id, every_slot=True)
    frees = full[0].frees if full else ()
    if not frees:
        st.caption("Nada foi usado na janela: tudo está livre.")
        return
    st.markdown("**Quando libera:**")
    lines = [f"- {number(each.units)} em {date_time(each.at, core.settings.zone)}" for each in frees[:8]]
    if len(frees) > 8:
        rest = sum(each.units for each in frees[8:])
        lines.append(f"- e mais {number(rest)} até {date_time(frees[-1].at, core.settings.zone)}")
    st.markdown("\n".join(lines))


def _service(core: Mailcore, quota: Quota, zone: Any) -> None:
    figures = core.figures.latest(quota.servers[0])
    st.markdown("**Números da Elastic Email**")
    if figures is None:
        st.caption("Lendo do serviço…")
        return
    names = {
        "Limite diário": figures.daily_limit,
        "Créditos": figures.credits,
        "Reputação": figures.reputation,
        "Situação": figures.status,
        "Enviados hoje": figures.sent_today,
        "Entregues hoje": figures.delivered_today,
    }
    with st.container(horizontal=True):
        for name, figure in names.items():
            shown = "—" if figure.value is None else _shown(figure.value)
            st.metric(name, shown, border=True, width=160, help=plain(figure.reason) or None)
    if figures.left_today is not None:
        st.caption(f"Pelos números do serviço, restam {number(figures.left_today)} hoje.")
    missing = {reason for _, reason in figures.unavailable()}
    for reason in sorted(missing):
        st.caption(f"Não foi possível ler tudo: {plain(reason)}")
    st.caption(f"Lido do serviço às {figures.read_at.astimezone(zone):%H:%M:%S}.")


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return "Ativa" if value.casefold() == "active" else plain(value)
    return number(int(value)) if float(value).is_integer() else f"{value:.1f}".replace(".", ",")
