"""Authorising a record and registering an application by the pages' own buttons, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from mailcore.oauth.apps import AppDraft
from mailcore.vocabulary import Auth
from tests.actors import ME
from tests.mailcore.oauth.records import ANA, APP_SECRET, BACK
from tests.pages.drawn import alerts, links, open_page, press, said, sent_to_the_browser, whole
from tests.pages.records import register
from tests.peers.certificates import authority_pem
from tests.peers.oauth_server import OAuthPeer, Registered
from tests.peers.oauth_smtp import OAuthSmtpPeer

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

WORKS = "Funcionando: o servidor respondeu"


@pytest.fixture
def peer(core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> Iterator[OAuthPeer]:
    with OAuthPeer() as running:
        running.clients["app"] = Registered("app", redirects=[BACK])
        for name, value in running.settings.items():
            monkeypatch.setenv(f"MAILCORE_{name.upper()}", value)
        monkeypatch.setattr(core, "settings", core.settings.model_copy(update=dict(running.settings)))
        yield running


@pytest.fixture
def server(core: Mailcore, peer: OAuthPeer) -> Iterator[MailServer]:
    """A record with a password that its server does not take any more."""
    with OAuthSmtpPeer(peer) as smtp:
        login = {"requires_auth": True, "username": ANA, "password": "senha-antiga-4471", "from_address": ANA}
        more = {"host": "localhost", "port": smtp.port, "security": "starttls", "ca_pem": authority_pem()}
        yield register(core, None, "Loja", **(login | more))


def public(core: Mailcore) -> None:
    """Register the application that has no secret."""
    core.servers.apps.add(AppDraft("Entra da empresa", "microsoft", "app"), None, actor=ME)


def open_form(server: MailServer) -> AppTest:
    app = open_page("cadastro", id=str(server.id))
    (way,) = [each for each in app.selectbox if each.label == "Forma de login"]
    return whole(way.select("Microsoft OAuth2").run())


def test_an_application_is_registered_and_its_secret_stays_here(core: Mailcore) -> None:
    app = open_page("aplicativos_oauth")
    assert "/oauth/retorno" in said(app)
    assert "entra.microsoft.com" in said(app)
    fields = {field.label: field for field in app.text_input}
    fields["Nome"].set_value("Entra da empresa")
    fields["ID do cliente"].set_value("app")
    fields["Segredo do cliente"].set_value(APP_SECRET)
    app = press(app, "Registrar")
    assert "foi registrado" in "\n".join(toast.value for toast in app.toast)
    (registered,) = core.servers.apps.all()
    assert (registered.client_id, core.secrets.get(str(registered.secret_ref))) == ("app", SecretStr(APP_SECRET))
    assert APP_SECRET.encode() not in sent_to_the_browser(app)


def test_without_an_application_the_form_leads_to_where_one_is_registered(server: MailServer) -> None:
    app = open_form(server)
    assert "Nenhum aplicativo escolhido." in alerts(app)
    assert "Aplicativos OAuth" in links(app)


def test_by_a_code_typed_on_another_machine(core: Mailcore, peer: OAuthPeer, server: MailServer) -> None:
    public(core)
    app = press(open_form(server), "Usar um código")
    (code,) = [each.value for each in app.code if len(each.value) == 8]
    peer.enter_device(code, ANA)
    app = whole(app.run())  # as it does by itself every few seconds
    assert f"Autorizado como {ANA} em " in alerts(app)
    finish(app, core)


def test_by_an_address_from_a_browser_that_cannot_come_back(
    core: Mailcore, peer: OAuthPeer, server: MailServer
) -> None:
    public(core)
    app = press(open_form(server), "Autorizar")
    (link,) = [each.proto.url for each in app.get("link_button") if "provedor" in each.proto.label]
    ended = peer.sign_in(link, ANA)
    (pasted,) = [field for field in app.text_input if field.label == "Endereço em que o navegador terminou"]
    pasted.set_value("http://localhost/oauth/retorno?code=x&state=y")
    app = press(app, "Concluir")
    assert "Esta resposta não é de um pedido em andamento." in alerts(app)
    (pasted,) = [field for field in app.text_input if field.label == "Endereço em que o navegador terminou"]
    pasted.set_value(ended)
    app = press(app, "Concluir")
    assert "Esta resposta não é de um pedido em andamento." not in alerts(app)
    assert f"Autorizado como {ANA} em " in alerts(app)
    assert "Endereço em que o navegador terminou" not in [field.label for field in app.text_input]
    finish(app, core)
    assert not [secret for secret in peer.issued if secret.encode() in sent_to_the_browser(app)]


def finish(app: AppTest, core: Mailcore) -> None:
    """Test the connection and save; the password of before is gone."""
    app = press(app, "Testar conexão")
    assert WORKS in alerts(app)
    press(app, "Salvar")
    (server,) = core.all_servers()
    assert (server.auth, server.oauth_user, server.secret_ref) == (Auth.OAUTH2, ANA, None)
