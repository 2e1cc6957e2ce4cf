"""Weighing what a reply says: which diagnosis its words, its codes and the moment it came speak for most.

Nothing is decided by one sign alone. Each phrase of the vocabulary that is found speaks for a diagnosis with its
weight, the codes add what the standards say of them, and the phase leaves out what cannot be. The heaviest wins; where
nothing weighs, the answer is the general one of the phase, and says no more than is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore.diagnosis.normalise import Reply
    from mailcore.diagnosis.vocabulary import Finding, Hit, Vocabulary

UNKNOWN = "unknown"
"""The phase nobody knows."""

_BEFORE_RECIPIENTS = frozenset({"greeting", "ehlo", "tls", "auth", "sender"})
_CLASSES = (400, 500)
"""What a reply has for a code where only an enhanced one stands in it (and 500, which says as little)."""
_MORE = 0.4
"""What each further phrase for the same diagnosis adds."""
_LEAST = 1.5
"""Less than this says nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A diagnosis' code and what spoke for it."""

    code: str
    evidence: tuple[str, ...]
    """The reply's own words and codes that decided, as written; empty where only the phase did."""
    phrases: tuple[str, ...] = ()
    """The vocabulary's phrases that were found for it."""
    weight: float = 0
    """How much spoke for it; 0 where only the phase did."""


def decide(reply: Reply, phase: str, vocabulary: Vocabulary) -> Decision:
    """Return what a reply of an SMTP server means.

    Args:
        phase: in our words (``auth``, ``sender``, …); empty where nobody knows.
    """
    at = phase or UNKNOWN
    weights: dict[str, float] = {}
    found: dict[str, list[Hit]] = {}
    have = vocabulary.ideas_in(reply.words)
    for place, hits in vocabulary.phrases_in(reply.line, have).items():
        finding = vocabulary.findings[place]
        if not _may_be(finding, reply, at) or any(phrase.is_in(reply.line, have) for phrase in finding.unless):
            continue
        weight = finding.weight + _MORE * min(len(hits) - 1, 2)
        weights[finding.code] = max(weights.get(finding.code, 0), weight)
        found.setdefault(finding.code, []).extend(hits)
    said_by = _add_codes(weights, reply, vocabulary)
    _leave_out(weights, reply, at)
    best = max(weights, key=lambda code: weights[code], default="")
    if not best or weights[best] < _LEAST:
        return Decision(_general(reply, at), ())
    hits = found.get(best, [])
    pieces = _pieces(reply, hits)
    return Decision(best, (*pieces, *said_by.get(best, ())), tuple(phrase.written for phrase, _ in hits), weights[best])


def _may_be(finding: Finding, reply: Reply, at: str) -> bool:
    if (finding.at and at not in finding.at) or at in finding.not_at:
        return False
    return finding.temporary is None or finding.temporary == reply.is_temporary


def _add_codes(weights: dict[str, float], reply: Reply, vocabulary: Vocabulary) -> dict[str, list[str]]:
    said_by: dict[str, list[str]] = {}
    keys = []
    if reply.code not in (0, *_CLASSES):
        keys.append((str(reply.code), str(reply.code)))
    enhanced = reply.enhanced or next(iter(reply.all_enhanced), "")
    if enhanced:
        keys += [(f"x{enhanced[1:]}", enhanced), (enhanced, enhanced)]
    for key, written in keys:
        for code, weight in vocabulary.codes.get(key, {}).items():
            weights[code] = weights.get(code, 0) + weight
            said_by.setdefault(code, []).append(written)
    return said_by


def _leave_out(weights: dict[str, float], reply: Reply, at: str) -> None:
    """Take away what cannot be at this moment of the conversation."""
    for code in list(weights):
        if at in _BEFORE_RECIPIENTS and code.startswith(("recipient_", "message_")) and code != "message_too_big":
            del weights[code]
        elif reply.is_temporary and (code == "login_refused" or (code == "temporary" and at == "auth")):
            # At the login a 4xx is the server's trouble and never says that the password is wrong.
            weights["login_temporary"] = max(weights.get("login_temporary", 0), weights.pop(code))


def _general(reply: Reply, at: str) -> str:
    """The answer where nothing speaks: as much as the phase and the first digit say, and no more."""
    if at == "auth":
        return "login_temporary" if reply.is_temporary else "login_unclear"
    if reply.is_temporary:
        return "throttled" if reply.enhanced.startswith("4.7.") and reply.code != 421 else "temporary"
    return {
        "recipients": "recipient_refused",
        "sender": "sender_refused",
        "data": "message_refused",
        "unknown": "message_refused" if 500 <= reply.code < 600 else "refused",
        "greeting": "connection_refused_by_policy",
        "tls": "starttls_refused",
    }.get(at, "refused")


def _pieces(reply: Reply, hits: list[Hit]) -> list[str]:
    """The reply's own words, the longest that say it first, none twice."""
    spans = sorted({span for _, each in hits for span in each}, key=lambda span: span[0] - span[1])
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if not any(first <= start and end <= last for first, last in kept):
            kept.append((start, end))
    return list(dict.fromkeys(reply.piece(start, end) for start, end in kept[:3]))
