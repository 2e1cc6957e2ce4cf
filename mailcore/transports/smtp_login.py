"""Logging in by AUTH PLAIN or LOGIN (RFC 4954, RFC 4616)."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from mailcore.transports.smtp_wire import Reply

if TYPE_CHECKING:
    from mailcore.transports.smtp_exchange import Exchange
    from mailcore.transports.steps import Running

_MECHANISM_UNKNOWN = (500, 501, 502, 503, 504)  # RFC 4954 §6: not about the password, so another may do
# Some say it with the code of a wrong password: "535 5.7.3 Invalid authentication mechanism".
_NAMES_MECHANISM = re.compile(
    r"(?:invalid|unknown|unsupported|unrecogni[sz]ed|unavailable|disabled|bad|no)\W+(?:\w+\W+){0,3}?"
    r"(?:mechanism|(?:auth\w*|login)\W+(?:type|method))"
    r"|(?:mechanism|(?:auth\w*|login)\W+(?:type|method))\W+(?:\w+\W+){0,3}?"
    r"(?:not\W+(?:\w+\W+)?(?:supported|available|recogni[sz]ed|allowed|enabled|implemented)"
    r"|invalid|unknown|unsupported|unrecogni[sz]ed|unavailable|disabled)",
    re.IGNORECASE,
)


def login(exchange: Exchange, secret: str, step: Running) -> None:
    """Log in by PLAIN, else by LOGIN; each is tried once at most.

    A refused password is not tried another way: accounts get locked for that. Only a refusal that is about the
    mechanism leads to the other one.

    Raises:
        TransportError: with phase ``auth``.
    """
    reply = Reply(0, "")
    for mechanism in _mechanisms(exchange):
        step.detail = mechanism
        reply = _plain(exchange, secret) if mechanism == "PLAIN" else _login(exchange, secret)
        step.reply = reply.text
        if reply.accepts:
            return
        if not is_about_the_mechanism(reply):
            break
    exchange.refuse("auth", reply)


def is_about_the_mechanism(reply: Reply) -> bool:
    """Whether a refusal speaks of the way to log in, and so not of the password."""
    if reply.code in _MECHANISM_UNKNOWN:
        return True
    return reply.code >= 400 and bool(_NAMES_MECHANISM.search(reply.text))


def _mechanisms(exchange: Exchange) -> list[str]:
    offered = exchange.wire.esmtp_features.get("auth")
    if offered is None:
        raise exchange.failure("auth", "auth_not_offered")
    names = offered.upper().split()
    usable: list[str] = [name for name in ("PLAIN", "LOGIN") if name in names]
    if not usable:
        oauth = bool(names) and set(names) <= {"XOAUTH2", "OAUTHBEARER"}
        cause = "auth_oauth_only" if oauth else "auth_no_method"
        raise exchange.failure("auth", cause, Reply(0, f"AUTH {' '.join(names)}"))
    return usable


def _plain(exchange: Exchange, secret: str) -> Reply:
    answer = _base64(f"\0{exchange.connection.username}\0{secret}")
    reply = exchange.command("auth", f"AUTH PLAIN {answer}")
    if reply.code == 334:  # some servers ask again although the answer came along
        reply = exchange.command("auth", answer)
    return reply


def _login(exchange: Exchange, secret: str) -> Reply:
    reply = exchange.command("auth", "AUTH LOGIN")
    for answer in (exchange.connection.username, secret):
        if reply.code != 334:
            break
        reply = exchange.command("auth", _base64(answer))
    return reply


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")
