"""Warnings of quotas about to run out: on the list, and before a test is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.diagnosis.replies import diagnosis_for
from mailcore.quota.rules import VERY_NEAR
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import QuotaState
from ui import words
from ui.formats import clock, number, plain

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.quota.rules import Quota
    from mailcore.storage.tables import MailServer, Send

_SECONDS = 60
_MOST_NAMED = 3
_RULES_OF_VOLUME = frozenset({"same_address", "quota_full", "quota_message_too_large", "account_on_hold"})


@st.cache_data(ttl=_SECONDS, show_spinner=False)
def _near(_core: Mailcore) -> list[Quota]:
    return _core.near_the_limit()


def show_near_the_limit(core: Mailcore) -> None:
    """One box for the accounts from 80 % on, louder where any is at 95 % or held; nothing where all is well."""
    found = _near(core)
    urgent = [quota for quota in found if quota.state is not QuotaState.NEAR or quota.share >= VERY_NEAR]
    close = [quota for quota in found if quota not in urgent]
    told = [
        f"{what}: {_names(quotas)}."
        for what, quotas in (("Cota acabando, esgotada ou bloqueada", urgent), ("Cota acima de 80 %", close))
        if quotas
    ]
    if not told:
        return
    # Beside each other where there is room: the list is what one came for.
    with st.container(horizontal=True, vertical_alignment="center", key="near_the_limit"):
        if urgent:
            st.error(" ".join(told), icon=":material/block:")
        else:
            st.warning(" ".join(told), icon=":material/warning:")
        st.page_link("pages/cotas.py", label="Ver em Cotas", icon=":material/monitoring:")


def _names(quotas: list[Quota]) -> str:
    named = [f"**{plain(quota.servers[0].name)}** ({_state(quota)})" for quota in quotas[:_MOST_NAMED]]
    more = len(quotas) - len(named)
    return ", ".join(named) + (f" e mais {number(more)}" if more else "")


def _state(quota: Quota) -> str:
    state = words.QUOTA_STATE[quota.state].lower()
    return state if quota.hold is not None else f"{state}, {100 * quota.share:.0f} %"


def show_quota_of(core: Mailcore, server: MailServer) -> None:
    """What is left of this server's quota, before something is sent through it."""
    found = core.quotas(server_id=server.id, one_record=True)
    if not found:
        return
    quota, now, zone = found[0], datetime.now(UTC), core.settings.zone
    if quota.hold is not None:
        until = clock(quota.hold.held_until, now, zone) if quota.hold.held_until else "quando alguém resolver"
        why = plain(diagnosis_for(quota.hold.held_code).title)
        st.error(f"Esta conta está bloqueada e volta {until}. {why}", icon=":material/block:")
        return
    if quota.limit is None or quota.remaining is None:
        return
    unit = words.UNIT[quota.rule.unit].lower()
    text = f"Cota: {number(quota.used)} de {number(quota.limit)} {unit}; restam **{number(quota.remaining)}**."
    if quota.frees and quota.state is not QuotaState.OK:
        text += f" Libera {number(quota.frees[0].units)} {clock(quota.frees[0].at, now, zone)}."
    if quota.share >= VERY_NEAR:
        st.error(text, icon=":material/error:")
    elif quota.state is QuotaState.NEAR:
        st.warning(text, icon=":material/warning:")
    else:
        st.caption(text)


def offer_paid_server(core: Mailcore, send: Send, code: str) -> None:
    """After a refusal by a rule about free accounts: the way to a server that carries volume."""
    if code not in _RULES_OF_VOLUME:
        return
    paid = core.servers.search(ServerQuery(is_paid=True, is_active=True, page_size=2)).servers
    other = next((server for server in paid if server.id != send.server_id), None)
    if other is not None:
        # Not a link: one to the page that is open leaves its address as it was.
        st.button(
            f"Usar o servidor pago {plain(other.name)}",
            key="use_paid",
            icon=":material/swap_horiz:",
            on_click=_choose,
            args=(other.id,),
        )


def _choose(server_id: int) -> None:
    st.query_params["servidor"] = str(server_id)
