"""The form as people use it: where its news stand, what is never lost, the keyboard, and what it starts with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.search import ServerQuery
from mailcore.vocabulary import CheckState, Security
from tests.actors import ME
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import SmtpPeer

from .driver import choose, expect, field, fill_smtp, open_form, open_list, press, settled, tab

USER, PASSWORD = "ana@exemplo.com.br", "Segrêdo-Único-4417"


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    with SmtpPeer(security="starttls", tls=server_context(), users={USER: PASSWORD}) as peer:
        yield peer


def register(core: Mailcore, smtp: SmtpPeer | None = None, **changes: Any) -> int:
    values = {"name": "Padaria", "host": "127.0.0.1", "username": USER, "from_address": USER, "ca_pem": authority_pem()}
    values |= {"port": smtp.port if smtp else 587, "security": Security.STARTTLS}
    return core.servers.create(ServerDraft(**(values | changes)), SecretStr(PASSWORD), actor=ME).server.id


def is_whole_in_sight(page: Any, locator: Any) -> bool:
    """Whether nothing of it lies outside the window, or of a box that scrolls, or under something else."""
    seen: bool = locator.evaluate(
        """(el) => {
          const box = el.getBoundingClientRect();
          const inside = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
          const on = (x, y) => el.contains(document.elementFromPoint(x, y));
          const corners = on(box.left + 3, box.top + 3) && on(box.left + 3, box.bottom - 3);
          return inside && el.scrollHeight <= el.clientHeight + 1 && corners;
        }"""
    )
    return seen


# -- where the news stand


def test_the_verdict_stands_whole_in_sight(page: Any, app: Any, smtp: SmtpPeer) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    open_form(page, app.url)
    fill_smtp(page, "Padaria", "127.0.0.1", smtp.port, sender=USER, password="errada", ca_pem=authority_pem())
    verdict = page.locator(".st-key-verdict")
    for own_tab in ("Autenticação", "Geral"):
        before = len(smtp.logins)
        tab(page, own_tab)
        page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
        press(page, "Testar conexão")
        settled(page)
        assert len(smtp.logins) > before  # the verdict is of this press
        expect(verdict.get_by_text("O servidor recusou o usuário ou a senha.")).to_be_visible()
        expect(field(page, "Senha")).to_be_focused()  # by way of the verdict
        settled(page)
        for name in ("Geral", "Autenticação"):
            tab(page, name)
            assert is_whole_in_sight(page, verdict), (own_tab, name)
    expect(verdict.get_by_text("Login", exact=True)).to_be_hidden()  # the steps are folded
    fields = page.locator(".st-key-cadastro_form").bounding_box()
    assert fields["width"] <= 760
    # In a narrow window it leaves most of the form in sight, and still says what happened.
    page.set_viewport_size({"width": 400, "height": 800})
    expect(verdict.get_by_text("O servidor recusou o usuário ou a senha.")).to_be_in_viewport()
    page.wait_for_function("document.querySelector('[data-testid=\"stBottom\"]').getBoundingClientRect().top > 500")


def test_with_no_field_to_blame_the_cursor_stays_on_the_verdict(page: Any, app: Any, smtp: SmtpPeer) -> None:
    open_form(page, app.url)
    fill_smtp(page, "Padaria", "127.0.0.1", smtp.port, sender=USER, password=PASSWORD, ca_pem=authority_pem())
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    expect(page.locator(".st-key-verdict")).to_be_focused()


@pytest.mark.parametrize("own_tab", ["Geral", "Autenticação"])
def test_the_news_of_a_conflict_stand_in_sight(page: Any, app: Any, core: Mailcore, own_tab: str) -> None:
    server_id = register(core)
    page.set_viewport_size({"width": 1280, "height": 720})
    open_form(page, app.url, server_id)
    assert page.title() == "Cadastro — Padaria"  # the window bears the record's name
    field(page, "Nome do remetente").fill("O meu nome")
    tab(page, own_tab)
    page.get_by_test_id("stMain").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
    opened = core.servers.get(server_id)
    core.servers.update(opened, replace(draft_of(opened), reply_to="sac@exemplo.com.br"), actor=ME)
    press(page, "Salvar")
    expect(page.get_by_text("foi alterado por outra pessoa")).to_be_visible()
    settled(page)
    assert is_whole_in_sight(page, page.locator(".st-key-verdict"))
    expect(page.locator(".st-key-verdict")).to_be_focused()


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


def test_the_form_takes_nobody_out_of_a_field_that_was_entered_first(page: Any, app: Any) -> None:
    open_list(page, app.url)
    page.evaluate(
        """() => {
          const quick = new MutationObserver(() => {
            const input = document.querySelector(".st-key-field_name input");
            if (!input) return;
            quick.disconnect();
            input.focus();
          });
          quick.observe(document.body, { childList: true, subtree: true });
        }"""
    )
    press(page, "Novo")
    expect(page.get_by_role("heading", name="Cadastro — novo servidor")).to_be_visible()
    settled(page)
    expect(field(page, "Descrição")).to_be_focused()


def test_a_restart_of_the_program_loses_nothing_typed(page: Any, app: Any, core: Mailcore) -> None:
    type_something(page, app.url)
    app.restart()
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
    press(page, "Salvar")  # the first thing that the new program hears of
    expect(page.get_by_text("O que você tinha digitado voltou.")).to_be_visible(timeout=30_000)
    everything_is_back(page)
    tab(page, "Autenticação")
    field(page, "Senha").fill(PASSWORD)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    assert core.servers.search(ServerQuery()).servers[0].notes == "linha um\nlinha dois"


def test_a_reload_loses_nothing_typed(page: Any, app: Any) -> None:
    type_something(page, app.url)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_text("O que você tinha digitado voltou.")).to_be_visible()
    everything_is_back(page)


def test_back_offers_what_was_typed_and_a_second_tab_touches_nothing(page: Any, app: Any) -> None:
    open_list(page, app.url)
    press(page, "Novo")
    settled(page)
    fill_smtp(page, "Quase pronta", "smtp.quase.example", 2525, sender="q@quase.example", password=PASSWORD)
    other = page.context.new_page()
    open_form(other, app.url)
    expect(field(other, "Descrição")).to_have_value("")
    expect(other.get_by_role("button", name="Recuperar o que foi digitado")).to_have_count(0)
    other.close()
    page.go_back()
    expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()
    settled(page)
    page.go_forward()
    expect(field(page, "Descrição")).to_be_visible()
    press(page, "Recuperar o que foi digitado")
    expect(field(page, "Descrição")).to_have_value("Quase pronta")
    expect(field(page, "Servidor")).to_have_value("smtp.quase.example")
    expect(field(page, "Senha")).to_have_value("")


def test_what_was_saved_or_given_up_is_not_offered_again(page: Any, app: Any, core: Mailcore) -> None:
    type_something(page, app.url)
    press(page, "Cancelar")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Continuar editando").click()
    expect(dialog).to_have_count(0)
    expect(field(page, "Descrição")).to_have_value("Quase pronta")
    press(page, "Cancelar")
    dialog.get_by_role("button", name="Descartar e voltar à lista").click()
    expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()
    settled(page)
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('mailcore-draft')).length") == 0
    press(page, "Novo")
    expect(field(page, "Descrição")).to_have_value("")
    settled(page)
    expect(page.get_by_role("button", name="Recuperar o que foi digitado")).to_have_count(0)


# -- the keyboard


def test_tab_goes_from_field_to_field_and_each_button_bears_its_key(page: Any, app: Any) -> None:
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
    tab(page, "Autenticação")
    expect(page.get_by_role("button", name="Ajuda: Porta envio", exact=True)).to_have_attribute("tabindex", "-1")


def test_after_an_offer_the_cursor_is_where_one_goes_on(page: Any, app: Any) -> None:
    open_form(page, app.url)
    field(page, "E-mail do remetente").press_sequentially("ana@gmail.com")
    page.get_by_role("button", name="Preencher com os dados do Gmail").click()
    expect(field(page, "Servidor")).to_have_value("smtp.gmail.com")
    expect(field(page, "Descrição")).to_be_focused()
    tab(page, "Autenticação")
    expect(page.get_by_role("tabpanel").get_by_text("crie uma senha de app")).to_be_visible()


# -- what it starts with, and what a test is worth


def test_elastic_email_starts_as_paid_until_the_person_chooses(page: Any, app: Any) -> None:
    open_form(page, app.url)
    choose(page, "Tipo de envio", "Elastic Email")
    expect(page.get_by_role("combobox", name="Conta", exact=True)).to_have_value("Paga")
    expect(page.get_by_role("combobox", name="Origem igual ao destino")).to_have_value("Permitir")
    choose(page, "Tipo de envio", "SMTP")
    expect(page.get_by_role("combobox", name="Conta", exact=True)).to_have_value("Gratuita")
    choose(page, "Tipo de envio", "Elastic Email")
    choose(page, "Conta", "Gratuita")
    choose(page, "Tipo de envio", "SMTP")
    choose(page, "Tipo de envio", "Elastic Email")
    expect(page.get_by_role("combobox", name="Conta", exact=True)).to_have_value("Gratuita")


@pytest.mark.parametrize("then", ["nothing", "a change"])
def test_a_test_of_exactly_what_is_saved_counts(page: Any, app: Any, core: Mailcore, smtp: SmtpPeer, then: str) -> None:
    open_form(page, app.url)
    fill_smtp(page, "Padaria", "127.0.0.1", smtp.port, sender=USER, password=PASSWORD, ca_pem=authority_pem())
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    if then == "a change":
        field(page, "Usuário").fill("outra@exemplo.com.br")
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    state = core.servers.search(ServerQuery()).servers[0].last_check_state
    assert state is (CheckState.OK if then == "nothing" else CheckState.NEVER)
