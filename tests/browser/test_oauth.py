"""From "535 5.7.139" to a record that works, with what the screen says: nobody types a password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailcore import Mailcore
from mailcore.settings import Settings
from mailcore.vocabulary import Auth, OAuthState
from tests.peers.certificates import authority_pem
from tests.peers.oauth_server import OAuthPeer, Registered
from tests.peers.oauth_smtp import OAuthSmtpPeer

from .driver import choose, expect, field, open_form, press, settled, tab

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
    page.goto(f"{url}/aplicativos_oauth")
    expect(page.get_by_role("heading", name="Aplicativos OAuth")).to_be_visible()
    expect(page.get_by_text("/oauth/retorno").first).to_be_visible()
    settled(page)
    field(page, "Nome").fill("Entra da empresa")
    field(page, "ID do cliente").fill("app")
    field(page, "Segredo do cliente").fill(APP_SECRET)
    press(page, "Registrar")
    expect(page.get_by_text("foi registrado")).to_be_visible()
    settled(page)


def test_a_record_is_authorised_tested_and_saved(
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


def test_another_persons_authorisation_is_said_and_not_kept(
    page: Any, app: Any, core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer
) -> None:
    register_app(page, app.url)
    peer.signs_in_as = "chefe@exemplo.com.br"
    open_form(page, app.url)
    field(page, "Servidor").fill("localhost")
    tab(page, "Autenticação")
    field(page, "Usuário").fill(ANA)
    choose(page, "Forma de login", "Microsoft OAuth2")
    with page.context.expect_page() as opened:
        press(page, "Autorizar")
    expect(opened.value.get_by_role("heading", name="A autorização não foi feita")).to_be_visible()
    expect(page.get_by_text("Quem entrou não é o usuário do cadastro.").first).to_be_visible()
    expect(page.get_by_text("Não autorizado")).to_be_visible()
