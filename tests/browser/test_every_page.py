"""One walk over every page, tab and dialog: no English, nothing made of hostile text, axe content, light and dark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.door_client import ANA, PASSWORD, env_of, open_core
from tests.browser.driver import expect, field, go, list_rows, press, settled, tab
from tests.browser.every_page import BAD_LINK, LOOK, NASTY, Axe, english_in, fill
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import Say, SmtpPeer

if TYPE_CHECKING:
    from tests.browser.conftest import RunningApp, StartApp

SHOWN = " ".join(NASTY.split())


class Walk:
    """A person who looks at everything, and notes what is wrong with it."""

    def __init__(self, page: Any, app: RunningApp, smtp: SmtpPeer) -> None:
        self.page = page
        self.url = app.url
        self.smtp = smtp
        self.axe = Axe(page)
        self.faults: list[str] = []

    def go(self, path: str) -> None:
        go(self.page, f"{self.url}{path}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        settled(self.page)

    def look(self, where: str, *, holds: bool = True, colours: bool = False, inside: str = "") -> None:
        """Look at what is on screen; where ``holds``, hostile text is in it and must be there letter for letter.

        ``colours`` has the contrast measured light and dark: on every page once, and where colours say something.

        ``inside`` is for axe: the one element that is new on a page at which it has looked already.
        """
        self.look_at_words(where, holds=holds)
        look = self.axe.look_in_both_colours if colours else self.axe.look
        self.note(where, "axe", look(inside))

    def look_at_words(self, where: str, *, holds: bool = True) -> None:
        """Look for English, and for what became of hostile text."""
        settled(self.page)
        expect(self.page.locator("html")).to_have_attribute("lang", "pt-BR")
        found = self.page.evaluate(LOOK)
        said = [line for line in [*found["said"], found["title"]] if BAD_LINK not in line]
        self.note(where, "English", english_in(said))
        self.note(where, "made of text", [*found["made"], *found["marked"]])
        if holds and SHOWN[:150] not in found["whole"]:
            self.note(where, "not letter for letter", [found["whole"][:3000]])

    def look_at_plain(self, where: str) -> None:
        """Look at a page of the door, which has no script that could still run."""
        found = self.page.evaluate(LOOK)
        self.note(where, "English", english_in([*found["said"], found["title"]]))
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.note(where, f"axe, {scheme}", self.axe.look())
        self.page.emulate_media(color_scheme="light")

    def note(self, where: str, what: str, found: list[str]) -> None:
        self.faults += [f"{where}: {what}: {each}" for each in found]


@pytest.fixture
def peers() -> Iterator[tuple[SmtpPeer, ElasticPeer]]:
    with SmtpPeer() as smtp, ElasticPeer() as elastic:
        yield smtp, elastic


@pytest.fixture
def app(tmp_path: Path, peers: tuple[SmtpPeer, ElasticPeer], streamlit_server: StartApp) -> RunningApp:
    smtp, elastic = peers
    with open_core(tmp_path / "data", elastic_email_url=elastic.url) as core:
        fill(core, smtp, elastic)
    return streamlit_server("app.py", env_of(tmp_path / "data", MAILCORE_ELASTIC_EMAIL_URL=elastic.url))


DIALOG = '[role="dialog"]'


def walk_door(walk: Walk) -> None:
    walk.page.goto(f"{walk.url}/entrar")
    walk.look_at_plain("Entrar")


def sign_in(walk: Walk) -> None:
    page = walk.page
    if not page.url.endswith("/entrar"):
        page.goto(f"{walk.url}/entrar")
    field(page, "E-mail").fill(ANA)
    field(page, "Senha").fill(PASSWORD)
    press(page, "Entrar")
    expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()


def walk_list(walk: Walk) -> None:
    page = walk.page
    list_rows(page).nth(0).click()
    expect(page.get_by_role("button", name="Alterar", exact=True)).to_be_enabled()
    walk.look("Servidores")
    page.get_by_role("button", name="Colunas").click()
    walk.look("Servidores: Colunas", holds=False)
    page.keyboard.press("Escape")
    walk.smtp.script["GREETING"] = Say(f"554 {NASTY}")
    press(page, "Testar conexão")
    expect(page.get_by_text("O que o servidor respondeu")).to_be_visible()
    page.get_by_text("Passo a passo").click()
    walk.look("Servidores: um teste", colours=True)
    press(page, "Apagar")
    expect(page.get_by_role("dialog")).to_be_visible()
    walk.look("Servidores: Apagar", colours=True, inside=DIALOG)
    page.get_by_role("dialog").get_by_role("button", name="Cancelar").click()


def type_half_a_character(box: Any) -> None:
    """As a paste from a program that cut an emoji in two."""
    box.click()
    box.evaluate("() => document.execCommand('insertText', false, '\\ud83d')")


def walk_form(walk: Walk) -> None:
    page = walk.page
    walk.go("/cadastro?id=1")
    walk.look("Cadastro: Geral")
    page.get_by_text("Histórico de alterações").click()
    expect(list_rows(page).first).to_be_visible()
    walk.look("Cadastro: histórico")
    page.get_by_role("combobox", name="Tipo de envio").click()
    walk.look("Cadastro: uma lista aberta")
    page.keyboard.press("Escape")
    tab(page, "Autenticação")
    walk.look("Cadastro: Autenticação")
    press(page, "Testar conexão")
    expect(page.get_by_text("O que o servidor respondeu")).to_be_visible()
    walk.look("Cadastro: um teste")
    tab(page, "Geral")
    type_half_a_character(field(page, "Descrição"))
    press(page, "Salvar")
    expect(page.get_by_text("Descrição: há um pedaço que não é texto").first).to_be_visible()
    walk.look("Cadastro: um erro", holds=False, colours=True)
    press(page, "Novo")
    expect(page.get_by_role("dialog")).to_be_visible()
    walk.look("Cadastro: Descartar", holds=False, inside=DIALOG)
    page.get_by_role("dialog").get_by_role("button", name="Descartar").click()
    settled(page)
    walk.look("Cadastro: novo", holds=False)


def walk_sends(walk: Walk) -> None:
    page = walk.page
    walk.go("/envios?descricao=nada+assim")
    walk.look("Envios: nada", holds=False)
    walk.go("/enviar_teste?servidor=1")
    walk.smtp.script["GREETING"] = []
    walk.smtp.script["RCPT"] = Say(f"550 5.1.1 {NASTY}")
    field(page, "Para").fill("z@mau.example")
    walk.look("Enviar teste", holds=False)
    press(page, "Enviar")
    expect(page.get_by_text("O que o servidor respondeu")).to_be_visible()
    walk.look("Enviar teste: recusada", colours=True)
    walk.go("/envios?envio=1")
    walk.look("Envios", colours=True)


def walk_quotas(walk: Walk) -> None:
    page = walk.page
    walk.go("/cotas?servidor=2")
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    walk.look("Cotas: bloqueada", colours=True)
    page.get_by_text("Registrar consumo externo").click()
    expect(field(page, "Unidades")).to_be_visible()
    walk.look("Cotas: consumo externo")
    page.get_by_role("button", name="Escolher o dia").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    walk.look("Cotas: o calendário", inside=DIALOG)
    page.keyboard.press("Escape")
    tab(page, "Arquivo CSV")
    page.locator('input[type="file"]').set_input_files(
        [{"name": "uso.csv", "mimeType": "text/csv", "buffer": f"server_id;at;units\n{NASTY};x;y\n".encode()}]
    )
    press(page, "Registrar arquivo")
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    walk.look("Cotas: um arquivo")
    walk.go("/alteracoes")
    walk.look("Alterações", colours=True)
    walk.go("/cotas?servidor=3")
    walk.look("Cotas: um serviço", colours=True)


def walk_explanation(walk: Walk) -> None:
    page = walk.page
    walk.go("/explicar_um_erro")
    field(page, "Cole aqui o erro que o cliente mandou").fill(f"550 5.1.1 {NASTY}")
    type_half_a_character(field(page, "Cole aqui o erro que o cliente mandou"))
    press(page, "Explicar")
    expect(page.get_by_text("O que o servidor respondeu")).to_be_visible()
    walk.look("Explicar um erro", colours=True)


def walk_import(walk: Walk) -> None:
    page = walk.page
    walk.go("/importar")
    files = page.locator('input[type="file"]')
    data = f"id;name;host;from_address\n;x;a.example;{NASTY}\n{NASTY};y;a.example;a@a.example\n"
    files.set_input_files([{"name": "s.csv", "mimeType": "text/csv", "buffer": data.encode()}])
    expect(page.get_by_text("nada dele será importado")).to_be_visible()
    walk.look("Importar: erros", holds=False, colours=True)
    data = json.dumps(
        [{"name": f"4 {NASTY}"[:200], "host": "a.example", "from_address": "a@a.example"}, {"id": 1, "notes": NASTY}]
    )
    files.set_input_files([{"name": "s.json", "mimeType": "text/json", "buffer": data.encode()}])
    expect(page.get_by_text("O arquivo registra")).to_be_visible()
    expect(page.get_by_role("table", name="Novos", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Baixar CSV:")).to_have_count(0)  # Streamlit's: with formulas
    walk.look("Importar: o que muda")


def walk_batches(walk: Walk) -> None:
    page = walk.page
    walk.go("/envio_em_lote")
    walk.look("Envio em lote", colours=True)
    walk_explanation(walk)
    walk.go("/envio_em_lote?lote=1")
    walk.look("Envio em lote: rascunho")
    press(page, "Iniciar")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    walk.look("Envio em lote: Iniciar", inside=DIALOG)
    dialog.get_by_role("button", name="Cancelar").click()
    expect(dialog).to_have_count(0)
    walk_import(walk)
    walk.go("/envio_em_lote?lote=2")
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    walk.look("Envio em lote: em andamento", colours=True)
    walk.go("/supressoes")
    page.get_by_text("Adicionar", exact=True).click()
    walk.look("Supressões", colours=True)
    walk.go("/envio_em_lote?novo=1")
    field(page, "Ou cole os destinatários").fill(f"nome;e-mail;{NASTY}\nx;{NASTY};y")
    field(page, "Ou cole os destinatários").blur()
    expect(page.get_by_text(re.compile(r"A lista tem \d+ linhas? com problema"))).to_be_visible()
    page.get_by_text("Anexos", exact=True).click()
    press(page, "Conferir e ver a prévia")
    expect(page.get_by_text("Assunto: preencha o assunto.")).to_be_visible()
    walk.look("Envio em lote: novo", holds=False, colours=True)


def walk_people(walk: Walk) -> None:
    page = walk.page
    walk.go("/aplicativos_oauth")
    walk.look("Aplicativos OAuth", colours=True)
    press(page, "Apagar")
    expect(page.get_by_role("dialog")).to_be_visible()
    walk.look("Aplicativos OAuth: Apagar", inside=DIALOG)
    page.keyboard.press("Escape")
    walk.go("/usuarios")
    page.get_by_text("Entradas e recusas").click()
    expect(page.get_by_role("table", name="Entradas e recusas")).to_be_visible()
    users = page.get_by_role("grid", name="Usuários")
    users.get_by_role("row").filter(has_text="bia@").click()
    expect(page.get_by_role("button", name="Alterar", exact=True)).to_be_enabled()
    walk.look("Usuários", colours=True)
    for name, title in (("Novo usuário", "Novo usuário"), ("Alterar", "Alterar usuário"), ("Apagar", "Apagar usuário")):
        press(page, name)
        expect(page.get_by_role("dialog")).to_contain_text(title)
        walk.look(f"Usuários: {name}", colours=name == "Alterar", inside=DIALOG)
        page.get_by_role("dialog").get_by_role("button", name="Cancelar").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        settled(page)


def walk_rest(walk: Walk) -> None:
    page = walk.page
    walk.go("/ajuda?campo=port")
    walk.look_at_words("Ajuda", holds=False)
    field(page, "Buscar na ajuda").fill("Gmail")  # leaves a few of hundreds of paragraphs and rows alike
    page.wait_for_function("document.querySelectorAll('tbody tr').length < 20")
    walk.look("Ajuda: uma busca", holds=False, colours=True)
    page.goto(f"{walk.url}/nada_aqui")
    expect(page.get_by_role("dialog")).to_be_visible()
    walk.look("uma página que não há", holds=False)
    page.get_by_role("dialog").get_by_role("button", name="Fechar").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    # As Streamlit draws it when the program has been away for a while; when that is depends on its clock.
    page.evaluate(
        """() => {
          const dialog = document.createElement("div");
          dialog.className = "stDialog";
          dialog.append(document.createElement("section"));
          dialog.firstChild.setAttribute("role", "dialog");
          dialog.firstChild.setAttribute("aria-label", "x");
          for (const [tag, text] of [["h2", "Connection error"], ["div", "Is Streamlit still running?"]])
            dialog.firstChild.append(Object.assign(document.createElement(tag), { textContent: text }));
          document.body.append(dialog);
        }"""
    )
    expect(page.get_by_role("heading", name="Sem conexão com o programa")).to_be_visible()
    expect(page.get_by_text("O programa não responde.")).to_be_visible()
    expect(page.get_by_text("Is Streamlit still running?")).to_be_hidden()


# Views of one page do not follow each other: the next one would be loaded anew, which costs what turning to three does.
WALKS = {
    "servers and people": (walk_door, sign_in, walk_list, walk_form, walk_sends, walk_people, walk_rest),
    "accounts": (sign_in, walk_quotas, walk_batches),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("walked", WALKS)
def test_every_page_is_portuguese_shows_text_as_text_and_can_be_used_by_everybody(
    app: RunningApp, page: Any, peers: tuple[SmtpPeer, ElasticPeer], walked: str
) -> None:
    walk = Walk(page, app, peers[0])
    for part in WALKS[walked]:
        part(walk)
    assert not walk.faults, "\n".join(walk.faults)
