"""Registering, changing and deleting servers as a support person does, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import Security
from tests.actors import ME

from .driver import (
    choose,
    expect,
    field,
    fill_smtp,
    is_whole_in_sight,
    list_rows,
    open_form,
    open_list,
    press,
    rows,
    select_row,
    settled,
    tab,
    tick,
)
from .test_double_clicks import twice, until_a_press_counts

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
        page, "Padaria São João", "https://smtp.padaria.example/", 70_000, sender="p@padaria.example", password=PASSWORD
    )
    tab(page, "Geral")
    field(page, "Limite diário").fill("10.000")
    field(page, "Observações").fill("linha um\nlinha dois")
    tick(page, "Servidor padrão", True)
    # What is wrong opens its tab, and nothing typed is lost.
    press(page, "Salvar")
    expect(page.get_by_role("tab", name="Autenticação")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel").get_by_text("Porta envio: use um número de 1 a 65535")).to_be_visible()
    expect(field(page, "Porta envio")).to_be_focused()
    expect(field(page, "Porta envio")).to_have_value("70000")
    expect(field(page, "Senha")).to_have_value(PASSWORD)
    field(page, "Porta envio").fill("465")
    # Nor where another kind takes the place of the fields for a while.
    settled(page)
    tab(page, "Geral")
    choose(page, "Tipo de envio", "Elastic Email")
    expect(field(page, "Servidor")).to_have_count(0)
    expect(page.get_by_role("combobox", name="Conta", exact=True)).to_have_value("Paga")
    choose(page, "Tipo de envio", "SMTP")
    expect(field(page, "Servidor")).to_have_value("https://smtp.padaria.example/")
    choose(page, "Conta", "Paga")
    expect(page.get_by_role("combobox", name="Origem igual ao destino")).to_have_value("Permitir")
    tab(page, "Autenticação")
    expect(field(page, "Usuário")).to_have_value("p@padaria.example")
    expect(field(page, "Porta envio")).to_have_value("465")
    field(page, "Senha").fill(PASSWORD)
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


_KEEP_THE_LINE = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    window.line = this;
    return send.call(this, data);
  };
}"""


def test_what_was_typed_outlasts_a_network_that_goes_and_somebody_elses_save_which_is_told(
    page: Any, app: Any, core: Mailcore, page_frames: list[bytes]
) -> None:
    server_id = register(core, "Padaria")
    page.set_viewport_size({"width": 1920, "height": 900})
    open_form(page, app.url, server_id)
    assert page.title() == "Cadastro — Padaria"  # the window bears the record's name
    page.evaluate(_KEEP_THE_LINE)
    tick(page, "Ativo", False)
    page.context.set_offline(True)
    field(page, "Nome do remetente").fill("O meu nome")
    page.evaluate("window.line.close()")  # Chromium leaves open what was open when the network went
    page.wait_for_selector('[data-testid="stApp"]:not([data-test-connection-state="CONNECTED"])')
    page.context.set_offline(False)
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]')
    settled(page)
    # The changes of its own record alone are shown, and the form does not move under one's hands.
    register(core, "Quitanda")
    place = page.locator("h1").bounding_box()
    page.get_by_text("Histórico de alterações").click()
    expect(page.get_by_text("1 alteraç")).to_be_visible()
    assert [(row["O que"], row["Campo"]) for row in rows(page)] == [("Registrado", "")]
    assert page.locator("h1").bounding_box() == place
    expect(field(page, "Nome do remetente")).to_have_value("O meu nome")
    page.set_viewport_size({"width": 1280, "height": 720})
    opened = core.servers.get(server_id)
    core.servers.update(opened, replace(draft_of(opened), reply_to="sac@exemplo.example"), actor=ME)
    # Saved from the lower end of the other tab: what is said of the conflict stands whole in sight.
    tab(page, "Autenticação")
    expect(field(page, "Senha")).to_have_attribute("placeholder", "•••••••• (mantida)")
    page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
    press(page, "Salvar")
    expect(page.get_by_text("foi alterado por outra pessoa")).to_be_visible()
    expect(page.get_by_text("Mudou: Responder para")).to_be_visible()
    settled(page)
    assert is_whole_in_sight(page, page.locator(".st-key-verdict"))
    expect(page.locator(".st-key-verdict")).to_be_focused()
    tab(page, "Geral")
    assert is_whole_in_sight(page, page.locator(".st-key-verdict"))
    expect(field(page, "Nome do remetente")).to_have_value("O meu nome")
    press(page, "Manter o meu")
    expect(page.get_by_text("2 de 2 servidores")).to_be_visible()
    saved = core.servers.get(server_id)
    assert (saved.from_name, saved.reply_to, saved.is_active) == ("O meu nome", "", False)
    assert core.servers.secret(saved).get_secret_value() == PASSWORD
    assert not any(PASSWORD.encode() in frame for frame in page_frames)


def test_the_search_filters_while_typing_and_the_form_leads_back_to_the_view(
    page: Any, app: Any, core: Mailcore
) -> None:
    for index in range(20):
        register(core, f"Padaria São João {index:02}", is_active=index % 2 == 0)
    open_list(page, app.url)
    expect(page.get_by_text("20 de 20 servidores")).to_be_visible()
    field(page, "Buscar").press_sequentially("sao 1")
    expect(page.get_by_text("11 de 20 servidores")).to_be_visible()
    expect(field(page, "Buscar")).to_be_focused()
    choose(page, "Situação", "Inativos")
    expect(page.get_by_text("6 de 20 servidores")).to_be_visible()
    page.wait_for_url(re.compile("busca=sao"))  # test_list.py opens such links
    # Back from the form the list is as it was, and so is what was selected.
    select_row(page, 3)
    press(page, "Alterar")
    expect(field(page, "Descrição")).to_have_value("Padaria São João 15")
    press(page, "Cancelar")
    expect(page.get_by_text("6 de 20 servidores")).to_be_visible()
    expect(field(page, "Buscar")).to_have_value("sao 1")
    expect(list_rows(page).nth(3)).to_have_attribute("aria-selected", "true")


def until_a_key_counts(page: Any) -> None:
    """Until the run of the one before is over, another key is dropped."""
    page.wait_for_function("window.mailcoreKeys.busy === false")


def test_headed_keys_save_and_ask_and_neither_reload_nor_search_and_a_double_click_saves_once(
    headed_page: Any, press_real_key: Callable[[Any, str], None], app: Any, core: Mailcore
) -> None:
    page = headed_page
    open_form(page, app.url)
    page.evaluate("window.sameDocument = true")
    fill_smtp(page, "Janela", "smtp.janela.example", 587, sender="j@janela.example", password=PASSWORD)
    press_real_key(page, "F5")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("ainda não foram salvos")).to_be_visible()
    dialog.get_by_role("button", name="Continuar editando").click()
    expect(dialog).to_have_count(0)
    expect(field(page, "Senha")).to_have_value(PASSWORD)
    field(page, "Usuário").press("End")
    field(page, "Usuário").press_sequentially(".br")
    until_a_key_counts(page)
    press_real_key(page, "F3")
    expect(page.get_by_text("“Janela” foi salvo.")).to_be_visible()
    expect(field(page, "Descrição")).to_have_value("")
    (saved,) = stored(core)
    assert saved.username == "j@janela.example.br"
    assert core.servers.secret(saved).get_secret_value() == PASSWORD
    until_a_key_counts(page)
    press_real_key(page, "F2")
    expect(page.get_by_text("Ainda não dá para continuar")).to_be_visible()
    # What was typed is dropped by the one button that says so.
    field(page, "Descrição").fill("Quase")
    until_a_key_counts(page)
    press_real_key(page, "F5")
    dialog.get_by_role("button", name="Descartar e começar um novo").click()
    expect(field(page, "Descrição")).to_have_value("")
    assert page.evaluate("window.sameDocument")
    assert len(stored(core)) == 1
    # The second half of a double click does not complain of the next form.
    settled(page)
    fill_smtp(page, "Porta", "smtp.porta.example", 587, sender="p@porta.example", password=PASSWORD)
    once = page.get_by_text("“Porta” foi salvo.").wait_for
    until_a_press_counts(page)
    twice(page, page.get_by_role("button", name="Salvar e continuar", exact=True), 300, once)
    expect(field(page, "Descrição")).to_have_value("")
    expect(page.get_by_text("Ainda não dá para continuar")).to_have_count(0)
    assert len(stored(core)) == 2
