"""What is wrong, why, and what to do about it, on the pages that say so: what Python decides of it."""

from __future__ import annotations

import getpass
import re
from dataclasses import replace

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mailcore import Mailcore
from mailcore.actor import computer_user
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import LimitUnit, LimitWindow, Security
from tests.actors import ME
from tests.pages.drawn import (
    alerts,
    database_of,
    labels,
    links,
    open_page,
    press,
    rows_of,
    said,
    sent_to_the_browser,
    turn_to,
    whole,
)
from tests.pages.test_cadastro import AUTHENTICATION, GENERAL, Form
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import SmtpPeer

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


def register(core: Mailcore, name: str, **changes: object) -> int:
    draft = ServerDraft(name=name, host="smtp.x.example", port=587, username=USER, from_address=USER)
    return core.servers.create(replace(draft, **changes), SecretStr(PASSWORD), actor=ME).server.id


def stored(core: Mailcore) -> dict[str, MailServer]:
    return {server.name: server for server in core.servers.search(ServerQuery()).servers}


# -- a suggestion


def test_tls_on_the_wrong_door_is_one_press_away_from_the_right_one(core: Mailcore) -> None:
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        form = Form()
        form.type(Descrição="Padaria", Servidor="127.0.0.1", Observações="ligar só de tarde")
        form.fill({"E-mail do remetente": USER, "Certificado da autoridade (PEM)": authority_pem()})
        form.type(Usuário=USER, Senha=PASSWORD, Porta_envio=str(peer.port))
        form.choose("Modo SSL", "SSL/TLS direto")
        form.turn_to(GENERAL)
        form.press("Testar conexão")
        use = f"Usar {peer.port} com STARTTLS"
        assert [label for label in labels(form.app) if "Usar " in label] == [use]
        form.press(use)
        assert not form.has_button(use)
        assert form.tab == AUTHENTICATION
        assert (form["Modo SSL"], form["Porta envio"]) == ("Automático", str(peer.port))  # STARTTLS, but at 465
        assert (form["Usuário"], form["Senha"]) == (USER, PASSWORD)
        assert stored(core) == {}, "a suggestion saves nothing"
        form.press("Testar conexão")
        assert form.says("Funcionando: o servidor respondeu")
        assert (form["Descrição"], form["Observações"]) == ("Padaria", "ligar só de tarde")
        form.press("Salvar")
    saved = stored(core)["Padaria"]
    assert (saved.port, saved.security, saved.notes) == (peer.port, Security.STARTTLS, "ligar só de tarde")
    assert core.servers.secret(saved) == SecretStr(PASSWORD)


# -- what is known of a provider


def test_the_address_of_a_known_provider_fills_the_form(core: Mailcore) -> None:
    form = Form()
    form.type(Descrição="Ana", Observações="é a conta da loja", Porta_envio="2525")
    # Of nobody known nothing is offered, and a typed port stays until an offer is pressed.
    form.fill({"E-mail do remetente": "ana@nenhum.example"})
    whole(form.app.run())
    assert not [label for label in labels(form.app) if "Preencher com os dados" in label]
    form.fill({"E-mail do remetente": "ana@gmail.com"})
    whole(form.app.run())
    assert "smtp.gmail.com, porta 465, SSL/TLS direto." in said(form.app)
    assert "crie uma senha de app" in said(form.app)
    assert (form["Servidor"], form["Porta envio"]) == ("", "2525")
    form.press("Preencher com os dados do Gmail")
    assert not form.has_button("Preencher com os dados do Gmail")
    assert "crie uma senha de app" in said(form.app)  # still of use when the password is next
    assert {label: form[label] for label in ("Descrição", "Observações", "Servidor", "Porta envio", "Usuário")} == {
        "Descrição": "Ana",
        "Observações": "é a conta da loja",
        "Servidor": "smtp.gmail.com",
        "Porta envio": "465",
        "Usuário": "ana@gmail.com",
    }
    assert stored(core) == {}
    form.type(Senha=PASSWORD)
    form.press("Salvar")
    saved = stored(core)["Ana"]
    assert (saved.host, saved.port, saved.security) == ("smtp.gmail.com", 465, Security.SSL_TLS)
    assert (saved.username, saved.daily_limit, saved.notes) == ("ana@gmail.com", 500, "é a conta da loja")
    assert (saved.limit_unit, saved.limit_window) == (LimitUnit.RECIPIENTS, LimitWindow.ROLLING_24H)
    assert not saved.is_paid


# -- Explicar um erro


def explain(app: AppTest, text: str) -> str:
    app.text_area[0].set_value(text)
    return said(press(app, "Explicar"))


def test_whatever_is_pasted_is_explained_and_leads_to_its_server(core: Mailcore) -> None:
    register(core, "Padaria")
    gmail = {"host": "smtp.gmail.com", "port": 465, "security": Security.SSL_TLS}
    register(core, "Loja", **gmail, username="loja@gmail.com", from_address="loja@gmail.com")
    ana = register(core, "Ana", **gmail, username="ana@gmail.com", from_address="ana@gmail.com")
    app = open_page("explicar_um_erro")
    # A bounce, quoted: reply by reply.
    text = explain(app, BOUNCE)
    for part in (
        "Encontrei 2 respostas diferentes no texto.",
        "Este destinatário não existe.",
        "A caixa do destinatário está cheia.",
    ):
        assert part in text
    assert text.count("O que fazer:") == 2
    assert ["User unknown in virtual" in app.code[0].value, "Mailbox full" in app.code[1].value] == [True, True]
    decided = [line for line in text.splitlines() if "O que decidiu nesta resposta:" in line]
    assert ["User unknown" in decided[0] and "5.1.1" in decided[0], "Mailbox full" in decided[1]] == [True, True]
    # No reply of a server.
    for nothing in ("Oi! O cliente ligou 550 vezes hoje.", "🙂 <script>alert(1)</script>", "x" * 5_000):
        text = explain(app, nothing)
        assert "Não encontrei nenhuma resposta de servidor neste texto." in text
        assert "O que fazer:" not in text
    # A secret is not repeated.
    text = explain(app, "AUTH PLAIN AGFuYQBTZWdyZWRvLTk5\n535 5.7.8 Error: authentication failed: senha=Segredo-9988")
    assert "O que fazer:" in text
    assert "Segredo-9988" not in text
    assert "AGFuYQBTZWdyZWRvLTk5" not in text
    # A refusal leads to the record whose login was refused.
    text = explain(app, f"Login de ana@gmail.com em smtp.gmail.com falhou:\n{GMAIL_535}")
    assert "O Google recusou o usuário ou a senha." in alerts(app)
    assert "O Google só aceita senha de app em programas." in text
    assert "use uma senha de app, criada na conta Google" in text
    assert "https://support.google.com/accounts/answer/185833" in text
    assert {label: query for label, query in links(app).items() if "cadastro" in label} == {
        "Abrir o cadastro de Ana": f"id={ana}"
    }


# -- Alterações


def test_the_trail_says_who_changed_what_from_what_to_what(core: Mailcore, caplog: pytest.LogCaptureFixture) -> None:
    app = open_page("alteracoes")
    assert "Nenhuma alteração registrada." in said(app)

    # By the person who sits at this computer, whether at a command or at the screen.
    draft = ServerDraft(name="Padaria", host="smtp.padaria.example", username=USER, from_address=USER)
    padaria = core.servers.create(draft, SecretStr(WRONG), actor=computer_user()).server
    form = Form(padaria.id)
    form.choose("Conta", True)
    form.type(Nome_do_remetente="Padaria São João", Senha=PASSWORD)
    form.press("Salvar")

    shown = rows_of(turn_to(app, "alteracoes"))
    assert {row["Quem"] for row in shown} == {getpass.getuser()}
    assert {row["Servidor"] for row in shown} == {"Padaria"}
    changes = {row["Campo"]: (row["O que"], row["De"], row["Para"]) for row in shown}
    assert changes["Conta"] == ("Alterado", "Gratuita", "Paga")
    assert changes["Nome do remetente"] == ("Alterado", "(vazio)", "Padaria São João")
    assert changes["Senha"] == ("Alterado", "", "alterada")
    assert shown[-1]["O que"] == "Registrado"
    assert all(re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d", row["Quando"]) for row in shown)
    for secret in (WRONG, PASSWORD):
        assert secret.encode() not in sent_to_the_browser(app) + database_of(core)
        assert secret not in caplog.text

    # It is searched, and keeps what was deleted.
    gone, _ = register(core, "Oficina São João"), register(core, "Quitanda")
    core.servers.delete(gone, actor=ME)
    for searched, count in (("oficina", "2 alterações"), ("ninguém", "Nada combina com a busca.")):
        app.text_input[0].set_value(searched)
        assert count in said(whole(app.run()))
        if searched == "oficina":
            assert [(row["O que"], row["Servidor"]) for row in rows_of(app)] == [
                ("Apagado", "Oficina São João"),
                ("Registrado", "Oficina São João"),
            ]
    app.text_input[0].set_value("")
    assert f"{len(shown) + 3} alterações" in said(whole(app.run()))


# -- Duplicar


def test_a_copy_has_everything_but_the_password_and_the_description(
    core: Mailcore, caplog: pytest.LogCaptureFixture
) -> None:
    register(core, "Padaria", port=2525, is_default=True, daily_limit=77, notes="copiar", from_name="Padaria SJ")
    form = Form()
    turn_to(form.app, "cadastro", copia=str(stored(core)["Padaria"].id))
    assert form.title == "Cadastro — novo servidor"
    copied = {
        "Descrição": "Padaria (cópia)",
        "Servidor": "smtp.x.example",
        "Nome do remetente": "Padaria SJ",
        "Limite diário": "77",
        "Observações": "copiar",
        "Servidor padrão": False,
        "Porta envio": "2525",
        "Usuário": USER,
        "Senha": "",
    }
    assert {label: form[label] for label in copied} == copied
    assert form.fields()["Senha"].placeholder == ""
    assert PASSWORD.encode() not in sent_to_the_browser(form.app) + database_of(core)
    assert PASSWORD not in caplog.text
    assert list(stored(core)) == ["Padaria"]
    form.type(Senha=WRONG)
    form.press("Salvar")
    servers = stored(core)
    assert core.servers.secret(servers["Padaria"]) == SecretStr(PASSWORD)
    assert core.servers.secret(servers["Padaria (cópia)"]) == SecretStr(WRONG)
    assert servers["Padaria"].is_default
    # A copy of a record that is gone says so.
    core.servers.delete(servers["Padaria (cópia)"].id, actor=ME)
    turn_to(form.app, "cadastro", copia=str(servers["Padaria (cópia)"].id))
    assert form.says("Este servidor não existe mais: foi apagado.")


# -- Ajuda


def test_every_diagnosis_can_be_looked_up_by_its_subject_and_its_words(core: Mailcore) -> None:
    app = open_page("ajuda")
    every = rows_of(app, "O que cada erro quer dizer")
    (subject,) = [box for box in app.selectbox if box.label == "Assunto"]
    subject.set_value("Login")
    some = rows_of(whole(app.run()), "O que cada erro quer dizer")
    assert 0 < len(some) < len(every)
    assert "Marque uma linha para ler a explicação inteira." in said(app)
    (searched,) = [box for box in app.text_input if box.label == "Buscar na ajuda"]
    searched.set_value("Google pede uma senha de app")
    assert len(rows_of(whole(app.run()), "O que cada erro quer dizer")) == 1
