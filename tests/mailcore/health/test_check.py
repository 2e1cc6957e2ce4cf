"""The staged check: what it says of each stage, what it tries, what it never does, and when it is over."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from mailcore.health.check import CheckResult, check
from mailcore.transports import smtp
from mailcore.transports.base import Connection, Step
from mailcore.vocabulary import Kind, Security, StepState
from tests.peers import certificates
from tests.peers.elastic_server import Answer, ElasticPeer
from tests.peers.elastic_server import Stall as ElasticStall
from tests.peers.smtp_server import Drip, Drop, Say, SmtpPeer, Stall
from tests.side_by_side import side_by_side

USER, PASSWORD = "ana@exemplo.com.br", "çenha-Segr3da"
STAGES = ["resolve", "connect", "greeting", "tls", "ehlo", "auth", "sender"]


def connection(peer: SmtpPeer, **changes: object) -> Connection:
    made = Connection(
        kind=Kind.SMTP,
        host="127.0.0.1",
        port=peer.port,
        security=Security(peer.security),
        ca_pem=certificates.authority_pem(),
        username=next(iter(peer.users), ""),
        secret=SecretStr(PASSWORD) if peer.users else None,
        from_address=USER,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def _soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for the greeting of a server that waits for TLS in silence; what is tried then has its time."""
    monkeypatch.setattr(smtp, "CHECK_LIMITS", replace(smtp.CHECK_LIMITS, greeting=0.5, quit=0.1))


def states(result: CheckResult) -> dict[str, str]:
    return {step.name: step.state.value for step in result.steps}


def stage(result: CheckResult, name: str) -> Step:
    (found,) = [step for step in result.steps if step.name == name]
    return found


def everything(result: CheckResult) -> str:
    return repr(result)


# ---------------------------------------------------------------------- a server that works


@pytest.mark.parametrize("security", ["starttls", "ssl_tls"])
def test_a_good_server_passes_every_stage_and_gets_no_message(security: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, security=security) as peer:
        result = check(connection(peer))
    assert result.ok
    assert result.diagnosis is None
    assert sorted(states(result)) == sorted(STAGES)
    assert set(states(result).values()) == {"ok"}
    assert peer.verbs()[-3:] == ["MAIL", "RSET", "QUIT"]
    assert not {"RCPT", "DATA"} & set(peer.verbs())
    assert peer.inbox == []
    assert result.certificate is not None
    assert "127.0.0.1" in result.certificate.names
    tls = stage(result, "tls").detail
    assert tls.startswith("TLSv1.")
    assert "emitido por known" in tls
    assert "vence em" in tls
    offers = stage(result, "ehlo").detail
    assert "mensagens de até 10 MB" in offers
    assert "login por" in offers
    assert PASSWORD not in everything(result)


def test_it_takes_two_turns_more_than_a_bare_login() -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        check(connection(peer))
    assert peer.verbs() == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RSET", "QUIT"]


def test_a_recipient_is_asked_for_only_when_somebody_typed_one() -> None:
    with SmtpPeer() as peer:
        check(connection(peer))
        assert "RCPT" not in peer.verbs()
        assert check(connection(peer), recipient="bia@exemplo.org").ok
        assert ("RCPT", "TO:<bia@exemplo.org>") in peer.commands
        assert "DATA" not in peer.verbs()
        peer.script["RCPT"] = Say("550 5.1.1 no such user")
        refused = check(connection(peer), recipient="bia@exemplo.org")
    assert refused.diagnosis is not None
    assert refused.diagnosis.category == "recipient"


def test_what_does_not_apply_is_skipped_and_says_why() -> None:
    with SmtpPeer() as peer:
        result = check(connection(peer))
    assert states(result)["tls"] == states(result)["auth"] == "skipped"
    assert result.ok


def test_a_certificate_about_to_end_is_a_warning() -> None:
    tls = certificates.server_context(certificates.ENDING)
    with SmtpPeer(security="ssl_tls", tls=tls) as peer:
        result = check(connection(peer))
    assert result.ok
    assert stage(result, "tls").state is StepState.WARNING
    assert "vence em 9 dias" in stage(result, "tls").detail


# ---------------------------------------------------------------------- certificates


@pytest.mark.parametrize(
    ("which", "code", "words"),
    [
        (certificates.EXPIRED, "tls_expired", "venceu em"),
        (certificates.NOT_YET_VALID, "tls_not_yet_valid", "vence em"),
        (certificates.WRONG_NAME, "tls_hostname", "certificado de another.example"),
        (certificates.UNKNOWN_AUTHORITY, "tls_untrusted", "emitido por unknown"),
    ],
)
@pytest.mark.parametrize("security", ["starttls", "ssl_tls"])
def test_a_bad_certificate_is_refused_and_shown(which: str, code: str, words: str, security: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, security=security, tls=certificates.server_context(which)) as peer:
        result = check(connection(peer))
    assert result.diagnosis is not None
    assert (result.diagnosis.code, result.diagnosis.category) == (code, "tls")
    assert states(result)["tls"] == "failed"
    assert states(result)["auth"] == "skipped"
    assert words in stage(result, "tls").detail
    assert peer.logins == []
    assert result.certificate is not None


# ---------------------------------------------------------------------- what a person would try


@pytest.mark.usefixtures("_soon_over")
def test_direct_tls_on_a_port_taken_for_starttls_is_offered() -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="ssl_tls") as peer:
        result = check(connection(peer, security=Security.STARTTLS))
        assert peer.logins == []
    assert result.diagnosis is not None
    best = result.suggestions[0]
    assert best.label == f"Usar {peer.port} com SSL/TLS direto"
    assert best.values == {"port": peer.port, "security": Security.SSL_TLS}
    assert result.diagnosis.remedy.startswith("Use a porta")
    assert result.diagnosis.field == "security"


def test_starttls_on_a_port_taken_for_direct_tls_is_offered() -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        result = check(connection(peer, security=Security.SSL_TLS))
        assert peer.logins == []
    assert result.diagnosis is not None
    assert result.diagnosis.code == "tls_wrong_mode"
    assert result.suggestions[0].label == f"Usar {peer.port} com STARTTLS"


def test_a_login_that_needs_encryption_leads_to_it() -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        result = check(connection(peer, security=Security.NONE))
        assert peer.logins == []
    assert not result.ok
    assert result.suggestions[0].label == f"Usar {peer.port} com STARTTLS"


def test_starttls_taken_away_is_never_answered_with_plain_text() -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="none") as peer:
        result = check(connection(peer, security=Security.STARTTLS))
        assert peer.logins == []
        assert "MAIL" not in peer.verbs()
    assert result.diagnosis is not None
    assert result.diagnosis.code == "starttls_not_offered"
    assert result.suggestions == ()


@pytest.mark.usefixtures("_soon_over")
def test_what_does_not_verify_is_not_offered() -> None:
    tls = certificates.server_context(certificates.UNKNOWN_AUTHORITY)
    with SmtpPeer(users={USER: PASSWORD}, security="ssl_tls", tls=tls) as peer:
        result = check(connection(peer, security=Security.STARTTLS))
        assert peer.logins == []
    assert result.suggestions == ()


@pytest.mark.parametrize(("typed", "right"), [(USER, "ana"), ("ana", USER)])
def test_a_user_with_or_without_its_domain_is_tried_once(typed: str, right: str) -> None:
    with SmtpPeer(users={right: PASSWORD}, security="starttls") as peer:
        result = check(connection(peer, username=typed))
        assert [user for _, user in peer.logins] == [typed, right]
    assert result.diagnosis is not None
    assert result.suggestions[0].values == {"username": right}
    assert result.diagnosis.field == "username"
    assert PASSWORD not in everything(result)


def test_another_user_is_never_tried_in_the_clear_or_unverified_or_for_another_reason() -> None:
    with SmtpPeer(users={"ana": PASSWORD}) as peer:
        check(connection(peer, username=USER))
        assert [user for _, user in peer.logins] == [USER]
    with SmtpPeer(users={"ana": PASSWORD}, security="starttls") as peer:
        check(connection(peer, username=USER, verify_certificate=False))
        assert [user for _, user in peer.logins] == [USER]
        peer.script["AUTH"] = Say("534 5.7.9 Application-specific password required")
        check(connection(peer, username=USER))
        peer.script["AUTH"] = Say("454 4.7.0 Temporary authentication failure")
        check(connection(peer, username=USER))
        assert peer.verbs().count("AUTH") == 3


def test_a_user_that_a_service_has_everybody_type_gets_no_domain() -> None:
    with SmtpPeer(users={"ana": PASSWORD}, security="starttls") as peer:
        assert check(connection(peer, username="apikey")).suggestions == ()
        assert [user for _, user in peer.logins] == ["apikey"]


@pytest.mark.usefixtures("_soon_over")
def test_nothing_is_tried_where_nobody_asked_for_it() -> None:
    with SmtpPeer(users={"ana": PASSWORD}, security="ssl_tls") as peer:
        assert check(connection(peer, username=USER), probe=False).suggestions == ()
        assert [user for _, user in peer.logins] == [USER]
        assert check(connection(peer, security=Security.STARTTLS), probe=False).suggestions == ()


def test_a_closed_port_is_said_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = check(Connection(kind=Kind.SMTP, host="127.0.0.1", port=port, security=Security.STARTTLS))
    assert result.diagnosis is not None
    assert result.diagnosis.code == "connect_refused"
    assert states(result)["connect"] == "failed"
    assert [step.name for step in result.steps if step.state is StepState.SKIPPED] == STAGES[2:]


# ---------------------------------------------------------------------- servers that misbehave


@contextmanager
def talker(first: bytes, *, keep_talking: bool = False) -> Iterator[int]:
    """A socket that says this to whoever connects, and nothing that makes sense after it."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve(sock: socket.socket) -> None:
        with sock:
            try:
                sock.sendall(first)
                while not stopping.wait(0.05):
                    if keep_talking:
                        sock.sendall(b"x")
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)  # closed alone, it would go on accepting (see OAuthSmtpPeer)
        accepting.join(10)
        listener.close()


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not_smtp"),
        (b"\x00\xff\x00garbage", "not_smtp"),
        (b"* OK IMAP4rev1\r\n", "not_smtp"),
        (b"220 " + b"x" * 1_000_000 + b"\r\n", "not_smtp"),
        (b"220-a\r\n" * 200_000, "not_smtp"),
        (b"554 5.7.1 go away\r\n", "connection_refused_by_policy"),
        (b"421 4.7.0 later\r\n", "temporary"),
    ],
)
def test_a_first_word_that_is_wrong(first: bytes, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "CHECK_LIMITS", replace(smtp.CHECK_LIMITS, quit=0.1))
    with talker(first) as port:
        began = time.monotonic()
        result = check(
            Connection(kind=Kind.SMTP, host="127.0.0.1", port=port, security=Security.STARTTLS), probe=False, seconds=5
        )
    assert result.diagnosis is not None
    assert result.diagnosis.code == code
    assert states(result)["greeting"] == "failed"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("action", [Stall(), Drip(0.05)], ids=["stall", "drip"])
def test_a_stall_at_any_stage_ends_in_time(action: Stall | Drip) -> None:
    expected = {"GREETING": "greeting", "EHLO": "ehlo", "STARTTLS": "tls", "AUTH": "auth", "MAIL": "sender"}

    def checked(moment: str) -> tuple[CheckResult, float]:
        with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
            peer.script[moment] = action
            began = time.monotonic()
            result = check(connection(peer), seconds=3)
            return result, time.monotonic() - began

    for moment, (result, seconds) in zip(expected, side_by_side(checked, expected), strict=True):
        assert seconds < 5, moment
        assert result.diagnosis is not None
        assert result.diagnosis.category == "network"
        assert states(result)[expected[moment]] == "failed"
        assert PASSWORD not in everything(result)


@pytest.mark.parametrize("moment", ["EHLO", "STARTTLS", "AUTH", "MAIL"])
def test_a_connection_dropped_at_any_stage_names_it(moment: str) -> None:
    expected = {"EHLO": "ehlo", "STARTTLS": "tls", "AUTH": "auth", "MAIL": "sender"}[moment]
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        peer.script[moment] = Drop()
        result = check(connection(peer), probe=False)
    assert result.diagnosis is not None
    assert result.diagnosis.code == "disconnected"
    assert states(result)[expected] == "failed"


def test_starttls_offered_and_refused() -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        peer.script["STARTTLS"] = Say("454 4.7.0 TLS not available due to local problem")
        result = check(connection(peer))
        assert peer.logins == []
    assert result.diagnosis is not None
    assert result.diagnosis.code == "starttls_refused"
    assert "TLS not available" in stage(result, "tls").reply


def test_the_steps_are_told_as_they_happen() -> None:
    told: list[Step] = []
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        peer.script["AUTH"] = Say("535 5.7.8 no")
        check(connection(peer), told.append)
    running = [step.name for step in told if step.state is StepState.RUNNING]
    assert running == ["resolve", "connect", "greeting", "tls", "ehlo", "auth"]
    assert told[-1].name == "sender"
    assert told[-1].state is StepState.SKIPPED


# ---------------------------------------------------------------------- Elastic Email


def elastic(peer: ElasticPeer, key: str = "CHAVE-DE-TESTE") -> Connection:
    return Connection(kind=Kind.ELASTIC_EMAIL, secret=SecretStr(key), from_address=USER, base_url=peer.url)


def test_elastic_email_has_three_stages() -> None:
    with ElasticPeer() as peer:
        result = check(elastic(peer))
        assert states(result) == {"http": "ok", "account": "ok", "domain": "ok"}
        wrong = check(elastic(peer, "OUTRA-CHAVE"))
        assert peer.inbox == []
    assert states(wrong) == {"http": "ok", "account": "failed", "domain": "skipped"}
    assert wrong.diagnosis is not None
    assert wrong.diagnosis.category == "auth"
    assert "OUTRA-CHAVE" not in everything(wrong)


def test_elastic_email_that_stalls_ends_in_time() -> None:
    with ElasticPeer() as peer:
        peer.script["/v2/account/load"] = ElasticStall()
        began = time.monotonic()
        result = check(elastic(peer), seconds=3)
    assert time.monotonic() - began < 4
    assert result.diagnosis is not None
    assert result.diagnosis.code == "timeout"
    assert states(result)["http"] == "failed"


def test_elastic_email_behind_a_proxys_page() -> None:
    with ElasticPeer() as peer:
        peer.script["/v2/account/load"] = Answer(200, "<html>login</html>")
        result = check(elastic(peer))
    assert result.diagnosis is not None
    assert result.diagnosis.code == "unreadable_answer"


def test_a_check_costs_at_most_three_round_trips_more_than_a_bare_login() -> None:
    password = "so-ascii"  # which is all that smtplib can log in with
    with SmtpPeer(users={USER: password}, security="starttls") as peer:
        with smtplib.SMTP(peer.host, peer.port, timeout=10) as bare:
            bare.starttls()
            bare.login(USER, password)
        login = len(peer.commands)
        assert check(connection(peer, secret=SecretStr(password))).ok
        assert len(peer.commands) - login <= login + 3
