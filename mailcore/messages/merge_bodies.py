"""The texts of a batch's message: quoted-printable, encoded once but for the fields.

A field is encoded alone and set between soft line breaks (RFC 2045 §6.7), so that its length moves nothing around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mailcore.messages.transfer import quoted_printable

if TYPE_CHECKING:
    from mailcore.messages.merge_template import Piece, Pieces

Write = Callable[[Mapping[str, str]], bytes]
"""Writes what differs from recipient to recipient, of the values of its fields."""

_SOFT = b"=\r\n"
_QP_LINE = 76


def body_writer(kind: str, pieces: Pieces) -> list[bytes | Write]:
    """Return a part's header and content, in pieces: bytes for everybody, and what writes the rest."""
    head = f'Content-Type: {kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    out: list[bytes | Write] = [head.encode("ascii")]
    for number, piece in enumerate(pieces):
        is_last = number == len(pieces) - 1
        if isinstance(piece, str):
            written = _encoded(piece)
            out.append(written if is_last else _with_soft_break(written))
        elif is_last:
            out.append(_last_field_writer(piece))
        else:
            out.append(_field_writer(piece))
    last = out[-1]
    return out if isinstance(last, bytes) and last.endswith(b"\r\n") else [*out, b"\r\n"]


def _field_writer(piece: Piece) -> Write:
    render = piece.render

    def write(values: Mapping[str, str]) -> bytes:
        text = render(values)
        # Most fields are short and plain, and stand for themselves.
        if len(text) < _QP_LINE and text.isascii() and text.isprintable() and "=" not in text and text[-1:] != " ":
            return text.encode("ascii") + _SOFT if text else b""
        return _with_soft_break(_encoded(text))

    return write


def _last_field_writer(piece: Piece) -> Write:
    render = piece.render
    return lambda values: _encoded(render(values))


def _encoded(text: str) -> bytes:
    if "\n" in text or "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return quoted_printable(text.encode("utf-8"))


def _with_soft_break(encoded: bytes) -> bytes:
    """End a piece so that what follows it begins a line of its own, and yet is the same line of text."""
    if not encoded or encoded.endswith(b"\r\n"):
        return encoded
    last = len(encoded) - encoded.rfind(b"\n") - 1
    if last < _QP_LINE:
        return encoded + _SOFT
    cut = len(encoded) - 3
    # Never between "=" and its two digits.
    cut = cut if encoded[cut - 1] != 0x3D and encoded[cut - 2] != 0x3D else encoded.rindex(b"=", 0, cut)
    return encoded[:cut] + _SOFT + encoded[cut:] + _SOFT


def compact(pieces: list[bytes | Write]) -> tuple[bytes | Write, ...]:
    """Join neighbours that are the same for everybody."""
    out: list[bytes | Write] = []
    for piece in pieces:
        last = out[-1] if out else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            out[-1] = last + piece
        else:
            out.append(piece)
    return tuple(out)
