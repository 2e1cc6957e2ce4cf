"""What goes wrong between us and a server, told as what it is, and tried another way where that is no harm."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from mailcore.diagnosis.explain import explain
from mailcore.diagnosis.replies import diagnose
from mailcore.health.check import check
from mailcore.messages.compose import OutgoingMessage, compose, from_eml
from mailcore.transports import smtp_hello, smtp_session
from mailcore.transports.base import Connection, TransportError
from mailcore.transports.smtp import SmtpTransport
from mailcore.transports.smtp_exchange import Limits
from mailcore.transports.smtp_wire import Reply
from mailcore.vocabulary import Kind, Outcome, Security, StepState
from tests.peers import certificates
from tests.peers.smtp_server import Say, SmtpPeer
from tests.peers.weak_certificates import (
    ENDED_AUTHORITY,
    SELF_SIGNED,
    SHORT_AUTHORITY,
    SHORT_DH,
    SHORT_KEY,
    weak_server,
)
from tests.tables import each_row

USER, PASSWORD = "ana@exemplo.com.br", "çenha-Segr3da"


@pytest.fixture(autouse=True)
def _a_machine_without_a_full_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(socket, "gethostname", lambda: "pc-7")
    monkeypatch.setattr(socket, "getfqdn", lambda: "pc-7.local")
    smtp_hello.host_name.cache_clear()
    yield
    smtp_hello.host_name.cache_clear()


def message(**changes: object) -> OutgoingMessage:
    fields = {"from_address": USER, "to": ["bia@exemplo.org"], "subject": "Olá", "text": "Um teste."}
    return compose(**(fields | changes))  # type: ignore[arg-type]


def connection(peer: SmtpPeer, **changes: object) -> Connection:
    made = Connection(
        Kind.SMTP,
        "127.0.0.1",
        peer.port,
        Security(peer.security),
        ca_pem=certificates.authority_pem() if peer.security != "none" else "",
        username=USER if peer.users else "",
        secret=SecretStr(PASSWORD) if peer.users else None,
        from_address=USER,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def failure(made: Connection, sent: OutgoingMessage | None = None) -> TransportError:
    with pytest.raises(TransportError) as caught:
        SmtpTransport(made).send(sent or message())
    return caught.value


# ---------------------------------------------------------------------- the name in EHLO


def names_said(peer: SmtpPeer) -> list[str]:
    return [name for verb, name in peer.commands if verb in ("EHLO", "HELO")]


def test_the_name_is_the_setting_else_the_full_name_else_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpPeer() as peer:
        SmtpTransport(connection(peer)).send(message())
        monkeypatch.setattr(socket, "getfqdn", lambda: "Correio.Exemplo.com.br")
        smtp_hello.host_name.cache_clear()
        SmtpTransport(connection(peer)).send(message())
        SmtpTransport(connection(peer, ehlo_name="nosso.exemplo.com.br")).send(message())
    assert names_said(peer) == ["[127.0.0.1]", "correio.exemplo.com.br", "nosso.exemplo.com.br"]


@pytest.mark.parametrize(
    "name", ["localhost", "pc", "pc.local", "localhost.localdomain", "1.0.0.127.in-addr.arpa", "a_b.c"]
)
def test_a_name_that_is_no_full_one_is_not_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: name)
    smtp_hello.host_name.cache_clear()
    assert smtp_hello.host_name() == ""


GOOGLE = "421-4.7.0 Try again later, closing connection. (EHLO)\n421 4.7.0  gsmtp"


@pytest.mark.parametrize(
    "refusal", [Say(GOOGLE, then_drop=True), Say("501 5.5.2 bad name"), Say("550 5.7.1 HELO name")]
)
@pytest.mark.parametrize("security", ["none", "starttls", "ssl_tls"])
def test_a_refused_name_is_tried_once_more_as_the_senders_domain(refusal: Say, security: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, security=security, script={"EHLO": [refusal]}) as peer:
        assert SmtpTransport(connection(peer)).send(message()).provider_id
    said = names_said(peer)
    assert said[:2] == ["[127.0.0.1]", "exemplo.com.br"]
    assert set(said[1:]) == {"exemplo.com.br"}
    assert len(peer.inbox) == 1


def test_a_name_refused_under_encryption_alone_is_tried_once_more_too() -> None:
    script = {"EHLO": [None, Say(GOOGLE, then_drop=True)]}
    with SmtpPeer(users={USER: PASSWORD}, security="starttls", script=script) as peer:
        assert SmtpTransport(connection(peer)).send(message()).provider_id
    assert names_said(peer) == ["[127.0.0.1]", "[127.0.0.1]", "exemplo.com.br", "exemplo.com.br"]


@pytest.mark.parametrize(
    "refusal", [Say(GOOGLE, then_drop=True), Say("501 5.5.2 bad name"), Say("550 5.7.1 HELO name")]
)
def test_a_name_refused_twice_is_said_to_be_the_name(refusal: Say) -> None:
    with SmtpPeer(script={"EHLO": refusal, "HELO": refusal}) as peer:
        error = failure(connection(peer))
    assert (error.phase, error.outcome) == ("ehlo", Outcome.REFUSED)
    diagnosis = diagnose(error, kind=Kind.SMTP)
    assert diagnosis.code == "ehlo_name_refused"
    assert "MAILCORE_EHLO_NAME" in diagnosis.remedy
    assert names_said(peer).count("[127.0.0.1]") == 1
    assert "MAIL" not in peer.verbs()


def test_a_busy_server_is_not_told_to_dislike_the_name() -> None:
    with SmtpPeer(script={"EHLO": Say("421 4.3.2 too busy", then_drop=True)}) as peer:
        assert failure(connection(peer)).cause == ""


# ---------------------------------------------------------------------- several addresses

NOWHERE = "ff02::1"
"""To this group of machines nobody can connect, wherever there is IPv6; another address may only never answer."""


def test_a_closed_port_behind_an_unreachable_ipv6_is_a_closed_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpPeer(security="starttls") as peer, socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()[1]
        other.close()
        ways = [(socket.AF_INET, ("127.0.0.1", closed)), (socket.AF_INET6, (NOWHERE, closed))]

        def resolve(host: str, port: int, seconds: float) -> list[object]:
            return [(family, (address, port)) for family, (address, _) in ways]

        monkeypatch.setattr(smtp_session, "resolve", resolve)
        monkeypatch.setattr("mailcore.health.probing._SUBMISSION", ((peer.port, Security.STARTTLS),))
        result = check(connection(peer, port=closed))
    assert result.diagnosis is not None
    assert result.diagnosis.code == "connect_refused"
    assert [each.label for each in result.suggestions] == [f"Usar {peer.port} com STARTTLS"]


# ---------------------------------------------------------------------- the login


@each_row(
    "reply",
    [
        "535 5.7.3 Invalid authentication mechanism", "504 5.5.4 Unrecognized authentication type",
        "535 5.7.8 Authentication mechanism not supported",
        "535 5.7.8 Error: authentication failed: no mechanism available",
        "538 5.7.11 Unsupported auth method", "535 Login type disabled",
    ],
)  # fmt: skip
def test_a_refused_mechanism_is_no_refused_password(reply: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, script={"AUTH": [Say(reply)]}) as peer:
        assert SmtpTransport(connection(peer)).send(message()).provider_id
    assert [argument.split()[0] for verb, argument in peer.commands if verb == "AUTH"] == ["PLAIN", "LOGIN"]


@pytest.mark.parametrize("reply", ["535 5.7.3 Invalid authentication mechanism", "504 5.5.4 No such mechanism"])
def test_the_other_mechanism_is_tried_once(reply: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, script={"AUTH": Say(reply)}) as peer:
        failure(connection(peer))
    assert peer.verbs().count("AUTH") == 2


@each_row(
    "reply",
    [
        "535 5.7.8 Username and Password not accepted", "535 Incorrect authentication data",
        "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6",
        "535 5.7.139 Authentication unsuccessful, basic auth is disabled",
        "535 5.7.0 Invalid login or password", "534 5.7.9 Application-specific password required",
        "454 4.7.0 Temporary authentication failure", "535 5.7.8 SASL PLAIN authentication failed: bad credentials",
    ],
)  # fmt: skip
def test_a_refused_password_is_never_tried_another_way(reply: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, script={"AUTH": Say(reply)}) as peer:
        failure(connection(peer))
    assert peer.verbs().count("AUTH") == 1


# ---------------------------------------------------------------------- what the server says it cannot take


def from_file(data: bytes) -> OutgoingMessage:
    return from_eml(data, envelope_from=USER, to=["bia@exemplo.org"])


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: oi\n\nol\xe1\n",
        b"Subject: oi\nContent-Type: text/plain; charset=nao-existe\n\nol\xe1\n",
        b"DKIM-Signature: v=1; b=abc\nContent-Type: text/plain; charset=utf-8\n\nol\xc3\xa1\n",
    ],
)
def test_eight_bits_that_cannot_be_seven_are_refused_before_the_envelope(data: bytes) -> None:
    with SmtpPeer(eight_bit=False) as peer:
        error = failure(connection(peer), from_file(data))
    assert (error.phase, error.cause, error.outcome) == ("sender", "eight_bit_not_offered", Outcome.FAILED)
    assert "MAIL" not in peer.verbs()
    with SmtpPeer() as peer:
        assert SmtpTransport(connection(peer)).send(from_file(data)).provider_id
    assert peer.inbox[0].content.endswith(data.partition(b"\n\n")[2].replace(b"\n", b"\r\n"))


def test_a_message_larger_than_the_server_says_is_refused_before_it_is_handed_over() -> None:
    with SmtpPeer(size_limit=2_000) as peer:
        error = failure(connection(peer), message(text="linha\n" * 1_000))
        assert SmtpTransport(connection(peer)).send(message()).provider_id
    assert (error.phase, error.outcome) == ("sender", Outcome.REFUSED)
    assert diagnose(error, kind=Kind.SMTP).code == "message_too_big"
    assert peer.verbs().count("DATA") == 1


@pytest.mark.parametrize(
    "content", [b"", b"Subject: oi\n\nbare\n", b"a: " + b"x" * 999 + b"\r\n\r\n", b"a: b\r\n\r\n\0\r\n"]
)
def test_bytes_that_no_server_can_be_handed_are_refused_before_connecting(content: bytes) -> None:
    made = replace(message(), content=content)
    with SmtpPeer() as peer:
        with pytest.raises(TransportError) as caught:
            SmtpTransport(connection(peer)).prepare(made)
        assert (caught.value.cause, caught.value.outcome) == ("message_unwritable", Outcome.FAILED)
        assert failure(connection(peer), made).cause == "message_unwritable"
        assert peer.connections == 0


def test_a_size_beyond_reason_does_no_harm() -> None:
    script = {"EHLO": Say(f"250-peer.example\n250 SIZE {'9' * 5_000}"), "MAIL": Say("250 ok")}
    with SmtpPeer(script=script) as peer:
        assert SmtpTransport(connection(peer)).check().steps


# ---------------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    ("which", "code", "field"),
    [
        (SHORT_KEY, "tls_weak_key", None),
        (SHORT_AUTHORITY, "tls_weak_authority", None),
        (SHORT_DH, "tls_weak_dh", None),
        (ENDED_AUTHORITY, "tls_own_authority_expired", "security"),
    ],
)
@pytest.mark.parametrize("security", ["starttls", "ssl_tls"])
def test_what_is_weak_or_ended_is_named(which: str, code: str, field: str | None, security: str) -> None:
    weak = weak_server(which)
    with SmtpPeer(users={USER: PASSWORD}, security=security, tls=weak.context) as peer:
        error = failure(connection(peer, ca_pem=weak.authority_pem))
    assert (error.phase, error.cause, error.outcome) == ("tls", code, Outcome.FAILED)
    assert diagnose(error, kind=Kind.SMTP).field == field
    assert peer.logins == []


def test_this_very_certificate_can_be_trusted_by_one_press() -> None:
    weak = weak_server(SELF_SIGNED)
    with SmtpPeer(users={USER: PASSWORD}, security="starttls", tls=weak.context) as peer:
        made = connection(peer, ca_pem="")
        result = check(made)
        (offer,) = result.suggestions
        assert offer.label == "Confiar neste certificado"
        assert peer.logins == []
        trusting = replace(made, ca_pem=str(offer.values["ca_pem"]))
        assert check(trusting).ok
    assert result.diagnosis is not None
    assert result.certificate is not None
    assert result.diagnosis.field == "security"
    for shown in (
        result.certificate.sha256,
        "127.0.0.1",
        "localhost",
        f"{result.certificate.not_after:%d/%m/%Y}",
        "“SSL”",
    ):
        assert shown in result.diagnosis.remedy
    other = certificates.server_context(certificates.UNKNOWN_AUTHORITY)
    with SmtpPeer(users={USER: PASSWORD}, security="starttls", tls=other) as peer:
        assert failure(replace(trusting, port=peer.port)).cause == "tls_untrusted"
        assert peer.logins == []


def test_the_name_in_the_certificate_is_offered_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, seconds: float) -> list[object]:
        return [(socket.AF_INET, ("127.0.0.1", port))]

    monkeypatch.setattr(smtp_session, "resolve", resolve)
    tls = certificates.server_context(certificates.WRONG_NAME)
    with SmtpPeer(users={USER: PASSWORD}, security="starttls", tls=tls) as peer:
        result = check(connection(peer, host="mail.exemplo.com.br"))
    assert result.diagnosis is not None
    assert (result.diagnosis.code, result.diagnosis.field) == ("tls_hostname", "host")
    assert [each.values for each in result.suggestions] == [{"host": "another.example"}]


def test_the_names_and_the_end_of_a_refused_certificate_are_said_of_a_send_too() -> None:
    for which, words in ((certificates.WRONG_NAME, "another.example"), (certificates.EXPIRED, "venceu em")):
        tls = certificates.server_context(which)
        with SmtpPeer(users={USER: PASSWORD}, security="starttls", tls=tls) as peer:
            assert words in diagnose(failure(connection(peer)), kind=Kind.SMTP).cause


@pytest.mark.parametrize("reply", ["552 5.3.4 Line too long", "554 5.6.0 Lines in message body are too long (max 998)"])
def test_a_line_that_is_too_long_for_the_server_is_said_to_be_that(reply: str) -> None:
    with SmtpPeer(script={".": Say(reply)}) as peer:
        error = failure(connection(peer))
    assert error.outcome is Outcome.REFUSED
    assert diagnose(error, kind=Kind.SMTP).code == "line_too_long"


# ---------------------------------------------------------------------- slow


class _SlowGreeting:
    """A server that waits before its first word, as a tarpit against spam does."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> int:
        import threading

        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self.listener.getsockname()[1])

    def __exit__(self, *exc: object) -> None:
        self.listener.close()

    def _serve(self) -> None:
        sock, _ = self.listener.accept()
        with sock:
            time.sleep(self.seconds)
            sock.sendall(b"220 slow\r\n")
            while sock.recv(4_096):
                sock.sendall(b"250 ok\r\n")


def test_a_slow_first_word_is_slow_and_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the proportion of a server that takes 12 of a check's 20 seconds."""
    monkeypatch.setattr(smtp_session, "_SLOW_GREETING", 1.0)
    with _SlowGreeting(1.8) as port:
        began = time.monotonic()
        result = check(Connection(Kind.SMTP, "127.0.0.1", port, from_address=USER), seconds=4)
    assert time.monotonic() - began < 4
    assert result.ok
    (greeting,) = [step for step in result.steps if step.name == "greeting"]
    assert greeting.state is StepState.WARNING
    assert "lento: levou 2 s" in greeting.detail
    assert Limits().greeting > 12


def test_words_about_a_mechanism_are_told_from_words_about_a_password() -> None:
    from mailcore.transports.smtp_login import is_about_the_mechanism

    assert not is_about_the_mechanism(Reply(535, "535 5.7.8 authentication failed, bad password for this type of user"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: EE certificate key too weak", "tls_weak_key"),
        ("certificate verify failed: CA signature digest algorithm too weak (_ssl.c:1006)", "tls_weak_authority"),
        ("ssl.SSLError: [SSL: DH_KEY_TOO_SMALL] dh key too small (_ssl.c:1006)", "tls_weak_dh"),
    ],
)
def test_what_other_programs_say_of_weak_tls_is_understood_too(words: str, code: str) -> None:
    assert [found.diagnosis.code for found in explain(words)] == [code]
