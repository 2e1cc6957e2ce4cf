"""Testing a connection and sending a test mail that arrives, against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.vocabulary import Kind, Security
from tests.actors import ME
from tests.peers.certificates import authority_pem, server_context
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import Drop, Say, SmtpPeer

from .driver import choose, expect, field, fill_smtp, open_form, open_list, press, select_row, settled, tab, tick

USER, PASSWORD, KEY = "ana@exemplo.com.br", "Segrêdo-Único-5512", "CHAVE-0099-ABCDEF"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    """An SMTP server with STARTTLS, which wants a login after it."""
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        yield peer


@pytest.fixture
def elastic(elastic_port: int) -> Iterator[ElasticPeer]:
    with ElasticPeer(keys={KEY}, port=elastic_port) as peer:
        yield peer


def register(core: Mailcore, smtp: SmtpPeer, **changes: Any) -> int:
    values = {
        "name": "Padaria",
        "host": "127.0.0.1",
        "port": smtp.port,
        "security": Security.STARTTLS,
        "ca_pem": authority_pem(),
        "username": USER,
        "from_address": USER,
    }
    return core.servers.create(ServerDraft(**(values | changes)), SecretStr(PASSWORD), actor=ME).server.id


def no_trace_of(secret: str, app: Any, frames: list[bytes]) -> None:
    files = Path(app.env["MAILCORE_DATA_DIR"]).glob("mailcore.db*")
    for data in (*frames, app.output().encode(), *(path.read_bytes() for path in files)):
        assert secret.encode() not in data


def test_from_an_empty_form_to_a_mail_that_arrives(
    page: Any, app: Any, smtp: SmtpPeer, page_frames: list[bytes]
) -> None:
    open_list(page, app.url)
    press(page, "Novo")
    settled(page)
    fill_smtp(page, "Padaria", "127.0.0.1", smtp.port, sender=USER, password=PASSWORD, ca_pem=authority_pem())
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    assert smtp.inbox == []
    expect(field(page, "Senha")).to_have_value(PASSWORD)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    settled(page)
    press(page, "Enviar teste")  # the one just saved is still selected
    expect(page.get_by_role("heading", name="Enviar teste")).to_be_visible()
    expect(field(page, "Para")).to_have_value("")
    field(page, "Para").fill("cliente@outro.example")
    field(page, "Assunto").fill("Olá, São João")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.get_by_role("button", name="Enviar", exact=True).dblclick()
    expect(page.get_by_text("aceita", exact=True)).to_be_visible()
    settled(page)
    assert len(smtp.inbox) == 1
    received = smtp.inbox[0]
    assert received.recipients == ["cliente@outro.example"]
    assert received.message["Subject"] == "Olá, São João"
    expect(page.get_by_test_id("stMain")).to_contain_text(received.message["Message-ID"])  # the browser loads its frame
    # The whole answer is in sight, wherever the button stood.
    expect(page.get_by_text("Passo a passo")).to_be_in_viewport()
    first_id = received.message["Message-ID"]
    press(page, "Enviar")
    expect(page.get_by_text(first_id)).to_have_count(0)  # the outcome on screen is the second one's
    expect(page.get_by_text("aceita", exact=True)).to_be_visible()
    assert len(smtp.inbox) == 2
    no_trace_of(PASSWORD, app, page_frames)


def test_an_unknown_authority_and_a_wrong_password_are_explained_and_cost_nothing_typed(
    page: Any, app: Any, smtp: SmtpPeer, page_frames: list[bytes]
) -> None:
    open_form(page, app.url)
    fill_smtp(page, "Padaria", "127.0.0.1", smtp.port, sender=USER, password=PASSWORD)
    press(page, "Testar conexão")
    expect(page.get_by_text("O que fazer:")).to_be_visible()
    tick(page, "Exigir certificado válido", False)
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    field(page, "Senha").fill("errada-987")
    press(page, "Testar conexão")
    expect(page.get_by_text("O que fazer:")).to_be_visible()
    expect(page.get_by_text("O que o servidor respondeu")).to_be_visible()
    expect(field(page, "Usuário")).to_have_value(USER)
    no_trace_of("errada-987", app, page_frames)


def test_the_list_tests_and_notes_the_state(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    server_id = register(core, smtp)
    open_list(page, app.url)
    select_row(page)
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    assert core.servers.get(server_id).last_check_state == "ok"
    smtp.script["AUTH"] = Say("535 5.7.8 Username and Password not accepted")
    press(page, "Testar conexão")
    page.get_by_role("link", name="Abrir o campo Senha").click()
    expect(page.get_by_role("tab", name="Autenticação")).to_have_attribute("aria-selected", "true")
    expect(field(page, "Senha")).to_be_focused()
    assert core.servers.get(server_id).last_check_state == "failed"


def test_what_stops_a_mail_is_said_and_an_uncertain_one_is_not_sent_again(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    server_id = register(core, smtp)
    page.goto(f"{app.url}/enviar_teste?servidor={server_id}")
    # Bad recipients name the field and keep the text.
    field(page, "Para").fill("sem-arroba")
    field(page, "Mensagem").fill("texto que não se perde")
    press(page, "Enviar")
    expect(page.get_by_test_id("stAlert").get_by_text("Para")).to_be_visible()
    expect(field(page, "Para")).to_have_value("sem-arroba")
    expect(field(page, "Mensagem")).to_have_value("texto que não se perde")
    settled(page)
    # Origin equal to destination is stopped here.
    field(page, "Para").fill(USER.upper())
    press(page, "Enviar")
    expect(page.get_by_text("O que fazer:")).to_be_visible()
    settled(page)
    assert (smtp.connections, smtp.inbox) == (0, [])
    # A refusal shows the server's words.
    smtp.script["RCPT"] = Say("550 5.1.1 <ninguem@outro.example>: no such user here")
    field(page, "Para").fill("ninguem@outro.example")
    press(page, "Enviar")
    expect(page.get_by_text("no such user here").first).to_be_visible()
    expect(page.get_by_text("O que fazer:")).to_be_visible()
    settled(page)
    assert smtp.inbox == []
    # A connection lost after the message.
    smtp.script.clear()
    smtp.script["."] = Drop()
    field(page, "Para").fill("cliente@outro.example")
    press(page, "Enviar")
    expect(page.get_by_text("incerta").or_(page.get_by_text("incerto")).first).to_be_visible()
    settled(page)
    page.reload()
    expect(field(page, "Para")).to_be_visible()
    settled(page)
    assert len(smtp.inbox) <= 1


def test_elastic_email_from_form_to_delivery(
    page: Any, app: Any, elastic: ElasticPeer, page_frames: list[bytes]
) -> None:
    open_form(page, app.url)
    field(page, "Descrição").fill("Campanhas")
    choose(page, "Tipo de envio", "Elastic Email")
    field(page, "E-mail do remetente").fill("news@exemplo.com.br")
    tab(page, "Autenticação")
    field(page, "Chave da API").fill(KEY)
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    settled(page)
    press(page, "Enviar teste")
    field(page, "Para").fill("cliente@outro.example")
    press(page, "Enviar")
    expect(page.get_by_text("aceita", exact=True)).to_be_visible()
    assert len(elastic.inbox) == 1
    no_trace_of(KEY, app, page_frames)


def test_the_last_recipient_is_offered_but_never_the_senders_own(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    register(core, smtp, is_default=True)
    other = register(core, smtp, name="Quitanda", from_address="cliente@outro.example")
    page.goto(f"{app.url}/enviar_teste")
    field(page, "Para").fill("cliente@outro.example")
    press(page, "Enviar")
    expect(page.get_by_text("aceita", exact=True)).to_be_visible()
    page.get_by_role("link", name="Servidores de e-mail").click()
    settled(page)
    page.get_by_role("link", name="Enviar teste").click()
    expect(field(page, "Para")).to_have_value("cliente@outro.example")
    choose(page, "Servidor", "Quitanda — cliente@outro.example")
    expect(field(page, "Para")).to_have_value("")
    assert other
    assert core.servers.get(other).kind is Kind.SMTP
