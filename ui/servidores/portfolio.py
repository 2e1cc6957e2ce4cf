""" "Testar todos": the whole portfolio checked in the background, and what will stop working soon."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

import streamlit as st

from mailcore.errors import MailcoreError
from mailcore.health.portfolio import Attention, Checked
from ui.formats import date_time, number, plain
from ui.person import current_actor
from ui.session import PORTFOLIO_RUN

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.actor import Actor
    from mailcore.storage.tables import MailServer

_MOST_SHOWN = 100
_SECOND_CLICK = 2.0
"""Seconds within which a press is the second half of a double click."""
_ATTENTION_SECONDS = 300


class Run:
    """Servers being checked side by side; whoever watches it sees the same."""

    def __init__(self, servers: list[MailServer] | None = None) -> None:
        """Of these servers, or of every active one."""
        self.servers = servers
        self.is_running = False
        self.done = self.total = 0
        self.checked: list[Checked] = []
        self.fault = ""
        self._began = -_SECOND_CLICK
        self._lock = threading.Lock()

    def start(self, core: Mailcore, actor: Actor) -> None:
        """Begin, unless it is under way or has just begun: the second half of a double click begins nothing."""
        with self._lock:
            if self.is_running or monotonic() - self._began < _SECOND_CLICK:
                return
            self.is_running, self.done, self.total, self._began = True, 0, 0, monotonic()
            threading.Thread(target=self._run, args=(core, actor), name="mailcore-test-all", daemon=True).start()

    def put_away(self) -> None:
        """Forget when it began: who presses again after closing the result means another run."""
        self._began = -_SECOND_CLICK

    def _run(self, core: Mailcore, actor: Actor) -> None:
        try:
            self.checked, self.fault = core.check_all(self._hear, servers=self.servers, actor=actor), ""
        except MailcoreError as error:
            self.checked, self.fault = [], str(error)
        finally:
            self.is_running = False

    def _hear(self, checked: Checked) -> None:
        self.done, self.total = checked.done, checked.total

    def is_of(self, servers: list[MailServer]) -> bool:
        """Whether it is about just these servers."""
        return self.servers is not None and {server.id for server in self.servers} == {server.id for server in servers}


@st.cache_resource(show_spinner=False)
def _of_all() -> Run:
    """One at a time for the whole app."""
    return Run()


def test_these(core: Mailcore, servers: list[MailServer]) -> None:
    """Begin to check several servers."""
    run = PORTFOLIO_RUN.get()
    if run is None or not run.is_of(servers):
        run = Run(servers)
    run.start(core, current_actor())
    PORTFOLIO_RUN.set(run)


def test_all(core: Mailcore, *, start: bool) -> None:
    """Begin with all where the button was pressed; show how far the last run is, then what it found."""
    if start:
        _of_all().start(core, current_actor())
        PORTFOLIO_RUN.set(_of_all())
    run = PORTFOLIO_RUN.get()
    if run is None:
        return
    if run.is_running:
        _progress(run)
    elif run.fault:
        st.error(plain(run.fault), icon=":material/error:")
    else:
        _show(run)


@st.fragment(run_every=1.0)
def _progress(run: Run) -> None:
    if not run.is_running:
        st.rerun(scope="app")
    share = run.done / run.total if run.total else 0.0
    which = "todos os servidores ativos" if run.servers is None else "os servidores selecionados"
    st.progress(share, f"Testando {which}: {number(run.done)} de {number(run.total)}")
    st.caption("Nada é enviado. Você pode continuar usando o programa.")


def _show(run: Run) -> None:
    checked = run.checked
    failed = [tested for tested in checked if not tested.ok]
    working = len(checked) - len(failed)
    if not checked:
        st.info("Não há servidores ativos para testar.", icon=":material/info:")
    elif failed:
        st.warning(
            f"**{number(working)}** funcionando e **{number(len(failed))}** com problema.", icon=":material/warning:"
        )
    else:
        kind = " ativo" if run.servers is None else ""
        which = f"O servidor{kind} está" if working == 1 else f"Todos os **{number(working)}** servidores"
        which += "" if working == 1 else f"{kind}s estão" if kind else " testados estão"
        st.success(f"{which} funcionando.", icon=":material/check:")
    with st.container(horizontal=True):
        st.button("Fechar o resultado", key="portfolio_close", on_click=_put_away, args=(run,))
    for tested in failed[:_MOST_SHOWN]:
        diagnosis = tested.result.diagnosis if tested.result else None
        field = diagnosis.field if diagnosis else None
        _link(tested.server.id, tested.server.name, diagnosis.title if diagnosis else tested.fault, field=field)
    if len(failed) > _MOST_SHOWN:
        st.caption(f"E mais {number(len(failed) - _MOST_SHOWN)}: filtre a lista por Último teste, Com falha.")


def _put_away(run: Run) -> None:
    run.put_away()
    PORTFOLIO_RUN.forget()


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
    if found.app_secrets:
        few = len(found.app_secrets) == 1
        parts.append(f"{len(found.app_secrets)} {'aplicativo' if few else 'aplicativos'} OAuth com segredo que vence")
    if not parts:
        return
    title = "Precisam de atenção: " + "; ".join(parts)
    panel = st.expander(title, icon=":material/event:", key="attention", on_change="rerun")
    if panel.open:  # a hundred links are not sent along with each page for nobody to read
        with panel:
            _list_attention(core, found)


def _list_attention(core: Mailcore, found: Attention) -> None:
    for server in found.certificates:
        if server.certificate_ends_at:
            ends = date_time(server.certificate_ends_at, core.settings.zone)
            _link(server.id, server.name, f"certificado até {ends}")
    today = datetime.now(UTC).date()
    for server, stops in found.passwords:
        words = "não aceita mais senha" if stops <= today else f"aceita senha até {stops:%d/%m/%Y}"
        _link(server.id, server.name, f"{server.host} {words}: abrir “Forma de login”", field="auth")

    for app in found.app_secrets:
        if app.secret_ends_on:
            verb = "venceu" if app.secret_ends_on < today else "vence"
            st.page_link("pages/aplicativos_oauth.py", label=plain(app.name))
            st.caption(
                f"o segredo do aplicativo {verb} em {app.secret_ends_on:%d/%m/%Y}: crie outro no provedor e cole lá"
            )


def _link(server_id: int, name: str, words: str, *, field: str | None = None) -> None:
    with st.container(gap=None):
        st.page_link(
            "pages/cadastro.py",
            label=plain(name),
            query_params={"id": str(server_id), **({"campo": field} if field else {})},
        )
        st.caption(plain(words))
