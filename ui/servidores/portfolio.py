""" "Testar todos": the whole portfolio checked in the background, and what will stop working soon."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.errors import MailcoreError
from mailcore.health.portfolio import Attention, Checked
from ui.context import current_actor
from ui.formats import date_time, number, plain
from ui.session import PORTFOLIO_RUN

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.actor import Actor

_MOST_SHOWN = 100
_ATTENTION_SECONDS = 300


class _Runner:
    """One run at a time for the whole app; whoever asks meanwhile watches the same."""

    def __init__(self) -> None:
        self.is_running = False
        self.done = self.total = 0
        self.checked: list[Checked] = []
        self.fault = ""
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._number = 0

    def start(self, core: Mailcore, actor: Actor) -> int:
        """Begin, unless it is under way; return the number of the run."""
        with self._lock:
            if not self.is_running:
                self.is_running, self.done, self.total = True, 0, 0
                self._number = next(self._numbers)
                threading.Thread(target=self._run, args=(core, actor), name="mailcore-test-all", daemon=True).start()
            return self._number

    def _run(self, core: Mailcore, actor: Actor) -> None:
        try:
            self.checked, self.fault = core.check_all(self._hear, actor=actor), ""
        except MailcoreError as error:
            self.checked, self.fault = [], str(error)
        finally:
            self.is_running = False

    def _hear(self, one: Checked) -> None:
        self.done, self.total = one.done, one.total


@st.cache_resource(show_spinner=False)
def _runner() -> _Runner:
    return _Runner()


def test_all(core: Mailcore, *, start: bool) -> None:
    """Begin where the button was pressed; show how far it is, then what it found."""
    runner = _runner()
    if start:
        PORTFOLIO_RUN.set(runner.start(core, current_actor()))
    if PORTFOLIO_RUN.get() is None:
        return
    if runner.is_running:
        _progress(runner)
    elif runner.fault:
        st.error(runner.fault, icon=":material/error:")
    else:
        _show(runner.checked)


@st.fragment(run_every="1s")
def _progress(runner: _Runner) -> None:
    if not runner.is_running:
        st.rerun(scope="app")
    share = runner.done / runner.total if runner.total else 0.0
    st.progress(share, f"Testando todos os servidores ativos: {number(runner.done)} de {number(runner.total)}")
    st.caption("Nada é enviado. Você pode continuar usando o programa.")


def _show(checked: list[Checked]) -> None:
    failed = [one for one in checked if not one.ok]
    working = len(checked) - len(failed)
    if not checked:
        st.info("Não há servidores ativos para testar.", icon=":material/info:")
    elif failed:
        st.warning(
            f"**{number(working)}** funcionando e **{number(len(failed))}** com problema.", icon=":material/warning:"
        )
    else:
        which = "O servidor ativo está" if working == 1 else f"Todos os **{number(working)}** servidores ativos estão"
        st.success(f"{which} funcionando.", icon=":material/check:")
    with st.container(horizontal=True):
        st.button("Fechar o resultado", key="portfolio_close", on_click=PORTFOLIO_RUN.forget)
    for one in failed[:_MOST_SHOWN]:
        diagnosis = one.result.diagnosis if one.result else None
        field = diagnosis.field if diagnosis else None
        _link(one.server.id, one.server.name, diagnosis.title if diagnosis else one.fault, field=field)
    if len(failed) > _MOST_SHOWN:
        st.caption(f"E mais {number(len(failed) - _MOST_SHOWN)}: filtre a lista por Último teste, Com falha.")


@st.cache_data(ttl=_ATTENTION_SECONDS, show_spinner=False)
def _attention(_core: Mailcore) -> Attention:
    return _core.attention()


def show_attention(core: Mailcore) -> None:
    """Certificates about to end and password logins a provider ends, folded under one line; nothing else."""
    found = _attention(core)
    parts = []
    if found.certificates_total:
        parts.append(f"{number(found.certificates_total)} com certificado que vence em até 30 dias")
    if found.passwords_total:
        parts.append(f"{number(found.passwords_total)} com login por senha que o provedor acaba")
    if not parts:
        return
    with st.expander("Precisam de atenção: " + "; ".join(parts), icon=":material/event:"):
        for server in found.certificates:
            if server.certificate_ends_at:
                _link(
                    server.id,
                    server.name,
                    f"certificado até {date_time(server.certificate_ends_at, core.settings.zone)}",
                )
        today = datetime.now(UTC).date()
        for server, ends in found.passwords:
            words = "não aceita mais senha" if ends <= today else f"aceita senha até {ends:%d/%m/%Y}"
            _link(server.id, server.name, f"{server.host} {words}")


def _link(server_id: int, name: str, words: str, *, field: str | None = None) -> None:
    with st.container(gap=None):
        st.page_link(
            "pages/cadastro.py",
            label=plain(name),
            query_params={"id": str(server_id), **({"campo": field} if field else {})},
        )
        st.caption(plain(words))
