"""Registering, changing and deleting servers as a support person does, in a real browser."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import Kind, Security
from tests.actors import ME

from .driver import (
    choose,
    expect,
    field,
    fill_smtp,
    is_whole_in_sight,
    open_form,
    open_list,
    press,
    select_row,
    settled,
    tab,
    tick,
)

PASSWORD = "Segredo-Único-7391"


def register(core: Mailcore, name: str, **changes: Any) -> int:
    draft = {"host": "smtp.exemplo.example", "from_address": "a@exemplo.example", "username": "a@exemplo.example"}
    return core.servers.create(ServerDraft(name=name, **(draft | changes)), SecretStr(PASSWORD), actor=ME).server.id


def stored(core: Mailcore) -> list[Any]:
    return core.servers.search(ServerQuery()).servers


def test_a_server_is_registered_with_what_was_typed_in_both_tabs(
    page: Any, app: Any, core: Mailcore, page_frames: list[bytes]
) -> None:
    # An empty registry explains itself.
    open_list(page, app.url)
    expect(page.get_by_text("Ainda não há servidores aqui")).to_be_visible()
    expect(page.get_by_role("grid")).to_have_count(0)
    expect(page.get_by_role("button", name="Alterar", exact=True)).to_be_disabled()
    # The first act comes first; what needs a server stands below what explains one.
    tops = [page.get_by_text("Ainda não há servidores aqui").bounding_box()["y"]]
    tops += [page.get_by_role("button", name=name, exact=True).bounding_box()["y"] for name in ("Novo", "Alterar")]
    assert tops[1] < tops[0] < tops[2]
    press(page, "Novo")
    expect(page.get_by_role("heading", name="Cadastro")).to_be_visible()
    settled(page)
    fill_smtp(
        page, "Padaria São João", "https://smtp.padaria.example/", 465, sender="p@padaria.example", password=PASSWORD
    )
    tab(page, "Geral")
    choose(page, "Conta", "Paga")
    expect(page.get_by_role("combobox", name="Origem igual ao destino")).to_have_value("Permitir")
    field(page, "Limite diário").fill("10.000")
    tick(page, "Servidor padrão", True)
    field(page, "Observações").fill("linha um\nlinha dois")
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    expect(page.get_by_text("smtp.padaria.example", exact=False).first).to_be_visible()
    server = stored(core)[0]
    assert (server.name, server.host, server.port) == ("Padaria São João", "smtp.padaria.example", 465)
    assert (server.security, server.security_auto) == (Security.SSL_TLS, True)
    assert (server.is_paid, server.daily_limit, server.is_default) == (True, 10_000, True)
    assert (server.same_address, server.notes) == ("allow", "linha um\nlinha dois")
    assert core.servers.secret(server).get_secret_value() == PASSWORD
    for data in (*page_frames, app.output().encode(), *(path.read_bytes() for path in _database_files(app))):
        assert PASSWORD.encode() not in data


def _database_files(app: Any) -> list[Path]:
    return list(Path(app.env["MAILCORE_DATA_DIR"]).glob("mailcore.db*"))


GENERAL, AUTHENTICATION = "Geral", "Autenticação"
BAD_INPUT: list[tuple[str, dict[str, tuple[str, str]]]] = [
    (
        GENERAL,
        {
            "Descrição": ("", "Descrição: preencha este campo."),
            "Servidor": ("smtp exemplo", "Servidor: "),
            "E-mail do remetente": ("padaria", "E-mail do remetente: "),
            "Limite diário": ("0", "Limite diário: use um número inteiro a partir de 1"),
            "Observações": ("x" * 5_000, "Observações: o texto tem 5.000 caracteres; cabem até 4.000."),
        },
    ),
    (GENERAL, {"Limite diário": ("-1", "Limite diário: use um número inteiro a partir de 1")}),
    (GENERAL, {"Descrição": ("sao  JOAO", "Descrição: já existe um servidor com esta descrição")}),
    (
        AUTHENTICATION,
        {
            "Porta envio": ("70000", "Porta envio: use um número de 1 a 65535"),
            "Certificado da autoridade (PEM)": (
                "isto não é",
                "Certificado da autoridade (PEM): isto não é um certificado",
            ),
        },
    ),
]
GOOD = {
    "Descrição": "Outra",
    "Servidor": "smtp.outra.example",
    "E-mail do remetente": "o@outra.example",
    "Porta envio": "587",
}


def test_bad_input_gets_its_sentence_its_tab_and_loses_nothing(page: Any, app: Any, core: Mailcore) -> None:
    register(core, "São João")
    open_form(page, app.url)
    fill_smtp(page, "Outra", "smtp.outra.example", 587, sender="o@outra.example", password=PASSWORD)
    for own_tab, fields in BAD_INPUT:
        tab(page, own_tab)
        for label, (value, _) in fields.items():
            field(page, label).fill(value)
        tab(page, AUTHENTICATION if own_tab == GENERAL else GENERAL)  # the error has to open its own
        press(page, "Salvar")
        expect(page.get_by_role("tab", name=own_tab)).to_have_attribute("aria-selected", "true")
        for label, (value, sentence) in fields.items():
            expect(page.get_by_role("tabpanel").get_by_text(sentence)).to_be_visible()
            expect(field(page, label)).to_have_value(value)
        assert len(stored(core)) == 1
        settled(page)
        for label in fields:
            field(page, label).fill(GOOD.get(label, ""))
    press(page, "Salvar")
    expect(page.get_by_text("2 de 2 servidores")).to_be_visible()
    saved = next(server for server in stored(core) if server.name == "Outra")
    assert core.servers.secret(saved).get_secret_value() == PASSWORD


def test_ticks_kind_and_tabs_lose_nothing_typed(page: Any, app: Any, core: Mailcore) -> None:
    open_form(page, app.url)
    # Elastic Email starts as paid until the person chooses.
    account = page.get_by_role("combobox", name="Conta", exact=True)
    choose(page, "Tipo de envio", "Elastic Email")
    expect(account).to_have_value("Paga")
    expect(page.get_by_role("combobox", name="Origem igual ao destino")).to_have_value("Permitir")
    choose(page, "Tipo de envio", "SMTP")
    expect(account).to_have_value("Gratuita")
    choose(page, "Tipo de envio", "Elastic Email")
    choose(page, "Conta", "Gratuita")
    choose(page, "Tipo de envio", "SMTP")
    choose(page, "Tipo de envio", "Elastic Email")
    expect(account).to_have_value("Gratuita")
    choose(page, "Tipo de envio", "SMTP")
    # The port is suggested, and a typed one stays.
    tab(page, "Autenticação")
    expect(field(page, "Porta envio")).to_have_attribute("placeholder", "587 (sugerida)")
    choose(page, "Modo SSL", "SSL/TLS direto")
    expect(field(page, "Porta envio")).to_have_attribute("placeholder", "465 (sugerida)")
    field(page, "Porta envio").fill("2465")
    choose(page, "Modo SSL", "STARTTLS")
    expect(field(page, "Porta envio")).to_have_value("2465")
    tab(page, "Geral")
    fill_smtp(page, "Oficina", "smtp.oficina.example", 2525, sender="o@oficina.example", password=PASSWORD)
    tick(page, "SSL", False)
    expect(page.get_by_text("viajam legíveis")).to_be_visible()
    tick(page, "SSL", True)
    tick(page, "Meu servidor requer autenticação", False)
    expect(field(page, "Usuário")).to_be_disabled()
    tick(page, "Meu servidor requer autenticação", True)
    tab(page, "Geral")
    choose(page, "Tipo de envio", "Elastic Email")
    expect(field(page, "Servidor")).to_have_count(0)
    tab(page, "Autenticação")
    expect(field(page, "Chave da API")).to_be_visible()
    expect(field(page, "Usuário")).to_have_count(0)
    tab(page, "Geral")
    choose(page, "Tipo de envio", "SMTP")
    expect(field(page, "Descrição")).to_have_value("Oficina")
    expect(field(page, "Servidor")).to_have_value("smtp.oficina.example")
    tab(page, "Autenticação")
    expect(field(page, "Usuário")).to_have_value("o@oficina.example")
    expect(field(page, "Porta envio")).to_have_value("2525")
    # Of all that was typed Elastic Email takes its own alone, and asks for its key.
    tab(page, "Geral")
    choose(page, "Tipo de envio", "Elastic Email")
    press(page, "Salvar")
    expect(page.get_by_role("tabpanel").get_by_text("Chave da API: preencha este campo.")).to_be_visible()
    field(page, "Chave da API").fill("CHAVE-0099")
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    server = stored(core)[0]
    assert (server.kind, server.host, server.username) == (Kind.ELASTIC_EMAIL, "", "")
    assert core.servers.secret(server).get_secret_value() == "CHAVE-0099"


def test_a_stored_password_is_kept_asked_for_again_when_the_server_changes_and_removed(
    page: Any, app: Any, core: Mailcore, page_frames: list[bytes]
) -> None:
    server_id = register(core, "Padaria")
    open_form(page, app.url, server_id)
    field(page, "Nome do remetente").fill("Padaria Nova")
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert core.servers.get(server_id).from_name == "Padaria Nova"
    assert core.servers.secret(core.servers.get(server_id)).get_secret_value() == PASSWORD

    open_form(page, app.url, server_id)
    field(page, "Servidor").fill("smtp.outro.example")
    press(page, "Salvar")
    expect(page.get_by_role("tab", name="Autenticação")).to_have_attribute("aria-selected", "true")
    expect(
        page.get_by_role("tabpanel").get_by_text("Senha: digite de novo, porque você mudou Servidor")
    ).to_be_visible()
    expect(field(page, "Senha")).to_have_attribute("placeholder", "•••••••• (mantida)")
    expect(field(page, "Senha")).to_have_value("")
    field(page, "Senha").fill("nova-senha-88")
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    changed = core.servers.get(server_id)
    assert changed.host == "smtp.outro.example"
    assert core.servers.secret(changed).get_secret_value() == "nova-senha-88"
    # It is taken away with the save alone.
    open_form(page, app.url, server_id)
    tab(page, "Autenticação")
    press(page, "Remover senha")
    expect(page.get_by_text("será removida quando você salvar")).to_be_visible()
    assert core.servers.get(server_id).secret_ref
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert core.servers.get(server_id).secret_ref is None
    assert not any(PASSWORD.encode() in frame or b"nova-senha-88" in frame for frame in page_frames)


def test_somebody_elses_save_is_told_and_nothing_is_lost(page: Any, app: Any, core: Mailcore) -> None:
    server_id = register(core, "Padaria")

    def somebody_else_saves(**changes: str) -> None:
        opened = core.servers.get(server_id)
        core.servers.update(opened, replace(draft_of(opened), **changes), actor=ME)

    def save_below(own_tab: str) -> None:
        """Save from the lower end of a tab; what is said of the conflict stands whole in sight."""
        tab(page, own_tab)
        page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
        press(page, "Salvar")
        expect(page.get_by_text("foi alterado por outra pessoa")).to_be_visible()
        settled(page)
        assert is_whole_in_sight(page, page.locator(".st-key-verdict"))
        expect(page.locator(".st-key-verdict")).to_be_focused()

    page.set_viewport_size({"width": 1280, "height": 720})
    open_form(page, app.url, server_id)
    assert page.title() == "Cadastro — Padaria"  # the window bears the record's name
    # Theirs can be taken.
    field(page, "Nome do remetente").fill("O meu nome")
    somebody_else_saves(from_name="O nome dela")
    save_below("Autenticação")
    press(page, "Usar o da outra pessoa")
    tab(page, "Geral")
    expect(field(page, "Nome do remetente")).to_have_value("O nome dela")
    # Or ours.
    field(page, "Nome do remetente").fill("O meu nome")
    somebody_else_saves(reply_to="sac@exemplo.example")
    save_below("Geral")
    expect(page.get_by_text("Mudou: Responder para")).to_be_visible()
    expect(field(page, "Nome do remetente")).to_have_value("O meu nome")
    press(page, "Manter o meu")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert (core.servers.get(server_id).from_name, core.servers.get(server_id).reply_to) == ("O meu nome", "")
    # One deleted meanwhile can be registered anew.
    open_form(page, app.url, server_id)
    field(page, "Nome do remetente").fill("Padaria")
    core.servers.delete(server_id, actor=ME)
    press(page, "Salvar")
    expect(page.get_by_text("foi apagado por outra pessoa")).to_be_visible()
    tab(page, "Autenticação")
    field(page, "Senha").fill(PASSWORD)
    press(page, "Registrar de novo")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert stored(core)[0].from_name == "Padaria"


def test_only_a_press_of_ok_deletes(page: Any, app: Any, core: Mailcore) -> None:
    first, second = register(core, "Padaria", is_default=True), register(core, "Quitanda")
    open_list(page, app.url)
    select_row(page, 0)
    press(page, "Apagar")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Padaria", exact=True)).to_be_visible()
    expect(dialog.get_by_text("O padrão passa a ser Quitanda")).to_be_visible()
    for key in ("F2", "F3", "F5"):
        page.keyboard.press(key)
    dialog.get_by_role("button", name="Cancelar", exact=True).focus()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    assert len(stored(core)) == 2
    press(page, "Apagar")
    dialog.get_by_role("button", name="OK", exact=True).click()
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert [server.id for server in stored(core)] == [second]
    assert stored(core)[0].is_default
    assert first != second


def test_the_search_filters_while_typing_and_link_and_form_lead_back_to_the_view(
    page: Any, app: Any, core: Mailcore
) -> None:
    for index in range(60):
        register(core, f"Padaria São João {index:02}", is_active=index % 2 == 0)
    open_list(page, app.url)
    expect(page.get_by_text("60 de 60 servidores")).to_be_visible()
    field(page, "Buscar").press_sequentially("sao 1")
    expect(page.get_by_text("15 de 60 servidores")).to_be_visible()
    expect(field(page, "Buscar")).to_be_focused()
    choose(page, "Situação", "Inativos")
    expect(page.get_by_text("10 de 60 servidores")).to_be_visible()
    page.wait_for_url(re.compile("busca=sao"))
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_text("10 de 60 servidores")).to_be_visible()
    expect(field(page, "Buscar")).to_have_value("sao 1")
    # The selected record survives filters that keep it; back from the form the list is as it was.
    field(page, "Buscar").fill("")
    expect(page.get_by_text("30 de 60 servidores")).to_be_visible()
    choose(page, "Situação", "Todos")
    expect(page.get_by_text("60 de 60 servidores")).to_be_visible()
    select_row(page, 3)
    field(page, "Buscar").press_sequentially("João 0")
    expect(page.get_by_text("15 de 60 servidores")).to_be_visible()
    press(page, "Alterar")
    expect(field(page, "Descrição")).to_have_value("Padaria São João 03")
    press(page, "Cancelar")
    expect(page.get_by_text("15 de 60 servidores")).to_be_visible()
    expect(field(page, "Buscar")).to_have_value("João 0")


def test_novo_asks_before_it_drops_typing_and_keys_save_it(page: Any, app: Any, core: Mailcore) -> None:
    open_form(page, app.url)
    field(page, "Descrição").fill("Quase")
    page.keyboard.press("F5")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Continuar editando").click()
    expect(dialog).to_have_count(0)
    expect(field(page, "Descrição")).to_have_value("Quase")
    press(page, "Novo")
    dialog.get_by_role("button", name="Descartar e começar um novo").click()
    expect(field(page, "Descrição")).to_have_value("")
    settled(page)
    fill_smtp(page, "Um", "smtp.um.example", 587, sender="um@um.example", password=PASSWORD)
    tab(page, "Geral")
    field(page, "Observações").press_sequentially("digitado agora")
    page.keyboard.press("F3")
    expect(page.get_by_text("“Um” foi salvo.")).to_be_visible()
    expect(field(page, "Descrição")).to_have_value("")
    assert stored(core)[0].notes == "digitado agora"
    fill_smtp(page, "Dois", "smtp.dois.example", 587, sender="dois@dois.example", password=PASSWORD)
    page.keyboard.press("F2")
    expect(page.get_by_text("2 de 2 servidores")).to_be_visible()
    saved = stored(core)[0]
    assert saved.name == "Dois"
    assert core.servers.secret(saved).get_secret_value() == PASSWORD


def test_a_dropped_network_and_a_locked_database_lose_nothing(page: Any, app: Any, core: Mailcore) -> None:
    open_form(page, app.url)
    fill_smtp(page, "Rede", "smtp.rede.example", 587, sender="r@rede.example", password=PASSWORD)
    page.context.set_offline(True)
    page.evaluate("for (const socket of window.testSockets ?? []) socket.close()")
    field(page, "Usuário").fill("outra@rede.example")
    page.context.set_offline(False)
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]')
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert stored(core)[0].username == "outra@rede.example"
    # A lock is a sentence, and the next press saves.
    open_form(page, app.url)
    fill_smtp(page, "Trava", "smtp.trava.example", 587, sender="t@trava.example", password=PASSWORD)
    lock = sqlite3.connect(core.database.file, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    press(page, "Salvar")
    expect(page.get_by_text("O banco de dados está ocupado")).to_be_visible(timeout=30_000)
    lock.execute("ROLLBACK")
    lock.close()
    press(page, "Salvar")
    expect(page.get_by_text("2 de 2 servidores")).to_be_visible()
    assert core.servers.secret(stored(core)[1]).get_secret_value() == PASSWORD


def test_headed_keys_neither_reload_nor_search_the_page(
    headed_page: Any, press_real_key: Callable[[Any, str], None], app: Any, core: Mailcore
) -> None:
    page = headed_page
    open_form(page, app.url)
    page.evaluate("window.sameDocument = true")
    fill_smtp(page, "Janela", "smtp.janela.example", 587, sender="j@janela.example", password=PASSWORD)
    press_real_key(page, "F5")
    expect(page.get_by_role("dialog").get_by_text("ainda não foram salvos")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Continuar editando").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(field(page, "Senha")).to_have_value(PASSWORD)
    field(page, "Usuário").press("End")
    field(page, "Usuário").press_sequentially(".br")
    press_real_key(page, "F3")
    expect(page.get_by_text("“Janela” foi salvo.")).to_be_visible()
    expect(field(page, "Descrição")).to_have_value("")
    assert stored(core)[0].username == "j@janela.example.br"
    assert page.evaluate("window.sameDocument")
    press_real_key(page, "F2")
    expect(page.get_by_text("Ainda não dá para continuar")).to_be_visible()
    assert page.evaluate("window.sameDocument")
