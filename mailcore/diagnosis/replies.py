"""What a failure means: pure text in, a :class:`Diagnosis` out.

The three-digit code alone deceives: many quota refusals are 5xx, some come at the login, and a 4xx at
the login says nothing about the password. So the evidence is weighed in this order:

1. the outcome "uncertain", for whoever reads on must not send again;
2. what our own side saw (``TransportError.cause``: no such name, certificate expired, …);
3. words and codes of a provider's own (:mod:`mailcore.diagnosis.providers`);
4. the words by the vocabulary (:mod:`mailcore.diagnosis.vocabulary`), the codes by the standards and the phase,
   weighed together (:mod:`mailcore.diagnosis.decide`).

A general answer then becomes the one of the provider, where that is known. The texts stand in
``mailcore/diagnosis/diagnoses.toml``; a test holds them and the rules together.
"""

from __future__ import annotations

import re

from mailcore.diagnosis.certificates import with_certificate
from mailcore.diagnosis.decide import decide
from mailcore.diagnosis.normalise import Reply, as_one_line, folded, normalise
from mailcore.diagnosis.providers import at_provider, own_meaning
from mailcore.diagnosis.texts import (
    CATEGORIES,
    Diagnosis,
    all_diagnoses,
    diagnosis_for,
    elsewhere,
    in_general,
    of_batch,
    texts,
)
from mailcore.diagnosis.vocabulary import vocabulary
from mailcore.transports import kind_of
from mailcore.transports.base import TransportError
from mailcore.vocabulary import DEFAULT_KIND, Kind, Outcome

__all__ = [
    "CATEGORIES",
    "PHASES",
    "Diagnosis",
    "all_diagnoses",
    "as_one_line",
    "classify",
    "diagnose",
    "diagnosis_for",
    "elsewhere",
    "in_general",
    "known_words",
    "of_batch",
    "texts",
]

PHASES = {"connect": "greeting", "auth": "auth", "mail": "sender", "rcpt": "recipients", "data": "data"}
"""The command line's word for a phase → the step of ours in which it happens."""


def diagnose(error: TransportError, *, kind: Kind, provider: str = "") -> Diagnosis:
    """Return what a transport's failure means for the person at the screen.

    Args:
        provider: the id of the server's provider in the catalogue; empty where it is not known.
    """
    if error.outcome is Outcome.UNCERTAIN:
        return diagnosis_for("uncertain", reply=error.reply)
    if error.cause in texts():
        return with_certificate(diagnosis_for(error.cause, reply=error.reply), error.certificate)
    reply = _with_codes(normalise(error.reply), error.code, error.enhanced)
    return _of(reply, error.reply, error.phase, kind, provider)


def classify(reply: str, *, phase: str = "", provider: str = "", kind: Kind = DEFAULT_KIND) -> Diagnosis:
    """Return what a bare reply means, as it stands in a log or a bounce.

    Args:
        reply: with its code, if it has one; the lines of a long one parted by line feeds.
        phase: where it came, in our words (``auth``, ``sender``, …) or the command line's (:data:`PHASES`); where
            it is not known, the code tells as far as it can.
        provider: as in :func:`diagnose`.
        kind: where a service answers over HTTP, the code is an HTTP status.
    """
    read = normalise(reply)
    return _of(read, reply, PHASES.get(phase, phase) or phase_of(read), kind, provider)


_CERTAIN = 7
"""What words without any code have to weigh to count."""


def known_words(text: str, *, phase: str = "", provider: str = "", least: float = _CERTAIN) -> Diagnosis | None:
    """Return what a text says without any reply code, or None.

    Args:
        least: what its words have to weigh; as it is, commonplaces do not count.
    """
    read = normalise(text)
    own = own_meaning(read, provider)
    if own is not None:
        return diagnosis_for(at_provider(own[0], provider), reply=text, evidence=(_as_written(text, own[1]),))
    said = decide(read, phase, vocabulary())
    if not said.phrases or said.weight < least:
        return None
    return diagnosis_for(at_provider(said.code, provider), reply=text, evidence=said.evidence)


def _of(reply: Reply, as_given: str, phase: str, kind: Kind, provider: str) -> Diagnosis:
    if (told := kind_of(kind).code_of_status(reply.code)) is not None:
        code, evidence = _by_service(reply, told)
    elif (own := own_meaning(reply, provider)) is not None and not _excused(own[0], phase, reply):
        code, evidence = own[0], (_as_written(as_given, own[1]),)
    else:
        decision = decide(reply, phase, vocabulary())
        code, evidence = decision.code, decision.evidence
    return diagnosis_for(at_provider(code, provider), reply=as_given, evidence=evidence)


def _as_written(reply: str, words: str) -> str:
    line = as_one_line(reply)
    begins = folded(line).find(words)
    return line[begins : begins + len(words)] if begins >= 0 else words


def _excused(code: str, phase: str, reply: Reply) -> bool:
    """At the login a 4xx is the server's trouble and never says that the password is wrong."""
    return phase == "auth" and reply.is_temporary and texts()[code]["category"] == "auth"


def _with_codes(reply: Reply, code: int, enhanced: str) -> Reply:
    """The transport's codes count for more than those read from the text."""
    if (code or reply.code, enhanced or reply.enhanced) == (reply.code, reply.enhanced):
        return reply
    return Reply(
        code or reply.code,
        enhanced or reply.enhanced,
        reply.all_enhanced,
        reply.words,
        reply.as_written,
        reply.line,
        reply.raw,
        reply.hosts,
    )


_LOGIN_CODES = frozenset({"5.7.8", "5.7.11", "5.7.14", "5.7.30", "5.7.139", "4.7.12", "5.7.12"})


def phase_of(reply: Reply) -> str:
    """The phase a reply came in, where its codes say so: those of RFC 4954 come at the login only."""
    if reply.code in (534, 535, 538) or reply.enhanced in _LOGIN_CODES:
        return "auth"
    if reply.code in (432, 454) and "authenticat" in reply.raw:
        return "auth"
    return ""


# ---------------------------------------------------------------- services with an API of their own
_KEY = re.compile(r"api ?key|unauthori[sz]ed")
_SERVICE_SAYS = frozenset(
    {
        "quota_plan",
        "quota_day",
        "hourly_limit",
        "throttled",
        "too_many_recipients",
        "sender_not_verified",
        "sender_not_allowed",
        "message_too_big",
        "attachment_refused",
        "account_blocked",
        "content_spam",
    }
)


def _by_service(reply: Reply, told: str) -> tuple[str, tuple[str, ...]]:
    """By the words of the API's error, else by what its kind says of the HTTP status."""
    if match := _KEY.search(reply.raw):
        return "api_key", (match[0],)
    if "access denied" in reply.raw:
        return "api_access", ("access denied",)
    said = decide(reply, "data", vocabulary())
    if said.code in _SERVICE_SAYS and said.phrases:
        return ("account_not_active" if said.code == "account_blocked" else said.code), said.evidence
    return told, (str(reply.code),) if reply.code else ()
