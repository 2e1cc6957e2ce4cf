"""What a request says of who sends it, read straight from ASGI: it is asked for with every message of every page."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from streamlit import config

from mailcore.access.trail import Visitor
from mailcore.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from mailcore.settings import Settings

    Scope = MutableMapping[str, Any]

COOKIE = "mailcore_session"
TICKET = "x-mailcore-ticket"
"""The header under which the door tells a page's script who is there; from outside it is thrown away."""
SECRET_HEADER = "x-mailcore-proxy"  # noqa: S105 - the name of a header
_FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded")


@dataclass(frozen=True, slots=True)
class Knock:
    """One request, or the beginning of a WebSocket, from the door's point of view."""

    path: str
    """Without ``server.baseUrlPath``."""
    headers: dict[str, str]
    """Names in lower case; of one that is there twice, the first."""
    peer: str
    """The address at the other end of the connection, whatever headers say; empty where it cannot be known."""
    listener: str
    """The address of ours that was connected to."""
    is_https: bool
    visitor: Visitor
    proof: str
    """What it shows of a proxy: ``proved``, a wrong ``secret``, a wrong ``address``, or nothing."""

    @property
    def token(self) -> str:
        """The session token of the cookie, or empty."""
        text = self.headers.get("cookie", "")
        if COOKIE not in text:
            return ""
        for part in text.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                return value.strip('"')
        return ""

    @property
    def is_local(self) -> bool:
        """Whether it comes from this machine to this machine, and no proxy passed it on."""
        return (
            is_loopback(self.peer)
            and is_loopback(self.listener)
            and not any(name in self.headers for name in _FORWARDED)
        )

    @property
    def is_from_here(self) -> bool:
        """Whether a form was posted by a page of ours.

        Every browser of today sends ``Origin`` with a form; a program that sends none carries no one's cookie along.
        """
        origin, host = self.headers.get("origin"), self.headers.get("host", "")
        if origin is None:
            return self.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        return origin != "null" and urlsplit(origin).netloc.lower() == host.lower()


def read(scope: Scope, receive: object, settings: Settings) -> Knock:
    """Read a request."""
    headers: dict[str, str] = {}
    cookies = []
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key == "cookie":
            cookies.append(value.decode("latin-1"))
        headers.setdefault(key, value.decode("latin-1"))
    if len(cookies) > 1:
        headers["cookie"] = "; ".join(cookies)
    peer = _peer(scope, receive, headers)
    proof = _proof(headers, peer, settings)
    forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip() if proof == "proved" else ""
    return Knock(
        path=inner_path(scope["path"]),
        headers=headers,
        peer=peer,
        listener=str((scope.get("server") or ("",))[0]),
        is_https=scope.get("scheme") in ("https", "wss"),
        visitor=Visitor(_plain(forwarded) or peer, headers.get("user-agent", "")[:300]),
        proof=proof,
    )


def base_path() -> str:
    """``server.baseUrlPath`` as a prefix: empty, or like "/correio"."""
    path = str(config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def under_base_path(public_url: str) -> str:
    """The program's public address with ``server.baseUrlPath`` at its end, whether the setting has it or not."""
    base = base_path()
    return public_url if not public_url or public_url.endswith(base) else public_url + base


def inner_path(path: str) -> str:
    """A request's path as the app knows it."""
    base = base_path()
    return path.removeprefix(base) or "/" if base and (path == base or path.startswith(f"{base}/")) else path


def answer_at_once(receive: object) -> None:
    """Have what is written to this connection sent without waiting for more.

    asyncio does so by itself, but not for the kind of socket that Streamlit listens on (1.67): there each answer of
    several parts, and so each run of a page, would wait 40 ms for the other end to confirm its first part.
    """
    connection = _of_connection(receive, "socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):  # it is closed already
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _of_connection(receive: object, name: str) -> Any:
    """What uvicorn's transport knows of a connection; None where something else serves."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    return transport.get_extra_info(name) if transport is not None else None


def _peer(scope: Scope, receive: object, headers: dict[str, str]) -> str:
    """The real other end. uvicorn writes X-Forwarded-For over it where a loopback peer sends that header."""
    name = _of_connection(receive, "peername")
    if name:
        return str(name[0])
    if "x-forwarded-for" in headers:
        return ""
    return str((scope.get("client") or ("",))[0])


def _proof(headers: dict[str, str], peer: str, settings: Settings) -> str:
    shown = headers.get(SECRET_HEADER)
    if shown is None:
        return ""
    expected = settings.proxy_secret.get_secret_value()
    if not expected or not compare_digest(shown.encode("latin-1"), expected.encode("utf-8")):
        return "secret"
    try:
        address = ip_address(peer)
    except ValueError:
        return "address"
    plain = getattr(address, "ipv4_mapped", None) or address
    return "proved" if any(plain in network for network in settings.proxies) else "address"


def _plain(address: str) -> str:
    """An address without a port, or nothing where it is none."""
    try:
        return str(ip_address(address.strip("[]")))
    except ValueError:
        return ""
