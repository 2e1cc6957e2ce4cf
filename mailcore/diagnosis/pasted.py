"""Laying straight what somebody pasted: quotes, wrapped lines and programs' dressing taken away, secrets hidden.

Every pattern is bounded, so cost grows with the length of the text and no faster.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailcore.transports.scrub import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TEXT = 200_000
"""Characters of a pasted text that are read."""


@dataclass(frozen=True, slots=True)
class Line:
    """What was one line before it was quoted and wrapped."""

    text: str
    phase: str
    """What the client had said last, where the text is a conversation; in our words (``auth``, ``sender``, …)."""


Paragraph = list[Line]


def paragraphs(text: str) -> list[Paragraph]:
    """Return the lines of a text by paragraph, each laid straight; at most :data:`MAX_TEXT` characters are read."""
    found: list[Paragraph] = []
    phase = ""
    read = text[:MAX_TEXT].encode("utf-8", "replace").decode()  # halves of characters are no text
    for part in re.split(r"\n[ \t]*\n", _undressed(read)):
        lines = []
        for line in _unwrapped(part):
            command = _COMMAND.match(line)
            phase = _STEP_OF_COMMAND[command[1].lower()] if command else phase
            lines.append(Line(line, phase))
        if lines:
            found.append(lines)
    return found


_SECRETS = (
    (re.compile(r"(\bAUTH\s{1,3}(?:PLAIN|LOGIN|XOAUTH2)\s{1,3})[\w+/=]{4,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(://[^\s/:@]{1,200}:)[^\s/@]{1,200}(?=@)"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"((?:X-ElasticEmail-ApiKey|\bapi_?key|\bpassw(?:or)?d|\bsenha|\bpwd|\bsecret)"
            r"[\"']?\s{0,3}[:=]\s{0,3})(?:\"[^\"\n]{1,200}\"?|'[^'\n]{1,200}'?|[^\s\"']{1,200})",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    # AUTH LOGIN: after the server's "334 UGFzc3dvcmQ6" the client says its password in base64.
    (
        re.compile(
            r"(\b334[ -][\w+/=]{4,60}[ \t]{0,3}\n[ \t]{0,3}(?:(?:[SC]:|client:|[<>~=-]{1,3})[ \t]{0,3})?)"
            r"[\w+/]{2,300}={0,2}(?=[ \t]{0,3}(?:\n|$))",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)
# A soft line break of quoted-printable (RFC 2045 §6.7); before a reply's line "=" is the end of some base64.
_SOFT_BREAK = re.compile(r"=\n(?![ \t]{0,3}(?:(?:[SC]:|[<>-]{1,3})[ \t]{0,3})?[2-5]\d\d[ -])")
_TAG = re.compile(r"<br\s{0,2}/?>|</?(?:p|div|tr|td|pre)\b[^<>\n]{0,200}>", re.IGNORECASE)
_QUOTE = re.compile(r"^(?:[ \t]{0,4}[>|](?!>)){1,20}[ \t]?", re.MULTILINE)
# (535, b'5.7.8 Username and Password not accepted\n5.7.8 ...'), as Python's smtplib prints a reply
_PYTHON_REPLY = re.compile(r"\(([2-5]\d\d),\s{0,2}b?(['\"])([^'\"]{0,2000})")
_BEGINS = re.compile(
    r"""
      [2-5]\d\d[ -]\S                    # a reply's line
    | [45]\.\d{1,3}\.\d{1,3}[ ]          # an enhanced code alone
    | [A-Z][A-Za-z-]{2,30}:[ ]           # a header: "Diagnostic-Code: "
    | [A-Z][a-z]{2}[ ]{1,2}\d{1,2}[ ]\d\d:\d\d   # syslog
    | \d{4}-\d\d-\d\d                    # ISO date
    | \[?\d{1,2}/\d{1,2}/\d{2,4}
    | \*\*[ ] | [<>=-]{2,3}[ ] | [SC]:[ ]
    """,
    re.VERBOSE,
)
# "said: 550" at the end of a line, and "5.1.1 user unknown" on the next
_CODE_LEFT_BEHIND = re.compile(r"(?<![\w.])[45]\d\d$")
# A line feed as programs write it into one line of a log or an exception.
_ESCAPED_BREAK = re.compile(r"(?:\\r)?\\n")
_COMMAND = re.compile(
    r"^(?:[<>=\-]{1,3}\s|[CS]:\s|client:\s)?\s{0,3}(EHLO|HELO|STARTTLS|AUTH|MAIL FROM|RCPT TO|DATA)\b"
    r"(?!\s+\w+\s+\w+\s+\w+)",
    re.IGNORECASE,
)
_STEP_OF_COMMAND = {
    "ehlo": "ehlo",
    "helo": "ehlo",
    "starttls": "tls",
    "auth": "auth",
    "mail from": "sender",
    "rcpt to": "recipients",
    "data": "data",
}


def _undressed(text: str) -> str:
    text = html.unescape(text).replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ")
    text = _SOFT_BREAK.sub("", text)
    text = _PYTHON_REPLY.sub(_as_reply, _QUOTE.sub("", _TAG.sub("\n", text)))
    text = _ESCAPED_BREAK.sub("\n", text)
    for secret, hidden in _SECRETS:
        text = secret.sub(hidden, text)
    return text


def _as_reply(match: re.Match[str]) -> str:
    words = re.sub(r"\\[rn]", " ", match[3])
    return f"\n{match[1]} {words}"


def _unwrapped(paragraph: str) -> Iterator[str]:
    """Join the lines that only the width of a page had parted."""
    held: list[str] = []
    for line in paragraph.split("\n"):
        stripped = " ".join(line.split())
        if held and _BEGINS.match(stripped) and not _CODE_LEFT_BEHIND.search(held[-1]):
            yield " ".join(held)
            held = []
        if stripped:
            held.append(stripped)
    if held:
        yield " ".join(held)
