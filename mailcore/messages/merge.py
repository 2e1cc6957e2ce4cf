"""The messages of a batch: written in pieces once, and joined for each recipient.

Whatever is the same for everybody is encoded once. A field is encoded alone and set between soft line breaks of
quoted-printable, so that its length moves nothing around it. The bytes are 7-bit, save for addresses that need
SMTPUTF8.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from uuid import uuid4

from mailcore.errors import FieldError, ValidationError
from mailcore.messages.address_fields import mailbox_field
from mailcore.messages.addresses import parse_address
from mailcore.messages.compose import MAX_HEADER_TEXT, Recipient
from mailcore.messages.eml import date_field
from mailcore.messages.encoded_words import header_text
from mailcore.messages.headers import parameters_in_ascii
from mailcore.messages.merge_template import (
    ALLOWED_FILTERS,
    UNSUBSCRIBE_FIELD,
    MergeTemplate,
    Piece,
    Pieces,
    field_key,
    joined,
)
from mailcore.messages.transfer import base64_lines, quoted_printable

__all__ = [
    "ALLOWED_FILTERS",
    "UNSUBSCRIBE_FIELD",
    "Attachment",
    "MergeMessage",
    "MergeTemplate",
    "Preview",
    "field_key",
]

_SOFT = b"=\r\n"
_QP_LINE = 76
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")

_Write = Callable[[Mapping[str, str]], bytes]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    content_type: str
    data: bytes = dataclass_field(repr=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """A message as one recipient gets it. ``html`` is empty where the message has none."""

    subject: str
    text: str
    html: str


class MergeMessage:
    """A template with all else that its messages have in common. Safe to share between threads."""

    def __init__(
        self,
        template: MergeTemplate,
        *,
        sender: Recipient,
        reply_to: str = "",
        attachments: Sequence[Attachment] = (),
        list_unsubscribe: Callable[[str], str] | None = None,
    ) -> None:
        """Encode what is the same for everybody.

        Args:
            attachments: for every recipient; see :meth:`write` for those of one alone.
            list_unsubscribe: gives the address at which a recipient unsubscribes, ``https:`` (which must then answer
                RFC 8058's one-click request) or ``mailto:``. It makes this a message of the kind Divulgação.

        Raises:
            ValidationError: the sender or the address for replies is none.
        """
        self.template = template
        self.sender = Recipient(_address("from_address", sender.address), _flat(sender.name))
        self.reply_to = _address("reply_to", reply_to) if reply_to else ""
        self.attachments = tuple(attachments)
        self.list_unsubscribe = list_unsubscribe
        self._bound: tuple[tuple[str, ...], tuple[tuple[str, str], ...]] | None = None
        self._date: tuple[int, bytes] = (0, b"")
        self._mark = uuid4().hex
        self._subject = _subject_writer(template.subject)
        self._head = self._common_head()
        self._files = b"".join(self._attached(each) for each in self.attachments)
        content = self._content()
        self._plain = _compact([b"MIME-Version: 1.0\r\n", *content])
        self._mixed = _compact(
            [
                b"MIME-Version: 1.0\r\n" + self._multipart("mixed", "m") + self._open("m"),
                *content,
                b"\r\n" + self._files,
            ]
        )

    # ------------------------------------------------------------------ one recipient

    def write(
        self,
        address: str,
        name: str,
        fields: Mapping[str, str],
        *,
        message_id: str,
        attachments: Sequence[Attachment] = (),
    ) -> bytes:
        """Return the whole message for one recipient, lines ended by CR LF, dots not doubled.

        Args:
            name: stands before the address in To; may be empty.
            fields: column → the recipient's value.
            message_id: angle brackets included.
            attachments: for this recipient alone.

        Raises:
            ValidationError: a field that the template uses is not there.
        """
        values = self._values(address, fields)
        out = [self._head, _to_line(address, name), self._subject(values), self._date_line()]
        out.append(b"Message-ID: " + message_id.encode("ascii") + b"\r\n")
        if self.list_unsubscribe is not None:
            out.append(_unsubscribe_lines(self.list_unsubscribe(address)))
        is_mixed = bool(self.attachments or attachments)
        pieces = self._mixed if is_mixed else self._plain
        out += [piece if isinstance(piece, bytes) else piece(values) for piece in pieces]
        if is_mixed:
            out += [self._attached(each) for each in attachments]
            out.append(self._close("m"))
        return b"".join(out)

    def preview(self, fields: Mapping[str, str], address: str = "") -> Preview:
        """Return what one recipient sees.

        Raises:
            ValidationError: a field that the template uses is not there.
        """
        values, template = self._values(address, fields), self.template
        return Preview(
            _flat(joined(template.subject, values)), joined(template.text, values), joined(template.html, values)
        )

    def _values(self, address: str, fields: Mapping[str, str]) -> dict[str, str]:
        """Return what each name of the template stands for, as text that can be sent."""
        columns, bound = tuple(fields), self._bound
        if bound is None or bound[0] != columns:
            bound = self._bound = (columns, tuple(self._check(columns).items()))
        values = {}
        if self.list_unsubscribe is not None and UNSUBSCRIBE_FIELD in self.template.names:
            values[UNSUBSCRIBE_FIELD] = self.list_unsubscribe(address)
        for ident, column in bound[1]:
            value = fields[column]
            values[ident] = value if value.isprintable() else _NOT_TEXT.sub("", value)
        return values

    def check(self, columns: Sequence[str]) -> None:
        """Find a column for every field of the template.

        Raises:
            ValidationError: a field that no column gives, by its name.
        """
        self._check(columns)

    def _check(self, columns: Sequence[str]) -> dict[str, str]:
        return self.template.bind(columns, marketing=self.list_unsubscribe is not None)

    # ------------------------------------------------------------------ services that merge for themselves

    def placeholders(self) -> tuple[Preview, str]:
        """Return the message with ``{name1}``, ``{name2}`` … where recipients differ, and what ``name`` is.

        Every piece that differs is one placeholder, be it a field, a field with a filter or a whole ``{% if %}``:
        :meth:`merged` gives its text, escaped where it stands in HTML. So a service needs to know no template.
        """
        parts = (self.template.subject, self.template.text, self.template.html)
        static = "\0".join(piece for part in parts for piece in part if isinstance(piece, str))
        name = "m" + hashlib.sha256(static.encode("utf-8", "surrogatepass")).hexdigest()[:8] + "x"
        number = 0
        written = []
        for part in parts:
            text = ""
            for piece in part:
                if isinstance(piece, str):
                    text += piece
                else:
                    number += 1
                    text += f"{{{name}{number}}}"
            written.append(text)
        return Preview(*written), name

    def merged(self, address: str, fields: Mapping[str, str]) -> list[str]:
        """Return the text of every placeholder of :meth:`placeholders` for one recipient, in order.

        Raises:
            ValidationError: a field that the template uses is not there.
        """
        values, template = self._values(address, fields), self.template
        subject = [_flat(piece.render(values)) for piece in template.subject if isinstance(piece, Piece)]
        rest = (piece for part in (template.text, template.html) for piece in part if isinstance(piece, Piece))
        return subject + [str(piece.render(values)) for piece in rest]

    # ------------------------------------------------------------------ what all have in common

    def _common_head(self) -> bytes:
        lines = [mailbox_field("From", [(self.sender.name, self.sender.address)]).line()]
        if self.reply_to:
            lines.append(mailbox_field("Reply-To", [("", self.reply_to)]).line())
        # RFC 3834 §5: no vacation notice comes back. Precedence is no standard, but answering programs know it.
        lines.append(b"Auto-Submitted: auto-generated\r\n")
        if self.list_unsubscribe is not None:
            lines.append(b"Precedence: bulk\r\n")
        return b"".join(lines)

    def _content(self) -> list[bytes | _Write]:
        """The text, or text and HTML (RFC 2046 §5.1.4), each with its header."""
        text = _body_writer("text/plain", self.template.text)
        if not self.template.html:
            return text
        html = _body_writer("text/html", self.template.html)
        head = self._multipart("alternative", "a") + self._open("a")
        return [head, *text, b"\r\n" + self._open("a"), *html, b"\r\n" + self._close("a")]

    def _date_line(self) -> bytes:
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, date_field().line())
        return self._date[1]

    # A boundary with "=_" stands in no quoted-printable and no base64 (RFC 2045 §6.7).
    def _multipart(self, kind: str, mark: str) -> bytes:
        return f'Content-Type: multipart/{kind};\r\n boundary="=_{mark}{self._mark}"\r\n\r\n'.encode("ascii")

    def _open(self, mark: str) -> bytes:
        return f"--=_{mark}{self._mark}\r\n".encode("ascii")

    def _close(self, mark: str) -> bytes:
        return f"--=_{mark}{self._mark}--\r\n".encode("ascii")

    def _attached(self, attachment: Attachment) -> bytes:
        name = _flat(attachment.name).replace("\\", "_").replace('"', "'") or "anexo"
        kind = attachment.content_type if _CONTENT_TYPE.fullmatch(attachment.content_type) else ""
        if not kind or kind.lower().startswith(("multipart/", "message/")):
            kind = "application/octet-stream"
        disposition = parameters_in_ascii("Content-Disposition", f'attachment; filename="{name}"').line()
        head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n".encode("ascii")
        return self._open("m") + head + disposition + b"\r\n" + base64_lines(attachment.data) + b"\r\n"


def _address(name: str, typed: str) -> str:
    label = {"from_address": "E-mail do remetente", "reply_to": "Responder para"}[name]
    try:
        return parse_address(typed)
    except ValueError as error:
        raise ValidationError([FieldError(name, f"{label}: {error}")]) from error


def _flat(text: str) -> str:
    """Write a header's text in one line: what breaks a line becomes a blank."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:MAX_HEADER_TEXT]


def _to_line(address: str, name: str) -> bytes:
    if not address.isprintable() or not name:
        return f"To: {_flat(address)}\r\n".encode()
    return mailbox_field("To", [(_flat(name), _flat(address))]).line()


def _subject_writer(pieces: Pieces) -> _Write:
    def write(values: Mapping[str, str]) -> bytes:
        return f"Subject: {header_text(_flat(joined(pieces, values)), 9)}\r\n".encode("ascii")

    if any(isinstance(piece, Piece) for piece in pieces):
        return write
    always = write({})
    return lambda _: always


def _unsubscribe_lines(address: str) -> bytes:
    written = re.sub(r"[^!-;=?-~]", "", address)
    lines = f"List-Unsubscribe: <{written}>\r\n"
    if written.startswith(("https://", "http://")):  # plain only where the program is this machine's own
        lines += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"  # RFC 8058 §3.1
    return lines.encode("ascii")


# ---------------------------------------------------------------- bodies
def _body_writer(kind: str, pieces: Pieces) -> list[bytes | _Write]:
    head = f'Content-Type: {kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    out: list[bytes | _Write] = [head.encode("ascii")]
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


def _field_writer(piece: Piece) -> _Write:
    render = piece.render

    def write(values: Mapping[str, str]) -> bytes:
        text = render(values)
        # Most fields are short and plain, and stand for themselves.
        if len(text) < _QP_LINE and text.isascii() and text.isprintable() and "=" not in text and text[-1:] != " ":
            return text.encode("ascii") + _SOFT if text else b""
        return _with_soft_break(_encoded(text))

    return write


def _last_field_writer(piece: Piece) -> _Write:
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


def _compact(pieces: list[bytes | _Write]) -> tuple[bytes | _Write, ...]:
    """Join neighbours that are the same for everybody."""
    out: list[bytes | _Write] = []
    for piece in pieces:
        last = out[-1] if out else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            out[-1] = last + piece
        else:
            out.append(piece)
    return tuple(out)
