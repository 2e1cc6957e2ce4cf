"""The demo shows what the product can do, and its servers answer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from demo.__main__ import fill_once, start_servers
from demo.batch import RECIPIENTS
from demo.portfolio import ELASTIC, EXAMPLES, KEY, NOWHERE, STARTTLS, TLS
from mailcore import LedgerQuery, Mailcore, Origin, SendStatus, compose
from mailcore.settings import Settings
from mailcore.vocabulary import BatchState, CheckState, QuotaState
from tests.actors import ME


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_its_servers_answer_and_its_data_shows_every_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)  # what the demo changes is put back afterwards
    ca_pem, ports, root = start_servers(tmp_path, {STARTTLS: 0, TLS: 0, NOWHERE: closed_port()}, 0)
    settings = Settings(data_dir=tmp_path / "data", keyring="database", elastic_email_url=root)
    with Mailcore(settings) as core:
        assert fill_once(core, ports, ca_pem, days=3)
        assert not fill_once(core, ports, ca_pem)
        servers = {server.name: server for server in core.all_servers()}
        assert len(servers) == len(EXAMPLES) + 1

        statuses = {status for status in SendStatus if core.ledger.search(LedgerQuery(status=status)).matching}
        assert statuses >= {SendStatus.ACCEPTED, SendStatus.REFUSED, SendStatus.REJECTED_BY_RULE}
        assert all(core.ledger.search(LedgerQuery(origin=origin)).matching for origin in (Origin.TEST, Origin.PROGRAM))
        quotas = {quota.servers[0].name: quota for quota in core.quotas(wait=8)}
        assert {quota.state for quota in quotas.values()} == set(QuotaState)
        held = quotas["Transportadora Rota Sul"].hold
        assert held
        assert held.held_reply.startswith("550 5.4.6")
        assert quotas[ELASTIC].used > 30_000  # the service's own count

        checked = {name: (server.last_check_state, server.last_check_category) for name, server in servers.items()}
        assert checked["Auto Peças Irmãos Souza"] == (CheckState.FAILED, "auth")
        assert checked["Farmácia Santa Luzia"] == (CheckState.FAILED, "dns")
        assert checked["Oficina do Zé (servidor antigo)"] == (CheckState.FAILED, "network")
        assert checked["Transportadora Rota Sul"][0] is CheckState.FAILED
        assert [state for state, _ in checked.values()].count(CheckState.OK) == 8
        ending = {server.name for server in core.attention().certificates}
        assert ending == {"Contabilidade Horizonte — guias", "Hotel Vista Mar — reservas"}
        changes = core.trail.read().changes
        assert len({change.who for change in changes}) == 3
        assert len({change.at.date() for change in changes}) > 2

        (batch,) = core.batches.find().batches
        assert (batch.state, batch.total, batch.pending) == (BatchState.DRAFT, RECIPIENTS, RECIPIENTS - 1)
        core.batches.start(batch.id, actor=ME)
        core.batches._worker.work()
        batch = core.batches.get(batch.id)
        assert (batch.sent, batch.refused, batch.suppressed) == (RECIPIENTS - 3, 2, 1)

        for name, to in (("Clínica Bem Viver — lembretes", "bia@outro.example"), (ELASTIC, "caio@outro.example")):
            message = compose(from_address=servers[name].from_address, to=to, subject="Teste", text="Olá")
            sent = core.send(servers[name], message, actor=ME)
            assert (name, sent.status, sent.origin) == (name, SendStatus.ACCEPTED, Origin.PROGRAM)
        refused = compose(from_address="lembretes@bemviver.example", to="nao-existe@outro.example", text="Olá")
        assert core.send(servers["Clínica Bem Viver — lembretes"], refused, actor=ME).status is SendStatus.REFUSED
    assert KEY not in (tmp_path / "data" / "mailcore.db").read_bytes().decode("latin-1")
