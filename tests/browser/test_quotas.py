"""The page "Cotas" as a browser shows it. What it says is held in tests/pages: test_cotas.py and test_volume.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailcore import Mailcore
from tests.pages.records import register, send, sent_before
from tests.peers.smtp_server import Say, SmtpPeer

from .driver import expect, field, go, press, rows, settled
from .test_double_clicks import twice


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    """An SMTP server that takes mail from anybody."""
    with SmtpPeer() as peer:
        yield peer


def open_quotas(page: Any, url: str, query: str = "") -> None:
    go(page, f"{url}/cotas{query}")
    expect(page.get_by_role("heading", name="Cotas", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    settled(page)


def row_of(page: Any, name: str) -> dict[str, str]:
    return next(row for row in rows(page) if row["Conta"] == name)


def pick(page: Any, name: str) -> None:
    """Click the row of an account, and see its details."""
    position = [row["Conta"] for row in rows(page)].index(name)
    row = page.locator(".st-key-quotas tbody tr").nth(position)
    row.click()
    expect(row).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    settled(page)


def send_test(page: Any) -> None:
    field(page, "Para").fill("cliente@outro.example")
    press(page, "Enviar")
    settled(page)


def alert(page: Any, text: str) -> Any:
    return page.get_by_test_id("stAlert").filter(has_text=text)


def no_traceback(page: Any, app: Any) -> None:
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text("Algo inesperado aconteceu")).to_have_count(0)
    assert "Traceback" not in app.output()


def test_a_full_account_hands_over_to_the_paid_server_and_one_on_hold_is_lifted(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    full = register(core, smtp, "Padaria", daily_limit=2)
    sent_before(core, full, timedelta(hours=1), 2)
    paid = register(core, smtp, "Volume", is_paid=True)
    held = register(core, smtp, "Oficina", daily_limit=100)
    smtp.script["RCPT"] = Say("550 5.4.6 Daily limit")
    send(core, held)
    smtp.script.clear()

    go(page, f"{app.url}/enviar_teste?servidor={full.id}")
    expect(field(page, "Para")).to_be_visible()
    settled(page)
    send_test(page)
    expect(alert(page, "A cota desta conta não comporta esta mensagem")).to_be_visible()
    page.get_by_role("button", name="Usar o servidor pago Volume").click()
    expect(page.get_by_role("button", name="Usar o servidor pago Volume")).to_have_count(0)
    settled(page)
    expect(page.get_by_role("combobox", name="Servidor", exact=True)).to_have_value(re.compile("^Volume"))
    send_test(page)
    expect(page.get_by_text("aceita", exact=True)).to_be_visible()
    assert [mail.envelope_from for mail in smtp.inbox] == [paid.from_address]

    open_quotas(page, app.url, f"?servidor={held.id}")
    assert row_of(page, "Padaria")["Estado"] == "✗ Sem cota"
    assert row_of(page, "Oficina")["Estado"] == "⊘ Bloqueada"
    expect(page.get_by_text("550 5.4.6 Daily limit")).to_be_visible()
    press(page, "Liberar agora")
    expect(page.get_by_role("button", name="Liberar agora")).to_have_count(0)
    assert row_of(page, "Oficina")["Estado"] == "✓ Em ordem"
    no_traceback(page, app)


def test_an_analyst_sorts_chooses_enters_use_undoes_it_and_keeps_the_link(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    """One walk through what only a browser shows of the page."""
    for name, used in (("Nove", 9), ("Centenas", 131), ("Milhares", 1_486)):
        sent_before(core, register(core, smtp, name), timedelta(hours=2), used)
    shop = register(core, smtp, "Loja", daily_limit=50)
    sent_before(core, shop, timedelta(hours=2), 42)

    open_quotas(page, app.url)
    table = page.locator(".st-key-quotas table")
    table.get_by_role("button", name="Usado").click()
    expect(table.locator("tbody tr").first).to_contain_text("Nove")
    assert [row["Usado"] for row in rows(page)] == ["9", "42", "131", "1.486"]
    assert "ordem=used" in page.url
    number = table.locator('tbody td[data-column="used"]').first
    assert number.evaluate("(cell) => getComputedStyle(cell).textAlign") == "end"

    # The form names the account that is chosen now, and two clicks enter its use once.
    page.get_by_text("Registrar consumo externo", exact=True).click()
    expect(page.get_by_text("Marque uma conta na tabela.")).to_be_visible()
    pick(page, "Loja")
    expect(page).to_have_title("Cotas — Loja")
    row = table.locator('[aria-selected="true"]').bounding_box()
    detail = page.get_by_role("heading", name="Loja", exact=True).bounding_box()
    assert 0 <= detail["y"] - (row["y"] + row["height"]) < 250  # right under it, both in one look
    near = table.locator("tbody tr").filter(has_text="Loja").locator('td[data-column="state"]')
    expect(near).to_have_text("! Perto do limite")
    assert "tone-warn" in near.get_attribute("class")
    expect(page.get_by_text("Conta: Loja")).to_be_visible()
    box = field(page, "Unidades")
    box.fill("4")
    twice(page, page.get_by_role("button", name="Registrar", exact=True), 200)
    expect(alert(page, "Registrado: 4 unidades")).to_be_visible()
    assert row_of(page, "Loja")["Usado"] == "46"
    assert core.external_use().matching == 1
    expect(box).to_have_value("")

    # What is being typed survives the page refreshing around it.
    at = page.get_by_role("group", name="Hora", exact=True)
    at.get_by_role("spinbutton").first.click()
    page.keyboard.type("0015")
    page.keyboard.press("Tab")
    settled(page)
    typed = at.get_by_role("spinbutton").all_text_contents()
    assert typed[:2] == ["00", "15"]
    box.click()
    box.press_sequentially("42")
    field(page, "Buscar").fill("loja")  # runs the whole page
    expect(page.get_by_text("1 conta", exact=True)).to_be_visible()
    settled(page)
    expect(box).to_have_value("42")
    assert at.get_by_role("spinbutton").all_text_contents() == typed
    expect(page.get_by_text("Conta: Loja")).to_be_visible()
    expect(page.get_by_role("button", name="Registrar", exact=True)).to_be_visible()
    assert core.external_use().matching == 1

    page.get_by_text("Consumo externo registrado", exact=True).click()
    entry = page.locator(".st-key-external_entries tbody tr")
    expect(entry).to_have_count(1)
    expect(page.get_by_role("button", name="Desfazer")).to_be_disabled()
    entry.click()
    expect(page.get_by_role("button", name="Desfazer")).to_be_enabled()
    settled(page)
    page.get_by_role("button", name="Desfazer").dblclick()
    expect(alert(page, "Desfeito: 4 unidades de consumo externo")).to_be_visible()
    assert row_of(page, "Loja")["Usado"] == "42"
    assert core.external_use().matching == 0
    assert core.trail.read().changes[0].field == "external_use"

    # The address names what is on screen (tests/pages/test_cotas.py opens such links), the file holds that and no more.
    assert "busca=loja" in page.url
    assert [row["Conta"] for row in rows(page)] == ["Loja"]
    with page.expect_download() as download:
        press(page, "Baixar CSV")
    assert download.value.suggested_filename == "cotas.csv"
    assert Path(download.value.path()).read_bytes().decode("utf-8-sig").count("\n") == 2
    table.locator('[aria-selected="true"]').press("Escape")
    expect(page).to_have_title("Cotas")
    no_traceback(page, app)
