"""A double click is one act, whatever the button, at every speed of a hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import Security
from tests.actors import ME
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import SmtpPeer

from .driver import expect, field, fill_smtp, go, open_form, open_list, press, select_row, settled

GAPS = [80, 130, 200, 400, 600]
"""Milliseconds between the two clicks."""


def twice(page: Any, button: Any, gap: int) -> None:
    """Click twice in the place where the button stands now, whatever stands there by the second click.

    The browser is told when each click was: on a busy machine the second one arrives later than a hand made it.
    """
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    page.mouse.move(place["x"], place["y"])
    hand = page.context.new_cdp_session(page)
    began = time.time()
    for count in (1, 2):
        when = began + (count - 1) * gap / 1000
        for event in ("mousePressed", "mouseReleased"):
            click = {"type": event, "button": "left", "clickCount": count, "timestamp": when, **place}
            hand.send("Input.dispatchMouseEvent", click)
        if count == 1:
            page.wait_for_timeout(gap)
    hand.detach()
    settled(page)


def until_a_press_counts(page: Any) -> None:
    page.wait_for_function("window.mailcorePresses.counts()")


@pytest.fixture(scope="module")
def small_app(module_streamlit_server: Callable[..., Any]) -> Any:
    return module_streamlit_server("tests/browser/apps/presses_app.py")


def test_the_one_mechanism_on_a_small_page(page: Any, small_app: Any) -> None:
    page.goto(small_app.url)
    page.wait_for_function("window.mailcorePresses")
    pressed = 0

    def expect_presses(more: int) -> None:
        nonlocal pressed
        pressed += more
        expect(page.get_by_text(f"Apertos: {pressed}", exact=True)).to_be_visible()

    expect_presses(0)
    settled(page)
    # Two clicks are one press.
    for name in ("Igual", "Outro"):
        for gap in GAPS:
            until_a_press_counts(page)
            twice(page, button(page, name), gap)
            expect_presses(1)
    # Also with the keyboard.
    until_a_press_counts(page)
    button(page, "Igual").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    settled(page)
    expect_presses(1)
    # In a dialog, too.
    for gap in (80, 400):
        until_a_press_counts(page)
        button(page, "Abrir").click()
        ok = page.get_by_role("dialog").get_by_role("button", name="OK")
        expect(ok).to_be_visible()
        settled(page)
        twice(page, ok, gap)
        expect_presses(1)
        expect(page.get_by_role("dialog")).to_have_count(0)
    # A second press that is meant counts.
    until_a_press_counts(page)
    button(page, "Igual").click()
    page.get_by_label("Texto").press_sequentially("a")
    button(page, "Igual").click()
    expect_presses(2)
    button(page, "Outro").click()
    expect_presses(1)
    settled(page)
    button(page, "Igual").click()
    expect_presses(1)


USER, PASSWORD = "ana@exemplo.com.br", "Segrêdo-Único-9034"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        yield peer


def register(core: Mailcore, smtp: SmtpPeer) -> int:
    draft = ServerDraft(
        name="Padaria",
        host="127.0.0.1",
        port=smtp.port,
        security=Security.STARTTLS,
        ca_pem=authority_pem(),
        username=USER,
        from_address=USER,
        daily_limit=1_000,
    )
    return core.servers.create(draft, SecretStr(PASSWORD), actor=ME).server.id


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def test_enviar_sends_one_mail(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    page.goto(f"{app.url}/enviar_teste?servidor={register(core, smtp)}")
    field(page, "Para").fill("cliente@outro.example")
    settled(page)
    for mails, gap in enumerate(GAPS, 1):
        before = [mail.message["Message-ID"] for mail in smtp.inbox]
        until_a_press_counts(page)
        twice(page, button(page, "Enviar"), gap)
        for message_id in before:
            expect(page.get_by_text(message_id)).to_have_count(0)  # the outcome on the screen is the last one's
        expect(page.get_by_text("aceita", exact=True)).to_be_visible()
        settled(page)
        assert len(smtp.inbox) == mails


def test_external_use_counts_once(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    server_id = register(core, smtp)
    page.goto(f"{app.url}/cotas?servidor={server_id}")
    page.get_by_text("Registrar consumo externo", exact=True).click()
    counted = 0
    for gap, units in ((80, 37), (200, 41), (600, 43)):
        field(page, "Unidades").fill(str(units))
        field(page, "Unidades").press("Tab")
        settled(page)
        until_a_press_counts(page)
        twice(page, button(page, "Registrar"), gap)
        expect(page.get_by_text(f"Registrado: {units} unidades")).to_be_visible()
        counted += units
        assert core.quotas(server_id=server_id)[0].external == counted


def test_a_test_logs_in_once(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    register(core, smtp)
    open_list(page, app.url)
    select_row(page)
    for name, told in (
        ("Testar conexão", "Funcionando: o servidor respondeu"),
        ("Testar todos", "O servidor ativo está funcionando."),
    ):
        for gap in (130, 600):
            before = len(smtp.logins)
            until_a_press_counts(page)
            twice(page, button(page, name), gap)
            expect(page.get_by_text(told)).to_be_visible()
            if name == "Testar todos":
                press(page, "Fechar o resultado")
                expect(page.get_by_text(told)).to_have_count(0)
            settled(page)
            assert len(smtp.logins) == before + 1, (name, gap)


def test_save_and_continue_does_not_complain_of_the_next_form(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    open_form(page, app.url)
    for saved, gap in enumerate((80, 300, 600), 1):
        fill_smtp(page, f"Padaria {saved}", "127.0.0.1", smtp.port, sender=f"{saved}.{USER}", password=PASSWORD)
        until_a_press_counts(page)
        twice(page, button(page, "Salvar e continuar"), gap)
        expect(field(page, "Descrição")).to_have_value("")
        expect(page.get_by_text("Ainda não dá para continuar")).to_have_count(0)
        assert core.servers.search(ServerQuery()).total == saved


def test_importar_takes_the_file_once(page: Any, app: Any, core: Mailcore) -> None:
    for count, gap in enumerate((130, 400), 1):
        go(page, f"{app.url}/importar")
        expect(page.get_by_role("heading", name="Importar e exportar")).to_be_visible()
        settled(page)
        text = f"name;host;from_address;username\nPadaria {count};smtp.a.example;a@a.example;a@a.example\n"
        file = {"name": "x.csv", "mimeType": "text/csv", "buffer": text.encode()}
        page.locator('input[type="file"]').set_input_files(file)
        expect(button(page, "Importar")).to_be_enabled()
        settled(page)
        twice(page, button(page, "Importar"), gap)
        expect(page.get_by_text("Importado: 1 servidor novo")).to_be_visible()
        expect(page.get_by_text("já existe")).to_have_count(0)
        assert core.servers.search(ServerQuery()).total == count
        open_list(page, app.url)


def test_ok_in_apagar_presses_nothing_behind_it(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer) -> None:
    for gap in (130, 400):
        register(core, smtp)
        go(page, f"{app.url}/ajuda")
        open_list(page, app.url)
        select_row(page)
        press(page, "Apagar")
        ok = page.get_by_role("dialog").get_by_role("button", name="OK", exact=True)
        expect(ok).to_be_visible()
        settled(page)
        twice(page, ok, gap)
        expect(page.get_by_text("Ainda não há servidores aqui")).to_be_visible()
        assert core.servers.search(ServerQuery()).total == 0
