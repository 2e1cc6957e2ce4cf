"""What is wrong, why, and what to do about it, on the screens that say so, against real servers."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.actor import computer_user
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import CheckState, Security
from tests.actors import ME
from tests.peers.certificates import authority_pem
from tests.peers.smtp_server import Say, SmtpPeer, Stall

from .driver import choose, expect, field, fill_smtp, go, open_form, open_list, press, rows, select_row, settled, tab

USER, PASSWORD, WRONG = "ana@exemplo.com.br", "Segrêdo-Único-4420", "Errada-Única-9931"
GMAIL_535 = (
    "535-5.7.8 Username and Password not accepted. For more information, go to\n"
    "535 5.7.8  https://support.google.com/mail/?p=BadCredentials d9443c01a7336-1f - gsmtp"
)
BOUNCE = """Encaminho o que o cliente recebeu:

> This is the mail system at host smtp.padaria.example.
>
> I'm sorry to have to inform you that your message could not
> be delivered to one or more recipients.
>
> <naoexiste@outro.example>: host mx.outro.example[203.0.113.7] said: 550 5.1.1
>     <naoexiste@outro.example>: Recipient address rejected: User unknown in
>     virtual mailbox table (in reply to RCPT TO command)
>
> <cheia@terceiro.example>: host mx.terceiro.example[203.0.113.9] said: 552 5.2.2
>     <cheia@terceiro.example>: Mailbox full (in reply to RCPT TO command)
"""


@pytest.fixture
def starttls() -> Iterator[SmtpPeer]:
    """An SMTP server that encrypts by STARTTLS and then wants a login."""
    with SmtpPeer(security="starttls", users={USER: PASSWORD}) as peer:
        yield peer


@pytest.fixture
def direct() -> Iterator[SmtpPeer]:
    """An SMTP server that speaks TLS from the first byte."""
    with SmtpPeer(security="ssl_tls", users={USER: PASSWORD}) as peer:
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


def test_tls_on_the_wrong_door_is_one_press_away_from_the_right_one(
    page: Any, app: Any, core: Mailcore, direct: SmtpPeer
) -> None:
    open_form(page, app.url)
    fill_smtp(page, "Padaria", "127.0.0.1", direct.port, sender=USER, password=PASSWORD, ca_pem=authority_pem())
    choose(page, "Modo SSL", "STARTTLS")
    tab(page, "Geral")
    field(page, "Observações").fill("ligar só de tarde")
    press(page, "Testar conexão")
    use = page.get_by_role("button", name=f"Usar {direct.port} com SSL/TLS direto")
    expect(use).to_be_visible(timeout=40_000)
    settled(page)
    expect(page.get_by_role("button", name=re.compile("Usar "))).to_have_count(1)
    use.click()
    expect(use).to_have_count(0)
    settled(page)
    expect(page.get_by_role("tab", name="Autenticação")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("combobox", name="Modo SSL")).to_have_value("SSL/TLS direto")
    expect(field(page, "Porta envio")).to_have_value(str(direct.port))
    expect(field(page, "Usuário")).to_have_value(USER)
    expect(field(page, "Senha")).to_have_value(PASSWORD)
    assert stored(core) == {}, "a suggestion saves nothing"

    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    tab(page, "Geral")
    expect(field(page, "Descrição")).to_have_value("Padaria")
    expect(field(page, "Observações")).to_have_value("ligar só de tarde")
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    saved = stored(core)["Padaria"]
    assert (saved.port, saved.security, saved.notes) == (direct.port, Security.SSL_TLS, "ligar só de tarde")
    assert core.servers.secret(saved).get_secret_value() == PASSWORD
    no_traceback(page, app)


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


# -- what is known of a provider


def test_the_address_of_a_known_provider_fills_the_form(page: Any, app: Any, core: Mailcore) -> None:
    open_form(page, app.url)
    field(page, "Descrição").fill("Ana")
    field(page, "Observações").fill("é a conta da loja")
    # Of nobody known nothing is offered, and a typed port stays until an offer is pressed.
    field(page, "E-mail do remetente").press_sequentially("ana@nenhum.example")
    settled(page)
    expect(page.get_by_role("button", name=re.compile("Preencher com os dados"))).to_have_count(0)
    no_traceback(page, app)
    tab(page, "Autenticação")
    field(page, "Porta envio").fill("2525")
    tab(page, "Geral")
    field(page, "E-mail do remetente").fill("")
    field(page, "E-mail do remetente").press_sequentially("ana@gmail.com")
    fill_in = page.get_by_role("button", name="Preencher com os dados do Gmail")
    expect(fill_in).to_be_visible()
    expect(page.get_by_text("smtp.gmail.com, porta 465, SSL/TLS direto.")).to_be_visible()
    expect(page.get_by_text("crie uma senha de app")).to_be_visible()
    expect(field(page, "E-mail do remetente")).to_be_focused()
    expect(field(page, "Servidor")).to_have_value("")
    tab(page, "Autenticação")
    expect(field(page, "Porta envio")).to_have_value("2525")
    tab(page, "Geral")
    fill_in.click()
    expect(field(page, "Servidor")).to_have_value("smtp.gmail.com")
    expect(fill_in).to_have_count(0)
    settled(page)
    expect(page.get_by_text("crie uma senha de app")).to_be_visible()  # still of use when the password is next
    expect(field(page, "Descrição")).to_have_value("Ana")
    expect(field(page, "Observações")).to_have_value("é a conta da loja")
    expect(field(page, "Limite diário")).to_have_value("500")
    expect(page.get_by_role("combobox", name="Conta", exact=True)).to_have_value("Gratuita")
    expect(page.get_by_role("combobox", name="Contar por")).to_have_value("Destinatários")
    expect(page.get_by_role("combobox", name="Janela")).to_have_value("24 horas corridas")
    tab(page, "Autenticação")
    expect(field(page, "Porta envio")).to_have_value("465")
    expect(page.get_by_role("checkbox", name="SSL", exact=True)).to_be_checked()
    expect(field(page, "Usuário")).to_have_value("ana@gmail.com")
    assert stored(core) == {}
    field(page, "Senha").fill(PASSWORD)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    saved = stored(core)["Ana"]
    assert (saved.host, saved.port, saved.security) == ("smtp.gmail.com", 465, Security.SSL_TLS)
    assert (saved.username, saved.daily_limit, saved.notes) == ("ana@gmail.com", 500, "é a conta da loja")
    no_traceback(page, app)


# -- Testar todos


def test_all_are_tested_in_sight_and_those_that_fail_lead_to_their_record(
    page: Any, app: Any, core: Mailcore, starttls: SmtpPeer
) -> None:
    register(core, "Boa", starttls.port)
    starttls.script["AUTH"] = Say("535 5.7.8 no")
    open_list(page, app.url)
    press(page, "Testar todos")
    expect(page.get_by_text("0 funcionando e 1 com problema")).to_be_visible()
    assert stored(core)["Boa"].last_check_state is CheckState.FAILED
    # The result can be put away and had again.
    starttls.script.clear()
    press(page, "Fechar o resultado")
    expect(page.get_by_text("0 funcionando e 1 com problema")).to_have_count(0)
    settled(page)
    refused = register(core, "Recusada", starttls.port, password=WRONG)
    register(core, "Parada", starttls.port, is_active=False)
    stalled = SmtpPeer(security="starttls", users={USER: PASSWORD}, script={"GREETING": Stall()}).start()
    try:
        register(core, "Muda", stalled.port)
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


def test_whatever_is_pasted_is_explained_leads_to_its_server_and_is_not_kept(
    page: Any, app: Any, core: Mailcore
) -> None:
    register(core, "Padaria")
    gmail = {"host": "smtp.gmail.com", "port": 465, "security": Security.SSL_TLS, "ca_pem": ""}
    register(core, "Loja", **gmail, username="loja@gmail.com", from_address="loja@gmail.com")
    ana = register(core, "Ana", **gmail, username="ana@gmail.com", from_address="ana@gmail.com")
    box = open_explainer(page, app.url)
    # A bounce, quoted: reply by reply.
    box.fill(BOUNCE)
    press(page, "Explicar")
    expect(page.get_by_text("Encontrei 2 respostas diferentes no texto.")).to_be_visible()
    expect(page.get_by_text("Este destinatário não existe.")).to_be_visible()
    expect(page.get_by_text("A caixa do destinatário está cheia.")).to_be_visible()
    expect(page.get_by_text("O que fazer:")).to_have_count(2)
    expect(page.get_by_test_id("stCode")).to_have_text(
        [re.compile("User unknown in virtual"), re.compile("Mailbox full")]
    )
    decided = page.get_by_text("O que decidiu nesta resposta:")
    expect(decided).to_have_text([re.compile("User unknown.*5.1.1"), re.compile("Mailbox full")])
    # No reply of a server.
    for text in ("Oi! O cliente ligou 550 vezes hoje.", "🙂 <script>alert(1)</script>", "x" * 5_000):
        box.fill(text)
        press(page, "Explicar")
        expect(page.get_by_text("Não encontrei nenhuma resposta de servidor neste texto.")).to_be_visible()
        settled(page)
        expect(page.get_by_text("O que fazer:")).to_have_count(0)
    # A secret is not repeated.
    box.fill("AUTH PLAIN AGFuYQBTZWdyZWRvLTk5\n535 5.7.8 Error: authentication failed: senha=Segredo-9988")
    press(page, "Explicar")
    expect(page.get_by_text("O que fazer:")).to_be_visible()
    settled(page)
    shown = page.get_by_test_id("stMain").inner_text()
    assert "Segredo-9988" not in shown
    assert "AGFuYQBTZWdyZWRvLTk5" not in shown
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
    no_traceback(page, app)
    # A refusal leads to the record whose login was refused.
    box.fill(f"Login de ana@gmail.com em smtp.gmail.com falhou:\n{GMAIL_535}")
    press(page, "Explicar")
    expect(page.get_by_test_id("stAlert").get_by_text("O Google recusou o usuário ou a senha.")).to_be_visible()
    expect(page.get_by_text("O Google só aceita senha de app em programas.")).to_be_visible()
    expect(page.get_by_text("use uma senha de app, criada na conta Google")).to_be_visible()
    expect(page.get_by_role("link", name="https://support.google.com/accounts/answer/185833")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("cadastro de Loja"))).to_have_count(0)
    page.get_by_role("link", name="Abrir o cadastro de Ana").click()
    expect(page.get_by_role("heading", name="Cadastro — Ana")).to_be_visible()
    assert f"id={ana}" in page.url
    no_traceback(page, app)


# -- Alterações


def open_trail(page: Any, url: str) -> None:
    go(page, f"{url}/alteracoes")
    expect(page.get_by_role("heading", name="Alterações")).to_be_visible()
    settled(page)


def test_the_trail_says_who_changed_what_from_what_to_what(
    page: Any, app: Any, core: Mailcore, page_frames: list[bytes]
) -> None:
    open_trail(page, app.url)
    expect(page.get_by_text("Nenhuma alteração registrada.")).to_be_visible()

    # By the person who sits at this computer, whether at a command or at the screen.
    draft = ServerDraft(name="Padaria", host="smtp.padaria.example", username=USER, from_address=USER)
    padaria = core.servers.create(draft, SecretStr(WRONG), actor=computer_user()).server
    open_form(page, app.url, padaria.id)
    choose(page, "Conta", "Paga")
    field(page, "Nome do remetente").fill("Padaria São João")
    tab(page, "Autenticação")
    field(page, "Senha").fill(PASSWORD)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()

    open_trail(page, app.url)
    shown = rows(page)
    assert all(re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d", row["Quando"]) for row in shown)
    assert {row["Quem"] for row in shown} == {getpass.getuser()}
    assert {row["Servidor"] for row in shown} == {"Padaria"}
    changes = {row["Campo"]: (row["O que"], row["De"], row["Para"]) for row in shown}
    assert changes["Conta"] == ("Alterado", "Gratuita", "Paga")
    assert changes["Nome do remetente"] == ("Alterado", "(vazio)", "Padaria São João")
    assert changes["Senha"] == ("Alterado", "", "alterada")
    assert shown[-1]["O que"] == "Registrado"
    for secret in (WRONG, PASSWORD):
        no_trace_of(secret, app, page_frames)
    no_traceback(page, app)

    # It is searched, and keeps what was deleted.
    gone, other = register(core, "Oficina São João"), register(core, "Quitanda")
    core.servers.delete(gone, actor=ME)
    field(page, "Buscar").press_sequentially("oficina")
    expect(page.get_by_text("2 alterações", exact=True)).to_be_visible()
    assert [(row["O que"], row["Servidor"]) for row in rows(page)] == [
        ("Apagado", "Oficina São João"),
        ("Registrado", "Oficina São João"),
    ]
    field(page, "Buscar").fill("ninguém")
    expect(page.get_by_text("Nada combina com a busca.")).to_be_visible()
    field(page, "Buscar").fill("")
    expect(page.get_by_text(f"{len(shown) + 3} alterações", exact=True)).to_be_visible()

    # A form shows the changes of its own record alone, and does not move under one's hands.
    page.set_viewport_size({"width": 1920, "height": 900})
    open_form(page, app.url, other)
    field(page, "Nome do remetente").fill("não salvo ainda")
    place = page.locator("h1").bounding_box()
    page.get_by_text("Histórico de alterações").click()
    expect(page.get_by_text("1 alteraç")).to_be_visible()
    assert [row["O que"] for row in rows(page)] == ["Registrado"]
    assert page.locator("h1").bounding_box() == place
    expect(field(page, "Nome do remetente")).to_have_value("não salvo ainda")
    no_traceback(page, app)


# -- Duplicar


def test_a_copy_has_everything_but_the_password_and_the_description(
    page: Any, app: Any, core: Mailcore, page_frames: list[bytes]
) -> None:
    register(core, "Padaria", 2525, is_default=True, daily_limit=77, notes="copiar", from_name="Padaria SJ")
    open_list(page, app.url)
    select_row(page)
    press(page, "Duplicar")
    expect(page.get_by_role("heading", name="Cadastro — novo servidor")).to_be_visible()
    expect(field(page, "Descrição")).to_have_value("Padaria (cópia)")
    expect(field(page, "Servidor")).to_have_value("127.0.0.1")
    expect(field(page, "Nome do remetente")).to_have_value("Padaria SJ")
    expect(field(page, "Limite diário")).to_have_value("77")
    expect(field(page, "Observações")).to_have_value("copiar")
    expect(page.get_by_role("checkbox", name="Servidor padrão", exact=True)).not_to_be_checked()
    settled(page)
    tab(page, "Autenticação")
    expect(field(page, "Porta envio")).to_have_value("2525")
    expect(field(page, "Usuário")).to_have_value(USER)
    expect(field(page, "Senha")).to_have_value("")
    expect(field(page, "Senha")).to_have_attribute("placeholder", "")
    assert list(stored(core)) == ["Padaria"]
    field(page, "Senha").fill(WRONG)
    press(page, "Salvar")
    expect(page.get_by_text("2 de 2 servidores")).to_be_visible()
    servers = stored(core)
    assert core.servers.secret(servers["Padaria"]).get_secret_value() == PASSWORD
    assert core.servers.secret(servers["Padaria (cópia)"]).get_secret_value() == WRONG
    assert servers["Padaria"].is_default
    no_trace_of(PASSWORD, app, page_frames)
    # A copy of a record that is gone says so.
    core.servers.delete(servers["Padaria (cópia)"].id, actor=ME)
    page.goto(f"{app.url}/cadastro?copia={servers['Padaria (cópia)'].id}")
    expect(page.get_by_text("Este servidor não existe mais: foi apagado.")).to_be_visible()
    no_traceback(page, app)


# -- Ajuda


def test_every_diagnosis_can_be_looked_up_in_the_help(page: Any, app: Any) -> None:
    page.goto(f"{app.url}/ajuda")
    expect(page.get_by_role("heading", name="O que cada erro quer dizer")).to_be_visible()
    settled(page)
    table = page.get_by_role("grid", name="O que cada erro quer dizer", exact=True)
    choose(page, "Assunto", "Login")
    expect(page.get_by_text("Marque uma linha para ler a explicação inteira.")).to_be_visible()
    field(page, "Buscar na ajuda").fill("Google pede uma senha de app")
    settled(page)
    expect(table.locator('tbody [role="row"]')).to_have_count(1)
    table.get_by_role("gridcell", name="O Google pede uma senha de app.").click()
    expect(page.get_by_test_id("stAlert").get_by_text("O Google pede uma senha de app.")).to_be_visible()
    expect(page.get_by_text("Campo a conferir: Senha")).to_be_visible()
    expect(page.get_by_text("O que o servidor respondeu")).to_have_count(0)
    no_traceback(page, app)
