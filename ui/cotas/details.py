"""What there is to say of one account: why it is on hold, its records, how it frees, the service's own figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from mailcore.diagnosis.replies import diagnosis_for
from mailcore.health.service_figures import has_figures
from mailcore.rights import Right
from ui import words
from ui.cotas.columns import name_of
from ui.formats import date_time, number, plain
from ui.person import current_actor, may

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.quota.rules import Quota


def details(core: Mailcore, quota: Quota) -> None:
    """The chosen account: why it is on hold, and its records, how it frees, and the service's own figures."""
    st.header(plain(name_of(quota)))
    _hold(core, quota)
    zone = core.settings.zone
    with st.container(horizontal=True, gap="large", key="cotas_account"):
        with st.container(width=540, gap="xsmall"):
            unit, window = words.UNIT[quota.rule.unit].lower(), words.WINDOW[quota.rule.window].lower()
            limit = f"{number(quota.limit)} {unit}, {window}" if quota.limit is not None else "sem limite no cadastro"
            margin = f" (margem de segurança de {quota.rule.margin_percent} %)" if quota.rule.margin_percent else ""
            st.markdown(f"**Limite:** {limit}{margin}")
            st.markdown(
                f"**Usado:** {number(quota.sent_here)} por este programa e {number(quota.external)} de consumo externo"
            )
            if planned := core.batches.planned().get(quota.account_key):
                st.markdown(f"**Em lotes:** {number(planned)} ainda por sair")
            if quota.shown is quota.service:
                st.caption("Vale a contagem do serviço, que deixa menos: o limite e o “Usado” da tabela são dela.")
            st.markdown("**Cadastros desta conta:**")
            for server in quota.servers[:20]:
                label = f"{plain(server.name)} (número {server.id})"
                st.page_link("pages/cadastro.py", label=label, query_params={"id": str(server.id)})
        with st.container(width=540, gap="xsmall"):
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
