"""Building the message that is sent, and its envelope.

Headers go through the ``email`` package of the standard library, which encodes and folds them; what
could break out of a header is refused here, with the field's name, before it gets that far.
"""

from __future__ import annotations

import email.policy
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from mailcore.addresses import parse_address, split_addresses
from mailcore.errors import FieldError, ValidationError

if TYPE_CHECKING:
    from email.policy import EmailPolicy

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

# 7bit, so that no server has to offer 8BITMIME for what we write ourselves.
_OWN: EmailPolicy = email.policy.SMTP.clone(cte_type="7bit")
# A file's own headers are kept as they stand, not folded anew.
_FILE: EmailPolicy = email.policy.SMTP.clone(refold_source="none")


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message and its envelope (RFC 5321 §2.3.1). Bcc stands in the envelope only."""

    mime: EmailMessage
    envelope_from: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every recipient once, in the order To, Cc, Bcc; two that differ in case alone are one."""
        distinct = {address.casefold(): address for address in reversed((*self.to, *self.cc, *self.bcc))}
        return tuple(reversed(distinct.values()))

    @property
    def message_id(self) -> str:
        """The Message-ID header, angle brackets included."""
        return str(self.mime["Message-ID"])


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
    :func:`mailcore.addresses.split_addresses`). The Message-ID ends in the sender's domain, never in
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

    mime = EmailMessage(policy=_OWN)
    mime["From"] = _mailbox(sender, from_name)
    for header, addresses in (("To", envelope["to"]), ("Cc", envelope["cc"])):
        if addresses:
            mime[header] = [_mailbox(address) for address in addresses]
    if answer_to:
        mime["Reply-To"] = _mailbox(answer_to)
    mime["Subject"] = subject
    _add_identity(mime, sender)
    mime.set_content(text, charset="utf-8")
    return OutgoingMessage(mime, sender, envelope["to"], envelope["cc"], envelope["bcc"])


def from_eml(
    data: bytes,
    *,
    envelope_from: str,
    to: Iterable[str] | str,
    cc: Iterable[str] | str = (),
    bcc: Iterable[str] | str = (),
) -> OutgoingMessage:
    """Take a message from a file: its own headers stay, Bcc goes, Date and Message-ID come if missing.

    Raises:
        ValidationError: the file is no message, or an address of the envelope is none.
    """
    fields = _Fields()
    sender = fields.address("from_address", envelope_from, required=True)
    envelope = {name: fields.addresses(name, given) for name, given in (("to", to), ("cc", cc), ("bcc", bcc))}
    if not any(envelope.values()) and not fields.has_error(*envelope):
        fields.error("to", "preencha com o endereço de quem vai receber.")
    parsed = BytesParser(EmailMessage, policy=_FILE).parsebytes(data)
    assert isinstance(parsed, EmailMessage)
    if not parsed.keys():
        fields.error("eml", "não começa com cabeçalhos de mensagem (De, Para, Assunto).")
    fields.raise_errors()

    mime = _with_ascii_headers(parsed)
    del mime["Bcc"], mime["Resent-Bcc"]
    if "From" not in mime:
        mime["From"] = _mailbox(sender)
    _add_identity(mime, sender)
    return OutgoingMessage(mime, sender, envelope["to"], envelope["cc"], envelope["bcc"])


def _add_identity(mime: EmailMessage, sender: str) -> None:
    if not str(mime.get("Date", "")).strip():
        del mime["Date"]
        mime["Date"] = format_datetime(datetime.now(UTC))
    if not str(mime.get("Message-ID", "")).strip():
        del mime["Message-ID"]
        mime["Message-ID"] = f"<{uuid4().hex}@{sender.rpartition('@')[2]}>"


def _mailbox(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _with_ascii_headers(mime: EmailMessage) -> EmailMessage:
    """Replace headers in bare UTF-8 or Latin-1, which only an SMTPUTF8 server may be sent, by encoded ones."""
    headers = list(mime.raw_items())
    if all(str(value).isascii() for _, value in headers):
        return mime
    for name in set(mime.keys()):
        del mime[name]
    for name, value in headers:
        text = str(value)
        if text.isascii():
            mime.set_raw(name, value)
        else:
            mime.set_raw(name, mime.policy.header_factory(name, _unfolded(_decoded(text))))
    return mime


def _decoded(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unfolded(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


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
        if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\r\n" for char in text):
            self.error("text", "há caracteres que não são texto. Apague o trecho colado e digite-o.")
