"""Applications, records and authorisations, as the tests of OAuth2 make them."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from mailcore import Mailcore, compose
from mailcore.oauth.apps import AppDraft
from mailcore.oauth.authorizing import Progress, Wanted
from mailcore.registry.drafts import ServerDraft
from mailcore.storage.tables import MailServer, OAuthApp
from mailcore.vocabulary import Auth, Security
from tests.actors import ME
from tests.peers.certificates import authority_pem
from tests.peers.oauth_server import OAuthPeer
from tests.peers.oauth_smtp import OAuthSmtpPeer

ANA = "ana@exemplo.com.br"
BACK = "http://localhost:8501/oauth/retorno"
APP_SECRET = "s3gredo-do-aplicativo"


def app_of(core: Mailcore, **more: Any) -> OAuthApp:
    draft = AppDraft(**{"name": "Entra da empresa", "provider": "microsoft", "client_id": "app", **more})
    return core.servers.apps.add(draft, SecretStr(APP_SECRET), actor=ME)


def draft_for(smtp: OAuthSmtpPeer, app: OAuthApp, **more: Any) -> ServerDraft:
    values: dict[str, Any] = {
        "name": "Loja",
        "host": smtp.host,
        "port": smtp.port,
        "security": Security.STARTTLS,
        "ca_pem": authority_pem(),
        "username": ANA,
        "from_address": ANA,
        "auth": Auth.OAUTH2,
        "oauth_app_id": app.id,
    }
    return ServerDraft(**{**values, **more})


def authorized(core: Mailcore, peer: OAuthPeer, wanted: Wanted, user: str = ANA) -> tuple[str, Progress]:
    begun = core.servers.authorizing.begin(wanted, redirect=BACK, actor=ME)
    back = peer.sign_in(begun.address, user)
    return begun.key, core.servers.authorizing.come_back(back, actor=ME)


def wanted_for(server: MailServer) -> Wanted:
    return Wanted(server.oauth_app_id or 0, server.host, server.username, server.id)


def refreshes(peer: OAuthPeer) -> int:
    return sum(form.get("grant_type") == "refresh_token" for form in peer.token_requests)


def hello(core: Mailcore, server: MailServer) -> Any:
    message = compose(from_address=ANA, to=["beto@exemplo.com.br"], subject="Oi", text="Olá")
    return core.send(server, message, actor=ME)
