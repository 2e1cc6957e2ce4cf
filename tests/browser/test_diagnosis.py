"""What is wrong, why, and what to do about it, in a browser and against real servers.

What the pages make of it is held in tests/pages/test_diagnosis.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import CheckState, Security
from tests.actors import ME
from tests.peers.certificates import authority_pem
from tests.peers.smtp_server import SmtpPeer, Stall

from .driver import expect, field, go, open_list, press, rows, select_row, settled, tab

USER, PASSWORD, WRONG = "ana@exemplo.com.br", "Segrêdo-Único-4420", "Errada-Única-9931"
GMAIL_535 = (
    "535-5.7.8 Username and Password not accepted. For more information, go to\n"
    "535 5.7.8  https://support.google.com/mail/?p=BadCredentials d9443c01a7336-1f - gsmtp"
)


@pytest.fixture
def starttls() -> Iterator[SmtpPeer]:
    """An SMTP server that encrypts by STARTTLS and then wants a login."""
    with SmtpPeer(security="starttls", users={USER: PASSWORD}) as peer:
        yield peer


def register(core: Mailcore, name: str, port: int = 587, *, password: str = PASSWORD, **changes: Any) -> int:
    values = {
        "name": name,
        "host": "127.0.0.1",
        "port": port,
        "security": Security.STARTTLS,
        "ca_pem": authority_pem(),
        "username": USER,
        "from_address": USER,
    }
    return core.servers.create(ServerDraft(**(values | changes)), SecretStr(password), actor=ME).server.id


def stored(core: Mailcore) -> dict[str, Any]:
    return {server.name: server for server in core.servers.search(ServerQuery()).servers}


def no_traceback(page: Any, app: Any) -> None:
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text("Algo inesperado aconteceu")).to_have_count(0)
    assert "Traceback" not in app.output()


def no_trace_of(secret: str, app: Any, frames: list[bytes]) -> None:
    """Not in what the browser received, nor in the log, nor in the database's files."""
    files = Path(app.env["MAILCORE_DATA_DIR"]).glob("mailcore.db*")
    for data in (*frames, app.output().encode(), *(path.read_bytes() for path in files)):
        assert secret.encode() not in data


# -- Testar conexão


def test_a_wrong_password_shows_the_steps_the_reason_and_the_field_to_open(
    page: Any, app: Any, core: Mailcore, starttls: SmtpPeer, page_frames: list[bytes]
) -> None:
    server_id = register(core, "Padaria", starttls.port, password=WRONG)
    open_list(page, app.url)
    select_row(page)
    press(page, "Testar conexão")
    expect(page.get_by_text("Por quê:")).to_be_visible()
    expect(page.get_by_text("O que fazer:")).to_be_visible()
    expect(page.get_by_test_id("stAlert").get_by_text("senha", exact=False)).to_be_visible()
    expect(page.get_by_text("535 5.7.8 Error: authentication failed").first).to_be_visible()
    page.get_by_text("Passo a passo").click()
    steps = page.get_by_test_id("stExpanderDetails")
    for name in ("Procurar o servidor na internet (DNS)", "Conectar", "Criptografia", "Apresentação", "Login"):
        expect(steps.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^.*Usar "))).to_have_count(0)
    assert core.servers.get(server_id).last_check_state is CheckState.FAILED
    assert "Com falha" in rows(page)[0]["Último teste"]
    no_traceback(page, app)

    page.get_by_role("link", name="Abrir o campo Senha").click()
    expect(page.get_by_role("tab", name="Autenticação")).to_have_attribute("aria-selected", "true")
    expect(field(page, "Senha")).to_be_focused()
    expect(field(page, "Senha")).to_have_value("")
    settled(page)
    # In the form the reason opens its field by itself.
    field(page, "Senha").fill(WRONG)
    tab(page, "Geral")
    press(page, "Testar conexão")
    expect(page.get_by_text("Campo a conferir: Senha")).to_be_visible()
    expect(page.get_by_role("tab", name="Autenticação")).to_have_attribute("aria-selected", "true")
    expect(field(page, "Senha")).to_be_focused()
    expect(field(page, "Senha")).to_have_value(WRONG)
    no_traceback(page, app)
    no_trace_of(WRONG, app, page_frames)
    assert starttls.inbox == []


# -- a suggestion


def test_a_suggestion_taken_on_the_list_waits_in_the_form_for_a_save(
    page: Any, app: Any, core: Mailcore, starttls: SmtpPeer
) -> None:
    server_id = register(core, "Padaria", starttls.port, security=Security.SSL_TLS)
    open_list(page, app.url)
    select_row(page)
    press(page, "Testar conexão")
    use = page.get_by_role("button", name=f"Usar {starttls.port} com STARTTLS")
    expect(use).to_be_visible(timeout=40_000)
    settled(page)
    use.click()
    expect(page.get_by_role("heading", name="Cadastro — Padaria")).to_be_visible()
    expect(page.get_by_role("tab", name="Autenticação")).to_have_attribute("aria-selected", "true")
    expect(field(page, "Porta envio")).to_have_value(str(starttls.port))
    expect(page.get_by_role("combobox", name="Modo SSL")).not_to_have_value("SSL/TLS direto")
    assert core.servers.get(server_id).security is Security.SSL_TLS
    settled(page)
    press(page, "Salvar")
    expect(page.get_by_role("tabpanel").get_by_text("digite de novo, porque você mudou SSL")).to_be_visible()
    field(page, "Senha").fill(PASSWORD)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert core.servers.get(server_id).security is Security.STARTTLS
    assert core.servers.secret(core.servers.get(server_id)).get_secret_value() == PASSWORD
    no_traceback(page, app)


# -- Testar todos


def test_all_are_tested_in_sight_and_those_that_fail_lead_to_their_record(
    page: Any, app: Any, core: Mailcore, starttls: SmtpPeer
) -> None:
    register(core, "Boa", starttls.port)
    refused = register(core, "Recusada", starttls.port, password=WRONG)
    register(core, "Parada", starttls.port, is_active=False)
    stalled = SmtpPeer(security="starttls", users={USER: PASSWORD}, script={"GREETING": Stall()}).start()
    try:
        register(core, "Muda", stalled.port)
        open_list(page, app.url)
        press(page, "Testar todos")
        expect(page.get_by_text("Testando todos os servidores ativos: 2 de 3")).to_be_visible()
    finally:
        stalled.stop()  # hangs up: the third is through, too
    expect(page.get_by_text("1 funcionando e 2 com problema")).to_be_visible()
    states = {row["Descrição"]: row["Último teste"] for row in rows(page)}
    assert re.match("✓ Funcionando", states["Boa"])
    assert re.match("✗ Com falha", states["Recusada"])
    assert re.match("✗ Com falha", states["Muda"])
    assert re.match("○ Nunca testado", states["Parada"])
    assert starttls.inbox == []
    expect(page.get_by_role("link", name=re.compile("^.*Boa"))).to_have_count(0)
    expect(page.get_by_role("link", name=re.compile("Muda$"))).to_be_visible()
    page.get_by_role("link", name=re.compile("Recusada$")).click()
    expect(page.get_by_role("heading", name="Cadastro — Recusada")).to_be_visible()
    expect(field(page, "Senha")).to_be_focused()
    assert f"id={refused}" in page.url
    no_traceback(page, app)


# -- Explicar um erro


def open_explainer(page: Any, url: str) -> Any:
    page.goto(f"{url}/explicar_um_erro")
    box = page.get_by_label("Cole aqui o erro que o cliente mandou")
    expect(box).to_be_focused()
    settled(page)
    return box


def test_what_is_pasted_is_explained_leads_to_its_server_and_is_not_kept(page: Any, app: Any, core: Mailcore) -> None:
    gmail = {"host": "smtp.gmail.com", "port": 465, "security": Security.SSL_TLS, "ca_pem": ""}
    ana = register(core, "Ana", **gmail, username="ana@gmail.com", from_address="ana@gmail.com")
    box = open_explainer(page, app.url)
    # Nothing is kept.
    mark = "marca-4471@outro.example"
    box.fill(f"550 5.1.1 <{mark}>: Recipient address rejected: User unknown")
    press(page, "Explicar")
    expect(page.get_by_text("Este destinatário não existe.")).to_be_visible()
    assert mark not in page.url
    page.reload()
    expect(box).to_be_visible()
    settled(page)
    expect(box).to_have_value("")
    data_dir = Path(app.env["MAILCORE_DATA_DIR"])
    for path in (path for path in data_dir.rglob("*") if path.is_file()):
        assert mark.encode() not in path.read_bytes(), path.name
    assert mark not in app.output()
    # A refusal leads to the record whose login was refused.
    box.fill(f"Login de ana@gmail.com em smtp.gmail.com falhou:\n{GMAIL_535}")
    press(page, "Explicar")
    expect(page.get_by_test_id("stAlert").get_by_text("O Google recusou o usuário ou a senha.")).to_be_visible()
    expect(page.get_by_role("link", name="https://support.google.com/accounts/answer/185833")).to_be_visible()
    page.get_by_role("link", name="Abrir o cadastro de Ana").click()
    expect(page.get_by_role("heading", name="Cadastro — Ana")).to_be_visible()
    assert f"id={ana}" in page.url

    # Every diagnosis can be looked up in the help.
    go(page, f"{app.url}/ajuda")
    expect(page.get_by_role("heading", name="O que cada erro quer dizer")).to_be_visible()
    settled(page)
    expect(page.get_by_text("Marque uma linha para ler a explicação inteira.")).to_be_visible()
    field(page, "Buscar na ajuda").fill("Google pede uma senha de app")
    table = page.get_by_role("grid", name="O que cada erro quer dizer", exact=True)
    expect(table.locator('tbody [role="row"]')).to_have_count(1)
    settled(page)
    table.get_by_role("gridcell", name="O Google pede uma senha de app.").click()
    expect(page.get_by_test_id("stAlert").get_by_text("O Google pede uma senha de app.")).to_be_visible()
    expect(page.get_by_text("Campo a conferir: Senha")).to_be_visible()
    expect(page.get_by_text("O que o servidor respondeu")).to_have_count(0)
    no_traceback(page, app)
