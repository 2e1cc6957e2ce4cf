"""Testing a connection and sending a test mail by the pages' own buttons, against real servers, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from mailcore.vocabulary import Security
from tests.pages.drawn import alerts, database_of, links, open_page, press, said, sent_to_the_browser, turn_to, whole
from tests.pages.records import register
from tests.peers.certificates import authority_pem, server_context
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import Drop, Say, SmtpPeer
from ui.session import SELECTED, Selection

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

USER, PASSWORD, WRONG = "ana@exemplo.com.br", "Segrêdo-Único-5512", "errada-987"
KEY, FRESH_KEY = "CHAVE-0099-ABCDEF", "CHAVE-NOVA-3310"
WORKS = "Funcionando: o servidor respondeu"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    """An SMTP server with STARTTLS, which wants a login after it."""
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        yield peer


def register_here(core: Mailcore, smtp: SmtpPeer, **changes: Any) -> MailServer:
    login = {"security": Security.STARTTLS, "ca_pem": authority_pem(), "requires_auth": True, "username": USER}
    return register(core, smtp, **({"from_address": USER, "password": PASSWORD} | login | changes))


def select(app: AppTest, server: MailServer) -> AppTest:
    app.session_state[SELECTED.name] = Selection((server.id,))
    return whole(app.run())


def fields(app: AppTest) -> dict[str, Any]:
    return {each.label: each for kind in (app.text_input, app.text_area, app.checkbox, app.selectbox) for each in kind}


def fill(app: AppTest, **values: Any) -> AppTest:
    """Type into the form's fields, by name."""
    for name, value in values.items():
        app.get_by_key(f"field_{name}").set_value(value)
    return whole(app.run())


def test_an_unknown_authority_and_a_wrong_password_are_explained_and_cost_nothing_typed(
    core: Mailcore, smtp: SmtpPeer
) -> None:
    app = open_page("cadastro")
    app = fill(app, name="Padaria", host="127.0.0.1", from_address=USER, username=USER, port=str(smtp.port))
    app.get_by_key("field_secret").set_value(PASSWORD)
    app = press(app, "Testar conexão")
    assert "O que fazer:" in said(app)
    fields(app)["Exigir certificado válido"].set_value(False)
    app = press(app, "Testar conexão")
    assert WORKS in alerts(app)
    app.get_by_key("field_secret").set_value(WRONG)
    app = press(app, "Testar conexão")
    assert "O que fazer:" in said(app)
    assert "O que o servidor respondeu" in said(app)
    assert "Campo a conferir: Senha" in said(app)
    assert (fields(app)["Usuário"].value, fields(app)["Senha"].value) == (USER, WRONG)
    assert smtp.inbox == []
    for secret in (PASSWORD, WRONG):
        assert secret.encode() not in sent_to_the_browser(app) + database_of(core)


def test_elastic_email_from_the_form_to_a_delivery_and_a_wrong_key_leads_to_its_field(
    core: Mailcore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with ElasticPeer(keys={KEY}) as elastic:
        monkeypatch.setenv("MAILCORE_ELASTIC_EMAIL_URL", elastic.url)
        app = open_page("cadastro")
        fields(app)["Tipo de envio"].select("Elastic Email")
        app = fill(whole(app.run()), name="Campanhas", from_address="news@exemplo.com.br")
        fields(app)["Chave da API"].set_value(KEY)
        app = press(app, "Testar conexão")
        assert WORKS in alerts(app)
        app = press(app, "Salvar")
        assert "1 de 1 servidor" in said(app)
        (server,) = core.all_servers()
        app = turn_to(app, "enviar_teste", servidor=str(server.id))
        fields(app)["Para"].set_value("cliente@outro.example")
        app = press(app, "Enviar")
        assert "aceita" in alerts(app)
        assert len(elastic.inbox) == 1
        assert KEY.encode() not in sent_to_the_browser(app)
        # The service takes another key from now on; that such a link has the cursor: tests/browser/test_diagnosis.py.
        elastic.keys = {FRESH_KEY}
        app = press(select(turn_to(app, "servidores"), server), "Testar conexão")
        assert links(app)["Abrir o campo Chave da API"] == f"id={server.id}&campo=secret"
        app = turn_to(app, "cadastro", id=str(server.id), campo="secret")
        assert fields(app)["Chave da API"].value == ""
        fields(app)["Chave da API"].set_value(FRESH_KEY)
        app = press(app, "Testar conexão")
        assert WORKS in alerts(app)
        app = press(app, "Salvar")
        assert "1 de 1 servidor" in said(app)
        assert len(elastic.inbox) == 1
        assert caplog.records  # a key could be in them
        for key in (KEY, FRESH_KEY):
            assert key.encode() not in sent_to_the_browser(app) + database_of(core) + caplog.text.encode()


def test_the_list_tests_and_notes_the_state(core: Mailcore, smtp: SmtpPeer) -> None:
    server = register_here(core, smtp)
    app = press(select(open_page("servidores"), server), "Testar conexão")
    assert WORKS in alerts(app)
    assert core.servers.get(server.id).last_check_state == "ok"
    smtp.script["AUTH"] = Say("535 5.7.8 Username and Password not accepted")
    app = press(app, "Testar conexão")
    assert links(app)["Abrir o campo Senha"] == f"id={server.id}&campo=secret"
    assert core.servers.get(server.id).last_check_state == "failed"


def test_what_stops_a_mail_is_said_and_an_uncertain_one_is_not_sent_again(core: Mailcore, smtp: SmtpPeer) -> None:
    server = register_here(core, smtp)
    app = open_page("enviar_teste", servidor=str(server.id))

    def send_to(address: str) -> AppTest:
        fields(app)["Para"].set_value(address)
        return press(app, "Enviar")

    # Bad recipients name the field and keep the text.
    fields(app)["Mensagem"].set_value("texto que não se perde")
    app = send_to("sem-arroba")
    assert "Para: " in alerts(app)
    assert (fields(app)["Para"].value, fields(app)["Mensagem"].value) == ("sem-arroba", "texto que não se perde")
    # Origin equal to destination is stopped here.
    app = send_to(USER.upper())
    assert "O que fazer:" in said(app)
    assert (smtp.connections, smtp.inbox) == (0, [])
    # A refusal shows the server's words.
    smtp.script["RCPT"] = Say("550 5.1.1 <ninguem@outro.example>: no such user here")
    app = send_to("ninguem@outro.example")
    assert "no such user here" in said(app)
    assert "O que fazer:" in said(app)
    assert smtp.inbox == []
    # A connection lost after the message.
    smtp.script.clear()
    smtp.script["."] = Drop()
    app = send_to("cliente@outro.example")
    assert "incert" in said(app)
    there = len(smtp.inbox)
    assert there <= 1
    connections = smtp.connections
    open_page("enviar_teste", servidor=str(server.id))
    assert (smtp.connections, len(smtp.inbox)) == (connections, there)


def test_the_last_recipient_is_offered_but_never_the_senders_own(core: Mailcore, smtp: SmtpPeer) -> None:
    register_here(core, smtp, is_default=True)
    other = register_here(core, smtp, name="Quitanda", from_address="cliente@outro.example")
    app = open_page("enviar_teste")
    fields(app)["Para"].set_value("cliente@outro.example")
    app = press(app, "Enviar")
    assert "aceita" in alerts(app)
    app = turn_to(turn_to(app, "servidores"), "enviar_teste")
    assert fields(app)["Para"].value == "cliente@outro.example"
    app = whole(fields(app)["Servidor"].set_value(other.id).run())
    assert fields(app)["Para"].value == ""
    assert [mail.recipients for mail in smtp.inbox] == [["cliente@outro.example"]]
