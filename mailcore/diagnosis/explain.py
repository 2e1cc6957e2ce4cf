"""Finding the servers' replies in whatever somebody pasted: a reply, a bounce, a log, an exception's text.

Pure text in, findings out: :mod:`~mailcore.diagnosis.pasted` lays the text straight, :mod:`~mailcore.diagnosis.cutting`
cuts the replies out of each paragraph, and :mod:`~mailcore.diagnosis.replies` says what each means. Where there is
none, the words of programs that never reached a server (:mod:`~mailcore.diagnosis.clients`) are looked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from mailcore.catalog import provider_id
from mailcore.diagnosis.clients import cause_of
from mailcore.diagnosis.cutting import code_named, pieces_of, speaks_of_trouble, words_in_log
from mailcore.diagnosis.normalise import folded
from mailcore.diagnosis.pasted import paragraphs
from mailcore.diagnosis.replies import Diagnosis, as_one_line, classify, elsewhere, in_general, known_words, texts
from mailcore.transports import kinds

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailcore.diagnosis.cutting import Piece
    from mailcore.diagnosis.pasted import Line, Paragraph
    from mailcore.vocabulary import Kind

MAX_FOUND = 50
"""Replies explained at most."""
_MAX_READ = 4 * MAX_FOUND
"""Different replies of one text that are read; several may turn out to be the same."""
_MAX_BESIDE = 10
_MOSTLY = 0.7
"""How much of the shorter of two tellings has to be the same from the beginning."""
_LEAST_SHARED = 12
"""Characters of words that have to be the same in two tellings of one reply."""


@dataclass(frozen=True, slots=True)
class FoundReply:
    """One reply found in a text."""

    reply: str
    """Its words, one line for each line of the reply."""
    diagnosis: Diagnosis
    addresses: tuple[str, ...] = ()
    """E-mail addresses that stand beside it, lower case."""
    hosts: tuple[str, ...] = ()
    """Host names that stand beside it, lower case."""


def explain(text: str, *, phase: str = "", provider: str = "") -> list[FoundReply]:
    """Return each different reply in a pasted text with what it means, in the order they stand there.

    Args:
        text: at most its first :data:`mailcore.diagnosis.pasted.MAX_TEXT` characters are read.
        phase: where the replies came, as in :func:`~mailcore.diagnosis.replies.classify`; else the words around tell.
        provider: whose they are (an id of the catalogue); else the hosts named beside each tell.
    """
    parts = paragraphs(text)
    read = _Read(phase, provider)
    found = [
        reply for part in parts for reply in _replies(part, read) or _api_errors(part, read) or _in_log(part, read)
    ]
    if not found:
        read = _Read(phase, provider)
        found = [reply for part in parts for reply in _in_words(part, read)]
    return _once_each(found)[:MAX_FOUND]


class _Read:
    """What the caller knows of the replies, and those that were read already.

    Reading a reply takes milliseconds, and a log has thousands of lines: the same words are read once, and only so
    many different ones, of which :data:`MAX_FOUND` are shown.
    """

    def __init__(self, phase: str, provider: str) -> None:
        self.phase = phase
        self.provider = provider
        self._known: dict[str, Diagnosis | None] = {}

    def once(self, words: str, diagnose: Callable[[], Diagnosis | None]) -> Diagnosis | None:
        """What these words mean; None for those that mean nothing, and for more than are read."""
        key = _key(words)
        if key not in self._known and len(self._known) < _MAX_READ:
            self._known[key] = diagnose()
        return self._known.get(key)


# ---------------------------------------------------------------- replies
def _replies(paragraph: Paragraph, read: _Read) -> list[FoundReply]:
    pieces = pieces_of(paragraph)
    if not pieces:
        return []
    text = "\n".join(line.text for line in paragraph)
    begins = [0, *accumulate(len(line.text) + 1 for line in paragraph)]
    addresses, hosts = _beside(text)
    at_all = _phase_in_words(text)
    near = {provider for host in hosts if (provider := provider_id(host))}
    if "gsmtp" in text:
        near.add("google_workspace")
    only = near.pop() if len(near) == 1 else ""
    found = []
    for piece in pieces:
        place = min(piece.line, len(paragraph) - 1)

        def diagnose(piece: Piece = piece, place: int = place) -> Diagnosis:
            line = paragraph[place]
            phase = read.phase or _phase_in_words(line.text) or at_all or line.phase
            before = text[max(begins[place], piece.at - 2_000) : piece.at]
            return classify(piece.words, phase=phase, provider=read.provider or _named_last(before) or only)

        diagnosis = read.once(piece.words, diagnose)
        if diagnosis is not None:
            found.append(FoundReply(piece.words, diagnosis, addresses, hosts))
    return found


_AT = r"(?:reply to|response to|after|during|at) (?:end of )?(?:pipelined )?(?:sending )?"
_PHASE_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), phase)
    for pattern, phase in (
        (rf"{_AT}(?:end of data|data\b|message body|sending data)|SMTPDataError", "data"),
        (rf"{_AT}RCPT|SMTPRecipientsRefused|rejected RCPT|SmtpFailedRecipient", "recipients"),
        (rf"{_AT}MAIL\b|SMTPSenderRefused|rejected MAIL", "sender"),
        (
            rf"{_AT}(?:initial connection|connect)|SMTPConnectError|receiving the initial|rejected connection",
            "greeting",
        ),
        (rf"{_AT}(?:EHLO|HELO)|SMTPHeloError|rejected (?:EHLO|HELO)", "ehlo"),
        (rf"{_AT}(?:AUTH|LOGIN)|SMTPAuthenticationError|AuthenticationFailed", "auth"),
        (r"could not authenticate|Invalid login|n[aã]o foi poss[ií]vel autenticar", "auth"),
    )
)


def _phase_in_words(text: str) -> str:
    return next((phase for pattern, phase in _PHASE_WORDS if pattern.search(text)), "")


# ---------------------------------------------------------------- what stands beside a reply
_ADDRESS = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}")
_HOST = re.compile(r"(?<![\w.@/-])(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,12}(?![\w@-])")


def _beside(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    near = text[:10_000]
    addresses = dict.fromkeys(address.lower() for address in _ADDRESS.findall(near))
    hosts = dict.fromkeys(host.lower() for host in _HOST.findall(near))
    return tuple(addresses)[:_MAX_BESIDE], tuple(hosts)[:_MAX_BESIDE]


def _named_last(text: str) -> str:
    """Whose reply it is: of the host named last before it on its line."""
    before = [provider_id(host.lower()) for host in _HOST.findall(text)]
    return next((provider for provider in reversed(before) if provider), "")


# ---------------------------------------------------------------- services with an API of their own
_HTTP_STATUS = re.compile(r"\b(?:HTTP[/\d. ]{0,6}|status(?:[ _]code)?[\"']?\s?[:=]?\s?)([45]\d\d)\b", re.IGNORECASE)


def _api_errors(paragraph: Paragraph, read: _Read) -> list[FoundReply]:
    """Errors in the form of a service's API, as in {"Error": "APIKey Expired"}."""
    text = "\n".join(line.text for line in paragraph)
    status = _HTTP_STATUS.search(text)
    beside = _beside(text)
    found = []
    for kind in kinds():
        for match in kind.error_form.finditer(text) if kind.error_form else ():
            words = match[1].replace('\\"', '"').replace("\\/", "/")

            def diagnose(words: str = words, kind_id: Kind = kind.id) -> Diagnosis:
                return classify(f"{status[1]} {words}" if status else words, kind=kind_id)

            diagnosis = read.once(words, diagnose)
            if diagnosis is not None:
                found.append(FoundReply(words, replace(diagnosis, reply=words), *beside))
    return found


# ---------------------------------------------------------------- no code: only words
def _in_log(paragraph: Paragraph, read: _Read) -> list[FoundReply]:
    """Replies without a code in the logs of Exim, cPanel and Postfix, and where a program repeats one."""
    found = []
    for line in paragraph:
        words = words_in_log(line.text)
        if not words:
            continue

        def diagnose(words: str = words, line: Line = line) -> Diagnosis | None:
            # These are a server's words for sure, and even its commonplaces count.
            return _said(words, line, read, least=1) or _spoken_of(words)

        diagnosis = read.once(words, diagnose)
        if diagnosis is not None:
            found.append(FoundReply(words, diagnosis, *_beside(line.text)))
    return found


def _said(words: str, line: Line, read: _Read, *, least: float | None = None) -> Diagnosis | None:
    at = read.phase or _phase_in_words(line.text) or line.phase
    if least is None:
        return known_words(words, phase=at, provider=read.provider)
    return known_words(words, phase=at, provider=read.provider, least=least)


def _spoken_of(text: str, *, only_sure: bool = False) -> Diagnosis | None:
    """What a program says that never reached a server, or that keeps the server's reply to itself.

    Args:
        only_sure: not where it only tells which command failed, and the reason may stand beside.
    """
    known = cause_of(text)
    if known is None or (only_sure and known.is_vague):
        return None
    return elsewhere(known.code, reply=text, evidence=(known.words,))


def _in_words(paragraph: Paragraph, read: _Read) -> list[FoundReply]:
    found = []
    for line in paragraph:
        words = line.text[:500]
        diagnosis = _our_own(words) or _spoken_of(words, only_sure=True)
        if diagnosis is None and speaks_of_trouble(words):

            def diagnose(words: str = words, line: Line = line) -> Diagnosis | None:
                return _said(words, line, read) or _spoken_of(words)

            diagnosis = read.once(words, diagnose)
        if diagnosis is None and (code := code_named(words)):
            diagnosis = replace(_of_code(code, read.phase, read.provider), reply=words)
        if diagnosis is not None:
            found.append(FoundReply(words, diagnosis, *_beside(line.text)))
    return found


@lru_cache(256)
def _of_code(code: str, phase: str, provider: str) -> Diagnosis:
    return classify(code, phase=phase, provider=provider)


def _our_own(text: str) -> Diagnosis | None:
    """What this program had said itself: support pastes that too."""
    code = next((code for code, title in _titles() if title in text), None)
    return in_general(code, reply=text) if code else None


@cache
def _titles() -> tuple[tuple[str, str], ...]:
    return tuple((code, words["title"].rstrip(".")) for code, words in texts().items())


# ---------------------------------------------------------------- one reply told once
_CODES_AND_MARKS = re.compile(
    r"(?<![\w.])[245](?:\d\d|\.\d{1,3}\.\d{1,3})(?![\w.])|[^\w@.\s]+"
    r"|(?<![@.\w])(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{6,}(?:\.\d+)?\b(?![\w.+-]*@)"
)


def _key(reply: str) -> str:
    """What is the same in two tellings of one reply: its words, without codes, marks and ids."""
    return " ".join(_CODES_AND_MARKS.sub(" ", folded(as_one_line(reply))).split())


def _once_each(found: list[FoundReply]) -> list[FoundReply]:
    once: list[tuple[str, FoundReply]] = []
    place_of: dict[str, int] = {}
    for reply in found:
        key = _key(reply.reply)
        place = place_of.get(key)
        if place is None:
            place = next((place for place, (known, _) in enumerate(once) if _is_same(known, key)), None)
        place_of[key] = len(once) if place is None else place
        if place is None:
            once.append((key, reply))
        else:
            known, first = once[place]
            # The fuller telling stays.
            once[place] = (known, _both(first, reply)) if len(known) >= len(key) else (key, _both(reply, first))
    return [reply for _, reply in once]


def _is_same(known: str, key: str) -> bool:
    """Whether two tellings are of one reply: one within the other, or one beginning and no other address after it."""
    if known == key:
        return True
    shorter, longer = sorted((known, key), key=len)
    if len(shorter) < _LEAST_SHARED:
        return False
    shared = next(
        (place for place, pair in enumerate(zip(shorter, longer, strict=False)) if pair[0] != pair[1]), len(shorter)
    )
    return shorter in longer or (
        shared >= _MOSTLY * len(shorter) and "@" not in shorter[shared:] and "@" not in longer[shared : len(shorter)]
    )


def _both(first: FoundReply, second: FoundReply) -> FoundReply:
    return replace(
        first,
        addresses=tuple(dict.fromkeys(first.addresses + second.addresses))[:_MAX_BESIDE],
        hosts=tuple(dict.fromkeys(first.hosts + second.hosts))[:_MAX_BESIDE],
    )
