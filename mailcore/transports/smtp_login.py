"""Logging in by AUTH PLAIN or LOGIN (RFC 4954, RFC 4616), or with a token by XOAUTH2 or OAUTHBEARER (RFC 7628).

XOAUTH2 as Google and Microsoft describe it: developers.google.com/workspace/gmail/imap/xoauth2-protocol (read on
2026-11-26).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING

from mailcore.transports.smtp_wire import Reply

if TYPE_CHECKING:
    from mailcore.transports.base import BearerToken
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


def mechanism_for_token(exchange: Exchange) -> str:
    """Return how a token is shown here: XOAUTH2, or OAUTHBEARER where only that is offered; never a password's way.

    Raises:
        TransportError: the server offers neither.
    """
    names = exchange.wire.esmtp_features.get("auth", "").upper().split()
    for mechanism in ("XOAUTH2", "OAUTHBEARER"):
        if mechanism in names:
            return mechanism
    raise exchange.failure("auth", "oauth_not_offered", Reply(0, exchange.clean(f"AUTH {' '.join(names)}")))


def login_with_token(
    exchange: Exchange, mechanism: str, token: BearerToken, step: Running, *, may_fail: bool = False
) -> bool:
    """Show a token in two steps: the AUTH line keeps SMTP's 512 bytes, the next may have 12,288 (RFC 4954 §4).

    Args:
        may_fail: return False for a refusal that a newer token could mend, in place of raising.

    Raises:
        TransportError: with phase ``auth``.
    """
    value, user = token.value.get_secret_value(), exchange.connection.username
    until = token.ends_at.astimezone()
    step.detail = (
        f"{mechanism}, token {'novo' if token.is_fresh else 'já obtido'} para {user}, até {until:%H:%M de %d/%m/%Y}"
    )
    answer = _base64(_shown(exchange, mechanism, value))
    exchange.hide(value)
    exchange.hide(answer)
    reply = exchange.command("auth", f"AUTH {mechanism}")
    if reply.code == 334:
        reply = exchange.command("auth", answer)
    said = ""
    if reply.code == 334:
        # The refusal comes as a challenge first; only an answer to it brings the code.
        said = exchange.clean(_challenge(reply))[:200]
        # RFC 7628 §3.2.3 wants \x01, the page of XOAUTH2 an empty answer.
        reply = exchange.command_raw("auth", b"AQ==" if mechanism == "OAUTHBEARER" else b"")
    step.reply = reply.text
    if said:
        step.detail += f"; o servidor disse: {said}"
    if reply.accepts:
        return True
    cause = _cause_of(reply)
    if not may_fail or cause != _TOKEN_REFUSED:
        exchange.refuse("auth", reply, cause)
    return False


_TOKEN_REFUSED = "oauth_login_refused"  # noqa: S105
_POLICIES = {
    # What Exchange says with 535 5.7.139, which is of the account or the company and not of the token.
    "security defaults": "oauth_security_defaults",
    "did not meet the criteria": "oauth_conditional_access",
    "disabled": "",  # "SmtpClientAuthentication is disabled for the Tenant", or "… the Mailbox"
    "5.7.139": "",
    "5.7.30": "",
    "too many": "",
}


def _cause_of(reply: Reply) -> str:
    """Return which cause a refused token has; empty where the reply's own words say more."""
    text = reply.text.lower()
    for words, cause in _POLICIES.items():
        if words in text:
            return cause
    # 501: "Cannot decode response", "Invalid XOAUTH2 auth data": a token of another account or kind.
    refuses_token = reply.code in (501, 535) or (reply.code >= 500 and not is_about_the_mechanism(reply))
    return _TOKEN_REFUSED if refuses_token else ""


def _shown(exchange: Exchange, mechanism: str, value: str) -> str:
    connection = exchange.connection
    if mechanism == "XOAUTH2":
        return f"user={connection.username}\x01auth=Bearer {value}\x01\x01"
    name = connection.username.replace("=", "=3D").replace(",", "=2C")  # GS2 (RFC 5801 §4)
    return f"n,a={name},\x01host={connection.host}\x01port={connection.port}\x01auth=Bearer {value}\x01\x01"


def _challenge(reply: Reply) -> str:
    """What a refusal's challenge says: the status and the scope it wants, as far as it can be read."""
    try:
        read = json.loads(base64.b64decode(reply.text[4:].strip(), validate=True))
    except (ValueError, binascii.Error):
        return ""
    given = [f"{name} {read[name]}" for name in ("status", "scope") if isinstance(read, dict) and name in read]
    return ", ".join(given)


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
        raise exchange.failure("auth", cause, Reply(0, exchange.clean(f"AUTH {' '.join(names)}")))
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
