"""What the DNS tells of a sender's domain reaches the form; where it tells nothing, the form is not drawn anew."""

from __future__ import annotations

import time
from concurrent.futures import Future

import pytest
from streamlit.testing.v1 import AppTest

from ui.session import MX_ASKED, form_field

DOMAIN = "clinica.example"


def page() -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

    from ui.cadastro import offers

    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    here = get_script_run_ctx()
    assert here is not None
    send = here._enqueue
    sent = st.session_state["sent"] = []
    here._enqueue = lambda message: (sent.append(message.WhichOneof("type")), send(message))[1]
    if st.session_state["runs"] == 1:
        offers._look_again()


@pytest.mark.parametrize(
    ("hosts", "ago", "runs", "stops"),
    [
        (["aspmx.l.google.com"], 0, 2, False),
        ([], 0, 1, True),
        (None, 0, 1, False),
        (None, 60, 1, True),
    ],
    ids=["known", "unknown", "no answer yet", "no answer in time"],
)
def test_the_form_is_drawn_again_only_for_what_is_known(
    hosts: list[str] | None, ago: float, runs: int, stops: bool
) -> None:
    answer: Future[list[str]] = Future()
    if hosts is not None:
        answer.set_result(hosts)
    app = AppTest.from_function(page)
    app.session_state[form_field("from_address").name] = f"ana@{DOMAIN}"
    app.session_state[MX_ASKED.name] = (DOMAIN, time.monotonic() - ago, answer)
    app.run()
    assert not app.exception
    assert app.session_state["runs"] == runs
    assert ("stop_auto_rerun" in app.session_state["sent"]) is stops
