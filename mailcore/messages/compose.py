"""Building the message that is sent, and its envelope.

A message is bytes from here on: whatever cannot be written is refused here, before anybody is contacted. What could
break out of a header is refused with the field's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from email.utils import format_datetime
from uuid import uuid4

from mailcore.errors import FieldError, ValidationError
from mailcore.messages.address_fields import mailbox_field
from mailcore.messages.addresses import parse_address, split_addresses
from mailcore.messages.headers import Field, field, text_field
from mailcore.messages.parts import Part, parsed
from mailcore.messages.transfer import UnwritableError
from mailcore.messages.writing import field_in_ascii, text_part, written

LABELS = {
    "from_address": "E-mail do remetente",
    "from_name": "Nome do remetente",
    "reply_to": "Responder para",
    "to": "Para",
    "cc": "Cc",
    "bcc": "Cco",
    "subject": "Assunto",
    "text": "Mensagem",
    "eml": "Arquivo .eml",
}
"""Field → its name on the screen."""

MAX_HEADER_TEXT = 900
"""Characters of a subject or a name: under the 998 of one line (RFC 5322 §2.1.1), and more than enough."""

# Control characters, save tab and line ends, and halves of surrogate pairs.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_AS_IT_STANDS = SMTP.clone(refold_source="none")
# Between angle brackets anything but a blank: Exchange writes <[…]>, others commas and colons.
_MESSAGE_ID = re.compile(r"(<[!-;=?-~]+>)(?:\s*\([^()]*\))?")
_MAX_MESSAGE_ID = 900


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message and its envelope (RFC 5321 §2.3.1). Bcc stands in the envelope only."""

    content: bytes
    """The whole message as it goes to a server with 8BITMIME: line ends are CR LF, no line is over 998 octets, the
    header is ASCII save for addresses that need SMTPUTF8. Dots are not yet doubled."""
    seven_bit: bytes
    """The same for a server without 8BITMIME; empty where it cannot be written so."""
    message_id: str
    """The Message-ID, angle brackets included."""
    envelope_from: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is not as the file had it, as sentences to be shown."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every recipient once, in the order To, Cc, Bcc; two that differ in case alone are one."""
        distinct: dict[str, str] = {}
        for address in (*self.to, *self.cc, *self.bcc):
            distinct.setdefault(address.casefold(), address)
        return tuple(distinct.values())

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address, in the envelope or a header, has a local part outside ASCII (RFC 6531)."""
        header = self.content.partition(b"\r\n\r\n")[0]
        return not (header.isascii() and all(address.isascii() for address in (self.envelope_from, *self.recipients)))

    @property
    def mime(self) -> EmailMessage:
        """The message as the standard library reads it; to look into, not to send."""
        read = BytesParser(EmailMessage, policy=_AS_IT_STANDS).parsebytes(self.content)
        assert isinstance(read, EmailMessage)
        return read


def compose(
    *,
    from_address: str,
    to: Iterable[str] | str,
    from_name: str = "",
    reply_to: str = "",
    cc: Iterable[str] | str = (),
    bcc: Iterable[str] | str = (),
    subject: str = "",
    text: str = "",
) -> OutgoingMessage:
    """Build a plain-text message with a Message-ID and a Date of its own.

    Recipients are a list of addresses, or one text with several (see
    :func:`mailcore.messages.addresses.split_addresses`). The Message-ID ends in the sender's domain, never in
    this machine's name: providers limit and filter by repeated ones, and the name is nobody's business.

    Raises:
        ValidationError: one sentence for each field that cannot stand in a message as given.
    """
    fields = _Fields()
    sender = fields.address("from_address", from_address, required=True)
    answer_to = fields.address("reply_to", reply_to)
    envelope = {name: fields.addresses(name, given) for name, given in (("to", to), ("cc", cc), ("bcc", bcc))}
    if not any(envelope.values()) and not fields.has_error(*envelope):
        fields.error("to", "preencha com o endereço de quem vai receber.")
    from_name, subject = fields.line("from_name", from_name), fields.line("subject", subject)
    fields.check_text(text)
    fields.raise_errors()

    headers = [mailbox_field("From", [(from_name, sender)])]
    for name, addresses in (("To", envelope["to"]), ("Cc", envelope["cc"]), ("Reply-To", (answer_to,))):
        if any(addresses):
            headers.append(mailbox_field(name, [("", address) for address in addresses]))
    message_id = _new_message_id(sender)
    headers += [text_field("Subject", subject), _date(), field("Message-ID", message_id)]
    content_fields, body = text_part(text)
    content = b"".join(each.line() for each in [*headers, *content_fields]) + b"\r\n" + body
    return OutgoingMessage(content, content, message_id, sender, envelope["to"], envelope["cc"], envelope["bcc"])


def from_eml(
    data: bytes,
    *,
    envelope_from: str,
    to: Iterable[str] | str,
    cc: Iterable[str] | str = (),
    bcc: Iterable[str] | str = (),
) -> OutgoingMessage:
    """Take a message from a file: what it says stays, Bcc goes, Date and Message-ID come if missing.

    Raises:
        ValidationError: the file is no message or cannot be written as it is meant, or an address of the envelope is
            none.
    """
    fields = _Fields()
    sender = fields.address("from_address", envelope_from, required=True)
    envelope = {name: fields.addresses(name, given) for name, given in (("to", to), ("cc", cc), ("bcc", bcc))}
    if not any(envelope.values()) and not fields.has_error(*envelope):
        fields.error("to", "preencha com o endereço de quem vai receber.")
    part = None
    try:
        part = parsed(_without_mark(data))
        if not part.fields:
            fields.error("eml", "não começa com cabeçalhos de mensagem (De, Para, Assunto).")
        fields.raise_errors()
        part.fields, message_id, notes = _completed(part, sender)
        content = written(part, eight_bit=True)
    except UnwritableError as error:
        fields.error("eml", str(error))
        fields.raise_errors()
        raise
    return OutgoingMessage(
        content,
        _in_seven_bit(part, content),
        message_id,
        sender,
        envelope["to"],
        envelope["cc"],
        envelope["bcc"],
        notes,
    )


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


def _completed(part: Part, sender: str) -> tuple[list[Field], str, tuple[str, ...]]:
    """Return a file's header as it is sent, its Message-ID, and what had to be said about that."""
    given = [each for each in part.fields if each.key == "message-id"]
    usable = next((each for each in given if _is_usable_id(each)), None)
    kept: list[Field] = []
    for each in part.fields:
        if each is usable:
            kept.append(each)  # as it came: no parser knows every form in use
        elif each.key not in _LEFT_OUT and (each.text or each.key not in _NEVER_EMPTY):
            kept.append(field_in_ascii(each))
    names = {each.key for each in kept}
    if "from" not in names:
        kept.append(mailbox_field("From", [("", sender)]))
    if "date" not in names:
        kept.append(_date())
    if "mime-version" not in names and any(name.startswith("content-") for name in names):
        kept.append(field("MIME-Version", "1.0"))
    if usable is not None:
        match = _MESSAGE_ID.fullmatch(usable.text)
        assert match is not None
        return kept, match[1], ()
    message_id = _new_message_id(sender)
    notes = (_replaced(given[0].text),) if given else ()
    return [*kept, field("Message-ID", message_id)], message_id, notes


_LEFT_OUT = frozenset({"bcc", "resent-bcc", "message-id"})
_NEVER_EMPTY = frozenset({"from", "sender", "reply-to", "to", "cc", "date"})


def _is_usable_id(given: Field) -> bool:
    return len(given.value) <= _MAX_MESSAGE_ID and given.value.isascii() and bool(_MESSAGE_ID.fullmatch(given.text))


def _replaced(text: str) -> str:
    shown = "".join(char for char in text if char.isprintable())[:80]
    was = f"“{shown}”" if shown else "vazio"
    return f"O Message-ID do arquivo não serve ({was}); a mensagem recebeu um novo."


def _date() -> Field:
    return field("Date", format_datetime(datetime.now(UTC)))


def _new_message_id(sender: str) -> str:
    return f"<{uuid4().hex}@{sender.rpartition('@')[2]}>"


class _Fields:
    """The fields of one message, each checked, their errors collected."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def error(self, field: str, sentence: str) -> None:
        self.errors.append(FieldError(field, f"{LABELS[field]}: {sentence}"))

    def has_error(self, *names: str) -> bool:
        return any(error.field in names for error in self.errors)

    def raise_errors(self) -> None:
        if self.errors:
            raise ValidationError(self.errors)

    def address(self, field: str, value: str, *, required: bool = False) -> str:
        if not value.strip() and not required:
            return ""
        try:
            return parse_address(value)
        except ValueError as error:
            self.error(field, str(error))
            return ""

    def addresses(self, field: str, given: Iterable[str] | str) -> tuple[str, ...]:
        pieces = split_addresses(given) if isinstance(given, str) else list(given)
        parsed = []
        for piece in pieces:
            try:
                parsed.append(parse_address(piece))
            except ValueError as error:
                shown = "".join(char for char in piece if char.isprintable())[:80]
                self.error(field, f"em “{shown}”, {error}")
        return tuple(parsed)

    def line(self, field: str, value: str) -> str:
        value = value.strip()
        if any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in value):
            self.error(field, "escreva numa linha só, sem quebra de linha nem tabulação.")
        elif len(value) > MAX_HEADER_TEXT:
            self.error(field, f"o texto tem {len(value)} caracteres; cabem até {MAX_HEADER_TEXT}.")
        return value

    def check_text(self, text: str) -> None:
        if _NOT_TEXT.search(text):
            self.error("text", "há caracteres que não são texto. Apague o trecho colado e digite-o.")
