"""A stand-in authorization server that is as strict as the real ones: both providers' addresses, over loopback http.

    with OAuthPeer() as peer:
        peer.clients["app"] = Registered("app", redirects=["http://localhost:1/"])
        peer.sign_in(url)                     # what a person's browser does
        peer.is_alive(token, "ana@exemplo.com.br")

It enforces what lets a test prove something: exact redirects, S256, codes of one use bound to client and redirect,
secrets demanded of confidential clients and refused from public ones, tenants, scopes, rotation with the reuse of an
old refresh token ending the whole family. ``faults`` is worked off one request to a token address at a time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.peers.quiet import QuietHTTPServer

MICROSOFT_SCOPE = "https://outlook.office.com/SMTP.Send"
GOOGLE_SCOPE = "https://mail.google.com/"


@dataclass
class Registered:
    """A client and what it was registered with."""

    client_id: str
    secret: str = ""
    redirects: list[str] = field(default_factory=list)
    tenant: str = "common"
    any_loopback_port: bool = True
    public_key: Any = None
    """Of a service account."""


@dataclass
class Fault:
    """An answer in place of the right one."""

    status: int = 400
    body: bytes = b"{}"
    content_type: str = "application/json"
    wait: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


def refusal(error: str, description: str = "", *numbers: int, status: int = 400) -> Fault:
    """Return an error as the token endpoints write it."""
    said: dict[str, Any] = {"error": error, "error_description": description}
    if numbers:
        said["error_codes"] = list(numbers)
    return Fault(status, json.dumps(said).encode())


@dataclass
class _Code:
    client: str
    redirect: str
    challenge: str
    scope: str
    user: str
    ends_at: float


@dataclass
class _Family:
    client: str
    user: str
    scope: str
    current: str
    alive: bool = True


@dataclass
class _Device:
    client: str
    scope: str
    user_code: str
    user: str = ""
    declined: bool = False
    ends_at: float = 0.0


def settings_at(url: str) -> dict[str, str]:
    """The settings that lead a program to the server with this root."""
    return {
        "microsoft_login_url": url,
        "google_auth_url": f"{url}/google/auth",
        "google_token_url": f"{url}/google/token",
    }


class OAuthPeer:
    """The server, on any port or a given one; a context manager."""

    def __init__(self, port: int = 0) -> None:
        self.clients: dict[str, Registered] = {}
        self.faults: list[Fault | None] = []
        self.token_requests: list[dict[str, str]] = []
        """The forms of every request to a token address, secrets and tokens included."""
        self.lifetime: float | str | None = 3_600
        self.rotates = True
        self.gives_refresh = True
        self.granted_scope = ""
        """In place of what was asked for."""
        self.skew = 0.0
        self.issued: list[str] = []
        """Every token, code, verifier and device code there ever was: what a leak scan looks for."""
        self.reused = 0
        self.device_interval = 5
        self.signs_in_as = ""
        """Who a real browser that comes to the authorize page is."""
        self.leads_back = True
        """False: the browser ends where nothing answers, as where the address of return is not of its machine."""
        self.led_to: list[str] = []
        """The addresses at which browsers ended."""
        self._codes: dict[str, _Code] = {}
        self._families: dict[str, _Family] = {}
        """Refresh token, old ones too → its family."""
        self._access: dict[str, tuple[str, str, float]] = {}
        self._devices: dict[str, _Device] = {}
        self._lock = threading.Lock()
        self._server = QuietHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings that lead a program here."""
        return settings_at(self.url)

    # ------------------------------------------------------------------ what people and servers do

    def sign_in(self, url: str, user: str, *, declines: bool = False) -> str:
        """Do what a browser does with an authorize address; return the address it is sent to.

        Raises:
            AssertionError: the provider would show an error page, and redirect nowhere.
        """
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        client = self.clients.get(asked.get("client_id", ""))
        assert client is not None, "unknown client"
        assert _is_registered(asked["redirect_uri"], client), "redirect is not registered"
        if parts.path != "/google/auth":
            assert parts.path == f"/{client.tenant}/oauth2/v2.0/authorize", parts.path
            assert asked.get("response_mode") == "query"
        assert asked.get("response_type") == "code"
        assert asked.get("code_challenge_method") == "S256"
        assert len(asked.get("code_challenge", "")) == 43
        back = {"state": asked["state"]} if "state" in asked else {}
        if declines:
            back |= {"error": "access_denied", "error_description": "the user declined"}
        else:
            code = self._new("code")
            self._codes[code] = _Code(
                client.client_id, asked["redirect_uri"], asked["code_challenge"], asked["scope"], user, time.time() + 60
            )
            back["code"] = code
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def enter_device(self, user_code: str, user: str, *, declines: bool = False) -> None:
        """A person types a device code."""
        device = next(item for item in self._devices.values() if item.user_code == user_code)
        device.user, device.declined = user, declines

    def end_devices(self) -> None:
        """End every device code there is."""
        for device in self._devices.values():
            device.ends_at = 0.0

    def is_alive(self, token: str, user: str) -> bool:
        """Whether a mail server may let this user in with this token."""
        known = self._access.get(token)
        if known is None:
            return False
        owner, scope, ends_at = known
        return owner in (user, "*") and ends_at > time.time() and ("SMTP" in scope or "mail.google" in scope)

    def revoke(self) -> None:
        """End every authorisation there is."""
        for family in self._families.values():
            family.alive = False

    def expire_access(self) -> None:
        """End every access token there is."""
        self._access.clear()

    # ------------------------------------------------------------------ the token address

    def token(self, path: str, form: dict[str, str]) -> Fault:
        """Answer a request for a token."""
        with self._lock:
            self.token_requests.append(form)
            fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            return fault
        client = self.clients.get(form.get("client_id", ""))
        grant = form.get("grant_type", "").rpartition(":")[2]
        if grant == "jwt-bearer":
            return self._service_account(form)
        if client is None:
            return refusal("unauthorized_client", "AADSTS700016: Application not found", 700016)
        tenant = path.strip("/").split("/")[0]
        if tenant != "google" and tenant != client.tenant:
            return refusal("invalid_request", "AADSTS90002: Tenant not found", 90002)
        wants_secret = client.secret and grant != "device_code"
        if wants_secret and form.get("client_secret") != client.secret:
            number = 7000215 if form.get("client_secret") else 7000218
            return refusal("invalid_client", f"AADSTS{number}: secret", number, status=401)
        if not client.secret and "client_secret" in form:
            return refusal("invalid_client", "AADSTS700025: Client is public", 700025, status=401)
        answer = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh,
            "client_credentials": self._alone,
            "device_code": self._by_device,
        }.get(grant)
        if answer is None:
            return refusal("unsupported_grant_type")
        with self._lock:
            return answer(client, form)

    def device(self, path: str, form: dict[str, str]) -> Fault:
        """Answer a request for a device code."""
        if path.startswith("/google"):
            return refusal("invalid_scope", "Invalid device flow scope: https://mail.google.com/")
        code = self._new("device")
        user_code = secrets.token_hex(4).upper()
        self._devices[code] = _Device(form["client_id"], form["scope"], user_code, ends_at=time.time() + 900)
        said = {
            "device_code": code,
            "user_code": user_code,
            "verification_uri": f"{self.url}/devicelogin",
            "expires_in": 900,
            "interval": self.device_interval,
            "message": "…",
        }
        return Fault(200, json.dumps(said).encode())

    def _by_code(self, client: Registered, form: dict[str, str]) -> Fault:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.ends_at < time.time() or code.client != client.client_id:
            return refusal("invalid_grant", "AADSTS54005: OAuth2 Authorization code was already redeemed", 54005)
        if code.redirect != form.get("redirect_uri"):
            return refusal("invalid_grant", "AADSTS50011: redirect_uri", 50011)
        verifier = form.get("code_verifier", "")
        self.issued.append(verifier)
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if digest != code.challenge:
            return refusal("invalid_grant", "AADSTS501481: The Code_Verifier does not match", 501481)
        return self._give(client, code.user, code.scope)

    def _by_refresh(self, client: Registered, form: dict[str, str]) -> Fault:
        token = form.get("refresh_token", "")
        family = self._families.get(token)
        if family is None or family.client != client.client_id:
            return refusal("invalid_grant", "AADSTS9002313: malformed", 9002313)
        if token != family.current:
            self.reused += 1
            family.alive = False
        if not family.alive:
            return refusal("invalid_grant", "AADSTS50173: The provided grant has expired", 50173)
        return self._give(client, family.user, family.scope, family)

    def _alone(self, client: Registered, form: dict[str, str]) -> Fault:
        if form.get("scope") != "https://outlook.office365.com/.default":
            return refusal("invalid_scope", "AADSTS70011: scope", 70011)
        access = self._new("access")
        self._access[access] = ("*", "SMTP.SendAsApp", time.time() + 3_600)
        return Fault(200, json.dumps({"access_token": access, "token_type": "Bearer", "expires_in": 3599}).encode())

    def _by_device(self, client: Registered, form: dict[str, str]) -> Fault:
        device = self._devices.get(form.get("device_code", ""))
        if device is None or device.ends_at < time.time():
            return refusal("expired_token", "AADSTS70019: expired", 70019)
        if device.declined:
            return refusal("authorization_declined")
        if not device.user:
            return refusal("authorization_pending", "AADSTS70016: pending", 70016)
        return self._give(client, device.user, device.scope)

    def _service_account(self, form: dict[str, str]) -> Fault:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        head, body, signature = form.get("assertion", "..").split(".")
        claims = json.loads(_decoded(body))
        account = next(
            (item for item in self.clients.values() if item.public_key and item.client_id == claims["iss"]), None
        )
        if account is None:
            return refusal("unauthorized_client", "Client is unauthorized to retrieve access tokens", status=401)
        try:
            account.public_key.verify(
                _decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return refusal("invalid_grant", "Invalid JWT Signature.")
        now = time.time() + self.skew
        if not now - 300 < claims["iat"] < now + 300 or claims["exp"] > claims["iat"] + 3_600:
            return refusal("invalid_grant", "Invalid JWT: Token must be a short-lived token")
        if claims["aud"] != self.settings["google_token_url"] or claims["scope"] != GOOGLE_SCOPE:
            return refusal("invalid_scope")
        access = self._new("access")
        self._access[access] = (claims["sub"], claims["scope"], time.time() + 3_600)
        return Fault(200, json.dumps({"access_token": access, "token_type": "Bearer", "expires_in": 3599}).encode())

    def _give(self, client: Registered, user: str, scope: str, family: _Family | None = None) -> Fault:
        granted = self.granted_scope or scope
        access = self._new("access")
        seconds = float(self.lifetime) if self.lifetime is not None else 3_600
        self._access[access] = (user, granted, time.time() + seconds)
        said: dict[str, Any] = {"token_type": "Bearer", "scope": granted, "access_token": access}
        if self.lifetime is not None:
            said["expires_in"] = self.lifetime
        if family is None and self.gives_refresh:
            family = _Family(client.client_id, user, scope, "")
        if family is not None and (self.rotates or not family.current):
            family.current = self._new("refresh")
            self._families[family.current] = family
            said["refresh_token"] = family.current
        if "openid" in scope:
            claims = base64.urlsafe_b64encode(json.dumps({"preferred_username": user}).encode()).rstrip(b"=").decode()
            said["id_token"] = f"e30.{claims}.x"
        return Fault(200, json.dumps(said).encode())

    def _new(self, kind: str) -> str:
        # As long as real ones, so that what is too short for them shows.
        made = f"{kind}-{secrets.token_urlsafe({'access': 1_500, 'refresh': 1_100}.get(kind, 60))}"
        self.issued.append(made)
        return made


def _is_registered(redirect: str, client: Registered) -> bool:
    if redirect in client.redirects:
        return True
    parts = urlsplit(redirect)
    without_port = parts._replace(netloc=parts.hostname or "").geturl()
    return client.any_loopback_port and parts.hostname == "localhost" and without_port in client.redirects


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _handler(peer: OAuthPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            back = peer.sign_in(f"{peer.url}{self.path}", peer.signs_in_as)
            peer.led_to.append(back)
            self.send_response(302 if peer.leads_back else 200)
            if peer.leads_back:
                self.send_header("Location", back)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length).decode()
            form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
            path = urlsplit(self.path).path
            answer = peer.device(path, form) if path.endswith("devicecode") else peer.token(path, form)
            if answer.wait:
                threading.Event().wait(answer.wait)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client has given up
                self.wfile.write(answer.body)

    return Handler
