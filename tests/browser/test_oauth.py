"""From "535 5.7.139" to a record that works, with what the screen says: nobody types a password."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore, compose
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.vocabulary import Auth, OAuthState, SendStatus
from tests.actors import ME
from tests.peers.certificates import authority_pem
from tests.peers.oauth_server import OAuthPeer, Registered
from tests.peers.oauth_smtp import OAuthSmtpPeer

from .driver import choose, expect, field, go, open_form, press, select_row, settled, tab

ANA = "ana@exemplo.com.br"
APP_SECRET = "s3gredo-do-aplicativo-8812"


@pytest.fixture
def peer() -> Iterator[OAuthPeer]:
    with OAuthPeer() as running:
        running.clients["app"] = Registered("app", secret=APP_SECRET, redirects=["http://localhost/oauth/retorno"])
        running.signs_in_as = ANA
        yield running


@pytest.fixture
def smtp(peer: OAuthPeer) -> Iterator[OAuthSmtpPeer]:
    with OAuthSmtpPeer(peer) as running:
        yield running


@pytest.fixture
def core(tmp_path: Path, peer: OAuthPeer) -> Iterator[Mailcore]:
    opened = Mailcore(Settings(data_dir=tmp_path / "data", keyring="database", **peer.settings))
    yield opened
    opened.close()


@pytest.fixture
def app(core: Mailcore, peer: OAuthPeer, streamlit_server: Callable[..., Any]) -> Any:
    settings = {f"MAILCORE_{name.upper()}": value for name, value in peer.settings.items()}
    return streamlit_server(
        "app.py", {"MAILCORE_DATA_DIR": str(core.settings.data_dir), "MAILCORE_KEYRING": "database", **settings}
    )


def register_app(page: Any, url: str) -> None:
    go(page, f"{url}/aplicativos_oauth")
    expect(page.get_by_role("heading", name="Aplicativos OAuth")).to_be_visible()
    expect(page.get_by_text("/oauth/retorno").first).to_be_visible()
    settled(page)
    field(page, "Nome").fill("Entra da empresa")
    field(page, "ID do cliente").fill("app")
    field(page, "Segredo do cliente").fill(APP_SECRET)
    press(page, "Registrar")
    expect(page.get_by_text("foi registrado")).to_be_visible()
    settled(page)


def test_a_record_is_authorised_by_its_own_person_tested_and_saved(
    page: Any, app: Any, core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer
) -> None:
    received: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(repr(frame))))
    register_app(page, app.url)
    (registered,) = core.servers.apps.all()
    assert (registered.client_id, registered.secret_ref is not None) == ("app", True)
    open_form(page, app.url)
    field(page, "Descrição").fill("Loja")
    field(page, "Servidor").fill("localhost")
    field(page, "E-mail do remetente").fill(ANA)
    tab(page, "Autenticação")
    field(page, "Usuário").fill(ANA)
    field(page, "Porta envio").fill(str(smtp.port))
    field(page, "Certificado da autoridade (PEM)").fill(authority_pem())
    choose(page, "Forma de login", "Microsoft OAuth2")
    expect(field(page, "Senha")).to_have_count(0)
    expect(page.get_by_text("Não autorizado")).to_be_visible()
    settled(page)
    # Another person's authorisation is said and not kept.
    peer.signs_in_as = "chefe@exemplo.com.br"
    with page.context.expect_page() as opened:
        press(page, "Autorizar")
    expect(opened.value.get_by_role("heading", name="A autorização não foi feita")).to_be_visible()
    opened.value.close()
    expect(page.get_by_text("Quem entrou não é o usuário do cadastro.").first).to_be_visible()
    expect(page.get_by_text("Não autorizado")).to_be_visible()
    settled(page)
    peer.signs_in_as = ANA
    with page.context.expect_page() as opened:
        press(page, "Autorizar")
    expect(opened.value.get_by_role("heading", name="Autorizado")).to_be_visible()
    assert "code=" not in opened.value.url
    expect(page.get_by_text(f"Autorizado como {ANA} em ")).to_be_visible()
    settled(page)
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    settled(page)
    press(page, "Salvar")
    expect(page.get_by_text("1 de 1 servidor")).to_be_visible()
    (server,) = core.all_servers()
    assert (server.auth, server.oauth_state, server.oauth_user) == (Auth.OAUTH2, OAuthState.AUTHORIZED, ANA)
    assert core.check(server).ok
    assert smtp.faults == []
    sent = "".join(received)
    assert sent
    assert not [secret for secret in (*peer.issued, APP_SECRET) if secret in sent]


RETIRED = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [GRU0PR01CA0001.example]"


def test_from_a_refused_password_to_a_record_that_works_by_what_the_screen_says(
    page: Any, app: Any, core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer
) -> None:
    """By a code typed elsewhere, and by an address pasted from a browser that cannot come back."""
    smtp.password_says, peer.device_interval = RETIRED, 1
    peer.clients["app"].secret = ""  # device codes are of public clients
    core.servers.create(
        ServerDraft(
            name="Loja", host="localhost", port=smtp.port, ca_pem=authority_pem(), username=ANA, from_address=ANA
        ),
        SecretStr("senha-antiga-4471"),
        actor=ME,
    )
    # The refusal names the way out, and one press leads there.
    page.goto(app.url)
    select_row(page)
    press(page, "Testar conexão")
    expect(page.get_by_text("535 5.7.139").first).to_be_visible()
    page.get_by_role("link", name="Abrir o campo Forma de login").click()
    expect(page.get_by_role("combobox", name="Forma de login", exact=True)).to_be_visible()
    settled(page)
    choose(page, "Forma de login", "Microsoft OAuth2")
    expect(page.get_by_text("Nenhum aplicativo escolhido.")).to_be_visible()
    page.once("dialog", lambda question: question.accept())  # what was chosen in the form is not saved yet
    page.get_by_test_id("stMain").get_by_role("link", name="Aplicativos OAuth").click()
    expect(page.get_by_role("heading", name="Aplicativos OAuth", level=1)).to_be_visible()
    settled(page)
    # The page says where to click at Microsoft; what comes of it is typed here.
    expect(page.get_by_text("entra.microsoft.com").first).to_be_visible()
    field(page, "Nome").fill("Entra da empresa")
    field(page, "ID do cliente").fill("outro")
    press(page, "Registrar")
    expect(page.get_by_text("foi registrado")).to_be_visible()
    settled(page)
    press(page, "Alterar")
    expect(page.get_by_role("heading", name="Alterar “Entra da empresa”")).to_be_visible()
    settled(page)  # until then the form before it still stands there, paled
    expect(field(page, "Nome")).to_be_focused()  # a long list may stand between the button and the fields
    field(page, "ID do cliente").fill("app")
    press(page, "Salvar")
    expect(page.get_by_text("foi salvo.")).to_be_visible()
    assert [each.client_id for each in core.servers.apps.all()] == ["app"]
    # Back in the record: a code, typed on any other machine.
    (server,) = core.all_servers()
    open_form(page, app.url, server.id)
    tab(page, "Autenticação")
    choose(page, "Forma de login", "Microsoft OAuth2")
    press(page, "Usar um código")
    code = page.get_by_test_id("stCode").filter(has_text=re.compile(r"^[0-9A-F]{8}$"))
    expect(code).to_be_visible()
    peer.enter_device(code.inner_text().strip(), ANA)
    expect(page.get_by_text(f"Autorizado como {ANA} em ")).to_be_visible(timeout=30_000)
    settled(page)
    # And an address, from a browser that ends where nothing answers.
    peer.leads_back = False
    with page.context.expect_page() as opened:
        press(page, "Autorizar")
    expect(opened.value).to_have_url(re.compile("authorize"))
    (ended,) = peer.led_to
    pasted = field(page, "Endereço em que o navegador terminou")
    expect(pasted).to_be_visible()
    pasted.fill("http://localhost/oauth/retorno?code=x&state=y")
    press(page, "Concluir")
    expect(page.get_by_text("Esta resposta não é de um pedido em andamento.")).to_be_visible()
    settled(page)
    pasted.fill(ended)
    press(page, "Concluir")
    expect(page.get_by_text("Esta resposta não é de um pedido em andamento.")).to_have_count(0)
    expect(page.get_by_text(f"Autorizado como {ANA} em ")).to_be_visible()
    expect(pasted).to_have_count(0)
    settled(page)
    press(page, "Testar conexão")
    expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
    settled(page)
    press(page, "Salvar")
    expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()
    (server,) = core.all_servers()
    assert (server.auth, server.oauth_user, server.secret_ref) == (Auth.OAUTH2, ANA, None)
    message = compose(from_address=ANA, to=["beto@exemplo.org"], subject="Oi", text="Olá")
    assert core.send(server, message, actor=ME).status is SendStatus.ACCEPTED
    assert (len(smtp.inbox), peer.reused) == (1, 0)
