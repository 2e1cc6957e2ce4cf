"""SMTP against a real server that misbehaves at every point of the conversation."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from pydantic import SecretStr

from mailcore import deadline
from mailcore.messages.compose import OutgoingMessage, compose, from_eml
from mailcore.transports import transport_for
from mailcore.transports.base import Connection, Step, TransportError
from mailcore.transports.smtp import SmtpTransport
from mailcore.transports.smtp_exchange import Limits
from mailcore.transports.smtp_session import SmtpSession
from mailcore.vocabulary import Kind, Outcome, Security, StepState
from tests.peers import certificates
from tests.peers.smtp_server import Action, Drip, Drop, Say, SmtpPeer, Stall
from tests.side_by_side import side_by_side

USER, PASSWORD = "ana@exemplo.com.br", "çenha-Segr3da"
FAST = Limits(resolve=5, connect=5, greeting=0.8, silence=0.8, tls=2, command=0.8, data=0.8, accept=0.8, quit=0.3)
"""Short, for peers that never answer; well above what a healthy one takes."""
PATIENT = Limits(greeting=10, tls=10, command=10, data=10, accept=10)


def message(**changes: object) -> OutgoingMessage:
    fields = {"from_address": USER, "to": ["bia@exemplo.org"], "subject": "Olá", "text": "Um teste.\n.\nFim."}
    return compose(**(fields | changes))  # type: ignore[arg-type]


def connection(peer: SmtpPeer, **changes: object) -> Connection:
    security = Security(peer.security)
    made = Connection(
        kind=Kind.SMTP,
        host="127.0.0.1",
        port=peer.port,
        security=security,
        ca_pem="" if security is Security.NONE else certificates.authority_pem(),
        username=USER if peer.users else "",
        secret=SecretStr(PASSWORD) if peer.users else None,
        from_address=USER,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def transport(peer: SmtpPeer, limits: Limits = PATIENT, **changes: object) -> SmtpTransport:
    return SmtpTransport(connection(peer, **changes), limits)


def failure(peer: SmtpPeer, limits: Limits = PATIENT, **changes: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        transport(peer, limits, **changes).send(message())
    return caught.value


# ---------------------------------------------------------------------- what works


@pytest.mark.parametrize("security", ["none", "starttls", "ssl_tls"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_message_arrives_whole(security: str, mechanism: str) -> None:
    seen: list[Step] = []
    with SmtpPeer(security=security, users={USER: PASSWORD}, mechanisms=(mechanism,)) as peer:
        receipt = transport(peer).send(
            message(to=["bia@exemplo.org"], cc=["caio@exemplo.org"], bcc=["oculto@exemplo.org"]),
            on_step=seen.append,
        )
    (received,) = peer.inbox
    assert peer.logins == [(mechanism, USER)]
    assert received.envelope_from == USER
    assert received.recipients == ["bia@exemplo.org", "caio@exemplo.org", "oculto@exemplo.org"]
    assert received.message.get_content().splitlines() == ["Um teste.", ".", "Fim."]
    assert b"oculto" not in received.content
    assert receipt.provider_id == peer.queue_id
    assert receipt.reply == f"250 2.0.0 Ok: queued as {peer.queue_id}"
    assert receipt.refused_recipients == {}
    ended = [step.name for step in seen if step.state is not StepState.RUNNING]
    assert len(set(ended)) == len(ended)
    assert set(ended) == {
        "resolve", "connect", "greeting", "tls", "ehlo", "auth", "sender", "recipients", "data",
    }  # fmt: skip
    assert all(step.milliseconds > 0 for step in seen if step.state is StepState.OK)
    assert all(step.state in (StepState.OK, StepState.RUNNING, StepState.SKIPPED) for step in seen)


def test_plain_is_preferred_and_ehlo_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcore.transports.smtp_hello.host_name", lambda: "")  # whatever this machine is called
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        transport(peer).send(message())
    assert peer.logins == [("PLAIN", USER)]
    assert peer.commands[0] == ("EHLO", "[127.0.0.1]")


def test_without_a_user_name_nobody_logs_in() -> None:
    with SmtpPeer() as peer:
        steps = transport(peer).check().steps
    assert "AUTH" not in peer.verbs()
    assert {step.name: step.state for step in steps}["auth"] is StepState.SKIPPED


def test_a_check_sends_nothing() -> None:
    with SmtpPeer(users={USER: PASSWORD}, security="starttls") as peer:
        steps = transport(peer).check().steps
    assert [step.name for step in steps] == [
        "resolve", "connect", "greeting", "tls", "ehlo", "auth", "sender",
    ]  # fmt: skip
    assert peer.verbs() == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RSET", "QUIT"]
    assert peer.inbox == []
    assert {step.name: step.detail for step in steps}["tls"].startswith("TLSv1.")


def test_the_registry_gives_the_class_of_the_kind() -> None:
    assert isinstance(transport_for(Connection(kind=Kind.SMTP, host="x", port=25)), SmtpTransport)


def test_one_refused_recipient_does_not_stop_the_others() -> None:
    with SmtpPeer() as peer:
        peer.script["RCPT"] = [None, Say("550 5.1.1 no such user\n550 5.1.1 ask your admin"), None]
        receipt = transport(peer).send(message(to=["a@x.org", "b@x.org", "c@x.org"]))
    assert peer.inbox[0].recipients == ["a@x.org", "c@x.org"]
    assert receipt.refused_recipients == {"b@x.org": "550-5.1.1 no such user\n550 5.1.1 ask your admin"}


def test_all_recipients_refused_is_a_refusal() -> None:
    with SmtpPeer() as peer:
        peer.script["RCPT"] = Say("550 5.1.1 no such user")
        error = failure(peer)
    assert (error.phase, error.code, error.enhanced) == ("recipients", 550, "5.1.1")
    assert error.outcome is Outcome.REFUSED
    assert "DATA" not in peer.verbs()


def test_a_trouble_after_the_acceptance_loses_nothing() -> None:
    for trouble in (Drop(), Stall(), Say("500 what?"), Say(b"\x00\xff\r\n")):
        with SmtpPeer(script={"QUIT": trouble}) as peer:
            assert transport(peer, FAST).send(message()).provider_id
        assert len(peer.inbox) == 1


# ---------------------------------------------------------------------- SMTPUTF8, 8 bits, dots


def test_a_local_part_with_accents_goes_to_a_server_that_takes_it() -> None:
    with SmtpPeer(smtputf8=True) as peer:
        transport(peer).send(message(to=["joão@ação.example"]))
    assert peer.inbox[0].recipients == ["joão@xn--ao-siap.example"]
    assert "SMTPUTF8" in peer.inbox[0].mail_options
    assert "To: joão@xn--ao-siap.example\r\n".encode() in peer.inbox[0].content


def test_a_local_part_with_accents_is_not_sent_elsewhere() -> None:
    with SmtpPeer(smtputf8=False) as peer, pytest.raises(TransportError) as caught:
        transport(peer).send(message(reply_to="joão@exemplo.com.br"))
    assert (caught.value.phase, caught.value.cause) == ("sender", "smtputf8_not_offered")
    assert caught.value.outcome is Outcome.FAILED
    assert "MAIL" not in peer.verbs()


def test_an_ascii_message_never_asks_for_smtputf8() -> None:
    with SmtpPeer(smtputf8=True) as peer:
        transport(peer).send(message(from_name="João", subject="ção", text="não"))
    assert peer.inbox[0].mail_options == [f"SIZE={len(peer.inbox[0].content)}"]
    assert peer.inbox[0].content.isascii()


@pytest.mark.parametrize("eight_bit", [True, False])
def test_an_8_bit_file_is_encoded_anew_only_where_it_must_be(eight_bit: bool) -> None:
    head = f"From: {USER}\nTo: x@y.org\nSubject: oi\nMIME-Version: 1.0\n"
    head += "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    eml = from_eml((head + "ação\n.ponto\n").encode(), envelope_from=USER, to=["x@y.org"])
    with SmtpPeer(eight_bit=eight_bit) as peer:
        transport(peer).send(eml)
    (received,) = peer.inbox
    assert received.message.get_content().splitlines() == ["ação", ".ponto"]
    assert ("BODY=8BITMIME" in received.mail_options) is eight_bit
    assert received.content.isascii() is not eight_bit


def test_bare_line_ends_cannot_end_the_message_early() -> None:
    """SMTP smuggling: "\\n.\\r\\n" must not reach the server as it stands."""
    eml = b"From: a@b.org\n\nbefore\r\n\r.\r\nMAIL FROM:<evil@x.org>\n.\r\nafter\r.\n"
    with SmtpPeer() as peer:
        transport(peer).send(from_eml(eml, envelope_from=USER, to=["x@y.org"]))
    assert len(peer.inbox) == 1
    assert peer.inbox[0].message.get_content().splitlines() == [
        "before", "", ".", "MAIL FROM:<evil@x.org>", ".", "after", ".",
    ]  # fmt: skip
    assert peer.verbs().count("MAIL") == 1


# ---------------------------------------------------------------------- TLS


@pytest.mark.parametrize("security", ["starttls", "ssl_tls"])
@pytest.mark.parametrize(
    ("certificate", "cause"),
    [
        (certificates.EXPIRED, "tls_expired"),
        (certificates.NOT_YET_VALID, "tls_not_yet_valid"),
        (certificates.WRONG_NAME, "tls_hostname"),
        (certificates.UNKNOWN_AUTHORITY, "tls_untrusted"),
    ],
)
def test_a_wrong_certificate_stops_before_the_password(security: str, certificate: str, cause: str) -> None:
    context = certificates.server_context(certificate)
    with SmtpPeer(security=security, users={USER: PASSWORD}, tls=context) as peer:
        error = failure(peer)
        assert (error.phase, error.cause, error.outcome) == ("tls", cause, Outcome.FAILED)
        assert peer.logins == []
        # The record's own choice may be to take any certificate.
        assert transport(peer, verify_certificate=False).send(message()).provider_id


def test_an_authority_the_system_does_not_know_needs_its_pem() -> None:
    with SmtpPeer(security="ssl_tls") as peer:
        assert failure(peer, ca_pem="").cause == "tls_untrusted"
        assert failure(peer, ca_pem="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----").cause == (
            "tls_bad_authority"
        )


def test_starttls_not_offered_is_never_silently_plain() -> None:
    with SmtpPeer(security="none", users={USER: PASSWORD}) as peer:
        error = failure(peer, security=Security.STARTTLS)
    assert (error.phase, error.cause, error.outcome) == ("tls", "starttls_not_offered", Outcome.FAILED)
    assert peer.logins == []
    assert "MAIL" not in peer.verbs()


def test_starttls_offered_and_refused() -> None:
    with SmtpPeer(security="starttls", users={USER: PASSWORD}) as peer:
        peer.script["STARTTLS"] = Say("454 4.7.0 TLS not available due to temporary reason")
        error = failure(peer)
    assert (error.phase, error.cause, error.code) == ("tls", "starttls_refused", 454)
    assert error.outcome is Outcome.REFUSED
    assert peer.logins == []


def test_words_slipped_in_before_the_encryption_are_forgotten() -> None:
    """STARTTLS injection (CVE-2011-0411): plain text behind the 220 must not count as said under TLS."""
    with SmtpPeer(security="starttls", users={USER: PASSWORD}) as peer:
        peer.script["STARTTLS"] = Say(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n")
        error = failure(peer, FAST)
    assert error.phase == "tls"
    assert peer.logins == []


def test_direct_tls_towards_a_starttls_port() -> None:
    with SmtpPeer(security="starttls") as peer:
        error = failure(peer, security=Security.SSL_TLS)
    assert (error.phase, error.cause) == ("tls", "tls_wrong_mode")


def test_plain_text_towards_a_direct_tls_port() -> None:
    def refused(security: Security) -> TransportError:
        with SmtpPeer(security="ssl_tls") as peer:
            return failure(peer, FAST, security=security)

    for error in side_by_side(refused, [Security.STARTTLS, Security.NONE]):
        assert (error.phase, error.cause) == ("greeting", "tls_wrong_mode")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_old_tls_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    certificates._authority("known").issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_handshake_once, args=(listener, context), daemon=True).start()
        made = Connection(
            Kind.SMTP, "127.0.0.1", listener.getsockname()[1], Security.SSL_TLS, ca_pem=certificates.authority_pem()
        )
        with pytest.raises(TransportError) as caught:
            SmtpTransport(made, PATIENT).check()
    assert (caught.value.phase, caught.value.cause) == ("tls", "tls_version")


def _handshake_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    sock, _ = listener.accept()
    with sock, suppress(ssl.SSLError):
        context.wrap_socket(sock, server_side=True)


# ---------------------------------------------------------------------- login


def test_a_refused_password_is_tried_once() -> None:
    with SmtpPeer(users={USER: "another"}) as peer:
        error = failure(peer)
    assert (error.phase, error.code, error.enhanced) == ("auth", 535, "5.7.8")
    assert error.outcome is Outcome.REFUSED
    assert len(peer.logins) == 1


def test_login_is_tried_where_plain_is_only_advertised() -> None:
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        peer.script["AUTH"] = [Say("504 5.5.4 Unrecognized authentication type"), None]
        transport(peer).send(message())
    assert peer.logins == [("LOGIN", USER)]


def test_login_that_is_not_offered() -> None:
    with SmtpPeer(security="none") as peer:
        peer.script["EHLO"] = Say("250 peer.example")
        error = failure(peer, username=USER, secret=SecretStr(PASSWORD))
    assert (error.phase, error.cause) == ("auth", "auth_not_offered")


@pytest.mark.parametrize(
    ("offered", "cause"),
    [("XOAUTH2 OAUTHBEARER", "auth_oauth_only"), ("CRAM-MD5 NTLM", "auth_no_method"), ("", "auth_no_method")],
)
def test_login_by_no_method_of_ours(offered: str, cause: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        peer.script["EHLO"] = Say(f"250 peer.example\n250 AUTH {offered}")
        assert failure(peer).cause == cause


def test_a_missing_password_is_said_before_the_server_is_asked() -> None:
    with SmtpPeer(users={USER: PASSWORD}) as peer:
        assert failure(peer, secret=None).cause == "secret_missing"
    assert peer.logins == []


def test_a_long_password_fits() -> None:
    long = "x" * 500
    with SmtpPeer(users={USER: long}) as peer:
        transport(peer, secret=SecretStr(long)).send(message())
    assert len(peer.inbox) == 1


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode(),
    ],
)
def test_a_server_that_repeats_the_password_is_not_quoted(echo: str) -> None:
    steps: list[Step] = []
    answer = Say(f"535 5.7.8 bad credentials: {echo}\n535 5.7.8 really: {echo}!")
    with SmtpPeer(users={USER: PASSWORD}, script={"AUTH": answer}) as peer, pytest.raises(TransportError) as caught:
        transport(peer).send(message(), on_step=steps.append)
    shown = repr(steps) + repr(caught.value) + str(caught.value) + caught.value.reply
    assert echo not in shown
    assert echo.rstrip("=") not in shown
    assert caught.value.reply == "535-5.7.8 bad credentials: ••••\n535 5.7.8 really: ••••!".replace(
        "••••", "••••" + "=" * (len(echo) - len(echo.rstrip("=")))
    )
    assert PASSWORD not in repr(transport(peer).connection)


# ---------------------------------------------------------------------- refusals and faults at every point

_PHASE_OF_VERB = {
    "GREETING": "greeting",
    "EHLO": "ehlo",
    "AUTH": "auth",
    "MAIL": "sender",
    "RCPT": "recipients",
    "DATA": "data",
}
at_every_point = pytest.mark.parametrize(("verb", "phase"), _PHASE_OF_VERB.items())


@at_every_point
@pytest.mark.parametrize("reply", ["421 4.3.2 try later\n421 4.3.2 (12 words)", "554 5.7.1 no"])
def test_a_refusal_at_any_point(verb: str, phase: str, reply: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, script={verb: Say(reply)}) as peer:
        error = failure(peer)
    assert (error.phase, error.cause, error.outcome) == (phase, "", Outcome.REFUSED)
    assert error.code == int(reply[:3])
    assert error.enhanced == reply[4:9]
    assert error.reply == reply.replace("later", "later").replace("421 4.3.2 try", "421-4.3.2 try")
    assert peer.inbox == []


@at_every_point
def test_a_dropped_connection_at_any_point(verb: str, phase: str) -> None:
    with SmtpPeer(users={USER: PASSWORD}, script={verb: Drop()}) as peer:
        error = failure(peer)
    assert (error.phase, error.cause, error.outcome) == (phase, "disconnected", Outcome.FAILED)


@pytest.mark.parametrize("action", [Stall(), Drip()])
def test_a_server_that_never_finishes_at_any_point(action: Stall | Drip) -> None:
    def given_up(verb: str) -> TransportError:
        began = time.monotonic()
        with SmtpPeer(users={USER: PASSWORD}, script={verb: action}) as peer:
            error = failure(peer, FAST)
            assert time.monotonic() - began < 5
            return error

    for phase, error in zip(_PHASE_OF_VERB.values(), side_by_side(given_up, _PHASE_OF_VERB), strict=True):
        assert (error.phase, error.cause, error.outcome) == (phase, "timeout", Outcome.FAILED)


@at_every_point
@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\xfe", b"250" + b"A" * 1_000_000, b"999 x\r\n"],
)
def test_garbage_at_any_point(verb: str, phase: str, garbage: bytes) -> None:
    with SmtpPeer(users={USER: PASSWORD}, script={verb: Say(garbage)}) as peer:
        error = failure(peer)
    assert (error.phase, error.cause, error.outcome) == (phase, "not_smtp", Outcome.FAILED)
    assert len(error.reply) <= 2_000


def test_a_reply_without_end_is_cut_off() -> None:
    with SmtpPeer(script={"EHLO": Say(b"250-a line\r\n" * 100_000)}) as peer:
        error = failure(peer)
    assert (error.phase, error.cause) == ("ehlo", "not_smtp")


def test_no_answer_after_the_final_dot_is_uncertain() -> None:
    def unanswered(action: Action) -> TransportError:
        with SmtpPeer(script={".": action}) as peer:
            return failure(peer, FAST)

    for error in side_by_side(unanswered, [Drop(), Stall(), Drip(), Say(b"\x01\x02\r\n"), Say(b"199 hm\r\n")]):
        assert (error.phase, error.outcome) == ("data", Outcome.UNCERTAIN)


@pytest.mark.parametrize("reply", ["451 4.3.0 try later", "552 5.3.4 too big"])
def test_a_refusal_after_the_final_dot_is_a_refusal(reply: str) -> None:
    with SmtpPeer(script={".": Say(reply)}) as peer:
        error = failure(peer)
    assert (error.phase, error.code, error.outcome) == ("data", int(reply[:3]), Outcome.REFUSED)


BIG = b"a line that fills the buffers of the network\r\n" * 400_000


def hand_over(made: Connection, content: bytes, limits: Limits = PATIENT) -> TransportError:
    """Speak step by step, as far as the message's text."""
    with SmtpSession(made, limits) as session:
        session.open()
        session.sender(USER)
        session.recipients(("bia@exemplo.org",))
        with pytest.raises(TransportError) as caught:
            session.data(content)
    return caught.value


def test_a_connection_that_ends_in_the_middle_of_the_text_is_a_failure() -> None:
    with SmtpPeer(script={"BODY": Drop()}) as peer:
        error = hand_over(connection(peer), BIG)
    assert (error.phase, error.cause, error.outcome) == ("data", "disconnected", Outcome.FAILED)
    assert peer.inbox == []


def test_a_server_that_stops_reading_the_text_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcore.transports.smtp_session._SLOWEST", 10**12)  # the size grants no time of its own
    with SmtpPeer(script={"BODY": Stall()}) as peer:
        error = hand_over(connection(peer), BIG, FAST)
    assert (error.phase, error.cause, error.outcome) == ("data", "timeout", Outcome.FAILED)


def test_a_refusal_written_before_the_server_hung_up_on_the_text_is_heard() -> None:
    with _RudeServer() as port:
        made = Connection(kind=Kind.SMTP, host="127.0.0.1", port=port, from_address=USER)
        error = hand_over(made, BIG)
    assert (error.phase, error.code, error.enhanced) == ("data", 552, "5.3.4")
    assert error.outcome is Outcome.REFUSED


class _RudeServer:
    """Refuses in the middle of the text and stops reading, as a full disk makes real servers do."""

    def __enter__(self) -> int:
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self.listener.getsockname()[1])

    def __exit__(self, *exc: object) -> None:
        self.listener.close()

    def _serve(self) -> None:
        sock, _ = self.listener.accept()
        with sock:
            sock.sendall(b"220 rude\r\n")
            for reply in (b"250 rude\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
                sock.recv(4_096)
                sock.sendall(reply)
            sock.sendall(b"552 5.3.4 no more room\r\n")
            sock.settimeout(5)
            sock.recv(1_000_000)
            # Unread bytes make the close a reset; shutting down first lets the words through.
            sock.shutdown(socket.SHUT_RDWR)


# ---------------------------------------------------------------------- reaching the server


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = _unreachable("127.0.0.1", port)
    assert (error.phase, error.cause, error.outcome) == ("connect", "connect_refused", Outcome.FAILED)


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(*args: object, **kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    error = _unreachable("smtp.exemplo.invalid", 587)
    assert (error.phase, error.cause) == ("resolve", "dns_not_found")


def test_a_resolver_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def later(*args: object, **kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", later)
    assert _unreachable("smtp.exemplo.invalid", 587).cause == "dns_failed"


def test_a_resolver_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: release.wait(30))
    error = _unreachable("smtp.exemplo.invalid", 587, replace(FAST, resolve=0.1))
    release.set()
    assert (error.phase, error.cause) == ("resolve", "dns_failed")


def test_a_dead_first_address_does_not_hide_a_living_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpPeer() as peer, socket.create_server(("127.0.0.2", 0)) as other:
        dead = other.getsockname()[1]
        other.close()
        found = [(socket.AF_INET, ("127.0.0.2", dead)), (socket.AF_INET, ("127.0.0.1", peer.port))]
        monkeypatch.setattr("mailcore.transports.smtp_session.resolve", lambda *a: found)
        assert transport(peer).send(message()).provider_id


def test_a_timeout_while_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full:  # a listener whose queue is full answers nothing
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        error = _unreachable("127.0.0.1", full.getsockname()[1], replace(FAST, connect=0.3))
        for sock in waiting:
            sock.close()
    assert (error.phase, error.cause) == ("connect", "connect_timeout")


def test_a_call_that_fails_in_its_thread_fails_here() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        deadline.call_within(5, fail, lambda: None)


def _unreachable(host: str, port: int, limits: Limits = FAST) -> TransportError:
    made = Connection(kind=Kind.SMTP, host=host, port=port, from_address=USER)
    with pytest.raises(TransportError) as caught:
        SmtpTransport(made, limits).check()
    return caught.value
