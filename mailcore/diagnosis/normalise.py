"""A reply laid straight for reading: lower case without accents, one line, names and numbers told from words.

What stands for somebody (an address, a host, a number, an id) never decides by its letters: a user called
``spam@exemplo.com.br`` is no spam. Such things become place-holders (``@addr``, ``@ip``, ``@host``, ``@url``, ``@id``,
``#``), except that the host of a blocklist becomes ``@dnsbl``, which is what it says.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_READ = 1_200
"""Characters of a reply that are read; what decides stands at its beginning."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, ready to be looked through."""

    code: int
    """Its three-digit code; that of the enhanced code's class where only that stands there; 0 where there is none."""
    enhanced: str
    """The enhanced status code it begins with (RFC 3463), or empty."""
    all_enhanced: frozenset[str]
    """Every enhanced status code in it."""
    words: tuple[str, ...]
    """Words and place-holders, in their order."""
    as_written: tuple[str, ...]
    """The same pieces as they stand in the reply."""
    line: str
    """The words, each with a space before and after."""
    raw: str
    """All of it on one line, lower case; for a provider's own marks."""
    hosts: tuple[str, ...]
    """Host names in it, those of links too."""

    @property
    def is_temporary(self) -> bool:
        return 400 <= self.code < 500

    def piece(self, start: int, end: int) -> str:
        """Return as written what stands between two offsets of :attr:`line`."""
        first = self.line.count(" ", 0, start + 1) - 1
        last = self.line.count(" ", 0, end) - 1
        return " ".join(self.as_written[max(first, 0) : last + 1])


_START = re.compile(
    r"\s*[#(\[]?(?P<code>[2-5]\d\d(?![\d.]))?[ \-:#(\[,;]{0,4}(?P<enhanced>[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d))?"
)
_CODE_PREFIX = re.compile(r"^[2-5]\d\d(?:[ -]|$)", re.MULTILINE)
_REPEATED_ENHANCED = re.compile(r"(?<=\n)[245]\.\d{1,3}\.\d{1,3} ")
_ENHANCED = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
# "RESOLVER.RST.AuthRequired": Exchange and Java run words together.
_CAMEL = re.compile(r"(?<=[a-z]{3})(?=[A-Z][a-z]{2})")

_PIECE = re.compile(
    r"""
      (?P<url>(?:https?|hxxps?)://[^\s<>"'\])]+|www\.[^\s<>"'\])]+)
    | (?P<addr><?[^\s<>@,;:()\[\]"']{1,64}@(?:[\w-]+\.)*[\w-]+>?)
    | (?P<ip>\d{1,3}(?:\.\d{1,3}){3}(?![\w])|(?<![\w:])[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}(?![\w:]))
    | (?P<enhanced>(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d))
    | (?P<host>(?<![\w.])(?:[a-z0-9_](?:[a-z0-9_-]{0,60}[a-z0-9_])?\.)+[a-z]{2,18}(?![\w]))
    | (?P<email>\be-mails?\b)
    | (?P<word>(?:[a-z]{3,}(?:['´`’][a-z]+)?|[a-z]+)(?![0-9]))
    | (?P<id>(?:[a-z]+\d|\d+[a-z])[a-z0-9]*)
    | (?P<number>\d+)
    | (?P<stop>[.!?;](?=\s|$))
    | (?P<other>[^\W\d_a-z]+)
    """,
    re.VERBOSE,
)
_LISTS = re.compile(
    r"spamhaus|spamcop|sorbs|dnsbl|\brbl|\bbl\.|blacklist|blocklist|barracudacentral|uceprotect|senderbase|abuseat"
    r"|mailspike|surbl|uribl|invaluement|backscatterer|manitu|cloudmark|prs\.proofpoint|ipcheck|mipspace|denyip|antispam"
)
# Words that Exchange joins with full stops, which look like a host.
_EXCHANGE = frozenset(("storedrv", "resolver", "queue", "transport", "routing", "smtpsend", "content", "agent"))
_TOP_LEVEL = re.compile(
    r"[a-z]{2,3}|info|mail|email|online|site|cloud|host|store|shop|tech|local|internal|test|example"
)


def _folding() -> dict[int, str]:
    table = {}
    for number in (*range(0x41, 0x5B), *range(0xC0, 0x250)):
        letter = unicodedata.normalize("NFKD", chr(number))[0].lower()
        if letter.isascii() and letter.isalpha():
            table[number] = letter
    return table


_FOLDING = _folding()


def as_one_line(reply: str) -> str:
    """Join a multi-line reply as it was meant to be read: "550-5.4.5 Daily user / 550 5.4.5 limit"."""
    return " ".join(_REPEATED_ENHANCED.sub("", _CODE_PREFIX.sub("", reply)).split())


def folded(text: str) -> str:
    """Return a text in lower case without the accents of Latin letters, as long as it was."""
    return text.translate(_FOLDING)


def normalise(reply: str) -> Reply:
    """Read a reply's codes and words."""
    started = _START.match(reply)
    enhanced = (started and started["enhanced"]) or ""
    code = int((started and started["code"]) or 0) or (int(enhanced[0]) * 100 if enhanced else 0)
    line = as_one_line(reply[:MAX_READ])
    text = _CAMEL.sub(" ", line)
    low = folded(text)
    words: list[str] = []
    written: list[str] = []
    hosts: list[str] = []
    codes: list[str] = []
    chunks = text.split()
    for place, chunk in enumerate(low.split()):
        # Most are plain words, and need no closer look.
        if chunk.isascii() and chunk.isalpha():
            words.append(chunk)
            written.append(chunks[place])
            continue
        for match in _PIECE.finditer(chunk):
            kind = match.lastgroup or ""
            found = match[0]
            if kind == "enhanced":
                codes.append(found)
                continue
            as_written = chunks[place][match.start() : match.end()]
            if kind in ("host", "url"):
                parts = _names(kind, found, hosts)
                words += parts
                written += [as_written if part[0] == "@" else part for part in parts]
                continue
            if kind == "word":
                found = found if found.isalpha() else _letters(found)
            elif found != _WHOLE_DAY:
                found = _STANDS_FOR.get(kind, found)
            words.append(found)
            written.append(as_written)
    if not enhanced and codes and len(codes) == 1:
        # qmail and others write it last: "sorry, no mailbox here by that name. (#5.1.1)"
        enhanced = codes[0]
    return Reply(
        code=code or (int(enhanced[0]) * 100 if enhanced else 0),
        enhanced=enhanced,
        all_enhanced=frozenset(codes),
        words=tuple(words),
        as_written=tuple(written),
        line=f" {' '.join(words)} ",
        raw=folded(line),
        hosts=tuple(dict.fromkeys(hosts)),
    )


_WHOLE_DAY = "24"
"""The one number that says something by itself: a limit "per 24 hours" is the day's."""
_STANDS_FOR = {"addr": "@addr", "ip": "@ip", "email": "email", "id": "@id", "number": "#", "stop": "."}


def _letters(word: str) -> str:
    return "".join(letter for letter in word if letter.isalpha())


def _names(kind: str, found: str, hosts: list[str]) -> tuple[str, ...]:
    """What a link or a dotted name says: a place-holder, or its words where it only looks like a host."""
    if kind == "url":
        host = re.sub(r"^[a-z]+://", "", found).partition("/")[0].partition(":")[0]
        hosts.append(host)
        return ("@dnsbl",) if _LISTS.search(found) else ("@url",)
    labels = found.split(".")
    is_name = len(labels) > 2 or any(not label.isalpha() for label in labels) or _TOP_LEVEL.fullmatch(labels[-1])
    if labels[0] in _EXCHANGE or not is_name:
        return tuple(label for label in labels if label.isalpha())
    hosts.append(found)
    return ("@dnsbl",) if _LISTS.search(found) else ("@host",)
