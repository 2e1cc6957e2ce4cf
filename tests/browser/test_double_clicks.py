"""A double click is one act, whatever the button, at every speed of a hand.

Of Salvar e continuar, Enviar, Registrar, Importar and the buttons of a batch it is held where the rest of their
pages is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
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

from .driver import expect, open_list, press, select_row, settled

GAPS = [80, 130, 200, 400, 600]
"""Milliseconds between the two clicks."""


def twice(page: Any, button: Any, gap: int, once: Callable[[], object] | None = None) -> None:
    """Click twice in the place where the button stands now, whatever stands there by the second click.

    The browser is told when each click was: on a busy machine the second one arrives later than a hand made it.
    With ``once``, which waits for what the first click does, the second arrives after that, as where the program is
    faster than the hand.
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
        if count == 1 and once is None:
            page.wait_for_timeout(gap)
        elif count == 1 and once is not None:
            once()
            settled(page)
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
    for name, gaps in (("Igual", (130, 600)), ("Outro", GAPS)):
        for gap in gaps:
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


def register(core: Mailcore, smtp: SmtpPeer, name: str = "Padaria", **changes: Any) -> int:
    draft = ServerDraft(
        name=name,
        host="127.0.0.1",
        port=smtp.port,
        security=Security.STARTTLS,
        ca_pem=authority_pem(),
        username=USER,
        from_address=USER,
        daily_limit=1_000,
    )
    return core.servers.create(replace(draft, **changes), SecretStr(PASSWORD), actor=ME).server.id


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def test_a_test_logs_in_once_and_only_a_press_of_ok_deletes_once(
    page: Any, app: Any, core: Mailcore, smtp: SmtpPeer
) -> None:
    register(core, smtp, is_default=True)
    for index in range(20):  # rows enough to stand behind the dialog's buttons
        register(core, smtp, f"Quitanda {index:02}", is_active=index == 0)
    open_list(page, app.url)
    select_row(page)
    for name, told, gap, logins in (
        ("Testar conexão", "Funcionando: o servidor respondeu", 130, 1),
        ("Testar todos", "Os 2 servidores ativos estão funcionando.", 600, 2),
    ):
        before = len(smtp.logins)
        until_a_press_counts(page)
        twice(page, button(page, name), gap, page.get_by_text(told).wait_for)
        assert len(smtp.logins) == before + logins, name
    press(page, "Fechar o resultado")
    settled(page)
    # No key deletes, and Enter on "Cancelar" cancels.
    press(page, "Apagar")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Padaria", exact=True)).to_be_visible()
    expect(dialog.get_by_text("O padrão passa a ser Quitanda 00")).to_be_visible()
    for key in ("F2", "F3", "F5"):
        page.keyboard.press(key)
    dialog.get_by_role("button", name="Cancelar", exact=True).focus()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    assert core.servers.search(ServerQuery()).total == 21
    # The second click on "OK" hits nothing that stands behind it, also where the page is busy and hears of it late.
    press(page, "Apagar")
    ok = dialog.get_by_role("button", name="OK", exact=True)
    expect(ok).to_be_visible()
    settled(page)
    page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, 250)")
    box = ok.bounding_box()
    twice(page, ok, 600, lambda: (dialog.wait_for(state="detached"), until_a_press_counts(page)))
    expect(page.get_by_text("20 de 20 servidores")).to_be_visible()
    place = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert page.evaluate("(place) => !!document.elementFromPoint(...place).closest('.mailcore-rows tbody tr')", place)
    expect(page.locator('.mailcore-rows tr[aria-selected="true"]')).to_have_count(0)
    servers = core.servers.search(ServerQuery()).servers
    assert [server.name for server in servers] == [f"Quitanda {index:02}" for index in range(20)]
    assert servers[0].is_default
