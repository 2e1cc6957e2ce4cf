"""The messages of a batch: written in pieces once, and joined for each recipient.

Whatever is the same for everybody is encoded once. The bytes are 7-bit, save for addresses that need SMTPUTF8.
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
from mailcore.messages.merge_bodies import Write, body_writer, compact
from mailcore.messages.merge_template import (
    ALLOWED_FILTERS,
    UNSUBSCRIBE_FIELD,
    MergeTemplate,
    Piece,
    Pieces,
    field_key,
    joined,
)
from mailcore.messages.transfer import base64_lines

__all__ = [
    "ALLOWED_FILTERS",
    "UNSUBSCRIBE_FIELD",
    "Attachment",
    "MergeMessage",
    "MergeTemplate",
    "Preview",
    "field_key",
]

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")


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
        has_own_files: bool = False,
    ) -> None:
        """Encode what is the same for everybody.

        Args:
            attachments: for every recipient; see :meth:`write` for those of one alone.
            has_own_files: recipients have attachments of their own besides, so that no two messages are alike.
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
        self.has_own_files = has_own_files
        self._bound: tuple[tuple[str, ...], tuple[tuple[str, str], ...]] | None = None
        self._date: tuple[int, bytes] = (0, b"")
        self._mark = uuid4().hex
        self._subject = _subject_writer(template.subject)
        self._head = self._common_head()
        self._files = b"".join(self._attached(each) for each in self.attachments)
        content = self._content()
        self._plain = compact([b"MIME-Version: 1.0\r\n", *content])
        self._mixed = compact(
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

    def _content(self) -> list[bytes | Write]:
        """The text, or text and HTML (RFC 2046 §5.1.4), each with its header."""
        text = body_writer("text/plain", self.template.text)
        if not self.template.html:
            return text
        html = body_writer("text/html", self.template.html)
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


def _subject_writer(pieces: Pieces) -> Write:
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
