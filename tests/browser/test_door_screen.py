"""The door in Chromium: Entrar by keyboard, the end of a session in an open page, Usuários, roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from mailcore import Mailcore
from mailcore.access.users import UserDraft
from mailcore.rights import Role
from tests.actors import ME
from tests.browser.conftest import RunningApp, StartApp
from tests.browser.door_client import ANA, BIA, CAIO, PASSWORD, Visitor, env_of, open_core, register, run_page
from tests.browser.driver import expect, field, go, press, settled
from tests.browser.every_page import in_the_dark
from tests.browser.test_double_clicks import twice, until_a_press_counts

DORA = "dora@exemplo.com.br"
FRESH = "outra frase que só a Dora diria"
OVER = "Sua sessão terminou. O que foi digitado continua nesta tela."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door-screen") / "data"


@pytest.fixture(scope="module")
def core(folder: Path) -> Iterator[Mailcore]:
    with open_core(folder) as opened:
        register(opened)
        yield opened


@pytest.fixture(scope="module")
def app(core: Mailcore, folder: Path, module_streamlit_server: StartApp) -> RunningApp:
    return module_streamlit_server("app.py", env_of(folder))


@pytest.fixture(autouse=True)
def _fresh_tries(core: Mailcore) -> None:
    with core.database.write() as session:
        session.execute(text("DELETE FROM sign_in_tries"))


def sign_in(page: Any, app: RunningApp, email: str, path: str = "/") -> None:
    page.goto(f"{app.url}{path}")
    field(page, "E-mail").fill(email)
    field(page, "Senha").fill(PASSWORD)
    press(page, "Entrar")


_COLOURS = """() => [...document.querySelectorAll("h1, label, button, .hint, input")].map((el) => {
          const solid = (e) => {
            const c = getComputedStyle(e).backgroundColor;
            return c !== "rgba(0, 0, 0, 0)" ? c : solid(e.parentElement);
          };
          return [getComputedStyle(el).color, solid(el)];
        })"""
_NAME_IS_BESIDE_THE_PAGES = """() => {
  const box = (found) => found.getBoundingClientRect();
  const last = [...document.querySelectorAll('[data-testid="stTopNavLink"]')].at(-1);
  return last.textContent.includes("Ajuda") &&
    box(last).right <= box(document.querySelector('[data-testid="stPopoverButton"]')).left;
}"""


def test_one_enters_with_the_keyboard_lands_where_one_wanted_and_leaves(app: RunningApp, page: Any) -> None:
    # The page of another site (localhost is not 127.0.0.1) posts the right pair: nobody is signed in by it.
    page.goto(f"http://localhost:{app.port}/_stcore/health")
    page.evaluate(
        """([url, email, password]) => {
          document.body.innerHTML = `<form method="post" action="${url}/entrar">
            <input name="email" value="${email}"><input name="password" value="${password}"></form>`;
          document.forms[0].submit();
        }""",
        [app.url, ANA, PASSWORD],
    )
    expect(page.get_by_text("Este formulário não veio desta página.")).to_be_visible()
    assert page.context.cookies(app.url) == []
    # Nor by asking for a page: it is led to the door.
    page.goto(f"{app.url}/envios?periodo=Tudo")
    expect(page).to_have_title("Entrar · Servidores de e-mail")
    expect(field(page, "E-mail")).to_be_focused()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        colours = page.evaluate(_COLOURS)
        assert len(colours) >= 5
        for front, back in colours:
            assert contrast(front, back) >= 4.5, (scheme, front, back)
    page.keyboard.type(ANA)
    page.keyboard.press("Tab")
    page.keyboard.type("errada")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("E-mail ou senha não conferem.")
    expect(field(page, "E-mail")).to_have_value(ANA)
    expect(field(page, "Senha")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Envios")).to_be_visible()
    assert page.url == f"{app.url}/envios?periodo=Tudo"
    expect(page.get_by_text("Ana Souza", exact=True)).to_be_visible()
    # Every page of an administrator is in sight beside the name, none behind Streamlit's "Mais 4".
    pages = page.get_by_test_id("stTopNavLink")
    expect(pages).to_have_count(13)
    assert pages.all_inner_texts()[0] == "Servidores de e-mail"
    page.wait_for_function(_NAME_IS_BESIDE_THE_PAGES)
    settled(page)
    # Who leaves comes to the door, and the way back is closed.
    press(page, "Sair")
    expect(page.get_by_text("Você saiu.")).to_be_visible()
    assert page.context.cookies() == [] or all(
        cookie["name"] != "mailcore_session" for cookie in page.context.cookies()
    )
    page.goto(f"{app.url}/")
    expect(page.get_by_role("button", name="Entrar")).to_be_visible()


def contrast(front: str, back: str) -> float:
    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(front), light(back)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_session_that_ends_says_so_and_what_was_typed_stays(core: Mailcore, app: RunningApp, page: Any) -> None:
    # A person of this test alone: her password is another one at its end.
    dora = core.access.users.add(UserDraft(DORA, Role.SUPPORT, "Dora Paz"), SecretStr(PASSWORD), actor=ME)
    sign_in(page, app, DORA, "/cadastro")
    field(page, "Descrição").fill("Padaria digitada")
    settled(page)
    core.access.users.end_sessions(dora, actor=ME)
    press(page, "Salvar")
    expect(page.get_by_role("alert").filter(has_text=OVER)).to_be_visible()
    expect(field(page, "Descrição")).to_have_value("Padaria digitada")
    # Streamlit's own dialog about the connection comes after some tries, in English: it must not cover this.
    page.wait_for_function("document.querySelectorAll('[role=dialog]').length > 0", timeout=60_000)
    expect(page.get_by_text("Connection error")).to_be_hidden()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Entrar de novo").click()
    other = opened.value
    field(other, "E-mail").fill(DORA)
    field(other, "Senha").fill(PASSWORD)
    press(other, "Entrar")
    expect(other.get_by_text("Volte para a aba em que estava")).to_be_visible()
    other.close()
    expect(page.get_by_text(OVER)).to_have_count(0, timeout=60_000)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(field(page, "Descrição")).to_have_value("Padaria digitada")
    # Streamlit tries again ever more seldom: the bar goes as soon as somebody signed in, the page comes back later.
    page.locator('[data-test-connection-state="CONNECTED"]').wait_for()
    # Another password ends the session too; this page finds the new one by itself.
    page.evaluate(
        """() => {
          const app = document.querySelector('[data-testid="stApp"]');
          window.connections = [];
          new MutationObserver(() => window.connections.push(app.dataset.testConnectionState))
            .observe(app, { attributes: true, attributeFilter: ["data-test-connection-state"] });
        }"""
    )
    page.get_by_role("button", name="Dora Paz").click()
    expect(page.get_by_text("Papel: Suporte")).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Trocar senha").click()
    other = opened.value
    field(other, "Senha atual").fill(PASSWORD)
    field(other, "Nova senha").fill(FRESH)
    field(other, "Repita a nova senha").fill(FRESH)
    press(other, "Gravar senha")
    expect(other.get_by_role("heading", name="Senha trocada")).to_be_visible()
    other.close()
    page.keyboard.press("Escape")
    press(page, "Salvar")
    page.wait_for_function("window.connections.at(-1) === 'CONNECTED'", timeout=60_000)
    expect(field(page, "Descrição")).to_have_value("Padaria digitada")
    press(page, "Salvar")
    expect(page.get_by_text("Servidor: preencha com o endereço do servidor").first).to_be_visible()


def test_an_administrator_keeps_the_users(core: Mailcore, app: RunningApp, page: Any) -> None:
    sign_in(page, app, ANA, "/usuarios")
    expect(page.get_by_role("heading", name="Usuários")).to_be_visible()
    press(page, "Novo usuário")
    dialog = page.get_by_role("dialog")
    field(dialog, "Nome").fill("Davi Melo")
    field(dialog, "E-mail").fill("davi@exemplo.com.br")
    press(dialog, "Salvar")
    expect(dialog).to_have_count(0)
    link = page.get_by_test_id("stCode").inner_text().strip()
    assert link.startswith(f"{app.url}/entrar/senha?link=")
    user = core.access.users.get("davi@exemplo.com.br", actor=ME)
    assert (user.name, user.role, user.password_hash) == ("Davi Melo", "analyst", "")

    other = page.context.new_page()
    other.goto(link)
    field(other, "Nova senha").fill(PASSWORD)
    field(other, "Repita a senha").fill(PASSWORD)
    press(other, "Gravar senha")
    expect(other.get_by_text("Senha gravada. Entre com ela.")).to_be_visible()
    other.close()
    davi = Visitor(app)  # in a browser of his own
    davi.sign_in("davi@exemplo.com.br")
    with davi.page() as socket:
        assert b"Davi Melo" in run_page(socket)

    press(page, "Encerrar sessões")
    expect(page.get_by_role("dialog").get_by_text("Senha, de 127.0.0.1, desde")).to_be_visible()
    # A dialog hangs outside the app's element: in the dark its captions were written for a light one.
    in_the_dark(page, lambda: _can_be_read(page.get_by_role("dialog"), "1 sessão"))
    press(page.get_by_role("dialog"), "Cancelar")
    expect(page.get_by_role("dialog")).to_have_count(0)
    settled(page)
    press(page, "Apagar")
    until_a_press_counts(page)
    # The second half of a double click falls on the row behind the dialog by then: it selects nobody.
    twice(page, page.get_by_role("dialog").get_by_role("button", name="OK", exact=True), 400)
    expect(page.get_by_text("“Davi Melo” foi apagado.")).to_be_visible()
    expect(page.get_by_role("button", name="Apagar", exact=True)).to_be_disabled()
    assert "davi@exemplo.com.br" not in [each.email for each in core.access.users.everybody(actor=ME)]
    page.get_by_text("Entradas e recusas").click()
    expect(page.get_by_text("Usuário apagado").first).to_be_visible()


def test_the_menu_offers_what_the_role_may(app: RunningApp, page: Any) -> None:
    """Of an administrator: above, where every page is in sight."""
    page.set_viewport_size({"width": 1800, "height": 900})
    for email, offered, refused in (
        (BIA, ["Cadastro", "Enviar teste"], "usuarios"),
        (CAIO, [], "cadastro"),
    ):
        sign_in(page, app, email, "/cotas")
        expect(page.get_by_role("heading", name="Cotas")).to_be_visible()
        settled(page)
        for name in ("Cadastro", "Enviar teste", "Usuários"):
            expect(page.get_by_role("link", name=name, exact=True)).to_have_count(int(name in offered))
        go(page, f"{app.url}/{refused}")
        expect(page.get_by_text("Seu papel não permite isto.")).to_be_visible()
        expect(page.get_by_text("Ana Souza")).to_be_visible()  # whom to ask
        settled(page)
        page.context.clear_cookies()


def _can_be_read(dialog: Any, caption: str) -> None:
    colours = dialog.get_by_text(caption).evaluate(
        """(el) => [getComputedStyle(el).color, getComputedStyle(el.closest('[role="dialog"]')).backgroundColor]"""
    )
    assert contrast(*colours) >= 4.5, colours
