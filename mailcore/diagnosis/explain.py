"""Finding the servers' replies in whatever somebody pasted: a reply, a bounce, a log, an exception's text.

Pure text in, findings out: :mod:`~mailcore.diagnosis.pasted` lays the text straight, replies are cut out of each
paragraph, and :mod:`~mailcore.diagnosis.replies` says what each means. Where there is none, the words of programs
that never reached a server (:mod:`~mailcore.diagnosis.client_errors`) and those known of a provider are looked for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from mailcore.catalog import provider_id
from mailcore.diagnosis.client_errors import cause_of
from mailcore.diagnosis.pasted import paragraphs
from mailcore.diagnosis.replies import Diagnosis, as_one_line, classify, diagnosis_for, known_words, texts
from mailcore.transports.scrub import MAX_REPLY
from mailcore.vocabulary import Kind

if TYPE_CHECKING:
    from mailcore.diagnosis.pasted import Paragraph

MAX_FOUND = 50
"""Replies explained at most."""
_MAX_BESIDE = 10


@dataclass(frozen=True, slots=True)
class Found:
    """One reply found in a text."""

    reply: str
    """Its words, one line for each line of the reply."""
    diagnosis: Diagnosis
    addresses: tuple[str, ...] = ()
    """E-mail addresses that stand beside it, lower case."""
    hosts: tuple[str, ...] = ()
    """Host names that stand beside it, lower case."""


def explain(text: str, *, phase: str = "", provider: str = "") -> list[Found]:
    """Return each different reply in a pasted text with what it means, in the order they stand there.

    Args:
        text: at most its first :data:`mailcore.diagnosis.pasted.MAX_TEXT` characters are read.
        phase: where the replies came, as in :func:`~mailcore.diagnosis.replies.classify`; else the words around tell.
        provider: whose they are (an id of the catalogue); else the hosts named beside each tell.
    """
    parts = paragraphs(text)
    found = [one for part in parts for one in _replies(part, phase, provider) or _api_errors(part)]
    if not found:
        found = [one for part in parts for one in _in_words(part)]
    return _once_each(found)[:MAX_FOUND]


# ---------------------------------------------------------------- replies
@dataclass(slots=True)
class _Piece:
    words: str
    line: int
    """Where it begins, in lines of the paragraph."""


_REPLY = re.compile(
    r"(?<![\w.@:/+-])#?(?P<code>[45]\d\d)(?P<more>[ -])\s?"
    r"(?:[#(]?(?P<enhanced>[245]\.\d{1,3}\.\d{1,3})\)?(?![\d.]*\d))?"
    r"|(?<![\w.@/+-])(?<!\d )#?(?P<alone>[45]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)(?=[\s)\]:,;]|$)"
)
_END = re.compile(
    r"\n|\s\(in re(?:ply|sponse) to|'\)|'\}|', '|\"\)|' \(in reply|\s\(delivery temporarily|\s;?\s?Last-Attempt-Date:"
    r"|\sFinal-Recipient:|\sRemote-MTA:|\sStatus:|\sAction:|\sReporting-MTA:|\sWill-Retry-Until:"
)
# What a mail program says right before it repeats a reply.
_BEFORE = re.compile(
    r"(?:said|reply|replied|response(?: was)?|returned|responded(?: with)?|error(?: code)?|code|smtp|status|server"
    r"|diagnostic-code|retornou|respondeu|resposta|erro|mensagem|c[oó]digo|[>)\]\"'«“(;:]|\*\*|<<<|<-)"
    r"[ \t]{0,3}[:=;'\"“(\[#b<-]{0,4}[ \t]{0,3}$",
    re.IGNORECASE,
)
# Words a mail server's reply has at least one of.
_MAIL_WORDS = re.compile(
    r"mail|messag|recipient|\bsender|\buser|\baddress|relay|auth|login|password|reject|denied|block|refus|spam|quota"
    r"|limit|domain|\bhost|connect|\btls|try again|unavailable|policy|\berror|command|syntax"
    r"|not (?:allow|accept|permit)|service|temporar|deferred|greylist|mensagem|usu[aá]rio\b|senha|recusad|bloquead"
    r"|inexistente|n[aã]o existe",
    re.IGNORECASE,
)
_STATUS_HEADER = re.compile(r"\bStatus: ?$", re.IGNORECASE)
_CODES = frozenset(
    (*range(421, 423), *range(430, 460), 471, *range(500, 505), *range(510, 526), *range(530, 560), 571, 572)
)


def _replies(paragraph: Paragraph, phase: str, provider: str) -> list[Found]:
    pieces = _pieces(paragraph)
    if not pieces:
        return []
    text = "\n".join(line.text for line in paragraph)
    addresses, hosts = _beside(text)
    found = []
    for piece in pieces:
        line = paragraph[piece.line]
        at = phase or _phase_in_words(line.text) or _phase_in_words(text) or line.phase
        diagnosis = classify(piece.words, phase=at, provider=provider or _provider_of(hosts, text))
        found.append(Found(piece.words, diagnosis, addresses, hosts))
    # A bounce's "Status: 5.1.1" repeats the code of the reply that stands beside it.
    return [one for one in found if not _BARE_STATUS.fullmatch(one.reply)] or found


_BARE_STATUS = re.compile(r"#?[245]\.\d{1,3}\.\d{1,3}[ ()\w]{0,40}")


def _pieces(paragraph: Paragraph) -> list[_Piece]:
    """Cut the replies out of a paragraph; the lines of a multi-line reply become one piece."""
    text = "\n".join(line.text for line in paragraph)
    ends_of_lines = list(accumulate(len(line.text) + 1 for line in paragraph))
    starts = [start for start in _REPLY.finditer(text) if _is_reply(start, text)]
    pieces: list[_Piece] = []
    goes_on = ""  # the code of a reply whose last line is yet to come
    for number, start in enumerate(starts):
        until = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        words = _cut(text[start.start() : until])
        code = start["code"] or ""
        if pieces and goes_on and code == goes_on:
            pieces[-1].words = f"{pieces[-1].words}\n{words}"[:MAX_REPLY]
        else:
            pieces.append(_Piece(words[:MAX_REPLY], bisect_right(ends_of_lines, start.start())))
        goes_on = code if start["more"] == "-" else ""
    return pieces


def _is_reply(start: re.Match[str], text: str) -> bool:
    before = text[max(0, start.start() - 40) : start.start()].rpartition("\n")[2]
    after = text[start.end() : start.end() + 300].lstrip(" ")
    introduced = not before.strip() or _BEFORE.search(before) is not None
    if start["alone"]:
        # "Status: 5.1.1" and "response was: 5.7.0 Must issue"; a version's number has no such words around it.
        return bool(_STATUS_HEADER.search(before) or (introduced and _MAIL_WORDS.search(after[:200])))
    if int(start["code"]) not in _CODES:
        return False
    if start["enhanced"]:
        return True
    if not after or not (after[0].isalpha() or after[0] in "<\"'[#("):
        return False
    return introduced and bool(_MAIL_WORDS.search(after) or known_words(after))


def _cut(words: str) -> str:
    end = _END.search(words)
    return (words[: end.start()] if end else words).strip().rstrip("'\"({[,;").strip()


_AT = r"(?:reply to|response to|after|during|at) (?:end of )?(?:pipelined )?"
_PHASE_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), phase)
    for pattern, phase in (
        (rf"{_AT}(?:end of data|data\b|message body|sending data)|SMTPDataError", "data"),
        (rf"{_AT}RCPT|SMTPRecipientsRefused", "recipients"),
        (rf"{_AT}MAIL\b|SMTPSenderRefused", "sender"),
        (rf"{_AT}(?:initial connection|connect)|SMTPConnectError|receiving the initial", "greeting"),
        (rf"{_AT}(?:EHLO|HELO)|SMTPHeloError", "ehlo"),
        (rf"{_AT}(?:AUTH|LOGIN)|SMTPAuthenticationError|AuthenticationFailed|could not authenticate", "auth"),
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


def _provider_of(hosts: tuple[str, ...], text: str) -> str:
    named = next((found for host in hosts if (found := provider_id(host))), "")
    return named or ("google_workspace" if "gsmtp" in text else "")


# ---------------------------------------------------------------- Elastic Email's API
_API_ERROR = re.compile(r"[\"'][Ee]rror[\"']\s{0,3}:\s{0,3}\"((?:[^\"\\]|\\.){2,500})\"")
_HTTP_STATUS = re.compile(r"\b(?:HTTP[/\d. ]{0,6}|status(?:[ _]code)?[\"']?\s?[:=]?\s?)([45]\d\d)\b", re.IGNORECASE)


def _api_errors(paragraph: Paragraph) -> list[Found]:
    """The API's own form: {"Error": "APIKey Expired"}."""
    text = "\n".join(line.text for line in paragraph)
    status = _HTTP_STATUS.search(text)
    found = []
    for match in _API_ERROR.finditer(text):
        words = match[1].replace('\\"', '"').replace("\\/", "/")
        diagnosis = classify(f"{status[1]} {words}" if status else words, kind=Kind.ELASTIC_EMAIL)
        found.append(Found(words, replace(diagnosis, reply=words), *_beside(text)))
    return found


# ---------------------------------------------------------------- no reply: only words
def _in_words(paragraph: Paragraph) -> list[Found]:
    found = []
    for line in paragraph:
        code = cause_of(line.text) or _our_own(line.text) or known_words(line.text)
        if code:
            words = line.text[:500]
            found.append(Found(words, diagnosis_for(code, reply=words), *_beside(line.text)))
    return found


def _our_own(text: str) -> str | None:
    """What this program had said itself: support pastes that too."""
    return next((code for code, words in texts().items() if words["title"].rstrip(".") in text), None)


def _once_each(found: list[Found]) -> list[Found]:
    once: dict[str, Found] = {}
    for one in found:
        key = as_one_line(one.reply).casefold()
        known = once.get(key)
        once[key] = one if known is None else _both(known, one)
    return list(once.values())


def _both(first: Found, second: Found) -> Found:
    return replace(
        first,
        addresses=tuple(dict.fromkeys(first.addresses + second.addresses))[:_MAX_BESIDE],
        hosts=tuple(dict.fromkeys(first.hosts + second.hosts))[:_MAX_BESIDE],
    )
