"""What is said to an authorization server, against one as strict as the real ones."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from mailcore.diagnosis.texts import texts
from mailcore.errors import ConfigurationError
from mailcore.oauth.client import App, Client, Tokens, challenge_of, new_verifier
from mailcore.oauth.faults import OAuthError, known_codes, refused
from mailcore.oauth.providers import providers
from mailcore.settings import Settings, load_settings
from tests.peers.oauth_server import Fault, OAuthPeer, Registered, refusal

ANA = "ana@exemplo.com.br"
BACK = "http://localhost:7000/oauth/retorno"


@pytest.fixture
def peer() -> Iterator[OAuthPeer]:
    with OAuthPeer() as running:
        running.clients["app"] = Registered("app", redirects=[BACK])
        yield running


def client_of(peer: OAuthPeer, provider: str = "microsoft", secret: str = "", tenant: str = "") -> Client:
    app = App(providers()[provider], "app", tenant, SecretStr(secret) if secret else None)
    return Client(app, Settings(**peer.settings))


def signed_in(peer: OAuthPeer, client: Client, *, verifier: str | None = None) -> Tokens:
    made = new_verifier()
    url = client.authorize_url(redirect=BACK, state="s", verifier=made, login=ANA)
    back = parse_qs(urlsplit(peer.sign_in(url, ANA)).query)
    return client.exchange_code(back["code"][0], redirect=BACK, verifier=verifier or made)


@pytest.mark.parametrize("provider", ["microsoft", "google"])
def test_a_code_becomes_tokens_of_who_signed_in(peer: OAuthPeer, provider: str) -> None:
    tokens = signed_in(peer, client_of(peer, provider))
    assert peer.is_alive(tokens.access.get_secret_value(), ANA)
    assert tokens.user == ANA
    assert tokens.refresh is not None
    assert tokens.seconds == 3_600
    assert providers()[provider].must_grant in tokens.scope


def test_a_refresh_brings_the_next_refresh_token(peer: OAuthPeer) -> None:
    client = client_of(peer)
    first = signed_in(peer, client)
    assert first.refresh is not None
    second = client.refresh(first.refresh)
    assert second.refresh is not None
    assert second.refresh != first.refresh
    with pytest.raises(OAuthError) as caught:
        client.refresh(first.refresh)
    assert caught.value.code == "oauth_revoked"
    assert peer.reused == 1


def test_the_rfcs_own_example_of_a_challenge() -> None:
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_another_verifier_and_a_used_code_are_refused(peer: OAuthPeer) -> None:
    with pytest.raises(OAuthError) as caught:
        signed_in(peer, client_of(peer), verifier=new_verifier())
    assert caught.value.code == "oauth_pkce"
    client, verifier = client_of(peer), new_verifier()
    url = client.authorize_url(redirect=BACK, state="s", verifier=verifier, login=ANA)
    code = parse_qs(urlsplit(peer.sign_in(url, ANA)).query)["code"][0]
    client.exchange_code(code, redirect=BACK, verifier=verifier)
    with pytest.raises(OAuthError) as caught:
        client.exchange_code(code, redirect=BACK, verifier=verifier)
    assert caught.value.code == "oauth_code_used"


def test_a_secret_goes_only_where_there_is_one(peer: OAuthPeer) -> None:
    with pytest.raises(OAuthError) as caught:
        signed_in(peer, client_of(peer, secret="s3cr3t-of-the-app"))
    assert caught.value.code == "oauth_secret_not_wanted"
    peer.clients["app"].secret = "s3cr3t-of-the-app"
    with pytest.raises(OAuthError) as caught:
        signed_in(peer, client_of(peer))
    assert caught.value.code == "oauth_secret_or_public"
    assert signed_in(peer, client_of(peer, secret="s3cr3t-of-the-app")).user == ANA


def test_an_application_alone(peer: OAuthPeer) -> None:
    peer.clients["app"] = Registered("app", secret="s3cr3t", tenant="tenant-1")
    with pytest.raises(OAuthError) as caught:
        client_of(peer, secret="s3cr3t").application(ANA)
    assert caught.value.code == "oauth_tenant_unknown"
    tokens = client_of(peer, secret="s3cr3t", tenant="tenant-1").application(ANA)
    assert tokens.refresh is None
    assert peer.is_alive(tokens.access.get_secret_value(), ANA)


def test_a_service_account_and_a_wrong_clock(peer: OAuthPeer) -> None:
    key = rsa.generate_private_key(65_537, 2_048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    peer.clients["sa"] = Registered("robo@projeto.iam.gserviceaccount.com", public_key=key.public_key())
    file = {"client_email": "robo@projeto.iam.gserviceaccount.com", "private_key": pem, "private_key_id": "k1"}
    client = client_of(peer, "google", secret=json.dumps(file))
    assert peer.is_alive(client.application(ANA).access.get_secret_value(), ANA)
    peer.skew = 3_600
    with pytest.raises(OAuthError) as caught:
        client.application(ANA)
    assert caught.value.code == "oauth_clock"
    file["client_email"] = "outro@projeto.iam.gserviceaccount.com"
    with pytest.raises(OAuthError) as caught:
        client_of(peer, "google", secret=json.dumps(file)).application(ANA)
    assert caught.value.code == "oauth_delegation"
    with pytest.raises(OAuthError) as caught:
        client_of(peer, "google", secret="no key file").application(ANA)
    assert caught.value.code == "oauth_secret_wrong"


def test_a_device_code(peer: OAuthPeer) -> None:
    client = client_of(peer)
    device = client.device_start()
    assert client.device_poll(device.code) == 0.0
    peer.faults = [refusal("slow_down")]
    assert client.device_poll(device.code) == 5.0
    peer.enter_device(device.user_code, ANA)
    tokens = client.device_poll(device.code)
    assert isinstance(tokens, Tokens)
    assert tokens.user == ANA
    other = client.device_start()
    peer.enter_device(other.user_code, "", declines=True)
    with pytest.raises(OAuthError) as caught:
        client.device_poll(other.code)
    assert caught.value.code == "oauth_declined"
    with pytest.raises(OAuthError) as caught:
        client_of(peer, "google").device_start()
    assert caught.value.code == "oauth_no_device"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(200, b"<html>Portal</html>", "text/html"), "oauth_not_json"),
        (Fault(500, b"<html>oops</html>", "text/html"), "oauth_temporary"),
        (Fault(503, b""), "oauth_temporary"),
        (Fault(302, b"", headers={"Location": "http://127.0.0.1:1/"}), "oauth_not_json"),
        (Fault(200, b'{"access_token": "abc'), "oauth_not_json"),
        (Fault(200, b'{"access_token": "' + b"x" * 70_000 + b'"}'), "oauth_not_json"),
        (Fault(200, b"[" * 60_000), "oauth_not_json"),
        (Fault(200, b'{"access_token": "two\\nlines"}'), "oauth_not_json"),
        (Fault(200, b'{"token_type": "Bearer"}'), "oauth_not_json"),
        (Fault(200, b"{}", wait=1.5), "oauth_unreachable"),
        (refusal("temporarily_unavailable", "AADSTS90033", 90033), "oauth_temporary"),
        (refusal("never heard of", "of this either"), "oauth_refused_unknown"),
    ],
)
def test_whatever_comes_back_is_one_sentence_and_repeats_no_secret(peer: OAuthPeer, fault: Fault, code: str) -> None:
    peer.faults = [fault]
    with pytest.raises(OAuthError) as caught:
        client_of(peer, secret="s3cr3t-of-the-app").refresh(SecretStr("r3fresh-token"), seconds=1.0)
    assert caught.value.code == code
    said = f"{caught.value!r} {caught.value} {caught.value.words}"
    assert "s3cr3t" not in said
    assert "r3fresh" not in said
    assert caught.value.__cause__ is None


def test_a_server_that_is_not_there() -> None:
    client = Client(App(providers()["microsoft"], "app"), Settings(microsoft_login_url="http://127.0.0.1:9"))
    with pytest.raises(OAuthError) as caught:
        client.refresh(SecretStr("r"))
    assert caught.value.code == "oauth_unreachable"


@pytest.mark.parametrize("lifetime", ["1200", None])
def test_how_long_a_token_lives_is_read_leniently(peer: OAuthPeer, lifetime: str | None) -> None:
    peer.lifetime = lifetime
    assert signed_in(peer, client_of(peer)).seconds == (1_200 if lifetime == "1200" else 3_600)


def test_every_row_of_the_table_leads_to_a_text_and_every_text_names_the_form_of_login() -> None:
    assert known_codes() <= set(texts())
    of_oauth = {code: text for code, text in texts().items() if code.startswith("oauth_")}
    others = {"oauth_not_encrypted": "security", "oauth_wrong_host": "host"}
    assert {code: text["field"] for code, text in of_oauth.items()} == dict.fromkeys(of_oauth, "auth") | others
    assert refused({"error": "invalid_grant", "error_codes": [50173]}, 400, step="code").code == "oauth_revoked"
    assert refused({"error": "invalid_grant", "error_description": "Bad Request"}, 400, step="refresh").code == (
        "oauth_revoked"
    )
    assert refused({"error": "x", "error_description": "AADSTS53003: blocked"}, 400, step="code").code == (
        "oauth_conditional_access"
    )


def test_plain_http_only_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCORE_MICROSOFT_LOGIN_URL", "http://login.example.com")
    with pytest.raises(ConfigurationError, match="MAILCORE_MICROSOFT_LOGIN_URL: use um endereço https"):
        load_settings()


def test_an_answer_that_never_ends_is_ended() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    hung_up, pause = threading.Event(), threading.Event()

    def drip() -> None:
        sock, _ = listener.accept()
        with sock, suppress(OSError):
            sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not pause.wait(0.01):
                sock.sendall(b"x")  # each byte starts the socket's own time limit anew
        hung_up.set()

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    app = App(providers()["microsoft"], "app", "", None)
    client = Client(app, Settings(microsoft_login_url=f"http://127.0.0.1:{listener.getsockname()[1]}"))
    with listener, pytest.raises(OAuthError) as told:
        client.refresh(SecretStr("r"), seconds=1)
    assert told.value.is_temporary
    assert [each.name for each in threading.enumerate() if each.name == "mailcore-bounded-call"] == []
    assert hung_up.wait(30), "its connection is closed"
    thread.join(30)
