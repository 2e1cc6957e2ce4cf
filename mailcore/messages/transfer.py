"""Transfer encodings of a part's content (RFC 2045 §6), read leniently and written strictly."""

from __future__ import annotations

import base64
import binascii
import re

from mailcore.messages.headers import MAX_LINE

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_LINE_END = re.compile(rb"\r\n|\r|\n")


class UnwritableError(ValueError):
    """A message that cannot be written as meant; the text is the end of a Portuguese sentence."""


def with_whole_line_ends(raw: bytes) -> bytes:
    """Write every line end as CR LF.

    A bare CR or LF would let two servers see different messages (CVE-2023-51764, "SMTP smuggling").
    """
    if has_whole_line_ends(raw):
        return raw
    return _LINE_END.sub(b"\r\n", raw) if b"\r" in raw else raw.replace(b"\n", b"\r\n")


def has_whole_line_ends(raw: bytes) -> bool:
    """Whether every CR is followed by an LF and every LF follows a CR."""
    return raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")


def carries(content: bytes, *, eight_bit: bool) -> bool:
    """Whether SMTP can carry these bytes as they are (line ends being whole)."""
    if b"\0" in content or not (eight_bit or content.isascii()):
        return False
    # From line end to line end as far ahead as a line may reach: a batch asks this of every message.
    begins = 0
    while len(content) - begins > MAX_LINE:
        ends = content.rfind(b"\r\n", begins, begins + MAX_LINE + 2)
        if ends < 0:
            return False
        begins = ends + 2
    return True


def from_base64(raw: bytes) -> bytes:
    """Undo base64, whatever else stands among it.

    Raises:
        UnwritableError: there are letters missing.
    """
    kept = _NOT_BASE64.sub(b"", raw)
    try:
        # Padding may stand in the middle, where somebody put two pieces together.
        return b"".join(
            base64.b64decode(piece + b"=" * (-len(piece) % 4)) for piece in re.split(rb"=+", kept) if len(piece) > 1
        )
    except binascii.Error:
        raise UnwritableError("tem uma parte em base64 que não pode ser lida.") from None


def rewrapped_base64(raw: bytes) -> bytes:
    """Break base64 into lines of 76 anew; what it says, be it damaged, stays."""
    kept = _NOT_BASE64.sub(b"", raw)
    return b"".join(kept[start : start + 76] + b"\r\n" for start in range(0, len(kept), 76))


def base64_lines(raw: bytes) -> bytes:
    """Write anything, in lines of 76."""
    return base64.encodebytes(raw).replace(b"\n", b"\r\n")


def from_quoted_printable(raw: bytes) -> bytes:
    """Undo quoted-printable; what is no such code stays as it stands."""
    lines = []
    for line in with_whole_line_ends(raw).split(b"\r\n"):
        stripped = line.rstrip(b" \t")
        is_soft = stripped.endswith(b"=")
        content = stripped[:-1] if is_soft else stripped
        lines.append(re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), content))
        lines.append(b"" if is_soft else b"\r\n")
    return b"".join(lines[:-1])


def quoted_printable(text: bytes) -> bytes:
    """Write text whose lines end in CR LF (RFC 2045 §6.7)."""
    return b"\r\n".join(
        line if line in (b"", b".") else binascii.b2a_qp(line, istext=False).replace(b"\n", b"\r\n")
        for line in text.split(b"\r\n")
    )
