"""From Autorizar to a message, against an authorization server that we did not write: npm's oidc-provider.

``npm install --prefix tests/peers/oidc`` brings it; without it (or without Node) this walk is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from mailcore import Mailcore, compose
from mailcore.oauth.apps import AppDraft
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import OAuthState, SendStatus
from tests.actors import ME
from tests.browser.conftest import StartApp
from tests.peers.certificates import authority_pem
from tests.peers.oauth_smtp import OAuthSmtpPeer

from .driver import choose, expect, field, open_form, press, settled, tab

ANA = "ana@exemplo.com.br"
APP_SECRET = "s3gredo-do-aplicativo-7716"
PEER = Path(__file__).parents[1] / "peers/oidc"


@dataclass
class RealProvider:
    """The running server, and what a mail server asks it of a token."""

    url: str

    def is_alive(self, token: str, user: str) -> bool:
        """Whether this user may be let in with this token."""
        answer = requests.get(f"{self.url}/me", headers={"Authorization": f"Bearer {token}"}, timeout=20)
        return answer.status_code == 200 and answer.json().get("email") == user


@pytest.fixture
def provider() -> Iterator[RealProvider]:
    node = shutil.which("node")
    if node is None or not (PEER / "node_modules/oidc-provider").exists():
        pytest.skip("no Node, or oidc-provider is not installed: npm install --prefix tests/peers/oidc")
    command = [node, "server.mjs", "http://localhost/oauth/retorno", APP_SECRET]
    with subprocess.Popen(command, cwd=PEER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield RealProvider(process.stdout.readline().strip())
        finally:
            process.terminate()


def test_authorised_tested_saved_sent_and_renewed(
    provider: RealProvider, tmp_path: Path, streamlit_server: StartApp, page: Any
) -> None:
    urls = {"google_auth_url": f"{provider.url}/auth", "google_token_url": f"{provider.url}/token"}
    settings = Settings(data_dir=tmp_path / "data", keyring="database", **urls)
    env = {f"MAILCORE_{name.upper()}": value for name, value in urls.items()}
    with Mailcore(settings) as core, OAuthSmtpPeer(provider, mechanisms=("LOGIN", "OAUTHBEARER")) as smtp:
        core.servers.apps.add(AppDraft("Google da empresa", "google", "app"), SecretStr(APP_SECRET), actor=ME)
        app = streamlit_server(
            "app.py", {"MAILCORE_DATA_DIR": str(settings.data_dir), "MAILCORE_KEYRING": "database", **env}
        )
        open_form(page, app.url)
        field(page, "Descrição").fill("Loja")
        field(page, "Servidor").fill("localhost")
        field(page, "E-mail do remetente").fill(ANA)
        tab(page, "Autenticação")
        field(page, "Usuário").fill(ANA)
        field(page, "Porta envio").fill(str(smtp.port))
        field(page, "Certificado da autoridade (PEM)").fill(authority_pem())
        choose(page, "Forma de login", "Google OAuth2")
        settled(page)
        with page.context.expect_page() as opened:
            press(page, "Autorizar")
        theirs = opened.value
        theirs.locator("input[name=login]").fill(ANA)
        theirs.locator("input[name=password]").fill("qualquer")
        theirs.get_by_role("button", name="Sign-in").click()
        theirs.get_by_role("button", name="Continue").click()
        expect(theirs.get_by_role("heading", name="Autorizado")).to_be_visible()
        assert "code=" not in theirs.url
        expect(page.get_by_text(f"Autorizado como {ANA} em ")).to_be_visible()
        settled(page)
        press(page, "Testar conexão")
        expect(page.get_by_text("Funcionando: o servidor respondeu")).to_be_visible()
        settled(page)
        press(page, "Salvar")
        expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()
        (server,) = core.all_servers()
        assert (server.oauth_state, server.oauth_user, server.oauth_provider) == (OAuthState.AUTHORIZED, ANA, "google")
        message = compose(from_address=ANA, to=["beto@exemplo.org"], subject="Oi", text="Olá")
        assert core.send(server, message, actor=ME).status is SendStatus.ACCEPTED
        # It rotates refresh tokens and ends all of them where an old one comes again: ours is always the new one.
        for _ in range(2):
            _make_idle(core, server)
            assert core.servers.tokens.keep_alive() == 1
        assert core.servers.get(server.id).oauth_state is OAuthState.AUTHORIZED
        assert (len(smtp.inbox), smtp.faults) == (1, [])


def _make_idle(core: Mailcore, server: MailServer) -> None:
    with core.database.write() as session:
        session.get_one(MailServer, server.id).oauth_renewed_at = datetime.now(UTC) - timedelta(days=8)
