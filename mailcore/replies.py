"""What a failure means: pure text in, a :class:`Diagnosis` out.

The three-digit code alone deceives: many quota refusals are 5xx, some come at the login, and a 4xx at
the login says nothing about the password. So the evidence is weighed in this order, and the first that
tells wins:

1. the outcome "uncertain", for whoever reads on must not send again;
2. what our own side saw (``TransportError.cause``: no such name, certificate expired, …);
3. well-known words of a provider (:data:`KNOWN_TEXTS`);
4. the phase together with the enhanced status code (RFC 3463) or the three-digit code (RFC 5321 §4.2).

The texts stand in ``mailcore/messages/diagnoses.toml``; a test holds the two together.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from mailcore.transports.base import Kind, Outcome, TransportError

CATEGORIES = (
    "auth",
    "quota",
    "throttled",
    "blocked",
    "recipient",
    "temporary",
    "config",
    "tls",
    "dns",
    "network",
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What happened, why, and what to do about it, in Portuguese."""

    category: str
    """One of :data:`CATEGORIES`."""
    code: str
    """The key of the text, stable for programs: ``gmail_app_password``, ``dns_not_found``, …"""
    title: str
    """What happened, one sentence."""
    cause: str
    """Why, as far as it is known."""
    remedy: str
    """What to do."""
    field: str | None
    """The form field to open: host, port, security, username, secret, from_address, daily_limit; or None."""
    reply: str
    """The server's own words, secrets removed; empty where it said nothing."""


class KnownText(NamedTuple):
    """Words by which a provider can be told, and the diagnosis they mean."""

    pattern: re.Pattern[str]
    code: str


def _known(code: str, *patterns: str) -> KnownText:
    return KnownText(re.compile("|".join(patterns), re.IGNORECASE), code)


# Ordered: the first that matches wins. A reply is matched as one line, reply codes taken out.
KNOWN_TEXTS = (
    # Sender and settings
    _known("sender_not_allowed", "send as this sender", "SendAsDenied", "not owned by user", "relaying disallowed as"),
    _known("sender_not_verified", "not verified", "unverified", "sender domain .*validat"),
    _known("sender_mailbox_full", r"5\.2\.2 mailbox full; ?STOREDRV", "MapiException.*QuotaExceeded"),
    _known("starttls_required", "issue a STARTTLS command", "requires? (a )?(TLS|encrypt|secure)"),
    _known("too_many_recipients", "too many recipients", "more than 50 transactional recipients"),
    _known("message_too_big", r"\b5\.3\.4\b", "message size exceeds", "exceeds? .*(maximum )?(message )?size"),
    # The day's limit
    _known(
        "quota_day",
        r"daily (user |smtp relay )?(sending )?(limit|quota)",
        r"daily smtp relay",
        r"daily message (quota|limit)",
        "submission ?quota",
        "RefuseQuota",
        r"\b5\.1\.90\b",
        r"\b5\.7\.233\b",
        r"\b5\.4\.5\b",
        "exceeded your daily",
    ),
    _known("quota_plan", "maximum credits exceeded", "email quota limit", "not enough credit", "out of credits?"),
    # Too fast
    _known("too_many_logins", "too many login attempts"),
    _known("too_many_connections", "concurrent connections? limit", "too many (concurrent |simultaneous )?connections"),
    # Unauthenticated domain, content
    _known("spf_dkim", r"\b5\.7\.26\b", "sender is unauthenticated", "unauthenticated email"),
    # Blocked
    _known(
        "account_blocked",
        "OutboundSpam",
        "unusual sending activity",
        "sender address blocked",
        r"\b5\.1\.8\b",
        r"\b5\.7\.50[123]\b",
        r"\b5\.7\.7[0-4]\d\b",
        "banned",
        "suspended",
        "account (is )?(disabled|blocked|locked)",
    ),
    _known("address_blocked", "spamhaus", "has been blocked", "permanently deferred", "blacklist", "block ?list"),
    _known(
        "throttled",
        "emails per hour",
        "rate ?limit",
        "sending rate exceeded",
        "throttl",
        "thread limit",
        r"\b4\.7\.28\b",
        r"\[TSS?\d\d\]",
        "send limit exceeded",
        "too many messages",
    ),
    # Login
    _known("gmail_app_password", "application-specific password", "InvalidSecondFactor"),
    _known("browser_login", "log ?in (with|through|via) your web browser", "WebLoginRequired"),
    _known(
        "basic_auth_disabled",
        "basic authentication is (disabled|not supported)",
        "SmtpClientAuthentication is disabled",
    ),
    _known("gmail_login", r"username and password not accepted"),
    _known("api_key", "api ?key (expired|is invalid|not found)", "incorrect api ?key", "invalid api ?key"),
    _known("api_access", "access denied"),
)

# What holds only for one kind of server.
_ONLY_FOR = {"api_key": Kind.ELASTIC_EMAIL, "api_access": Kind.ELASTIC_EMAIL}

_RECIPIENT = re.compile(r"5\.1\.[1236]|5\.1\.10|[45]\.2\.[12]")
_CODE_PREFIX = re.compile(r"^[2-5]\d\d(?:[ -]|$)", re.MULTILINE)
_REPEATED_ENHANCED = re.compile(r"(?<=\n)[245]\.\d{1,3}\.\d{1,3} ")


def diagnose(error: TransportError, *, kind: Kind) -> Diagnosis:
    """Return what a transport's failure means for the person at the screen."""
    return diagnosis_for(_code_of(error, kind), reply=error.reply)


def diagnosis_for(code: str, *, reply: str = "") -> Diagnosis:
    """Return the diagnosis of a known code, say of a rule of our own (``inactive``, ``same_address``).

    Raises:
        KeyError: there is no text for it.
    """
    text = texts()[code]
    return Diagnosis(
        category=text["category"],
        code=code,
        title=text["title"],
        cause=text["cause"],
        remedy=text["remedy"],
        field=text.get("field"),
        reply=reply,
    )


@cache
def texts() -> dict[str, dict[str, str]]:
    """Return every diagnosis' texts by its code, read once."""
    source = files("mailcore.messages").joinpath("diagnoses.toml").read_text("utf-8")
    return tomllib.loads(source)


def _code_of(error: TransportError, kind: Kind) -> str:
    if error.outcome is Outcome.UNCERTAIN:
        return "uncertain"
    if error.cause in texts():
        return error.cause
    known = _by_known_text(error.reply, kind)
    if known and not (_is_temporary_login(error) and texts()[known]["category"] == "auth"):
        return known
    return _by_phase(error, kind)


def _by_known_text(reply: str, kind: Kind) -> str | None:
    line = _as_one_line(reply)
    for known in KNOWN_TEXTS:
        if _ONLY_FOR.get(known.code, kind) is kind and known.pattern.search(line):
            return known.code
    return None


def _as_one_line(reply: str) -> str:
    """Join a multi-line reply as it was meant to be read: "550-5.4.5 Daily user / 550 5.4.5 limit"."""
    return " ".join(_REPEATED_ENHANCED.sub("", _CODE_PREFIX.sub("", reply)).split())


def _by_phase(error: TransportError, kind: Kind) -> str:
    if kind is Kind.ELASTIC_EMAIL:
        return _by_http_status(error.code)
    if error.code == 432 or error.enhanced == "4.3.2":
        return "throttled"
    if error.phase == "auth":
        return _at_login(error)
    if error.code in (530, 535) or error.enhanced in ("5.7.57", "5.7.8"):
        return "login_required"
    if 400 <= error.code < 500:
        return "throttled" if error.enhanced.startswith("4.7.") and error.code != 421 else "temporary"
    if error.phase == "recipients":
        return "recipient_refused"
    if _RECIPIENT.fullmatch(error.enhanced) and error.phase == "data":
        return "recipient_refused"
    return {
        "sender": "sender_refused",
        "data": "message_refused",
        "greeting": "connection_refused_by_policy",
        "tls": "starttls_refused",
    }.get(error.phase, "refused")


def _is_temporary_login(error: TransportError) -> bool:
    return error.phase == "auth" and 400 <= error.code < 500


def _at_login(error: TransportError) -> str:
    """A 4xx is the server's trouble and never says that the password is wrong."""
    if _is_temporary_login(error):
        return "login_temporary"
    if error.code == 534 or error.enhanced in ("5.7.9", "5.7.14"):
        return "login_other_way"
    if error.code == 538 or error.enhanced == "5.7.11":
        return "starttls_required"
    if error.code in (500, 502, 503, 504):
        return "auth_no_method"
    return "login_refused"


def _by_http_status(status: int) -> str:
    if status in (401, 407):
        return "api_key"
    if status >= 500:
        return "service_trouble"
    return {402: "quota_plan", 403: "api_access", 412: "quota_plan", 413: "too_many_recipients", 429: "throttled"}.get(
        status, "service_refused"
    )
