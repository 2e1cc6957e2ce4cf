"""All servers at once: side by side, each by itself, in time, and what will stop working soon."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import update

from mailcore import Mailcore
from mailcore.health.check import CheckResult
from mailcore.health.portfolio import Checked, attention, check_all
from mailcore.registry.drafts import ServerDraft
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import CheckState, Security
from tests.actors import ME
from tests.databases import on_one_database
from tests.peers import certificates
from tests.peers.smtp_server import Say, SmtpPeer

USER, PASSWORD = "ana@exemplo.com.br", "çenha-Segr3da"


def register(core: Mailcore, name: str, port: int, **changes: object) -> MailServer:
    values: dict[str, object] = {
        "name": name,
        "host": "127.0.0.1",
        "port": port,
        "security": Security.STARTTLS,
        "ca_pem": certificates.authority_pem(),
        "username": USER,
        "from_address": USER,
    }
    return core.servers.create(ServerDraft(**(values | changes)), SecretStr(PASSWORD), actor=ME).server  # type: ignore[arg-type]


def test_every_active_server_is_checked_and_its_state_noted(core: Mailcore) -> None:
    with (
        SmtpPeer(users={USER: PASSWORD}, security="starttls") as good,
        SmtpPeer(users={USER: PASSWORD}, security="starttls") as bad,
    ):
        bad.script["AUTH"] = Say("535 5.7.8 no")
        a, b = register(core, "A", good.port), register(core, "B", bad.port)
        idle = register(core, "C", good.port, is_active=False)
        told: list[Checked] = []
        checked = core.check_all(told.append)
        assert [each.server.id for each in checked] == [a.id, b.id]
        assert [each.ok for each in checked] == [True, False]
        assert [(each.done, each.total) for each in told] == [(1, 2), (2, 2)]
        assert len(bad.logins) == 0, "scripted away: one AUTH came"
        assert bad.verbs().count("AUTH") == 1, "a portfolio check tries no second login"
        assert good.inbox == bad.inbox == []
    states = {server.id: core.servers.get(server.id) for server in (a, b, idle)}
    assert states[a.id].last_check_state is CheckState.OK
    assert states[a.id].certificate_ends_at is not None
    assert (states[b.id].last_check_state, states[b.id].last_check_category) == (CheckState.FAILED, "auth")
    assert states[idle.id].last_check_state is CheckState.NEVER


@on_one_database
def test_a_fault_of_one_stands_in_its_place(core: Mailcore) -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        register(core, "A", peer.port)
        lost = register(core, "B", peer.port)
        assert lost.secret_ref is not None
        core.secrets.drop(lost.secret_ref)
        first, second = core.check_all()
    assert first.ok
    assert second.result is None
    assert "senha" in second.fault.lower()


@on_one_database
def test_they_wait_side_by_side(core: Mailcore) -> None:
    servers = [register(core, f"S{number}", 2525) for number in range(8)]
    together = threading.Barrier(8, timeout=10)

    def check(server: MailServer) -> CheckResult:
        together.wait()  # passes only if all eight are under way at once
        return CheckResult(True, [], None, datetime.now(UTC))

    assert all(each.ok for each in check_all(servers, check))


@on_one_database
def test_a_known_provider_gets_three_connections_of_one_account_at_most(core: Mailcore) -> None:
    servers = [
        register(
            core, f"S{number}", 587, host="smtp.gmail.com", username="Ana@gmail.com" if number % 2 else "ana@gmail.com"
        )
        for number in range(12)
    ]
    under_way, most, lock = 0, 0, threading.Lock()

    def check(server: MailServer) -> CheckResult:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.02)  # long enough for others to come in, if they could
        with lock:
            under_way -= 1
        return CheckResult(True, [], None, datetime.now(UTC))

    assert len(check_all(servers, check)) == 12
    assert 1 <= most <= 3


@on_one_database
def test_what_is_not_begun_in_time_is_said(core: Mailcore) -> None:
    server = register(core, "A", 2525)
    (one,) = check_all([server], lambda _: CheckResult(True, [], None, datetime.now(UTC)), seconds=0)
    assert one.result is None
    assert "Não deu tempo" in one.fault
    assert check_all([], lambda _: CheckResult(True, [], None, datetime.now(UTC))) == []


def test_what_will_stop_working_soon(core: Mailcore) -> None:
    now = datetime.now(UTC)
    ends = {"Logo": 5, "Vencido": -3, "Longe": 200, "Inativo": 5}
    for name, days in ends.items():
        server = register(core, name, 587, is_active=name != "Inativo")
        with core.database.write() as session:
            session.execute(
                update(MailServer)
                .where(MailServer.id == server.id)
                .values(certificate_ends_at=now + timedelta(days=days))
            )
    register(core, "Microsoft", 587, host="smtp.office365.com")
    register(core, "Hotmail", 587, host="smtp-mail.outlook.com")
    found = attention(core.database, now=now)
    assert [server.name for server in found.certificates] == ["Vencido", "Logo"]
    assert found.certificates_total == 2
    assert [server.name for server, _ in found.passwords] == ["Hotmail", "Microsoft"]
    assert found.passwords[1][1].isoformat() == "2026-12-31"
    assert found.passwords_total == 2
