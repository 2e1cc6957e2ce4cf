"""The door OpenID Connect: with a real provider in Chromium, and with one that lies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from oidc_provider_mock import User as Somebody
from oidc_provider_mock import run_server_in_thread

from mailcore import Mailcore
from mailcore.access.users import UserDraft, draft_of
from mailcore.rights import Role
from tests.actors import ME
from tests.browser.conftest import RunningApp, StartApp
from tests.browser.door_client import Visitor, closing_code, env_of, open_core, run_page
from tests.browser.driver import expect
from tests.peers.openid_provider import CLIENT, OpenIdProvider, running_provider

ANA = "ana@exemplo.com.br"
ONE_SENTENCE = "Não foi possível entrar com esta conta."


def configure(home: Path, **providers: str) -> dict[str, str]:
    """Write ``[auth]`` as the README says; return the environment that finds it."""
    lines = [
        "[auth]",
        'redirect_uri = "http://127.0.0.1:{port}/oauth2callback"',
        'cookie_secret = "um-segredo-comprido-para-os-cookies"',
    ]
    for name, url in providers.items():
        lines += [
            f"[auth.{name}]",
            f'client_id = "{CLIENT}"',
            'client_secret = "segredo-do-cliente-5521"',
            f'server_metadata_url = "{url}/.well-known/openid-configuration"',
        ]
    (home / ".streamlit").mkdir(parents=True)
    (home / ".streamlit" / "secrets.toml").write_text("\n".join(lines))
    return {"HOME": str(home)}


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openid") / "data"


@pytest.fixture(scope="module")
def core(folder: Path) -> Iterator[Mailcore]:
    with open_core(folder) as opened:
        opened.access.users.add(UserDraft(ANA, Role.SUPPORT, "Ana Souza"), actor=ME)
        yield opened


@pytest.fixture(scope="module")
def app(core: Mailcore, folder: Path, provider: OpenIdProvider, module_streamlit_server: StartApp) -> RunningApp:
    more = configure(folder.parent / "home", google=provider.url, microsoft="http://127.0.0.1:9")
    settings = {"MAILCORE_LOGIN": "accounts,oidc", "MAILCORE_OIDC_DOMAINS": "listada.com.br"}
    return module_streamlit_server("app.py", env_of(folder, **settings, **more))


@pytest.fixture(autouse=True)
def _an_honest_provider(provider: OpenIdProvider) -> None:
    provider.claims = {"email": ANA, "email_verified": True, "name": "Ana no provedor"}
    provider.change = lambda claims: claims
    provider.sign_with, provider.denies = "own", False


def come(app: RunningApp, wanted: str = "") -> tuple[Visitor, str]:
    """Go to the provider and back; return who came and where they were sent on to."""
    visitor = Visitor(app)
    to_provider = visitor.post("/entrar/com/google", {"next": wanted})
    assert to_provider.status_code == 303
    back = visitor.session.get(to_provider.headers["location"], allow_redirects=False, timeout=20)
    parts = urlsplit(back.headers["location"])
    answer = visitor.get(f"{parts.path}?{parts.query}")
    return visitor, answer.headers.get("location", "")


def last_refusal(core: Mailcore) -> str:
    (newest, *_) = core.access.events(actor=ME).events
    assert newest.event == "refused"
    return newest.reason


def test_who_is_vouched_for_enters_with_a_session_of_ours(
    core: Mailcore, app: RunningApp, provider: OpenIdProvider
) -> None:
    visitor, where = come(app, "/cotas")
    assert where == "/cotas"
    asked = provider.seen[-1]
    assert asked["code_challenge_method"] == "S256"
    assert asked["nonce"]
    # The provider's word is nothing the browser keeps: Streamlit's identity cookie could not be taken back.
    assert not [name for name in visitor.session.cookies.keys() if name.startswith("_streamlit_user")]  # noqa: SIM118
    with visitor.page() as socket:
        assert b"Ana Souza" in run_page(socket)
        user = core.access.users.get(ANA, actor=ME)
        assert core.access.users.sessions(user, actor=ME)[0].door == "oidc"
        core.access.users.end_sessions(user, actor=ME)
        assert closing_code(socket) == 4401


def changed(**claims: Any) -> Any:
    return lambda token: {name: value for name, value in (token | claims).items() if value is not None}


def later(seconds: int, *names: str) -> Any:
    return lambda token: token | {name: int(time.time()) + seconds for name in names}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed(aud="outro-programa"), "token_audience"),
        (changed(aud="outro-programa", azp=CLIENT), "token_audience"),
        (changed(aud=None), "token_invalid"),
        (changed(iss="http://outro.example"), "token_issuer"),
        (changed(nonce="outro"), "token_nonce"),
        (later(-180, "exp"), "token_expired"),
        (changed(exp=None), "token_invalid"),
        (later(600, "iat"), "token_too_early"),
        (later(600, "nbf"), "token_too_early"),
        (changed(email_verified=False), "email_unverified"),
        (changed(email_verified="false"), "email_unverified"),
        (changed(email_verified=None), "email_unverified"),
        (changed(email=None), "email_missing"),
        (changed(email="bia@exemplo.com.br"), "domain_not_listed"),
        (changed(email="bia@listada.com.br.mau.example"), "domain_not_listed"),
    ],
)
def test_a_word_that_does_not_hold_lets_nobody_in(
    core: Mailcore, app: RunningApp, provider: OpenIdProvider, change: Any, reason: str
) -> None:
    provider.change = change
    visitor, where = come(app)
    assert where == "/entrar?erro=conta"
    assert ONE_SENTENCE in visitor.get(where).text
    assert visitor.token == ""
    assert visitor.page_status() == 403
    assert last_refusal(core) == reason


@pytest.mark.parametrize("sign_with", ["foreign", "none", "confused"])
def test_a_forged_signature_lets_nobody_in(
    core: Mailcore, app: RunningApp, provider: OpenIdProvider, sign_with: str
) -> None:
    provider.sign_with = sign_with
    visitor, where = come(app)
    assert where == "/entrar?erro=conta"
    assert visitor.token == ""
    assert last_refusal(core) == "token_invalid"


def test_a_clock_off_by_a_minute_is_forgiven(app: RunningApp, provider: OpenIdProvider) -> None:
    provider.change = later(60, "iat", "nbf")
    assert come(app)[1] == "/"


def test_a_listed_domain_enters_unregistered(core: Mailcore, app: RunningApp, provider: OpenIdProvider) -> None:
    provider.claims = {"email": "Caio@Listada.com.br", "email_verified": True, "name": "Caio Reis"}
    visitor, where = come(app)
    assert where == "/"
    with visitor.page() as socket:
        assert b"Caio Reis" in run_page(socket)
        user = core.access.users.get("caio@listada.com.br", actor=ME)
        assert (user.role, user.is_registered) == (Role.ANALYST, False)
        core.access.users.edit(user, replace(draft_of(user), is_active=False), actor=ME)
        assert closing_code(socket) == 4401
    assert come(app)[1] == "/entrar?erro=conta"
    assert last_refusal(core) == "inactive"


def test_who_says_no_at_the_provider_is_told_so(core: Mailcore, app: RunningApp, provider: OpenIdProvider) -> None:
    provider.denies = True
    visitor, where = come(app)
    assert where == "/entrar?erro=expirou"
    assert "A entrada não foi concluída." in visitor.get(where).text
    assert last_refusal(core) == "provider_refused"


def test_a_return_that_nobody_began_here_is_refused(core: Mailcore, app: RunningApp) -> None:
    for path in ("/oauth2callback", "/oauth2callback?code=code1&state=inventado", "/oauth2callback?error=x"):
        assert Visitor(app).get(path).headers["location"] == "/entrar?erro=expirou"
    assert last_refusal(core) == "state_unknown"
    visitor = Visitor(app)
    visitor.post("/entrar/com/google", {})
    answer = visitor.get("/oauth2callback?code=code1&state=de-outra-pessoa")
    assert answer.headers["location"] == "/entrar?erro=expirou"
    assert visitor.token == ""


def test_a_code_cannot_be_used_again(app: RunningApp, provider: OpenIdProvider) -> None:
    visitor = Visitor(app)
    to_provider = visitor.post("/entrar/com/google", {})
    back = visitor.session.get(to_provider.headers["location"], allow_redirects=False, timeout=20)
    parts = urlsplit(back.headers["location"])
    assert visitor.get(f"{parts.path}?{parts.query}").headers["location"] == "/"
    assert visitor.get(f"{parts.path}?{parts.query}").headers["location"] == "/entrar?erro=expirou"


def test_a_provider_that_is_down_is_a_sentence_and_the_other_doors_stay(core: Mailcore, app: RunningApp) -> None:
    visitor = Visitor(app)
    answer = visitor.post("/entrar/com/microsoft", {})
    assert answer.headers["location"] == "/entrar?erro=provedor"
    page = visitor.get("/entrar?erro=provedor").text
    assert "não respondeu" in page
    assert "Entrar com Google" in page
    assert "Entrar com Microsoft" in page
    assert 'name="password"' in page
    assert last_refusal(core) == "provider_down"
    assert come(app)[1] == "/"


@pytest.mark.parametrize("name", ["outro", "default"])
def test_a_provider_nobody_configured_leads_nowhere(app: RunningApp, name: str) -> None:
    answer = Visitor(app).post(f"/entrar/com/{name}", {})
    assert answer.status_code in (303, 404, 401)
    assert answer.headers.get("location", "/entrar") in ("/entrar", "/entrar?erro=expirou")


def test_another_site_cannot_begin_it_and_it_goes_on_only_within_the_app(app: RunningApp) -> None:
    answer = Visitor(app).post("/entrar/com/google", {}, Origin="http://evil.example")
    assert answer.headers["location"] == "/entrar?erro=expirou"
    assert come(app, "//evil.example")[1] == "/"


def test_neither_secrets_nor_tokens_stand_in_the_log(app: RunningApp, provider: OpenIdProvider, folder: Path) -> None:
    visitor, _ = come(app)
    stored = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file()).decode("latin-1")
    for place in (app.output(), stored):
        for secret in ("segredo-do-cliente-5521", "um-segredo-comprido", "eyJ", visitor.token):
            assert secret not in place


def test_in_a_browser_with_a_real_provider(tmp_path: Path, streamlit_server: StartApp, page: Any) -> None:
    """PyPI's oidc-provider-mock: its own page asks who one is, and the way back leads to the page one wanted."""
    with open_core(tmp_path / "data") as opened:
        opened.access.users.add(UserDraft(ANA, Role.ADMINISTRATOR, "Ana Souza"), actor=ME)
    claims = {"email": ANA, "email_verified": True, "name": "Ana"}
    with run_server_in_thread(user_claims=[Somebody(sub="ana", claims=claims)]) as server:
        more = configure(tmp_path / "home", keycloak=f"http://localhost:{server.server_port}")
        app = streamlit_server("app.py", env_of(tmp_path / "data", MAILCORE_LOGIN="oidc", **more))
        page.goto(f"{app.url}/envios")
        expect(page.get_by_label("Senha")).to_have_count(0)
        page.get_by_role("button", name="Entrar com Keycloak").click()
        page.locator("input[name=sub]").fill("ana")
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_role("heading", name="Envios")).to_be_visible()
        expect(page.get_by_text("Ana Souza")).to_be_visible()
        page.get_by_role("button", name="Sair").click()
        expect(page.get_by_text("Você saiu.")).to_be_visible()
        page.goto(f"{app.url}/envios")
        expect(page.get_by_role("button", name="Entrar com Keycloak")).to_be_visible()
