"""A message from a file: what it says stays, and it becomes bytes that SMTP can carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import uuid4

from mailcore.messages.address_fields import mailbox_field
from mailcore.messages.headers import Field, field
from mailcore.messages.parts import Part, parsed
from mailcore.messages.transfer import UnwritableError
from mailcore.messages.writing import field_in_ascii, written

# Between angle brackets anything but a blank: Exchange writes <[…]>, others commas and colons.
_MESSAGE_ID = re.compile(r"(<[!-;=?-~]+>)(?:\s*\([^()]*\))?")
_MAX_MESSAGE_ID = 900
_LEFT_OUT = frozenset({"bcc", "resent-bcc", "message-id"})
_NEVER_EMPTY = frozenset({"from", "sender", "reply-to", "to", "cc", "date"})


@dataclass(frozen=True, slots=True)
class FromFile:
    """A file as it is sent."""

    content: bytes
    seven_bit: bytes
    """Empty where it cannot be written in 7 bits."""
    message_id: str
    notes: list[str]
    """What is not as the file had it, as sentences."""


def read_file(data: bytes, sender: str) -> FromFile:
    """Make of a file what is sent: Bcc goes; From, Date, Message-ID and MIME-Version come where they are missing.

    Raises:
        UnwritableError: it is no message, or cannot be written as it is meant.
    """
    part = parsed(_without_mark(data))
    if not part.fields:
        raise UnwritableError("não começa com cabeçalhos de mensagem (De, Para, Assunto).")
    notes: list[str] = []
    message_id, kept_id = _identity(part, sender, notes)
    part.fields = _completed(part, sender, kept_id)
    content = written(part, eight_bit=True)
    return FromFile(content, _in_seven_bit(part, content), message_id, notes)


def _in_seven_bit(part: Part, content: bytes) -> bytes:
    if content.partition(b"\r\n\r\n")[2].isascii():
        return content
    try:
        return written(part, eight_bit=False)
    except UnwritableError:
        return b""


def _without_mark(data: bytes) -> bytes:
    """Without what is before the header: a byte-order mark, and the line that parts the messages of an mbox."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    return re.sub(rb"\A>?From [^\r\n]*(?:\r\n|\r|\n)", b"", data)


def _identity(part: Part, sender: str, notes: list[str]) -> tuple[str, Field]:
    """Return the Message-ID and its field: the file's, read without a parser, or a new one."""
    given = [each for each in part.fields if each.key == "message-id"]
    for each in given:
        match = _MESSAGE_ID.fullmatch(each.text)
        if match and each.value.isascii() and len(each.value) <= _MAX_MESSAGE_ID:
            if len(given) > 1:
                notes.append(f"O arquivo traz mais de um Message-ID; ficou {match[1]}.")
            return match[1], each
    if given:
        shown = "".join(char for char in given[0].text if char.isprintable())[:80]
        was = f"“{shown}”" if shown else "vazio"
        notes.append(f"O Message-ID do arquivo não serve ({was}); a mensagem recebeu um novo.")
    message_id = new_message_id(sender)
    return message_id, field("Message-ID", message_id)


def _completed(part: Part, sender: str, kept_id: Field) -> list[Field]:
    kept: list[Field] = []
    for each in part.fields:
        if each is kept_id:
            kept.append(each)
        elif each.key not in _LEFT_OUT and (each.text or each.key not in _NEVER_EMPTY):
            kept.append(field_in_ascii(each))
    names = {each.key for each in kept}
    if "from" not in names:
        kept.append(mailbox_field("From", [("", sender)]))
    if "date" not in names:
        kept.append(date_field())
    if "mime-version" not in names and any(name.startswith("content-") for name in names):
        kept.append(field("MIME-Version", "1.0"))
    return kept if "message-id" in names else [*kept, kept_id]


def date_field() -> Field:
    """Make the Date of a message that is written now."""
    return field("Date", format_datetime(datetime.now(UTC)))


def new_message_id(sender: str) -> str:
    """Return a Message-ID that ends in the sender's domain, angle brackets included."""
    return f"<{uuid4().hex}@{sender.rpartition('@')[2]}>"
