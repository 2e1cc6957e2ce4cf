"""The list of servers in the hands: select, open, sort, several at once, and what each row says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.messages.compose import compose
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import CheckState, Security, SendStatus
from tests.actors import ME
from tests.peers.smtp_server import SmtpPeer

from .driver import choose, expect, field, go, list_rows, open_list, press, rows, select_row, settled, tick

PASSWORD = "Segredo-Único-7391"
HEADINGS = ["Descrição", "Servidor", "Conta", "Cota hoje", "Último teste", "Ativo", "Padrão"]
SELECTED = '.mailcore-rows tr[aria-selected="true"] td:nth-child(2) .text'


@pytest.fixture
def url(app: Any) -> str:
    return str(app.url)


def register(core: Mailcore, name: str, **changes: Any) -> int:
    draft = {"host": "smtp.x.example", "from_address": "a@x.example", "username": "a@x.example", "port": 587}
    return core.servers.create(ServerDraft(name=name, **(draft | changes)), SecretStr(PASSWORD), actor=ME).server.id


def names(core: Mailcore) -> list[str]:
    return [server.name for server in core.servers.search(ServerQuery()).servers]


def selected(page: Any) -> list[str]:
    """The descriptions of the rows that look selected."""
    found: list[str] = page.locator(SELECTED).all_text_contents()
    return found


def expect_selected(page: Any, *wanted: str) -> None:
    """Wait until these rows look selected, and until the page has heard of it."""
    count = page.locator('.mailcore-rows tr[aria-selected="true"]')
    expect(count).to_have_count(len(wanted))
    if len(wanted) == 1:
        expect(page.get_by_text(f"Selecionado: {wanted[0]}", exact=True)).to_be_visible()
    elif wanted:
        expect(page.get_by_text(f"{len(wanted)} selecionados", exact=True)).to_be_visible()
    expect(page.locator(SELECTED)).to_have_text(list(wanted))


# -- One row


def test_a_click_selects_a_row_which_buttons_take_along_and_a_double_click_opens_it(
    page: Any, url: str, core: Mailcore
) -> None:
    ids = [register(core, name, daily_limit=100, is_default=name == "Caio") for name in ("Ana", "Bia", "Caio")]
    open_list(page, url)
    expect(page.get_by_role("button", name="Alterar", exact=True)).to_be_disabled()
    grid = page.get_by_role("grid", name="Servidores de e-mail")
    expect(grid.get_by_role("row")).to_have_count(4)
    for place in (0, 7, 2):
        row = list_rows(page).nth(place % 3)
        cell = row.locator("td").nth(place)
        before = cell.evaluate("(cell) => getComputedStyle(cell.parentElement).backgroundColor")
        cell.click()
        expect_selected(page, ("Ana", "Bia", "Caio")[place % 3])
        # By colour, by a mark, and for those who hear it.
        assert row.evaluate("(row) => getComputedStyle(row).backgroundColor") != before or place == 0
        expect(row.locator(".sign")).to_be_visible()
        expect(list_rows(page).nth((place + 1) % 3).locator(".sign")).not_to_be_visible()
    select_row(page, 1)
    press(page, "Alterar")
    expect(field(page, "Descrição")).to_have_value("Bia")
    press(page, "Cancelar")
    expect_selected(page, "Bia")
    # The buttons act on the row that was just clicked. Faster than any answer of the program: the next row and the
    # button in one breath.
    settled(page)
    page.evaluate(
        """() => {
          document.querySelectorAll(".mailcore-rows tbody tr")[2].click();
          document.querySelector(".st-key-delete button").click();
        }"""
    )
    expect(page.get_by_role("dialog").get_by_text("Caio", exact=True)).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancelar").click()
    expect_selected(page, "Caio")
    settled(page)
    list_rows(page).nth(1).dblclick()
    expect(field(page, "Descrição")).to_have_value("Bia")
    press(page, "Cancelar")
    expect_selected(page, "Bia")
    settled(page)
    # Also where the rows are drawn anew meanwhile.
    row = list_rows(page).nth(0)
    box = row.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    page.mouse.down(click_count=2)
    # As an answer does that comes while the button of the mouse is down: the same rows, other elements.
    row.evaluate(
        "(row) => row.parentElement.replaceChildren(...[...row.parentElement.rows].map((x) => x.cloneNode(true)))"
    )
    page.mouse.up(click_count=2)
    expect(field(page, "Descrição")).to_have_value("Ana")
    press(page, "Cancelar")
    expect_selected(page, "Ana")
    # What another page is for takes the selected record along, by its button and by the menu.
    settled(page)
    press(page, "Enviar teste")
    expect(page.get_by_role("combobox", name="Servidor")).to_have_value("Ana — a@x.example")
    settled(page)
    assert f"servidor={ids[0]}" in page.url
    open_list(page, url)
    select_row(page, 1)
    page.get_by_role("link", name="Enviar teste").click()
    expect(page.get_by_role("combobox", name="Servidor")).to_have_value("Bia — a@x.example")
    settled(page)
    assert f"servidor={ids[1]}" in page.url
    open_list(page, url)
    select_row(page, 1)
    press(page, "Duplicar")
    expect(page.get_by_role("heading", name="Cadastro — novo servidor")).to_be_visible()
    expect(field(page, "Descrição")).to_have_value("Bia (cópia)")


def test_arrows_move_the_selection_and_enter_opens(page: Any, url: str, core: Mailcore) -> None:
    for index in range(30):
        register(core, f"Servidor {index:02}")
    open_list(page, url)
    select_row(page, 0)
    for _ in range(12):  # without a key up in between, as a keyboard repeats
        page.keyboard.down("ArrowDown")
    page.keyboard.up("ArrowDown")
    expect_selected(page, "Servidor 12")
    page.keyboard.press("Home")
    expect_selected(page, "Servidor 00")
    for key, name in (
        ("ArrowDown", "Servidor 01"),
        ("PageDown", "Servidor 11"),
        ("ArrowUp", "Servidor 10"),
        ("End", "Servidor 29"),
        ("ArrowDown", "Servidor 29"),
        ("Home", "Servidor 00"),
        ("ArrowUp", "Servidor 00"),
    ):
        page.keyboard.press(key)
        # The page follows at once; the program hears of where a hand has come to.
        expect(page.locator(SELECTED)).to_have_text([name])
        expect(page.locator(".mailcore-rows tr:focus td:nth-child(2) .text")).to_have_text(name)
    expect_selected(page, name)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect_selected(page)
    expect(page.get_by_role("button", name="Alterar", exact=True)).to_be_disabled()
    page.keyboard.press("Space")
    expect_selected(page, "Servidor 01")
    page.keyboard.press("Enter")
    expect(field(page, "Descrição")).to_have_value("Servidor 01")
    press(page, "Cancelar")
    # Back in the list the keyboard goes on where it was.
    expect_selected(page, "Servidor 01")
    expect(page.locator(".mailcore-rows tr:focus")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect_selected(page, "Servidor 02")


# -- What is selected stays what it is, or ends


def test_a_heading_sorts_the_whole_list_and_a_selection_survives_it_until_its_filter_or_a_save(
    page: Any, url: str, core: Mailcore
) -> None:
    def host(place: int) -> str:  # without a figure, which the search would find
        return f"{chr(97 + place // 26)}{chr(97 + place % 26)}.x.example"

    for index in range(60):
        register(core, f"Servidor {index:02}", is_paid=index == 3, host=host((index * 7) % 60))
    open_list(page, url)
    # A heading sorts the whole list, and the address says so.
    heading = page.get_by_role("columnheader", name="Servidor", exact=True)
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(list_rows(page).nth(0)).to_contain_text(host(0))
    assert [row["Servidor"] for row in rows(page)] == [host(place) for place in range(50)]
    assert "ordem=host" in page.url
    select_row(page, 21)
    press(page, "Próxima página")
    expect(list_rows(page).nth(0)).to_contain_text(host(50))
    expect(page.get_by_text("Selecionado: Servidor 03", exact=True)).to_be_visible()
    assert selected(page) == []
    heading.get_by_role("button").click()
    expect(list_rows(page).nth(0)).to_contain_text(host(59))  # from its beginning
    expect(heading).to_have_attribute("aria-sort", "descending")
    settled(page)
    assert "ordem=-host" in page.url
    page.get_by_role("button", name="Conta", exact=True).click()
    expect(page.get_by_role("columnheader", name="Conta")).to_have_attribute("aria-sort", "ascending")
    expect(page.get_by_text("Selecionado: Servidor 03", exact=True)).to_be_visible()
    page.get_by_role("button", name="Conta", exact=True).click()
    expect(list_rows(page).nth(0)).to_contain_text("Servidor 03")  # the paid one of all pages
    expect_selected(page, "Servidor 03")
    field(page, "Buscar").press_sequentially("Servidor 0")
    expect(page.get_by_text("15 de 60 servidores")).to_be_visible()
    expect_selected(page, "Servidor 03")
    field(page, "Buscar").fill("Servidor 5")
    expect(page.get_by_text("15 de 60 servidores")).to_be_visible()
    expect(list_rows(page).nth(0)).to_contain_text("Servidor 5")
    expect(page.get_by_text("Selecionado:")).to_have_count(0)
    for button in ("Alterar", "Apagar", "Testar conexão", "Enviar teste", "Ativar", "Desativar", "Duplicar"):
        expect(page.get_by_role("button", name=button, exact=True)).to_be_disabled()
    field(page, "Buscar").fill("")
    expect(page.get_by_text("60 de 60 servidores")).to_be_visible()
    settled(page)
    assert selected(page) == []
    # A save turns to the page of its record and selects it.
    list_rows(page).nth(0).dblclick()
    expect(field(page, "Descrição")).to_have_value("Servidor 03")
    press(page, "Cancelar")
    expect(list_rows(page).nth(0)).to_contain_text("Servidor 03")  # in the same order
    page.get_by_role("button", name="Descrição", exact=True).click()
    expect(list_rows(page).nth(0)).to_contain_text("Servidor 00")
    settled(page)
    assert "ordem" not in page.url
    list_rows(page).nth(0).dblclick()
    expect(field(page, "Descrição")).to_have_value("Servidor 00")
    settled(page)
    field(page, "Descrição").fill("Zebra")
    press(page, "Salvar")
    expect(page.get_by_text("“Zebra” foi salvo.")).to_be_visible()
    expect_selected(page, "Zebra")
    expect(list_rows(page).last).to_be_in_viewport()
    assert "pagina=2" in page.url
    # The table speaks Portuguese, and fits what a screen reader expects.
    settled(page)
    told = json.loads(
        page.evaluate(
            """() => {
              const table = document.querySelector(".mailcore-rows table");
              const last = [...table.querySelectorAll("tbody tr")].at(-1);
              const roles = [...table.querySelectorAll("[role]")].map((one) => one.getAttribute("role"));
              return JSON.stringify({
                role: table.getAttribute("role"), label: table.getAttribute("aria-label"),
                several: table.getAttribute("aria-multiselectable"), rows: table.getAttribute("aria-rowcount"),
                last: last.getAttribute("aria-rowindex"), roles: [...new Set(roles)].sort(),
                hints: [...table.querySelectorAll("th button")].map((one) => one.title),
              });
            }"""
        )
    )
    assert told == {
        "role": "grid",
        "label": "Servidores de e-mail",
        "several": "true",
        "rows": "61",
        "last": "61",
        "roles": ["columnheader", "gridcell", "row", "rowgroup"],
        "hints": [f"Ordenar por {name}" for name in HEADINGS],
    }


def test_a_search_for_one_record_selects_it_visibly_and_the_table_is_one_stop_of_the_tab_key(
    page: Any, url: str, core: Mailcore
) -> None:
    for name in ("Ana", "Bia", "Caio"):
        register(core, name, is_default=name == "Ana")
    # Where nothing is found the filters can be taken off.
    open_list(page, url, "?busca=ninguem&conta=Paga")
    expect(page.get_by_text("Nenhum servidor combina com a busca e os filtros.")).to_be_visible()
    expect(page.get_by_text("0 de 3 servidores")).to_be_visible()
    press(page, "Limpar filtros")
    expect(page.get_by_text("3 de 3 servidores")).to_be_visible()
    expect(field(page, "Buscar")).to_have_value("")
    expect(page.get_by_role("combobox", name="Conta")).to_have_value("Todas")
    settled(page)
    assert "?" not in page.url

    # One record found is selected, until somebody drops it.
    field(page, "Buscar").press_sequentially("bia")
    expect(page.get_by_text("1 de 3 servidores")).to_be_visible()
    expect_selected(page, "Bia")
    expect(field(page, "Buscar")).to_be_focused()
    list_rows(page).nth(0).focus()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Selecionado:")).to_have_count(0)
    field(page, "Buscar").fill("")
    expect(page.get_by_text("3 de 3 servidores")).to_be_visible()
    settled(page)
    assert selected(page) == []

    # The table is one stop, and headings sort by keyboard.
    page.get_by_role("button", name="Padrão", exact=True).focus()
    page.keyboard.press("Tab")
    expect(list_rows(page).nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect_selected(page, "Bia")
    page.keyboard.press("Tab")
    expect(page.locator(".mailcore-rows :focus")).to_have_count(0)
    page.keyboard.press("Shift+Tab")
    expect(list_rows(page).nth(1)).to_be_focused()
    heading = page.get_by_role("button", name="Descrição", exact=True)
    heading.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Descrição")).to_have_attribute("aria-sort", "descending")
    expect(list_rows(page).nth(0)).to_contain_text("Caio")
    expect(heading).to_be_focused()
    expect_selected(page, "Bia")

    # The default server is not switched off.
    list_rows(page).nth(1).focus()
    page.keyboard.press("Control+a")
    expect_selected(page, "Caio", "Bia", "Ana")
    press(page, "Desativar")
    expect(page.get_by_text("“Ana” é o servidor padrão, e só um servidor ativo pode ser o padrão.")).to_be_visible()
    assert all(server.is_active for server in core.servers.search(ServerQuery()).servers)

    # A save that the filters hide.
    choose(page, "Situação", "Ativos")
    list_rows(page).nth(1).dblclick()
    expect(field(page, "Descrição")).to_have_value("Bia")
    settled(page)
    tick(page, "Ativo", False)
    press(page, "Salvar")
    expect(page.get_by_text("“Bia” não aparece com estes filtros.")).to_be_visible()
    expect(page.get_by_text("2 de 3 servidores")).to_be_visible()
    expect(page.get_by_text("Selecionado:")).to_have_count(0)


# -- Several rows


_UNDER_NEWS = """() => {
  const news = document.querySelector('[data-testid="stToast"]').getBoundingClientRect();
  const controls = document.querySelectorAll('[data-testid="stAppViewContainer"] :is(button, input, a)');
  return [...controls].filter((control) => {
    const at = control.getBoundingClientRect();
    return !control.closest('[data-testid="stToast"]') && at.width && at.right > news.left && at.left < news.right
      && at.bottom > news.top && at.top < news.bottom;
  }).map((control) => control.outerHTML.slice(0, 200));
}"""
"""What can be pressed and is under what was just said."""


def test_ctrl_and_shift_select_several_which_are_switched_off_and_on_and_deleted_by_name(
    page: Any, url: str, core: Mailcore
) -> None:
    ids = [register(core, f"Servidor {index}") for index in range(7)]
    with SmtpPeer() as peer:
        changes = {"host": peer.host, "port": peer.port, "security": Security.NONE, "requires_auth": False}
        ids.append(register(core, "Servidor 7", is_default=True, **changes))
        message = compose(from_address="a@x.example", to=["b@y.example"], subject="Oi", text="Oi")
        send = core.send(core.servers.get(ids[7]), message)
    open_list(page, url)
    select_row(page, 1)
    list_rows(page).nth(3).click(modifiers=["Shift"])
    expect_selected(page, "Servidor 1", "Servidor 2", "Servidor 3")
    list_rows(page).nth(6).click(modifiers=["Control"])
    expect_selected(page, "Servidor 1", "Servidor 2", "Servidor 3", "Servidor 6")
    list_rows(page).nth(2).click(modifiers=["Control"])
    expect_selected(page, "Servidor 1", "Servidor 3", "Servidor 6")
    for button, is_enabled in {
        "Alterar": False,
        "Enviar teste": False,
        "Duplicar": False,
        "Apagar": True,
        "Testar conexão": True,
        "Desativar": True,
        "Ativar": False,
    }.items():
        expect(page.get_by_role("button", name=button, exact=True)).to_be_enabled(enabled=is_enabled)
    page.keyboard.press("Shift+ArrowDown")
    expect_selected(page, "Servidor 2", "Servidor 3")
    page.keyboard.press("Control+a")
    expect_selected(page, *(f"Servidor {index}" for index in range(8)))
    list_rows(page).nth(4).click()
    expect_selected(page, "Servidor 4")
    select_row(page, 0)
    list_rows(page).nth(1).click(modifiers=["Shift"])
    expect_selected(page, "Servidor 0", "Servidor 1")
    press(page, "Desativar")
    expect(page.get_by_text("2 servidores foram desativados.")).to_be_visible()
    assert page.evaluate(_UNDER_NEWS) == []
    expect(page.get_by_role("button", name="Desativar", exact=True)).to_be_disabled()
    assert [core.servers.get(server_id).is_active for server_id in ids] == [False] * 2 + [True] * 6
    assert [row["Ativo"] for row in rows(page)] == ["Não"] * 2 + ["Sim"] * 6
    expect_selected(page, "Servidor 0", "Servidor 1")
    page.get_by_role("button", name="Ativar", exact=True).click()
    expect(page.get_by_text("2 servidores foram ativados.")).to_be_visible()
    changes = core.trail.read(server_id=ids[0]).changes
    assert [(each.who, each.field) for each in changes[:2]] == [(changes[0].who, "is_active")] * 2
    assert changes[0].who
    settled(page)
    list_rows(page).nth(5).click()
    list_rows(page).nth(7).click(modifiers=["Control"])
    expect_selected(page, "Servidor 5", "Servidor 7")
    press(page, "Apagar")
    dialog = page.get_by_role("dialog", name="Apagar 2 servidores")
    for name in ("Servidor 5", "Servidor 7"):
        expect(dialog.get_by_text(name, exact=True)).to_be_visible()
    expect(dialog.get_by_text("Servidor 0", exact=False)).to_have_count(1)  # who becomes the default
    expect(dialog.get_by_text("os cadastros e as senhas guardadas")).to_be_visible()
    expect(dialog.get_by_text("Fica: o histórico dos envios")).to_be_visible()
    expect(dialog.get_by_text("O padrão passa a ser Servidor 0")).to_be_visible()
    dialog.get_by_role("button", name="Cancelar").focus()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    assert len(names(core)) == 8
    press(page, "Apagar")
    dialog.get_by_role("button", name="OK").click()
    expect(page.get_by_text("6 de 6 servidores")).to_be_visible()
    expect(page.get_by_text("2 servidores foram apagados.")).to_be_visible()
    expect(page.get_by_text("O servidor padrão agora é “Servidor 0”.")).to_be_visible()
    assert names(core) == [f"Servidor {index}" for index in (0, 1, 2, 3, 4, 6)]
    assert core.ledger.get(send.id).server_name == "Servidor 7"
    expect(page.get_by_text("Selecionado")).to_have_count(0)


def test_one_and_several_are_tested_once_and_the_rows_say_what_came_of_it(page: Any, url: str, core: Mailcore) -> None:
    with SmtpPeer(users={"a@x.example": PASSWORD}) as peer:
        here = {"host": peer.host, "port": peer.port, "security": Security.NONE}
        register(core, "Boa", **here)
        core.servers.create(
            ServerDraft(name="Recusada", from_address="a@x.example", username="a@x.example", **here),
            SecretStr("errada"),
            actor=ME,
        )
        register(core, "Outra", **here)
        register(core, "Última", **here)
        open_list(page, url)
        # Two clicks are one test.
        select_row(page, 0)
        button = page.get_by_role("button", name="Testar conexão", exact=True)
        button.dblclick(delay=20)
        expect(page.get_by_text("Teste de Boa")).to_be_visible()
        settled(page)
        assert peer.connections == 1
        list_rows(page).nth(1).click(modifiers=["Control"])
        expect_selected(page, "Boa", "Outra")
        button.dblclick(delay=20)
        expect(page.get_by_text("Todos os 2 servidores testados estão funcionando.")).to_be_visible()
        settled(page)
        assert peer.connections == 3
        list_rows(page).nth(1).click(modifiers=["Control"])
        list_rows(page).nth(2).click(modifiers=["Control"])
        expect_selected(page, "Boa", "Recusada")
        press(page, "Testar conexão")
        expect(page.get_by_text("1 funcionando e 1 com problema.")).to_be_visible()
        settled(page)
    states = {row["Descrição"]: row["Último teste"] for row in rows(page)}
    assert states["Boa"] == "✓ Funcionando · agora"
    assert states["Recusada"] == "✗ Com falha: senha recusada · agora"
    assert states["Última"] == "○ Nunca testado"
    expect_selected(page, "Boa", "Recusada")
    press(page, "Fechar o resultado")
    expect(page.get_by_text("1 funcionando")).to_have_count(0)


# -- What a row says


def test_what_needs_an_eye_has_its_colour_and_figures_stand_at_the_end(page: Any, url: str, core: Mailcore) -> None:
    """What each column says is held in tests/pages/test_servidores.py."""
    for name, units in {"Ana": 10, "Bia": 95, "Caio": 0, "Duda": 100}.items():
        server = core.servers.get(register(core, name, daily_limit=100, username=f"{name}@x.example"))
        if units:
            core.settle(core.reserve(server, units), SendStatus.ACCEPTED)
    core.servers.record_check(server, CheckState.FAILED, "auth")
    open_list(page, url)
    heads = page.get_by_role("columnheader").all_text_contents()
    assert heads == ["Seleção", *HEADINGS]
    page.get_by_role("button", name="Cota hoje", exact=True).click()
    expect(list_rows(page).nth(0)).to_contain_text("Caio")
    page.get_by_role("button", name="Cota hoje", exact=True).click()
    expect(list_rows(page).nth(0)).to_contain_text("Duda")
    shown = rows(page)
    assert [row["Descrição"] for row in shown] == ["Duda", "Bia", "Ana", "Caio"]
    assert shown[0] == {
        "Seleção": "",
        "Descrição": "Duda",
        "Servidor": "smtp.x.example",
        "Conta": "Gratuita",
        "Cota hoje": "100 de 100",
        "Último teste": "✗ Com falha: senha recusada · agora",
        "Ativo": "Sim",
        "Padrão": "",
    }
    # Colour besides the words: full and near.
    cells = [list_rows(page).nth(index).locator('[data-column="quota"]') for index in range(3)]
    assert ["tone-bad" in cells[0].get_attribute("class"), "tone-warn" in cells[1].get_attribute("class")] == [True] * 2
    colours = [cell.locator(".text").evaluate("(text) => getComputedStyle(text).color") for cell in cells]
    assert len(set(colours)) == 3
    widths = [cell.locator(".full").evaluate("(bar) => bar.style.width") for cell in cells]
    assert widths == ["100%", "95%", "10%"]
    assert cells[0].evaluate("(cell) => getComputedStyle(cell).alignItems") == "flex-end"
    row = list_rows(page).nth(0)
    assert row.locator(".below").all_text_contents() == ["a@x.example", "587 · STARTTLS"]
    colour = "(cell) => getComputedStyle(cell.querySelector('.text')).color"
    failed = row.locator('[data-column="last_check"]').evaluate(colour)
    assert failed != row.locator('[data-column="name"]').evaluate(colour)


def test_the_other_fields_stand_behind_colunas_and_text_is_text(
    page: Any, url: str, core: Mailcore, console_errors: list[str]
) -> None:
    register(core, "Padaria", daily_limit=12_000, notes="Só à noite\ndepois das 22")
    register(core, "Loja")
    evil = '<img src=x onerror="window.hacked=1"> & <b>fim</b> **não** `código`'
    register(core, evil, notes="<script>window.hacked=1</script>", username="<i>u</i>@x.example")
    register(core, "Search")
    open_list(page, url)
    press(page, "Colunas")
    for name in ("Limite diário", "Observações", "Usuário"):
        page.get_by_test_id("stPopoverBody").get_by_text(name, exact=True).click()
        expect(page.get_by_role("columnheader", name=name)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    settled(page)
    assert "colunas=" in page.url
    shown = {row["Descrição"]: row for row in rows(page)}
    assert shown["Padaria"]["Limite diário"] == "12.000"
    assert shown["Padaria"]["Observações"] == "Só à noite depois das 22"
    assert shown["Loja"]["Usuário"] == "a@x.example"
    # Text from the database is text.
    assert set(shown) == {"Padaria", "Loja", "Search", evil}
    assert shown[evil]["Observações"] == "<script>window.hacked=1</script>"
    assert page.locator(".mailcore-rows :is(img, b, i, script)").count() == 0
    select_row(page, list(shown).index(evil))
    expect(page.get_by_text(f"Selecionado: {evil}", exact=True)).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert console_errors == []
    cell = list_rows(page).nth(list(shown).index("Padaria")).locator('[data-column="daily_limit"]')
    assert cell.evaluate("(cell) => getComputedStyle(cell).alignItems") == "flex-end"
    page.get_by_role("button", name="Limite diário", exact=True).click()
    expect(list_rows(page).nth(0)).to_contain_text("Padaria")


def test_at_every_width_the_window_is_used_and_nothing_cut_without_an_ellipsis_and_its_whole_text(
    page: Any, url: str, core: Mailcore
) -> None:
    long = "Contabilidade Nossa Senhora da Conceição e Filhos, São Luís do Paraitinga – folha de pagamento e boletos"
    register(core, long, host="smtp.contabilidade-nossa-senhora-da-conceicao-e-filhos.com.br.example")
    for name in ("Ana", "Bia"):
        register(core, name)
    page.set_viewport_size({"width": 400, "height": 800})
    open_list(page, url)
    # On a telephone a row is a card that works.
    box = list_rows(page).nth(0).bounding_box()
    assert box["width"] <= 400
    for word in ("Ana", "smtp.x.example", "Gratuita", "○ Nunca testado"):
        place = list_rows(page).nth(0).get_by_text(word, exact=True).bounding_box()
        assert place["x"] + place["width"] <= 400
    select_row(page, 1)
    expect_selected(page, "Bia")
    press(page, "Alterar")
    expect(field(page, "Descrição")).to_have_value("Bia")
    press(page, "Cancelar")
    expect_selected(page, "Bia")
    for width, least, most in ((400, 300, 400), (1280, 1150, 1280), (1920, 1650, 1800), (2400, 1650, 1800)):
        page.set_viewport_size({"width": width, "height": 900})
        settled(page)
        assert least <= page.locator(".mailcore-rows").bounding_box()["width"] <= most
        cut = page.evaluate(
            """() => [...document.querySelectorAll(".mailcore-rows :is(.text, .below)")]
              .filter((one) => one.scrollWidth > one.clientWidth)
              .map((one) => [getComputedStyle(one).textOverflow, one.title === one.textContent])"""
        )
        assert all(each == ["ellipsis", True] for each in cut)
        if width < 2_400:
            assert bool(cut) == (width > 400)  # on a card there is room
        # Nothing sticks out of its cell either, nor out of the window.
        over = page.evaluate(
            """() => [...document.querySelectorAll(".mailcore-rows :is(td, th)")]
              .filter((one) => one.scrollWidth > one.clientWidth + 1 && !one.classList.contains("mark"))
              .map((one) => one.textContent)"""
        )
        assert over == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # The window is used by a table, too, beside which a detail may stand, where none does.
    go(page, f"{url}/cotas")
    table = page.get_by_role("grid", name="Cotas")
    expect(table).to_be_visible()
    settled(page)
    assert table.bounding_box()["width"] >= 1650


def test_a_first_visit_fetches_little_and_a_rerun_hardly_anything(
    first_visit: Any, url: str, core: Mailcore, page_frames: list[bytes]
) -> None:
    for index in range(60):
        register(core, f"Padaria Nossa Senhora da Conceição {index:02}", host=f"smtp{index}.padaria.example")
    fetched: list[float] = []
    network = first_visit.context.new_cdp_session(first_visit)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: fetched.append(event["encodedDataLength"]))
    # The connection does not wait for the two questions that Streamlit asks the program first.
    asked: list[Any] = []
    first_visit.route(re.compile(r"/_stcore/(health|host-config)$"), lambda question: asked.append(question))
    open_list(first_visit, url)
    assert len(asked) == 2
    for question in asked:
        question.continue_()
    icon = first_visit.locator("link[rel~=icon]").evaluate("(link) => link.href")
    assert first_visit.request.get(icon).text().startswith("<svg")
    for page in ("/", "/cotas", "/cadastro?id=1"):  # before any script runs, at whatever address
        assert '<html lang="pt-BR">' in first_visit.request.get(f"{url}{page}", headers={"Accept": "text/html"}).text()
    assert 500_000 < sum(fetched) + len(b"".join(page_frames)) <= 2_000_000
    before = len(page_frames)
    select_row(first_visit, 4)
    after = b"".join(page_frames[before:])
    assert 0 < len(after) <= 50_000
    # The scripts travel once.
    assert b"class Table" not in after
    assert b"class Table" in b"".join(page_frames[:before])
