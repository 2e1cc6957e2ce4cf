"""From "535 5.7.139" to a record that works, with what the screen says: nobody types a password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore, compose
from mailcore.oauth.apps import AppDraft
from mailcore.vocabulary import Auth, OAuthState, Security, SendStatus
from tests.actors import ME
from tests.pages.records import register
from tests.peers.certificates import authority_pem
from tests.peers.oauth_server import OAuthPeer, Registered
from tests.peers.oauth_smtp import OAuthSmtpPeer

from .driver import choose, expect, field, go, press, select_row, settled

ANA = "ana@exemplo.com.br"
APP_SECRET = "s3gredo-do-aplicativo-8812"


@pytest.fixture
def peer(oauth_port: int) -> Iterator[OAuthPeer]:
    with OAuthPeer(oauth_port) as running:
        running.clients["app"] = Registered("app", secret=APP_SECRET, redirects=["http://localhost/oauth/retorno"])
        running.signs_in_as = ANA
        yield running


@pytest.fixture
def smtp(peer: OAuthPeer) -> Iterator[OAuthSmtpPeer]:
    with OAuthSmtpPeer(peer) as running:
        yield running


RETIRED = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [GRU0PR01CA0001.example]"


def test_from_a_refused_password_to_a_record_that_works_by_what_the_screen_says(
    page: Any, app: Any, core: Mailcore, peer: OAuthPeer, smtp: OAuthSmtpPeer, page_frames: list[bytes]
) -> None:
    """Codes, pasted addresses and registering an application: tests/pages/test_oauth.py."""
    smtp.password_says = RETIRED
    core.servers.apps.add(AppDraft("Entra da empresa", "microsoft", "outro"), SecretStr("antigo"), actor=ME)
    login = {"username": ANA, "password": "senha-antiga-4471", "from_address": ANA, "requires_auth": True}
    more = {"host": "localhost", "port": smtp.port, "security": Security.STARTTLS, "ca_pem": authority_pem()}
    register(core, None, "Loja", **(login | more))
    page.goto(f"{app.url}/aplicativos_oauth")
    press(page, "Alterar")
    expect(page.get_by_role("heading", name="Alterar “Entra da empresa”")).to_be_visible()
    settled(page)  # until then the form before it still stands there, paled
    expect(field(page, "Nome")).to_be_focused()  # a long list may stand between the button and the fields
    field(page, "ID do cliente").fill("app")
    field(page, "Segredo do cliente").fill(APP_SECRET)
    press(page, "Salvar")
    expect(page.get_by_text("foi salvo.")).to_be_visible()
    assert [each.client_id for each in core.servers.apps.all()] == ["app"]

    # The refusal names the way out, and one press leads there.
    go(page, app.url)
    select_row(page)
    press(page, "Testar conexão")
    expect(page.get_by_text("535 5.7.139").first).to_be_visible()
    page.get_by_role("link", name="Abrir o campo Forma de login").click()
    expect(page.get_by_role("combobox", name="Forma de login", exact=True)).to_be_visible()
    settled(page)
    choose(page, "Forma de login", "Microsoft OAuth2")
    expect(field(page, "Senha")).to_have_count(0)
    expect(page.get_by_text("Não autorizado")).to_be_visible()
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
    message = compose(from_address=ANA, to=["beto@exemplo.org"], subject="Oi", text="Olá")
    assert core.send(server, message, actor=ME).status is SendStatus.ACCEPTED
    assert (len(smtp.inbox), peer.reused, smtp.faults) == (1, 0, [])
    sent = b"".join(page_frames)
    assert sent
    assert not [secret for secret in (*peer.issued, APP_SECRET) if secret.encode() in sent]
