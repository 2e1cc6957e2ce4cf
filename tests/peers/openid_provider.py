"""An OpenID provider that vouches for anybody, and misbehaves on command: forged, late, early and foreign ID tokens."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.peers.quiet import QuietHTTPServer

CLIENT = "mailcore-teste"
Claims = dict[str, Any]


def _unchanged(claims: Claims) -> Claims:
    return claims


@dataclass
class OpenIdProvider:
    """What it says of whoever comes, and how it lies."""

    url: str
    claims: Claims = field(default_factory=dict)
    """Of the person: ``email``, ``email_verified``, ``name``."""
    change: Callable[[Claims], Claims] = _unchanged
    """What becomes of a token's claims before it is signed."""
    sign_with: str = "own"
    """``own`` key, a ``foreign`` one, ``none``, or the public key taken for a shared secret (``confused``)."""
    denies: bool = False
    seen: list[dict[str, str]] = field(default_factory=list)
    """The parameters of each request for authorization."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}))
    nonces: dict[str, str] = field(default_factory=dict)

    def token(self, nonce: str) -> str:
        """An ID token."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "s1", "iat": now, "exp": now + 300, "nonce": nonce}
        claims = self.change(claims | self.claims)
        if self.sign_with == "none":
            head, body = ({"alg": "none"}, claims)
            return f"{_part(head)}.{_part(body)}."
        if self.sign_with == "confused":
            signed = f"{_part({'alg': 'HS256', 'kid': 'k1'})}.{_part(claims)}"
            mark = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
            return f"{signed}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"
        key = self.key if self.sign_with == "own" else RSAKey.generate_key(2048, {"kid": "k1"})
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)


def _part(value: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@contextmanager
def running_provider(port: int = 0) -> Iterator[OpenIdProvider]:
    """Run it on a port of its own."""
    provider = OpenIdProvider("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path == "/.well-known/openid-configuration":
                self._json(
                    {
                        "issuer": provider.url,
                        "authorization_endpoint": f"{provider.url}/authorize",
                        "token_endpoint": f"{provider.url}/token",
                        "jwks_uri": f"{provider.url}/jwks",
                        "id_token_signing_alg_values_supported": ["RS256"],
                        "code_challenge_methods_supported": ["S256"],
                    }
                )
            elif path == "/jwks":
                self._json({"keys": [provider.key.as_dict(private=False)]})
            elif path == "/authorize":
                asked = {name: values[0] for name, values in query.items()}
                provider.seen.append(asked)
                code = f"code{len(provider.seen)}"
                provider.nonces[code] = asked.get("nonce", "")
                told = {"error": "access_denied"} if provider.denies else {"code": code}
                back = urlencode({**told, "state": asked["state"]})
                self.send_response(302)
                self.send_header("Location", f"{asked['redirect_uri']}?{back}")
                self.end_headers()
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            nonce = provider.nonces.get(form["code"][0], "")
            self._json({"access_token": "a", "token_type": "Bearer", "id_token": provider.token(nonce)})

        def _json(self, value: Claims) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = QuietHTTPServer(("127.0.0.1", port), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
