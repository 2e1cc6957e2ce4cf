"""Building the message that is sent, and its envelope.

A message is bytes from here on: whatever cannot be written is refused here, before anybody is contacted. What could
break out of a header is refused with the field's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP

from mailcore.arguments import need
from mailcore.errors import FieldError, ValidationError
from mailcore.messages.address_fields import mailbox_field
from mailcore.messages.addresses import parse_address, split_addresses
from mailcore.messages.eml import date_field, new_message_id, read_file
from mailcore.messages.headers import field, text_field
from mailcore.messages.transfer import UnwritableError
from mailcore.messages.writing import text_part

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


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a message: an address, and the name that stands beside it in the header."""

    address: str
    name: str = ""


Recipients = Iterable[str | Recipient] | str | Recipient
"""One recipient, several, or a text with several addresses."""


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

    def __repr__(self) -> str:
        # Whom it is for is nobody's business who reads a log.
        subject = str(self.mime["Subject"] or "")
        return f"OutgoingMessage({self.message_id}, {subject=!s}, recipients={len(self.recipients)})"

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
    to: Recipients,
    from_name: str = "",
    reply_to: str = "",
    cc: Recipients = (),
    bcc: Recipients = (),
    subject: str = "",
    text: str = "",
) -> OutgoingMessage:
    """Build a plain-text message with a Message-ID and a Date of its own.

    Recipients are a list of addresses, each a text or a :class:`Recipient` with a name, or one text with several
    (see :func:`mailcore.messages.addresses.split_addresses`). The Message-ID ends in the sender's domain, never in
    this machine's name: providers limit and filter by repeated ones, and the name is nobody's business.

    Raises:
        ValidationError: one sentence for each field that cannot stand in a message as given.
    """
    fields = _Fields()
    sender = fields.address("from_address", from_address, required=True)
    answer_to = fields.address("reply_to", reply_to)
    named = {name: fields.recipients(name, given) for name, given in (("to", to), ("cc", cc), ("bcc", bcc))}
    if not any(named.values()) and not fields.has_error(*named):
        fields.error("to", "preencha com o endereço de quem vai receber.")
    from_name, subject = fields.line("from_name", from_name), fields.line("subject", subject)
    fields.check_text(text)
    fields.raise_errors()

    headers = [mailbox_field("From", [(from_name, sender)])]
    for name, recipients in (("To", named["to"]), ("Cc", named["cc"])):
        if recipients:
            headers.append(mailbox_field(name, [(each.name, each.address) for each in recipients]))
    if answer_to:
        headers.append(mailbox_field("Reply-To", [("", answer_to)]))
    message_id = new_message_id(sender)
    headers += [text_field("Subject", subject), date_field(), field("Message-ID", message_id)]
    content_fields, body = text_part(text)
    content = b"".join(each.line() for each in [*headers, *content_fields]) + b"\r\n" + body
    envelope = {name: tuple(each.address for each in recipients) for name, recipients in named.items()}
    return OutgoingMessage(content, content, message_id, sender, **envelope)


def from_eml(
    data: bytes,
    *,
    envelope_from: str,
    to: Recipients,
    cc: Recipients = (),
    bcc: Recipients = (),
) -> OutgoingMessage:
    """Take a message from a file: what it says stays, Bcc goes, Date and Message-ID come if missing.

    Raises:
        ValidationError: the file is no message or cannot be written as it is meant, or an address of the envelope is
            none.
    """
    fields = _Fields()
    sender = fields.address("from_address", envelope_from, required=True)
    envelope = {
        name: tuple(each.address for each in fields.recipients(name, given))
        for name, given in (("to", to), ("cc", cc), ("bcc", bcc))
    }
    if not any(envelope.values()) and not fields.has_error(*envelope):
        fields.error("to", "preencha com o endereço de quem vai receber.")
    need("data", data, bytes, "Path(arquivo).read_bytes()")
    taken = None
    try:
        taken = read_file(data, sender)
    except UnwritableError as error:
        fields.error("eml", str(error))
    fields.raise_errors()
    assert taken is not None
    return OutgoingMessage(
        taken.content, taken.seven_bit, taken.message_id, sender, **envelope, notes=tuple(taken.notes)
    )


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
        if not self._is_text(field, value) or (not value.strip() and not required):
            return ""
        try:
            return parse_address(value)
        except ValueError as error:
            self.error(field, str(error))
            return ""

    def recipients(self, field: str, given: Recipients) -> tuple[Recipient, ...]:
        if isinstance(given, str):
            given = split_addresses(given)
        elif isinstance(given, Recipient):
            given = (given,)
        elif not isinstance(given, Iterable):
            self.error(field, f"esperava um endereço ou uma lista deles, veio {type(given).__name__}.")
            return ()
        parsed = []
        for piece in given:
            recipient = piece if isinstance(piece, Recipient) else Recipient(piece)
            if not self._is_text(field, recipient.address):
                continue
            name = self.line(field, recipient.name)
            try:
                parsed.append(Recipient(parse_address(recipient.address), name))
            except ValueError as error:
                shown = "".join(char for char in recipient.address if char.isprintable())[:80]
                self.error(field, f"em “{shown}”, {error}")
        return tuple(parsed)

    def _is_text(self, field: str, value: object) -> bool:
        if isinstance(value, str):
            return True
        self.error(field, f"esperava um texto, veio {type(value).__name__}.")
        return False

    def line(self, field: str, value: str) -> str:
        if not self._is_text(field, value):
            return ""
        value = value.strip()
        if any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in value):
            self.error(field, "escreva numa linha só, sem quebra de linha nem tabulação.")
        elif len(value) > MAX_HEADER_TEXT:
            self.error(field, f"o texto tem {len(value)} caracteres; cabem até {MAX_HEADER_TEXT}.")
        return value

    def check_text(self, text: str) -> None:
        if self._is_text("text", text) and _NOT_TEXT.search(text):
            self.error("text", "há caracteres que não são texto. Apague o trecho colado e digite-o.")
