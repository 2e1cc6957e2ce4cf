"""Text outside ASCII in headers: RFC 2047's encoded words, written and read.

The standard library's encoder loses the space between two encoded pieces ("até amanhã" arrived as "atéamanhã"), and
its reader puts one where none was.
"""

from __future__ import annotations

import base64
import binascii
import re

FOLD_AT = 76
"""Characters of a line that holds an encoded word, at most (RFC 2047 §2); other lines are folded there too."""

_ENCODED_WORD = re.compile(r"=\?([!->@-~]+?)(?:\*[!->@-~]*)?\?([BbQq])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(=\?[!->@-~]+\?[BbQq]\?[^?]*\?=)\s+(?==\?[!->@-~]+\?[BbQq]\?[^?]*\?=)")
# What may stand for itself in an encoded word anywhere, a name included (RFC 2047 §5 (3)).
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q_ALONE = bytes(_Q_SAFE) + b" "
_Q_CHARS = frozenset(_Q_ALONE.decode("ascii"))
_Q_WRITTEN = {byte: "_" if byte == 0x20 else f"={byte:02X}" for byte in range(256) if byte not in _Q_SAFE}
_BREAKS = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


def phrase(text: str, used: int) -> str:
    """Write a name that stands before an address.

    Args:
        used: columns of its line that are taken.
    """
    if len(text) <= 60 and re.fullmatch(r"[A-Za-z0-9]+( [A-Za-z0-9]+)*", text):
        return text
    return encoded_words(text, used)


def header_text(text: str, used: int) -> str:
    """Write free text: plain where it can be, else in encoded words; folded with CR LF.

    Args:
        used: columns of its first line that are taken.
    """
    folded = _folded_at_spaces(text, used) if _is_plain(text) else None
    return encoded_words(text, used) if folded is None else folded


def _is_plain(text: str) -> bool:
    """Whether the text may stand as it is: no blank could be lost and no word be taken for an encoded one."""
    return text.isascii() and text.isprintable() and "=?" not in text and text.strip() == text and "  " not in text


def _folded_at_spaces(text: str, used: int) -> str | None:
    """Fold plain text before its spaces; None where a word is longer than a line."""
    lines, length = [""], used
    for word in text.split(" "):
        if len(word) > FOLD_AT - 1:
            return None
        if lines[-1] and length + 1 + len(word) > FOLD_AT:
            lines.append(word)
            length = 1 + len(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
            length += 1 + len(word)
    return "\r\n ".join(lines)


def encoded_words(text: str, used: int) -> str:
    """Write text as encoded words, each of whole characters, a line for each.

    Blanks are inside the words, for those between two of them do not count (RFC 2047 §6.2).
    """
    raw = text.encode("utf-8")
    unsafe = len(raw.translate(None, _Q_ALONE))
    as_q = len(raw) + 2 * unsafe <= len(raw) * 4 / 3
    room = FOLD_AT - used
    if text and _word_length(len(raw) + 2 * unsafe if as_q else len(raw), as_q=as_q) <= min(room, 75):
        return _word(text, as_q=as_q)
    words, begins, taken = [], 0, 0
    for index, char in enumerate(text):
        size = len(char.encode("utf-8"))
        if as_q:
            size = 1 if char in _Q_CHARS else 3 * size
        if taken and _word_length(taken + size, as_q=as_q) > min(room, 75):
            words.append(_word(text[begins:index], as_q=as_q))
            begins, taken, room = index, 0, FOLD_AT - 1
        taken += size
    if taken:
        words.append(_word(text[begins:], as_q=as_q))
    return "\r\n ".join(words)


def _word_length(taken: int, *, as_q: bool) -> int:
    """Return the columns of an encoded word; ``taken`` is octets in base64's case, columns in the other."""
    return len("=?utf-8?q??=") + (taken if as_q else -(-taken // 3) * 4)


def _word(text: str, *, as_q: bool) -> str:
    raw = text.encode("utf-8")
    if not as_q:
        return f"=?utf-8?b?{base64.b64encode(raw).decode('ascii')}?="
    return f"=?utf-8?q?{raw.decode('latin-1').translate(_Q_WRITTEN)}?="


def decoded_words(text: str) -> str:
    """Return unfolded text with its encoded words read; what cannot be read stays as it stands."""
    parts: list[str] = []
    pending: tuple[str, bytes] = ("", b"")
    end = 0
    joined = _BETWEEN_WORDS.sub(r"\1", text)
    for match in _ENCODED_WORD.finditer(joined):
        between, end_before = joined[end : match.start()], end
        end = match.end()
        charset, raw = match[1].lower(), _word_bytes(match[2], match[3])
        # A character may be cut in two by programs that count octets: pieces side by side are read together.
        if between or charset != pending[0] or end_before == 0:
            parts += [read_bytes(*pending), between]
            pending = (charset, b"")
        pending = (charset, pending[1] + raw)
    return "".join([*parts, read_bytes(*pending), joined[end:]])


def _word_bytes(encoding: str, written: str) -> bytes:
    if encoding in "Bb":
        try:
            return base64.b64decode(written + "=" * (-len(written) % 4))
        except (binascii.Error, ValueError):
            return written.encode("utf-8")
    raw = written.encode("utf-8").replace(b"_", b" ")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), raw)


def read_bytes(charset: str, raw: bytes) -> str:
    """Read text in a charset that a header names; as Latin-1 where there is no such charset or it does not fit."""
    if not raw:
        return ""
    try:
        return raw.decode(charset)
    except (LookupError, UnicodeError):
        return raw.decode("latin-1")


def has_hidden_break(text: str) -> bool:
    """Whether an encoded word holds a line end or another control character, which would break out of a header."""
    return bool(_BREAKS.search(decoded_words(text)))
