"""The form as people use it: the keyboard, where its news stand, and what is never lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mailcore import Mailcore
from mailcore.registry.search import ServerQuery
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import SmtpPeer

from .driver import choose, expect, field, fill_smtp, is_whole_in_sight, open_form, open_list, press, settled, tab

USER, PASSWORD = "ana@exemplo.com.br", "Segrêdo-Único-4417"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        yield peer


# -- the keyboard, and where the news stand


def test_tab_goes_from_field_to_field_and_the_verdict_stands_whole_in_sight_and_has_the_cursor(
    page: Any, app: Any, smtp: SmtpPeer
) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    open_form(page, app.url)
    expect(field(page, "E-mail do remetente")).to_be_focused()
    for label in ("Nome do remetente", "Responder para", "Descrição", "Tipo de envio", "Servidor", "Conta"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == label
    for name, key in (("Salvar", "F2"), ("Salvar e continuar", "F3"), ("Novo", "F5")):
        button = page.get_by_role("button", name=name, exact=True)
        expect(button.locator("kbd")).to_have_text(key)
        expect(button).to_have_attribute("aria-keyshortcuts", key)
    expect(page.get_by_text("F1 abre a ajuda do campo")).to_be_visible()
    fill_smtp(page, "Padaria", "127.0.0.1", smtp.port, sender=USER, password="errada", ca_pem=authority_pem())
    expect(page.get_by_role("button", name="Ajuda: Porta envio", exact=True)).to_have_attribute("tabindex", "-1")
    verdict = page.locator(".st-key-verdict")
    tab(page, "Geral")
    page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
    press(page, "Testar conexão")
    expect(verdict.get_by_text("O servidor recusou o usuário ou a senha.")).to_be_visible()
    expect(field(page, "Senha")).to_be_focused()  # in the other tab, by way of the verdict
    settled(page)
    assert is_whole_in_sight(page, verdict)
    tab(page, "Geral")
    assert is_whole_in_sight(page, verdict)
    expect(verdict.get_by_text("Login", exact=True)).to_be_hidden()  # the steps are folded
    fields = page.locator(".st-key-cadastro_form").bounding_box()
    assert fields["width"] <= 760
    # In a narrow window it leaves most of the form in sight, and still says what happened.
    page.set_viewport_size({"width": 400, "height": 800})
    expect(verdict.get_by_text("O servidor recusou o usuário ou a senha.")).to_be_in_viewport()
    page.wait_for_function("document.querySelector('[data-testid=\"stBottom\"]').getBoundingClientRect().top > 500")
    page.set_viewport_size({"width": 1280, "height": 720})
    # From the lower end of the other tab. With no field to blame the cursor stays on the verdict.
    tab(page, "Autenticação")
    field(page, "Senha").fill(PASSWORD)
    page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
    press(page, "Testar conexão")
    expect(verdict.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    expect(verdict).to_be_focused()
    settled(page)
    assert is_whole_in_sight(page, verdict)


# -- what is never lost


def type_something(page: Any, url: str) -> None:
    open_form(page, url)
    fill_smtp(page, "Quase pronta", "smtp.quase.example", 2525, sender="q@quase.example", password=PASSWORD)
    tab(page, "Geral")
    choose(page, "Conta", "Paga")
    field(page, "Observações").fill("linha um\nlinha dois")
    field(page, "Limite diário").fill("77")
    page.wait_for_function("Object.values(sessionStorage).join().includes('77')")
    assert PASSWORD not in page.evaluate("JSON.stringify(sessionStorage)")


def everything_is_back(page: Any) -> None:
    expect(field(page, "Descrição")).to_have_value("Quase pronta")
    expect(field(page, "Servidor")).to_have_value("smtp.quase.example")
    expect(field(page, "E-mail do remetente")).to_have_value("q@quase.example")
    expect(field(page, "Porta envio")).to_have_value("2525")
    expect(field(page, "Limite diário")).to_have_value("77")
    expect(field(page, "Observações")).to_have_value("linha um\nlinha dois")
    expect(page.locator(".st-key-field_is_paid input")).to_have_value("Paga")
    expect(field(page, "Senha")).to_have_value("")


_QUICK = """() => {
  const quick = new MutationObserver(() => {
    const input = document.querySelector(".st-key-field_name input");
    if (!input) return;
    quick.disconnect();
    input.focus();
  });
  quick.observe(document.body, { childList: true, subtree: true });
}"""
"""Somebody who enters a field as soon as it is there."""


def test_a_restart_of_the_program_loses_nothing_typed(page: Any, app: Any, core: Mailcore) -> None:
    type_something(page, app.url)
    page.evaluate("window.sameDocument = true")
    app.stop()
    page.wait_for_selector('[data-testid="stApp"]:not([data-test-connection-state="CONNECTED"])')
    page.keyboard.press("F5")  # nobody is there to answer it, and the next key works all the same
    app.start()
    # As where the browser shows another page on its way back, whatever is written after it.
    page.evaluate(
        """() => {
          const set = Storage.prototype.setItem;
          Storage.prototype.setItem = function (key, value) {
            const isDraft = key.startsWith("mailcore-draft:");
            set.call(this, key, isDraft ? JSON.stringify({ ...JSON.parse(value), left: true }) : value);
          };
          for (const key of Object.keys(sessionStorage)) sessionStorage.setItem(key, sessionStorage.getItem(key));
        }"""
    )
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]', timeout=60_000)
    assert page.evaluate("window.sameDocument")
    page.keyboard.press("F2")  # the first thing that the new program hears of
    expect(page.get_by_text("O que você tinha digitado voltou.")).to_be_visible(timeout=30_000)
    everything_is_back(page)
    tab(page, "Autenticação")
    field(page, "Senha").fill(PASSWORD)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert core.servers.search(ServerQuery()).servers[0].notes == "linha um\nlinha dois"


def test_a_reload_and_back_lose_nothing_typed_and_an_offer_puts_the_cursor_where_one_goes_on(
    page: Any, app: Any
) -> None:
    open_list(page, app.url)
    page.evaluate(_QUICK)
    press(page, "Novo")
    expect(page.get_by_role("heading", name="Cadastro — novo servidor")).to_be_visible()
    settled(page)
    # The form takes nobody out of a field that was entered first.
    expect(field(page, "Descrição")).to_be_focused()
    typed = {"Descrição": "Quase pronta", "Servidor": "smtp.quase.example", "Observações": "linha um\nlinha dois"}
    for label, value in typed.items():
        field(page, label).fill(value)
    page.wait_for_function("Object.values(sessionStorage).join().includes('linha dois')")

    def everything_is_back() -> None:
        for label, value in typed.items():
            expect(field(page, label)).to_have_value(value)

    # In this tab alone: another one neither sees nor touches it.
    assert "Quase pronta" not in page.evaluate("JSON.stringify(localStorage)")
    # A reload brings it back.
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_text("O que você tinha digitado voltou.")).to_be_visible()
    everything_is_back()
    settled(page)
    # Whoever has left is asked.
    page.go_back()
    expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()
    settled(page)
    page.go_forward()
    expect(field(page, "Descrição")).to_have_value("")
    press(page, "Recuperar o que foi digitado")
    everything_is_back()
    settled(page)
    # What is given up is gone.
    press(page, "Cancelar")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Continuar editando").click()
    expect(dialog).to_have_count(0)
    everything_is_back()
    press(page, "Cancelar")
    dialog.get_by_role("button", name="Descartar e voltar à lista").click()
    expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()
    settled(page)
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('mailcore-draft')).length") == 0
    press(page, "Novo")
    expect(field(page, "Descrição")).to_have_value("")
    settled(page)
    expect(page.get_by_role("button", name="Recuperar o que foi digitado")).to_have_count(0)
    # After an offer the cursor is where one goes on.
    field(page, "E-mail do remetente").press_sequentially("ana@gmail.com")
    offer = page.get_by_role("button", name="Preencher com os dados do Gmail")
    expect(offer).to_be_visible()
    expect(field(page, "E-mail do remetente")).to_be_focused()
    expect(field(page, "Servidor")).to_have_value("")
    offer.click()
    expect(field(page, "Servidor")).to_have_value("smtp.gmail.com")
    expect(offer).to_have_count(0)
    expect(field(page, "Descrição")).to_be_focused()
    tab(page, "Autenticação")
    expect(page.get_by_role("tabpanel").get_by_text("crie uma senha de app")).to_be_visible()
