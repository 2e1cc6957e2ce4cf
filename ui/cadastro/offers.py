"""The sender's row of the form, and what the catalogue offers for the address typed there.

The row is a fragment: each keystroke looks the domain up without running the page again. What is not a known
domain is asked of the DNS in the background, so that typing never waits for a name server.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState, get_script_run_ctx

from mailcore.catalog.lookup import ProviderSuggestion, suggest
from mailcore.catalog.mx import mx_hosts
from mailcore.vocabulary import LimitUnit, LimitWindow, Security
from ui import words
from ui.formats import number, plain
from ui.session import MX_ASKED, OFFER_FILLED, form_field

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WAIT_SECONDS = 2.5
_POLL_SECONDS = 0.25
_FEMININE = frozenset({"locaweb", "kinghost", "hostgator_br", "hostgator_us", "hostinger", "godaddy", "umbler"})
_CONFIDENCE = {
    "secondary": " Valor citado por terceiros, não pelo provedor.",
    "unverified": " Valor de baixa confiança: visto só em código público.",
}


def offer(address: str, key: str, put: Callable[[dict[str, Any]], None]) -> None:
    """Say what is known of the provider of ``address``, warn of what will fail, and offer to fill the form.

    Args:
        key: of the button.
        put: fills the form with values.
    """
    if OFFER_FILLED.take():
        st.rerun(scope="app")  # the other fields stand outside this fragment
    found = _suggestion(address)
    if found is None:
        return
    name = short_name(found)
    stands = (form_field("host").get() or "").strip()
    # Where no password opens the account there is nothing to fill: the warning below says so.
    if found.host not in ("", stands) and set(found.auth) != {"oauth2"}:
        of = "da" if found.provider_id in _FEMININE else "do"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"Preencher com os dados {of} {plain(name)}",
                key=key,
                icon=":material/auto_fix_high:",
                on_click=_fill,
                args=(put, values_of(found)),
            )
            st.caption(summary(found))
    for warning in found.warnings:
        st.warning(plain(warning), icon=":material/warning:")


def password_advice(address: str) -> str:
    """Return what the catalogue says of the password for an address, ready to show; empty where it says nothing."""
    found = _known(address)
    return plain(found.password_advice) if found else ""


def _fill(put: Callable[[dict[str, Any]], None], values: dict[str, Any]) -> None:
    put(values)
    OFFER_FILLED.set(True)


def short_name(found: ProviderSuggestion) -> str:
    """ "Gmail" of "Gmail (gratuito)"."""
    return found.provider_name.partition(" (")[0].partition(" / ")[0]


def summary(found: ProviderSuggestion) -> str:
    """The settings in one line, with how far the limit can be trusted."""
    security = words.SECURITY[Security(found.security)]
    text = f"{found.host}, porta {found.port}, {security}."
    if found.daily_limit:
        unit = words.UNIT[LimitUnit(found.limit_unit)].lower()
        text += f" Limite: {number(found.daily_limit)} {unit} por dia.{_CONFIDENCE.get(found.confidence, '')}"
    return plain(text)


def values_of(found: ProviderSuggestion) -> dict[str, Any]:
    """The form's fields as the catalogue fills them; a limit nobody published is empty, whoever's stood there."""
    values: dict[str, Any] = {
        "host": found.host,
        "port": found.port,
        "security": Security(found.security),
        "requires_auth": True,
        "username": found.username,
    }
    if found.is_paid is not None:
        values["is_paid"] = found.is_paid
    values["daily_limit"] = found.daily_limit
    if found.daily_limit:
        values["limit_unit"] = LimitUnit(found.limit_unit)
    if found.limit_window:
        values["limit_window"] = LimitWindow(found.limit_window)
    return values


@st.cache_resource(show_spinner=False)
def _askers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="mailcore-mx")


def _suggestion(address: str) -> ProviderSuggestion | None:
    """By the domain at once; by the DNS as soon as it answers."""
    domain = _domain(address)
    known = _known(address)
    if known is not None or not domain:
        return known
    asked = MX_ASKED.get()
    if asked is None or asked[0] != domain:
        asked = (domain, time.monotonic(), _askers().submit(mx_hosts, domain))
        MX_ASKED.set(asked)
    _, since, answer = asked
    if not answer.done() and time.monotonic() - since < _WAIT_SECONDS:
        _look_again()
    return _known(address)


def _domain(address: str) -> str:
    local, _, domain = address.strip().rpartition("@")
    return domain if local and "." in domain.strip(".") else ""


def _known(address: str) -> ProviderSuggestion | None:
    """What is known without waiting: by the domain, or by the DNS where it has answered."""
    domain = _domain(address)
    if not domain:
        return None
    known = suggest(address, mx=lambda _: [])
    asked = MX_ASKED.get()
    if known is not None or asked is None or asked[0] != domain or not asked[2].done():
        return known
    hosts = asked[2].result()
    return suggest(address, mx=lambda _: hosts) if hosts else None


@st.fragment(run_every=_POLL_SECONDS)
def _look_again() -> None:
    """Draw the form again where the DNS tells something; until then, and where it does not, nothing but this runs."""
    asked = MX_ASKED.get()
    if asked is None:
        return
    _, since, answer = asked
    if _known(form_field("from_address").get() or ""):
        st.rerun(scope="app")  # what is known concerns fields in both tabs
    if answer.done() or time.monotonic() - since >= _WAIT_SECONDS:
        _stop_looking()


def _stop_looking() -> None:
    """Have the browser run this fragment no more. Streamlit (1.67) does so itself only with the next run of the page,
    and to draw the whole form once more takes the browser a quarter of a second.
    """
    here = get_script_run_ctx()
    if here is not None:
        message = ForwardMsg()
        message.stop_auto_rerun.fragment_ids.append(ThreadState.get().fragment_id or "")
        here.enqueue(message)
