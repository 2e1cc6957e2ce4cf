"""What a failure means: pure text in, a :class:`Diagnosis` out.

The three-digit code alone deceives: many quota refusals are 5xx, some come at the login, and a 4xx at
the login says nothing about the password. So the evidence is weighed in this order, and the first that
tells wins:

1. the outcome "uncertain", for whoever reads on must not send again;
2. what our own side saw (``TransportError.cause``: no such name, certificate expired, …);
3. well-known words of a provider (:mod:`mailcore.diagnosis.known_replies`);
4. the phase together with the enhanced status code (RFC 3463), then the three-digit code (RFC 5321 §4.2).

A general answer then becomes the one of the provider, where that is known. The texts stand in
``mailcore/diagnosis/diagnoses.toml``; a test holds the two together.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mailcore.diagnosis.known_replies import AT_PROVIDER, RULES, Rule
from mailcore.transports.base import TransportError
from mailcore.vocabulary import Kind, Outcome

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

PHASES = {"connect": "greeting", "auth": "auth", "mail": "sender", "rcpt": "recipients", "data": "data"}
"""The command line's word for a phase → the step of ours in which it happens."""


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
    page: str = ""
    """The provider's own page about it; empty where none is known."""

    def __repr__(self) -> str:
        reply = f" ({self.reply})" if self.reply else ""
        return f"<Diagnosis {self.category}/{self.code}: {self.title}{reply}>"


def diagnose(error: TransportError, *, kind: Kind, provider: str = "") -> Diagnosis:
    """Return what a transport's failure means for the person at the screen.

    Args:
        provider: the id of the server's provider in the catalogue; empty where it is not known.
    """
    code = _code_of(error, kind)
    return diagnosis_for(AT_PROVIDER.get(code, {}).get(provider, code), reply=error.reply)


def classify(reply: str, *, phase: str = "", provider: str = "", kind: Kind = Kind.SMTP) -> Diagnosis:
    """Return what a bare reply means, as it stands in a log or a bounce.

    Args:
        reply: with its code, if it has one; the lines of a long one parted by line feeds.
        phase: where it came, in our words (``auth``, ``sender``, …) or the command line's (:data:`PHASES`); where
            it is not known, the code tells as far as it can.
        provider: as in :func:`diagnose`.
        kind: for Elastic Email, the code is an HTTP status.
    """
    code, enhanced = _codes(reply)
    phase = PHASES.get(phase, phase) or _phase_of(code, enhanced, reply.lower())
    error = TransportError(phase=phase, code=code, enhanced=enhanced, reply=reply, outcome=Outcome.REFUSED)
    return diagnose(error, kind=kind, provider=provider)


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
        page=text.get("page", ""),
    )


def all_diagnoses() -> list[Diagnosis]:
    """Return every diagnosis there is, as they stand in the file: by subject."""
    return [diagnosis_for(code) for code in texts()]


@cache
def texts() -> dict[str, dict[str, str]]:
    """Return every diagnosis' texts by its code, read once."""
    source = files("mailcore.diagnosis").joinpath("diagnoses.toml").read_text("utf-8")
    return tomllib.loads(source)


def known_words(text: str, *, kind: Kind = Kind.SMTP) -> str | None:
    """Return the code of what a text says without any reply code, or None. Common words do not count."""
    line = as_one_line(text).lower()
    return next((rule.code for rule in RULES if rule.plain and rule.kind in (None, kind) and _says(rule, line)), None)


_START = re.compile(r"\s*#?(?P<code>[2-5]\d\d(?![\d.]))?[ \-:#(]{0,4}(?P<enhanced>[245]\.\d{1,3}\.\d{1,3}(?![\d.]))?")
_ENHANCED = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_CODE_PREFIX = re.compile(r"^[2-5]\d\d(?:[ -]|$)", re.MULTILINE)
_REPEATED_ENHANCED = re.compile(r"(?<=\n)[245]\.\d{1,3}\.\d{1,3} ")


def as_one_line(reply: str) -> str:
    """Join a multi-line reply as it was meant to be read: "550-5.4.5 Daily user / 550 5.4.5 limit"."""
    return " ".join(_REPEATED_ENHANCED.sub("", _CODE_PREFIX.sub("", reply)).split())


def _codes(reply: str) -> tuple[int, str]:
    """The three-digit and the enhanced code a reply begins with; 0 and "" where there is none."""
    started = _START.match(reply)
    enhanced = (started and started["enhanced"]) or ""
    code = int((started and started["code"]) or 0)
    return code or (int(enhanced[0]) * 100 if enhanced else 0), enhanced


def _code_of(error: TransportError, kind: Kind) -> str:
    if error.outcome is Outcome.UNCERTAIN:
        return "uncertain"
    if error.cause in texts():
        return error.cause
    return _by_known_text(error, kind) or _by_phase(error, kind)


def _by_known_text(error: TransportError, kind: Kind) -> str | None:
    line = as_one_line(error.reply).lower()
    enhanced = {error.enhanced, *_ENHANCED.findall(line)}
    for rule in RULES:
        if _applies(rule, error, kind) and (_says(rule, line) or not enhanced.isdisjoint(rule.enhanced)):
            return rule.code
    return None


def _applies(rule: Rule, error: TransportError, kind: Kind) -> bool:
    if rule.kind not in (None, kind) or (rule.temporary is not None and rule.temporary != _is_temporary(error)):
        return False
    if error.phase in rule.not_at:
        return False
    # At the login a 4xx is the server's trouble and never says that the password is wrong.
    at_fault = error.phase == "auth" and _is_temporary(error)
    return not (at_fault and texts()[rule.code]["category"] == "auth")


def _says(rule: Rule, line: str) -> bool:
    return any(words in line for words in rule.words) or bool(rule.pattern and rule.pattern.search(line))


def _is_temporary(error: TransportError) -> bool:
    return 400 <= error.code < 500


def _phase_of(code: int, enhanced: str, line: str) -> str:
    """The phase a reply most likely came in, from its codes: those of RFC 4954 come at the login only."""
    if code in (534, 535, 538) or enhanced in ("5.7.3", "5.7.8", "5.7.11", "5.7.14", "5.7.30", "5.7.139"):
        return "auth"
    if code in (432, 454) and "authenticat" in line:
        return "auth"
    return "data" if 400 <= code < 600 else ""


def _by_phase(error: TransportError, kind: Kind) -> str:
    if kind is Kind.ELASTIC_EMAIL:
        return _by_http_status(error.code)
    if error.code == 432 or error.enhanced == "4.3.2":
        return "throttled"
    if error.phase == "auth":
        return _at_login(error)
    if error.code in (530, 535) or error.enhanced in ("5.7.57", "5.7.8"):
        return "login_required"
    if error.enhanced in ("4.5.3", "5.5.3"):
        return "too_many_recipients"
    if _is_temporary(error):
        return "throttled" if error.enhanced.startswith("4.7.") and error.code != 421 else "temporary"
    if error.phase == "recipients" or error.enhanced in _RECIPIENT:
        return "recipient_refused"
    return {
        "sender": "sender_refused",
        "data": "message_refused",
        "greeting": "connection_refused_by_policy",
        "tls": "starttls_refused",
    }.get(error.phase, "refused")


_RECIPIENT = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.2.2"})


def _at_login(error: TransportError) -> str:
    if _is_temporary(error):
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
