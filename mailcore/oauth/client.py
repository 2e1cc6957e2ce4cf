"""What is said to an authorization server: code with PKCE, refresh, device code, an application alone.

RFC 6749, 7636, 8628 and 7523, for the two providers of ``providers.toml``. Own code and not Authlib's client, which
the OpenID door uses: that one follows redirects, reads a body of any size, puts the server's words into its
exceptions, and has no device code; and keeping and renewing tokens, which is most of what a library saves, has to
obey the keyring and the lease anyway.

Nothing here is kept. No error carries a body, a token, a code or a secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlencode
from uuid import uuid4

from pydantic import SecretStr

from mailcore.deadline import call_within
from mailcore.oauth.faults import OAuthError, refused

if TYPE_CHECKING:
    import requests

    from mailcore.oauth.providers import Provider
    from mailcore.settings import Settings

_CONNECT, _READ = 5.0, 20.0
_MOST_BYTES = 65_536
_DEFAULT_SECONDS = 3_600.0
"""How long an access token is taken to live where the answer does not say."""
_JWT_SECONDS = 600
_GRANT = "urn:ietf:params:oauth:grant-type:"
_PENDING = {"authorization_pending", "slow_down"}


@dataclass(frozen=True, slots=True)
class App:
    """A registered application, as the client needs it."""

    provider: Provider
    client_id: str
    tenant: str = ""
    secret: SecretStr | None = None
    """The client's secret, or the key file of a service account; None for a public client."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave."""

    access: SecretStr
    seconds: float
    """How long the access token lives from now."""
    refresh: SecretStr | None
    user: str
    """Who signed in, as the ID token says; empty where it does not."""
    scope: str


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person types where: the answer to :meth:`Client.device_start`."""

    code: SecretStr
    user_code: str
    address: str
    seconds: float
    interval: float


def new_verifier() -> str:
    """Return a PKCE verifier (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(48)


def new_state() -> str:
    """Return a ``state``: 32 random bytes."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())


class Client:
    """Requests to one provider's authorization server for one application."""

    def __init__(self, app: App, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    def authorize_url(self, *, redirect: str, state: str, verifier: str, login: str) -> str:
        """Return the address of the provider's page where a person signs in and consents."""
        provider = self.app.provider
        parameters = {
            "client_id": self.app.client_id,
            "response_type": "code",
            "redirect_uri": redirect,
            "scope": provider.scope,
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
            "login_hint": login,
            **provider.authorize_extras,
        }
        return f"{self._url('authorize')}?{urlencode(parameters)}"

    def exchange_code(self, code: str, *, redirect: str, verifier: str) -> Tokens:
        """Give a code, get tokens.

        Raises:
            OAuthError: no tokens came.
        """
        return self._tokens(
            "code", grant_type="authorization_code", code=code, redirect_uri=redirect, code_verifier=verifier
        )

    def refresh(self, token: SecretStr, *, seconds: float = _READ) -> Tokens:
        """Get a new access token, and perhaps a new refresh token.

        Args:
            seconds: the longest to wait.

        Raises:
            OAuthError: no tokens came.
        """
        return self._tokens(
            "refresh",
            seconds,
            grant_type="refresh_token",
            refresh_token=token.get_secret_value(),
            scope=self.app.provider.scope,
        )

    def application(self, mailbox: str, *, seconds: float = _READ) -> Tokens:
        """Get a token for an application that works alone.

        Args:
            mailbox: whom a Google service account acts for; Microsoft decides that at the mailbox itself.

        Raises:
            OAuthError: no token came, or the key file of a service account is none.
        """
        if self.app.provider.id == "google":
            return self._tokens(
                "application",
                seconds,
                with_secret=False,
                grant_type=f"{_GRANT}jwt-bearer",
                assertion=self._jwt(mailbox),
            )
        return self._tokens(
            "application", seconds, grant_type="client_credentials", scope=self.app.provider.application_scope
        )

    def device_start(self) -> DeviceCode:
        """Ask for a device code.

        Raises:
            OAuthError: none was given, or the provider gives none for mail.
        """
        if not self.app.provider.device:
            raise OAuthError("oauth_no_device")
        form = {"client_id": self.app.client_id, "scope": self.app.provider.scope}
        answer = self._post(self._url("device"), form, "device")
        code, user_code = answer.get("device_code"), answer.get("user_code")
        address = answer.get("verification_uri") or answer.get("verification_url")
        if not (_is_token(code) and _is_token(user_code) and _is_token(address)):
            raise OAuthError("oauth_not_json")
        return DeviceCode(
            SecretStr(code),
            user_code,
            address,
            _number(answer.get("expires_in"), 900.0),
            _number(answer.get("interval"), 5.0),
        )

    def device_poll(self, code: SecretStr) -> Tokens | float:
        """Ask once whether the person has finished; return the tokens, or how many more seconds to wait between polls.

        Raises:
            OAuthError: it was declined, or the code has ended.
        """
        try:
            # Public clients alone use device codes: a secret would be refused (AADSTS700025).
            return self._tokens(
                "device", with_secret=False, grant_type=f"{_GRANT}device_code", device_code=code.get_secret_value()
            )
        except OAuthError as error:
            if error.error in _PENDING:
                return 5.0 if error.error == "slow_down" else 0.0
            raise

    # ------------------------------------------------------------------ within

    def _url(self, which: str) -> str:
        return self.app.provider.url(which, self.app.tenant, self._settings)

    def _tokens(self, step: str, seconds: float = _READ, *, with_secret: bool = True, **form: str) -> Tokens:
        form["client_id"] = self.app.client_id
        if with_secret and self.app.secret is not None:
            form["client_secret"] = self.app.secret.get_secret_value()
        answer = self._post(self._url("token"), form, step, seconds)
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not _is_token(access):
            raise OAuthError("oauth_not_json")
        return Tokens(
            SecretStr(access),
            _number(answer.get("expires_in"), _DEFAULT_SECONDS),
            SecretStr(refresh) if _is_token(refresh) else None,
            _user_of(answer.get("id_token")),
            str(answer.get("scope") or ""),
        )

    def _post(self, url: str, form: dict[str, str], step: str, seconds: float = _READ) -> dict[str, Any]:
        from mailcore.transports.http_calls import Call, new_session  # requests: a thirtieth of a second to load

        seconds = max(1.0, min(seconds, _READ))
        ends_at = time.monotonic() + seconds
        call = Call()

        def exchange() -> tuple[int, bytes]:
            with (
                call,
                new_session(trust_env=True) as session,
                session.post(
                    url,
                    data=form,
                    headers={"Accept": "application/json"},
                    timeout=(min(_CONNECT, seconds), seconds),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                return response.status_code, _read(response, ends_at)

        try:
            status, body = call_within(seconds, exchange, call.give_up)
        except OAuthError:
            raise
        except Exception:  # noqa: BLE001 - whatever a library raises means that no answer came
            # Not chained: requests repeats addresses, and a proxy's may hold a password.
            raise OAuthError("oauth_unreachable") from None
        answer = _object(body)
        if status == 200 and answer is not None and "error" not in answer:
            return answer
        if answer is None or "error" not in answer:
            raise OAuthError("oauth_temporary" if status >= 500 or status == 429 else "oauth_not_json")
        raise refused(answer, status, step=step)

    def _jwt(self, mailbox: str) -> str:
        """The signed statement of a service account (RFC 7523), made from its key file."""
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        account = service_account_of(self.app.secret)
        now = int(time.time())
        claims = {
            "iss": account["client_email"],
            "scope": self.app.provider.application_scope,
            "aud": self._url("token"),
            "iat": now,
            "exp": now + _JWT_SECONDS,
            "sub": mailbox,
            "jti": uuid4().hex,
        }
        head = {"alg": "RS256", "typ": "JWT", "kid": account.get("private_key_id", "")}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        try:
            key = serialization.load_pem_private_key(account["private_key"].encode(), None)
        except (ValueError, TypeError):
            raise OAuthError("oauth_secret_wrong") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise OAuthError("oauth_secret_wrong")
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"


def service_account_of(secret: SecretStr | None) -> dict[str, str]:
    """Return the key file of a Google service account, read.

    Raises:
        OAuthError: it is none.
    """
    read = _object((secret.get_secret_value() if secret else "").encode())
    if read is None or not all(isinstance(read.get(name), str) for name in ("client_email", "private_key")):
        raise OAuthError("oauth_secret_wrong")
    return {name: value for name, value in read.items() if isinstance(value, str)}


def _read(response: requests.Response, ends_at: float) -> bytes:
    body = b""
    for chunk in response.iter_content(8_192):
        body += chunk
        if len(body) > _MOST_BYTES or time.monotonic() > ends_at:
            raise OAuthError("oauth_not_json" if len(body) > _MOST_BYTES else "oauth_unreachable")
    return body


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _is_token(value: object) -> TypeGuard[str]:
    """Whether this can be a token or a code: visible ASCII (RFC 6749 appendix A)."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _number(value: object, otherwise: float) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return otherwise
    return number if 0 < number < 10_000_000 else otherwise


def _user_of(id_token: object) -> str:
    """Who an ID token is about. It came straight from the token endpoint over TLS (OpenID Connect Core 3.1.3.7)."""
    parts = id_token.split(".") if isinstance(id_token, str) else []
    if len(parts) != 3:
        return ""
    try:
        claims = _object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return ""
    for name in ("preferred_username", "email", "upn"):
        value = (claims or {}).get(name)
        if isinstance(value, str) and value.isprintable() and 0 < len(value) <= 320:
            return value
    return ""


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
