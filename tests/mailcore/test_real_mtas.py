"""Check and send against Debian's own Postfix and Exim: their TLS, their words, their mailboxes."""

from __future__ import annotations

import base64
import email
import email.policy
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import SecretStr

from mailcore.diagnosis.replies import diagnose
from mailcore.health.check import CheckResult, check
from mailcore.messages.compose import OutgoingMessage, Recipient, compose
from mailcore.messages.merge import MergeMessage, MergeTemplate
from mailcore.transports import transport_for
from mailcore.transports.base import Connection, TransportError
from mailcore.transports.bulk import Parcel
from mailcore.transports.smtp import SmtpTransport
from mailcore.transports.smtp_session import Limits
from mailcore.vocabulary import Kind, Outcome, Security, SendStatus, StepState
from tests.peers.mta import PASSWORD, SMALL, USER, Mta, forms_of
from tests.peers.mta.exim import running_exim
from tests.peers.mta.pems import EXPIRED, SELF_SIGNED, WRONG_NAME
from tests.peers.mta.postfix import running_postfix
from tests.side_by_side import side_by_side

WRONG_PASSWORD = "errada-çim-77b0"
SECONDS = 20
"""What a check may take as a whole."""
SERVERS = {"postfix": running_postfix, "exim": running_exim}
# Little outside ASCII, so that it goes as quoted-printable and the dots at line starts are on the wire as such.
TEXT = "Olá, Bia.\n.\n..dois pontos\nFrom aqui, uma linha\n\tcom tab e espaços   \n" + "longa " * 300 + "\n\nFim."


def _started(name: str) -> Iterator[Mta]:
    with SERVERS[name]() as running:
        yield running
        traces = running.traces()
    assert _passwords_in(traces) == []


@pytest.fixture(scope="module")
def postfix() -> Iterator[Mta]:
    yield from _started("postfix")


@pytest.fixture(scope="module")
def exim() -> Iterator[Mta]:
    yield from _started("exim")


@pytest.fixture(params=SERVERS)
def mta(request: pytest.FixtureRequest) -> Mta:
    """Both servers, one after the other."""
    server: Mta = request.getfixturevalue(request.param)
    return server


@pytest.fixture(autouse=True)
def _nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Our own log, every level of it, names no password either."""
    caplog.set_level(logging.DEBUG)
    yield
    assert _passwords_in(caplog.text) == []


def test_a_password_is_found_in_every_form_a_login_gives_it() -> None:
    for login in (PASSWORD, f"\0{USER}\0{PASSWORD}", f"\0x{USER}\0{PASSWORD}", f"\0xx{USER}\0{PASSWORD}"):
        assert _passwords_in(f"AUTH PLAIN {base64.b64encode(login.encode()).decode()}")
    for text in (f"senha {PASSWORD}", repr(PASSWORD.encode()), ascii(PASSWORD)):
        assert _passwords_in(text)
    assert _passwords_in(f"AUTH PLAIN {base64.b64encode(b'outra senha').decode()}") == []


def _passwords_in(text: str) -> list[str]:
    """Which password occurs in a text, in whatever form; not the text, which would end up in the output."""
    return [
        f"form {number} of password {index}"
        for index, password in enumerate((PASSWORD, WRONG_PASSWORD))
        for number, form in enumerate(forms_of(password))
        if form in text
    ]


@contextmanager
def in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SECONDS


def message(**changes: object) -> OutgoingMessage:
    fields = {"from_address": USER, "to": ["bia@exemplo.org"], "subject": "Nota nº 7 — às 10h", "text": TEXT}
    return compose(**(fields | changes))  # type: ignore[arg-type]


def checked(connection: Connection) -> CheckResult:
    """Check, in time and without giving the password away."""
    with in_time():
        result = check(connection)
    assert _passwords_in(repr(result)) == []
    return result


def refusal(connection: Connection, to_send: OutgoingMessage | None = None) -> TransportError:
    """Send what cannot be sent, in time and without giving the password away."""
    with in_time(), pytest.raises(TransportError) as caught:
        transport_for(connection).send(to_send or message())
    error = caught.value
    assert _passwords_in("".join(traceback.format_exception(error)) + repr(vars(error))) == []
    return error


def assert_diagnosed(connection: Connection, step: str, code: str, category: str) -> TransportError:
    """Both a check and a send end at this step with this diagnosis; return the send's failure."""
    result = checked(connection)
    assert result.diagnosis is not None
    assert (result.ok, result.diagnosis.code, result.diagnosis.category) == (False, code, category)
    assert [step.name for step in result.steps if step.state is StepState.FAILED] == [step]
    error = refusal(connection)
    diagnosis = diagnose(error, kind=Kind.SMTP)
    assert (error.phase, diagnosis.code, diagnosis.category) == (step, code, category)
    assert error.outcome is not Outcome.UNCERTAIN
    return error


# ---------------------------------------------------------------------- what works


@pytest.mark.parametrize("door", ["starttls", "direct", "open", "tls_without_login", "tls_required"])
def test_a_right_record_passes_the_check_and_its_message_arrives_whole(mta: Mta, door: str) -> None:
    connection = mta.connection(door)
    result = checked(connection)
    assert result.diagnosis is None
    assert result.ok
    steps = {step.name: step for step in result.steps}
    encrypted, login = connection.security is not Security.NONE, bool(connection.username)
    assert steps["tls"].state is (StepState.OK if encrypted else StepState.SKIPPED)
    assert ("TLSv1.3" in steps["tls"].detail) is encrypted
    assert steps["auth"].state is (StepState.OK if login else StepState.SKIPPED)
    # What it offers after STARTTLS: the AUTH of before would not be there.
    assert ("AUTH " in steps["ehlo"].reply) is login

    outgoing = message()
    with in_time():
        receipt = transport_for(connection).send(outgoing)
    delivered = mta.wait_for(outgoing.message_id)
    # The server puts its own headers above; from there on it is what was sent, to the byte.
    assert delivered.endswith(outgoing.mime.as_bytes().replace(b"\r\n", b"\n"))
    parsed = email.message_from_bytes(delivered, policy=email.policy.default)
    assert parsed["Subject"] == "Nota nº 7 — às 10h"
    assert b"\n.\n..dois" in delivered
    assert parsed.get_content() == TEXT + "\n"  # type: ignore[attr-defined]
    assert receipt.provider_id
    assert receipt.provider_id in mta.log()
    assert receipt.refused_recipients == {}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_both_ways_to_log_in_are_taken(mta: Mta, mechanism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailcore.transports import smtp_login

    offered = smtp_login._mechanisms
    monkeypatch.setattr(smtp_login, "_mechanisms", lambda session: [mechanism] if mechanism in offered(session) else [])
    steps = {step.name: step for step in checked(mta.connection("starttls")).steps}
    assert steps["auth"].state is StepState.OK
    assert steps["auth"].reply.startswith("235 ")


def test_a_check_that_asks_for_a_recipient_leaves_nothing_behind(mta: Mta) -> None:
    connection = mta.connection("open")
    before = sorted((mta.maildir / "new").glob("*"))
    with in_time():
        taken = check(connection, recipient="bia@exemplo.org")
        refused = check(connection, recipient="bia@outro.example")
    assert taken.diagnosis is None
    assert [step.name for step in refused.steps if step.state is StepState.FAILED] == ["recipients"]
    # Whoever comes after it in the queue has arrived, so nothing of the check is under way.
    outgoing = message()
    transport_for(connection).send(outgoing)
    mta.wait_for(outgoing.message_id)
    assert len(list((mta.maildir / "new").glob("*"))) == len(before) + 1


@pytest.mark.parametrize("door", ["open", "starttls"])
def test_a_batch_goes_over_one_connection_each_message_whole(mta: Mta, door: str) -> None:
    """Few at a time wait for each DATA, many go by BDAT; one refused between them changes nothing for the others."""
    template = MergeTemplate.parse(subject="Nota {{nome}} — às 10h", text=TEXT + "{{nome}}", html="")
    merge = MergeMessage(template, sender=Recipient(USER))

    def parcel(number: int, domain: str = "exemplo.org") -> Parcel:
        address, message_id = f"r{number}@{domain}", f"<{uuid4().hex}@exemplo.com.br>"
        data = merge.write(address, "", {"nome": f"nº {number}"}, message_id=message_id)
        return Parcel(number, address, message_id, data)

    group = [parcel(number, "outro.example" if number in (2, 9, 39) else "exemplo.org") for number in range(40)]
    with transport_for(mta.connection(door)).bulk(merge) as line, in_time():
        results = line.hand_over(group[:5]) + line.hand_over(group[5:])
    assert [each.number for each in results if each.outcome is SendStatus.REFUSED] == [2, 9, 39]
    assert all(each.outcome is SendStatus.ACCEPTED and each.provider_id for each in results if each.error is None)
    ids = [each.provider_id for each in results if each.provider_id]
    assert len(set(ids)) == len(ids) == 37
    for number in (0, 4, 7):  # Exim delivers ten of a connection at once, and queues the rest
        assert mta.wait_for(group[number].message_id).endswith(group[number].data.replace(b"\r\n", b"\n"))
    log = mta.log()
    assert all(each in log for each in ids)


# ---------------------------------------------------------------------- certificates


@pytest.mark.parametrize("way", ["starttls", "direct"])
def test_the_certificate_is_shown_even_where_it_is_refused(mta: Mta, way: str) -> None:
    good, expired, other = (
        checked(mta.connection(door)).certificate for door in (way, f"{way}_{EXPIRED}", f"{way}_{WRONG_NAME}")
    )
    assert good is not None
    assert expired is not None
    assert other is not None
    now = datetime.now(UTC)
    assert set(good.names) == {"localhost", "127.0.0.1"}
    assert "mail servers" in good.issuer
    assert good.days_left(now) >= 0 > expired.days_left(now)
    assert other.names == ("another.example",)


@pytest.mark.parametrize("way", ["starttls", "direct"])
@pytest.mark.parametrize(
    ("certificate", "code"),
    [(EXPIRED, "tls_expired"), (SELF_SIGNED, "tls_untrusted"), (WRONG_NAME, "tls_hostname")],
)
def test_a_wrong_certificate_is_named(mta: Mta, way: str, certificate: str, code: str) -> None:
    assert_diagnosed(mta.connection(f"{way}_{certificate}"), "tls", code, "tls")


@pytest.mark.parametrize("way", ["starttls", "direct"])
def test_an_authority_nobody_was_told_of_is_not_trusted(mta: Mta, way: str) -> None:
    assert_diagnosed(mta.connection(way, ca_pem=""), "tls", "tls_untrusted", "tls")


@pytest.mark.parametrize("certificate", [EXPIRED, SELF_SIGNED, WRONG_NAME])
def test_no_login_is_tried_behind_a_wrong_certificate(mta: Mta, certificate: str) -> None:
    states = {step.name: step.state for step in checked(mta.connection(f"starttls_{certificate}")).steps}
    assert states.get("auth", StepState.SKIPPED) is StepState.SKIPPED


def test_a_self_signed_certificate_can_be_trusted_by_choice(mta: Mta) -> None:
    result = checked(mta.connection(f"starttls_{SELF_SIGNED}", verify_certificate=False))
    assert result.diagnosis is None
    assert {step.name: step.state for step in result.steps}["tls"] is StepState.WARNING


# ---------------------------------------------------------------------- the mode of encryption


def test_direct_tls_on_a_port_for_starttls(mta: Mta) -> None:
    assert_diagnosed(mta.connection("starttls", security=Security.SSL_TLS), "tls", "tls_wrong_mode", "tls")


def test_plain_words_on_a_port_for_direct_tls(mta: Mta) -> None:
    def refused(security: Security) -> TransportError:
        # The server waits for our hello and we for its greeting: short limits, that the test is.
        limits = Limits(greeting=0.5, silence=5)
        with pytest.raises(TransportError) as caught:
            SmtpTransport(mta.connection("direct", security=security), limits).check()
        return caught.value

    for error in side_by_side(refused, [Security.STARTTLS, Security.NONE]):
        assert (error.phase, error.cause) == ("greeting", "tls_wrong_mode")


def test_starttls_that_is_not_there(mta: Mta) -> None:
    connection = mta.connection("open", security=Security.STARTTLS)
    assert_diagnosed(connection, "tls", "starttls_not_offered", "tls")


def test_starttls_that_is_demanded(postfix: Mta) -> None:
    connection = postfix.connection("tls_required", security=Security.NONE, username="", secret=None)
    error = assert_diagnosed(connection, "sender", "starttls_required", "tls")
    assert error.reply == "530 5.7.0 Must issue a STARTTLS command first"


# ---------------------------------------------------------------------- login

WORDS_OF_A_WRONG_PASSWORD = {
    "Postfix": "535 5.7.8 Error: authentication failed: ",
    "Exim": "535 Incorrect authentication data",
}


@pytest.mark.parametrize("door", ["starttls", "direct"])
@pytest.mark.parametrize(
    "wrong", [{"secret": SecretStr(WRONG_PASSWORD)}, {"username": "ninguem@exemplo.com.br"}], ids=["password", "user"]
)
def test_a_wrong_password(mta: Mta, door: str, wrong: dict[str, object]) -> None:
    error = assert_diagnosed(mta.connection(door, **wrong), "auth", "login_refused", "auth")
    assert error.reply.startswith(WORDS_OF_A_WRONG_PASSWORD[mta.name])
    assert (error.code, error.outcome) == (535, Outcome.REFUSED)


def test_a_login_where_there_is_none(mta: Mta) -> None:
    connection = mta.connection("tls_without_login", username=USER, secret=SecretStr(PASSWORD))
    assert_diagnosed(connection, "auth", "auth_not_offered", "auth")


def test_a_login_that_is_offered_only_after_starttls(mta: Mta) -> None:
    connection = mta.connection("starttls", security=Security.NONE)
    assert_diagnosed(connection, "auth", "auth_not_offered", "auth")


# ---------------------------------------------------------------------- refusals on the way


def test_a_recipient_elsewhere(mta: Mta) -> None:
    error = refusal(mta.connection("open"), message(to=["bia@outro.example"]))
    words = {
        "Postfix": "554 5.7.1 <bia@outro.example>: Relay access denied",
        "Exim": "550 relay not permitted",
    }
    assert error.reply == words[mta.name]
    assert (error.phase, error.outcome) == ("recipients", Outcome.REFUSED)
    diagnosis = diagnose(error, kind=Kind.SMTP)
    assert (diagnosis.category, diagnosis.code, diagnosis.field) == ("config", "relay_denied", "username")


def test_the_others_get_it_when_one_recipient_is_elsewhere(mta: Mta) -> None:
    outgoing = message(to=["bia@exemplo.org", "caio@outro.example"])
    receipt = transport_for(mta.connection("starttls")).send(outgoing)
    assert list(receipt.refused_recipients) == ["caio@outro.example"]
    assert mta.wait_for(outgoing.message_id)


def test_a_message_too_big_is_refused_before_it_is_handed_over(mta: Mta) -> None:
    error = refusal(mta.connection("small"), message(text="grande demais\n" * (SMALL // 10)))
    words = {
        "Postfix": "552 5.3.4 Message size exceeds fixed limit",
        "Exim": "552 Message size exceeds maximum permitted",
    }
    assert error.reply == words[mta.name]
    assert (error.phase, error.outcome) == ("sender", Outcome.REFUSED)
    diagnosis = diagnose(error, kind=Kind.SMTP)
    assert (diagnosis.code, diagnosis.category) == ("message_too_big", "config")


def test_the_limit_itself_is_told(mta: Mta) -> None:
    steps = {step.name: step for step in checked(mta.connection("small")).steps}
    assert f"SIZE {SMALL}" in steps["ehlo"].reply


# ---------------------------------------------------------------------- what is left behind


def test_the_servers_logs_name_the_user_but_no_password(mta: Mta) -> None:
    outgoing = message()
    transport_for(mta.connection("starttls")).send(outgoing)
    mta.wait_for(outgoing.message_id)
    refusal(mta.connection("starttls", secret=SecretStr(WRONG_PASSWORD)))
    log = mta.log()
    assert USER in log  # so it is the right log
    assert _passwords_in(log) == []
