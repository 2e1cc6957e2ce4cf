"""Fields of addresses (RFC 5322 §3.4): read without a parser that raises, and written so that any server takes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailcore.messages.addresses import parse_address
from mailcore.messages.encoded_words import decoded_words, encoded_words, phrase
from mailcore.messages.headers import Field, HeaderError, field

ADDRESS_FIELDS = frozenset(
    {
        *("from", "sender", "reply-to", "to", "cc", "bcc"),
        *("resent-from", "resent-sender", "resent-to", "resent-cc", "resent-reply-to"),
        *("disposition-notification-to", "return-receipt-to", "errors-to", "x-original-to", "delivered-to"),
    }
)
"""Fields whose value is a list of addresses."""

_TOKEN = re.compile(
    r"""
      (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<angle><[^<>"]*(?:"(?:[^"\\]|\\.)*"[^<>"]*)*>)
    | (?P<literal>\[[^\[\]]*\])
    | (?P<mark>[,;:])
    | (?P<blank>\s+)
    | (?P<word>[^\s",;:<>()\[\]]+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an address list: ``quoted angle literal mark blank word comment``, and its text."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """Cut an unfolded address list into its pieces.

    Raises:
        HeaderError: a quote, a bracket or a comment is not closed.
    """
    found, position = [], 0
    while position < len(text):
        if text[position] == "(":
            end = _end_of_comment(text, position)
            found.append(Token("comment", text[position:end]))
        else:
            match = _TOKEN.match(text, position)
            if match is None:
                raise HeaderError("tem aspas, parênteses ou sinais de menor e maior sem par.")
            found.append(Token(str(match.lastgroup), match[0]))
            end = match.end()
        position = end
    return found


def _end_of_comment(text: str, start: int) -> int:
    depth, position = 0, start
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    raise HeaderError("tem um parêntese que abre e não fecha.")


def mailboxes(text: str) -> list[tuple[str, str]]:
    """Return the (name, address) pairs of an unfolded address list, names decoded.

    Raises:
        HeaderError: it is no such list.
    """
    found: list[tuple[str, str]] = []
    for item in _items(tokens(text)):
        angle = next((token for token in item if token.kind == "angle"), None)
        kept = [token for token in item if token.kind not in ("angle", "comment")]
        written = "".join(token.text for token in kept).strip()
        if angle is not None:
            found.append((_name(written), angle.text[1:-1].strip()))
        elif written:
            comment = next((token.text[1:-1] for token in item if token.kind == "comment"), "")
            found.append((decoded_words(comment), written))
    return found


def _name(written: str) -> str:
    plain = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), written)
    return decoded_words(plain)


def _items(parts: list[Token]) -> list[list[Token]]:
    """Part a list at its commas; a group's name and its end are marks, not addresses."""
    items: list[list[Token]] = [[]]
    for token in parts:
        if token.kind != "mark":
            items[-1].append(token)
        elif token.text == ":":
            items[-1] = []
        else:
            items.append([])
    return [item for item in items if item]


def mailbox_field(name: str, pairs: list[tuple[str, str]]) -> Field:
    """Make a field of (name, address) pairs, a line for each."""
    lines, used = [], len(name) + 2
    for shown, address in pairs:
        if shown:
            encoded = phrase(shown, used)
            apart = "\r\n " if encoded.startswith("=?") else " "
            lines.append(f"{encoded}{apart}<{address}>")
        else:
            lines.append(address)
        used = 1
    return field(name, ",\r\n ".join(lines))


def address_field_in_ascii(name: str, text: str) -> Field:
    """Write an address list that came in 8 bits: names in encoded words, domains in A-labels.

    A local part outside ASCII stays, in UTF-8: only a server with SMTPUTF8 takes it (RFC 6531).

    Raises:
        HeaderError: it is no list of addresses.
    """
    written: list[str] = []
    used = len(name) + 2
    for item in _with_marks(tokens(text)):
        if isinstance(item, Token):
            written.append(f"{item.text}\r\n ")
            used = 1
            continue
        has_angle = any(token.kind == "angle" for token in item)
        written.append("".join(_in_ascii(run, used, is_name=has_angle) for run in _runs(item)).strip())
    return field(name, re.sub(r"[ \t]+\r\n", "\r\n", "".join(written)).strip())


def _with_marks(parts: list[Token]) -> list[list[Token] | Token]:
    pieces: list[list[Token] | Token] = []
    for token in parts:
        if token.kind == "mark":
            pieces.append(token)
        elif pieces and isinstance(pieces[-1], list):
            pieces[-1].append(token)
        else:
            pieces.append([token])
    return pieces


def _runs(item: list[Token]) -> list[list[Token]]:
    """Part an item into runs: the words of a name, and each angle address or comment alone."""
    runs: list[list[Token]] = []
    for token in item:
        alone = token.kind in ("angle", "comment")
        if runs and not alone and runs[-1][-1].kind not in ("angle", "comment"):
            runs[-1].append(token)
        else:
            runs.append([token])
    return runs


def _in_ascii(run: list[Token], used: int, *, is_name: bool) -> str:
    text = "".join(token.text for token in run)
    if text.isascii():
        return text
    kind = run[0].kind
    if kind == "angle":
        return f"<{_address_in_ascii(text[1:-1])}>"
    if kind == "comment":
        return f"\r\n ({encoded_words(text[1:-1], 3)})"
    if is_name or "@" not in text:
        return f"{encoded_words(_name(text.strip()), used)}\r\n "
    return _address_in_ascii(text)


def _address_in_ascii(text: str) -> str:
    try:
        return parse_address(text)
    except ValueError as error:
        raise HeaderError(f"tem um endereço que não serve: {error}") from None
