"""Elastic Email against a stand-in that speaks real HTTP and misbehaves on command."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import time
from email.message import EmailMessage

import pytest
from pydantic import SecretStr

from mailcore.diagnosis.replies import diagnose
from mailcore.errors import ConfigurationError
from mailcore.messages.compose import OutgoingMessage, compose, from_eml
from mailcore.transports import elastic_client, transport_for
from mailcore.transports.base import Connection, Step, TransportError
from mailcore.transports.elastic_client import Limits
from mailcore.transports.elastic_email import ElasticEmailTransport
from mailcore.transports.elastic_payload import payload
from mailcore.vocabulary import Kind, Outcome, StepState
from tests.peers.elastic_server import Answer, Drip, Drop, ElasticPeer, Stall
from tests.tables import each_row

KEY = "CHAVE-DE-TESTE"
SEND = "/v4/emails/transactional"
FAST = Limits(connect=1, read=0.4, whole=1.0, retry=2.5)


def connection(peer: ElasticPeer, key: str = KEY) -> Connection:
    return Connection(
        kind=Kind.ELASTIC_EMAIL, secret=SecretStr(key), from_address="ana@exemplo.com.br", base_url=peer.url
    )


def transport(peer: ElasticPeer, key: str = KEY, limits: Limits = FAST) -> ElasticEmailTransport:
    return ElasticEmailTransport(connection(peer, key), limits)


def message(**changes: object) -> OutgoingMessage:
    fields = {"from_address": "ana@exemplo.com.br", "to": ["bia@exemplo.org"], "subject": "Olá", "text": "Um teste."}
    return compose(**(fields | changes))  # type: ignore[arg-type]


def failure(peer: ElasticPeer, key: str = KEY, limits: Limits = FAST, *, check: bool = False) -> TransportError:
    made = transport(peer, key, limits)
    with pytest.raises(TransportError) as caught:
        made.check() if check else made.send(message(), idempotency_key="k")
    return caught.value


# ---------------------------------------------------------------------- what works


def test_a_message_arrives_whole() -> None:
    steps: list[Step] = []
    sent = message(
        from_name="João, da “Loja”", reply_to="sac@exemplo.com.br", cc=["caio@exemplo.org"], bcc=["eva@exemplo.org"]
    )
    with ElasticPeer() as peer:
        receipt = transport(peer).send(sent, idempotency_key="chave-1", on_step=steps.append)
    (body,) = peer.inbox
    assert body["Recipients"] == {"To": ["bia@exemplo.org"], "CC": ["caio@exemplo.org"], "BCC": ["eva@exemplo.org"]}
    content = body["Content"]
    assert content["From"] == '"João, da “Loja”" <ana@exemplo.com.br>'
    assert (content["ReplyTo"], content["Subject"]) == ("sac@exemplo.com.br", "Olá")
    assert content["Body"] == [{"ContentType": "PlainText", "Content": "Um teste.\n", "Charset": "utf-8"}]
    assert content["Headers"] == {"Message-ID": sent.message_id}
    assert receipt.provider_id
    assert receipt.provider_id in receipt.reply
    (request,) = peer.requests
    assert request.headers["idempotency-key"] == "chave-1"
    assert request.headers["x-elasticemail-apikey"] == KEY
    assert KEY not in request.path
    assert [(step.name, step.state.value) for step in steps] == [
        ("http", "running"), ("http", "ok"), ("message", "running"), ("message", "ok"),
    ]  # fmt: skip


def test_html_attachments_and_other_headers() -> None:
    mime = EmailMessage()
    mime["From"], mime["To"], mime["Subject"], mime["X-Pedido"] = "ana@exemplo.com.br", "b@c.org", "Oi", "37"
    mime.set_content("texto")
    mime.add_alternative("<p>ação</p>", subtype="html")
    mime.add_attachment(b"\x00\x01", maintype="application", subtype="pdf", filename="nota.pdf")
    made = payload(from_eml(mime.as_bytes(), envelope_from="ana@exemplo.com.br", to=["b@c.org"]))["Content"]
    assert [(part["ContentType"], part["Content"].strip()) for part in made["Body"]] == [
        ("PlainText", "texto"), ("HTML", "<p>ação</p>"),
    ]  # fmt: skip
    assert made["Attachments"] == [
        {"BinaryContent": base64.b64encode(b"\x00\x01").decode(), "Name": "nota.pdf", "ContentType": "application/pdf"}
    ]
    assert set(made["Headers"]) == {"X-Pedido", "Message-ID"}


@pytest.mark.parametrize("name", ["Silva, João " * 12, 'a"b\\c, ' * 20, "x" * 200])
def test_a_long_name_arrives_as_it_was(name: str) -> None:
    shown = payload(message(from_name=name))["Content"]["From"]
    quoted = name.strip().replace("\\", "\\\\").replace('"', '\\"')
    assert shown in (f'"{quoted}" <ana@exemplo.com.br>', f"{quoted} <ana@exemplo.com.br>")


def test_the_same_key_again_is_answered_from_the_first() -> None:
    sent = message()
    with ElasticPeer() as peer:
        first = transport(peer).send(sent, idempotency_key="k")
        again = transport(peer).send(sent, idempotency_key="k")
    assert first.provider_id == again.provider_id
    assert len(peer.inbox) == 1


def test_without_a_key_the_message_id_stands_in() -> None:
    sent = message()
    with ElasticPeer() as peer:
        transport(peer).send(sent)
    assert peer.requests[0].headers["idempotency-key"] == sent.message_id


def test_one_account_keeps_one_connection() -> None:
    with ElasticPeer(keys={KEY, "OUTRA"}) as peer:
        for _ in range(3):
            transport(peer).send(message())
        assert peer.connections == 1
        transport(peer, "OUTRA").send(message())
        assert peer.connections == 2


def test_a_check_sends_nothing() -> None:
    with ElasticPeer() as peer:
        steps = transport(peer).check().steps
    assert [(step.name, step.state) for step in steps] == [
        (name, StepState.OK) for name in ("http", "account", "domain")
    ]
    assert [request.method for request in peer.requests] == ["GET", "GET"]
    assert all(request.headers["x-elasticemail-apikey"] == KEY for request in peer.requests)
    assert not any(KEY in request.path for request in peer.requests)
    assert KEY not in repr(steps)


def test_a_key_that_may_only_send_passes_the_check_with_warnings() -> None:
    with ElasticPeer(send_only_keys={"SO-ENVIO"}) as peer:
        steps = transport(peer, "SO-ENVIO").check().steps
    assert [step.state for step in steps] == [StepState.OK, StepState.WARNING, StepState.WARNING]
    assert "não dá acesso" in steps[1].detail


@pytest.mark.parametrize(
    ("domains", "words"),
    [
        ([], "não está cadastrado"),
        ([{"Domain": "Exemplo.com.br", "Spf": True, "Dkim": False}], "sem DKIM confirmado"),
        ([{"Domain": "exemplo.com.br", "Spf": False, "Dkim": False}], "sem SPF e DKIM confirmado"),
    ],
)
def test_a_domain_that_is_not_ready_is_a_warning(domains: list[dict[str, object]], words: str) -> None:
    with ElasticPeer(domains=domains) as peer:
        domain = transport(peer).check().steps[-1]
    assert domain.state is StepState.WARNING
    assert words in domain.detail


def test_an_account_that_is_not_active_fails_the_check_without_showing_its_data() -> None:
    with ElasticPeer() as peer:
        peer.account |= {"statusnumber": 2, "statusformatted": "Under Review"}
        error = failure(peer, check=True)
    assert (error.phase, error.cause, error.outcome) == ("account", "account_not_active", Outcome.REFUSED)
    assert error.reply == "200 Under Review"


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize("check", [True, False])
def test_a_wrong_key(check: bool) -> None:
    with ElasticPeer() as peer:
        error = failure(peer, "ERRADA", check=check)
    assert error.phase == ("account" if check else "message")
    assert error.outcome is Outcome.REFUSED
    assert "APIKey Expired" in error.reply
    assert diagnose(error, kind=Kind.ELASTIC_EMAIL).field == "secret"
    assert peer.inbox == []


@pytest.mark.parametrize("key", ["", "com espaço", "quebra\nX-Outro: 1", "acentuação"])
def test_a_key_that_cannot_be_one_never_leaves(key: str) -> None:
    with ElasticPeer() as peer:
        assert failure(peer, key).cause in ("api_key_missing", "api_key_malformed")
        assert failure(peer, key, check=True).outcome is Outcome.FAILED
    assert peer.requests == []


def test_more_than_fifty_recipients_never_leave() -> None:
    many = [f"r{number}@exemplo.org" for number in range(51)]
    with ElasticPeer() as peer:
        with pytest.raises(TransportError) as caught:
            transport(peer).send(message(to=many[:40], bcc=many[40:]))
        assert (caught.value.cause, caught.value.outcome) == ("too_many_recipients", Outcome.REFUSED)
        assert peer.requests == []
        assert transport(peer).send(message(to=many[:50])).provider_id


@each_row("status", [400, 401, 402, 403, 404, 408, 412, 413, 422, 429])
def test_a_4xx_is_a_refusal(status: int) -> None:
    with ElasticPeer(script={SEND: Answer(status, {"Error": "não", "ErrorData": {"x": 1}})}) as peer:
        error = failure(peer)
    assert (error.phase, error.code, error.outcome) == ("message", status, Outcome.REFUSED)
    assert error.reply == f'{status} não {{"x": 1}}'
    assert len(peer.requests) == 1


@pytest.mark.parametrize("body", [{"success": False, "error": "não"}, {"Error": "não", "TransactionID": None}])
def test_a_200_that_says_no_is_a_refusal(body: dict[str, object]) -> None:
    with ElasticPeer(script={SEND: Answer(200, body)}) as peer:
        assert failure(peer).outcome is Outcome.REFUSED


@each_row(
    "answer",
    [
        Answer(500, {"Error": "boom"}),
        Answer(502, "<html>Bad gateway</html>"),
        Answer(503, "<html>busy</html>", {"Retry-After": "0"}),
        Answer(503, {"Error": "busy"}),
        Answer(504, ""),
        Answer(409, {"Error": "The first request is still running"}),
        Answer(200, "<html>Welcome</html>"),
        Answer(200, {}),
        Answer(200, [1, 2]),
        Answer(200, b"[" * 100_000),
        Answer(303, "", {"Location": "/v4/elsewhere"}),
    ],
)
def test_an_answer_that_leaves_it_open_is_uncertain_and_not_tried_again(answer: Answer) -> None:
    with ElasticPeer(script={SEND: answer}) as peer:
        error = failure(peer)
    assert (error.phase, error.outcome) == ("message", Outcome.UNCERTAIN)
    assert len(peer.requests) == 1
    assert diagnose(error, kind=Kind.ELASTIC_EMAIL).code == "uncertain"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_with_the_key(status: int) -> None:
    with ElasticPeer() as other, ElasticPeer() as peer:
        peer.script[SEND] = Answer(status, "", {"Location": other.url + SEND})
        error = failure(peer)
    assert (error.cause, error.outcome) == ("redirected", Outcome.FAILED)
    assert other.requests == []


def test_an_unknown_value_as_a_number_does_no_harm() -> None:
    answer = Answer(200, {"TransactionID": 7, "MessageID": None, "Status": 99})
    with ElasticPeer(script={SEND: answer}) as peer:
        assert transport(peer).send(message()).provider_id == "7"


# ---------------------------------------------------------------------- idempotency


def test_a_key_that_could_not_be_checked_is_tried_again_under_the_same_key() -> None:
    busy = Answer(503, {"Error": "Idempotency could not be checked"}, {"Retry-After": "0"})
    with ElasticPeer(script={SEND: [busy, busy, None]}) as peer:
        assert transport(peer).send(message(), idempotency_key="k").provider_id
    assert [request.headers["idempotency-key"] for request in peer.requests] == ["k"] * 3
    assert len({str(request.body) for request in peer.requests}) == 1
    assert len(peer.inbox) == 1


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    busy = Answer(503, {"Error": "Idempotency could not be checked"}, {"Retry-After": "600"})
    with ElasticPeer(script={SEND: busy}) as peer:
        error = failure(peer)
    assert (error.code, error.outcome) == (503, Outcome.REFUSED)
    assert len(peer.requests) == 1


def test_another_body_under_the_same_key() -> None:
    with ElasticPeer() as peer:
        transport(peer).send(message(), idempotency_key="k")
        error = failure(peer)
    assert (error.cause, error.outcome) == ("idempotency_mismatch", Outcome.REFUSED)
    assert len(peer.inbox) == 1


# ---------------------------------------------------------------------- the network


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    made = Connection(Kind.ELASTIC_EMAIL, secret=SecretStr(KEY), base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(TransportError) as caught:
        ElasticEmailTransport(made, FAST).send(message())
    assert (caught.value.phase, caught.value.cause) == ("http", "connect_refused")
    assert caught.value.outcome is Outcome.FAILED


def test_a_connection_dropped_after_the_request_is_uncertain() -> None:
    with ElasticPeer(script={SEND: Drop()}) as peer:
        error = failure(peer)
    assert (error.phase, error.cause, error.outcome) == ("http", "disconnected", Outcome.UNCERTAIN)
    assert len(peer.requests) == 1


def test_a_connection_dropped_before_the_request_was_whole_is_a_failure() -> None:
    with ElasticPeer(script={SEND: Drop(after_reading=False)}) as peer, pytest.raises(TransportError) as caught:
        transport(peer, limits=Limits(read=20)).send(message(text="uma linha\n" * 1_500_000))
    assert caught.value.outcome is Outcome.FAILED


@pytest.mark.parametrize("action", [Stall(), Drip()])
def test_an_answer_that_never_ends_is_uncertain_in_time(action: Stall | Drip) -> None:
    began = time.monotonic()
    with ElasticPeer(script={SEND: action}) as peer:
        error = failure(peer)
        assert time.monotonic() - began < 4
    assert (error.phase, error.cause, error.outcome) == ("http", "timeout", Outcome.UNCERTAIN)


@pytest.mark.parametrize("action", [Stall(), Drip()])
def test_a_check_that_gets_no_answer_is_a_failure(action: Stall | Drip) -> None:
    with ElasticPeer(script={"/v2/account/load": action}) as peer:
        error = failure(peer, check=True)
    assert (error.phase, error.cause, error.outcome) == ("http", "timeout", Outcome.FAILED)


@pytest.mark.parametrize("answer", [Answer(200, "<html>Entre na rede</html>"), Answer(403, "<html>proxy</html>")])
def test_a_page_of_a_proxy_is_not_the_service(answer: Answer) -> None:
    with ElasticPeer(script={"/v2/account/load": answer}) as peer:
        error = failure(peer, check=True)
    assert (error.phase, error.cause) == ("http", "unreadable_answer")


# ---------------------------------------------------------------------- the key


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_that_repeats_the_key_is_not_quoted(status: int) -> None:
    steps: list[Step] = []
    with (
        ElasticPeer(
            script={SEND: Answer(status, {"Error": f"key {KEY} is bad", "ErrorData": {"apikey": KEY}})}
        ) as peer,
        pytest.raises(TransportError) as caught,
    ):
        transport(peer).send(message(), on_step=steps.append)
    error = caught.value
    assert "key •••• is bad" in error.reply
    assert KEY not in repr(steps) + str(error) + repr(error) + error.reply
    assert error.__context__ is None


def test_a_network_error_does_not_hold_the_request() -> None:
    with ElasticPeer(script={SEND: Drop()}) as peer:
        error = failure(peer)
    assert error.__context__ is None
    assert error.__cause__ is None


def test_no_session_holds_the_key() -> None:
    with ElasticPeer() as peer:
        transport(peer).send(message())
    held = repr([(account, vars(session)) for account, session in elastic_client._sessions.items()])
    assert KEY not in held


def test_the_number_of_kept_sessions_is_bounded() -> None:
    for number in range(elastic_client._MAX_SESSIONS + 10):
        elastic_client._session("https://exemplo.invalid", f"chave-{number}")
    assert len(elastic_client._sessions) == elastic_client._MAX_SESSIONS


@pytest.mark.parametrize("url", ["http://api.elasticemail.com", "ftp://x", "api.elasticemail.com", "http://10.0.0.1"])
def test_the_key_never_travels_unencrypted(url: str) -> None:
    with pytest.raises(ConfigurationError):
        transport_for(Connection(Kind.ELASTIC_EMAIL, secret=SecretStr(KEY), base_url=url))


@pytest.mark.parametrize("url", ["", "https://api.elasticemail.com/", "http://127.0.0.1:8", "http://localhost:8"])
def test_https_and_this_machine_are_fine(url: str) -> None:
    made = transport_for(Connection(Kind.ELASTIC_EMAIL, secret=SecretStr(KEY), base_url=url))
    assert isinstance(made, ElasticEmailTransport)


def test_listing_servers_loads_no_http_library() -> None:
    code = (
        "import sys, mailcore.transports as t; from mailcore.transports.base import Connection, Kind;"
        "t.transport_for(Connection(Kind.SMTP, 'x', 25)); sys.exit('requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
