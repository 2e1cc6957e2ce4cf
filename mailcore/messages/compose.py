"""Building the message that is sent, and its envelope.

Headers go through the ``email`` package of the standard library, which encodes and folds them; what
could break out of a header is refused here, with the field's name, before it gets that far.
"""

from __future__ import annotations

import email.policy
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from uuid import uuid4

from mailcore.arguments import need
from mailcore.errors import FieldError, ValidationError
from mailcore.messages.addresses import parse_address, split_addresses

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

# A header set as text stays as it was folded: a file's own, and those of _mailboxes.
_FILE = email.policy.SMTP.clone(refold_source="none")
# 7bit, so that no server has to offer 8BITMIME for what we write ourselves.
_OWN = _FILE.clone(cte_type="7bit")

_ADDRESS_HEADERS = frozenset({"from", "sender", "reply-to", "to", "cc"})
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]+( [A-Za-z0-9]+)*")


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

    mime: EmailMessage
    envelope_from: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

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
        headers = (self.mime.get(name) for name in ("From", "Sender", "Reply-To", "To", "Cc"))
        shown = [address.addr_spec for header in headers for address in getattr(header, "addresses", ())]
        return not all(address.isascii() for address in (self.envelope_from, *self.recipients, *shown))

    @property
    def message_id(self) -> str:
        """The Message-ID header, angle brackets included."""
        return str(self.mime["Message-ID"])


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

    mime = EmailMessage(policy=_OWN)
    _set_mailboxes(mime, "From", [(from_name, sender)])
    for header, recipients in (("To", named["to"]), ("Cc", named["cc"])):
        if recipients:
            _set_mailboxes(mime, header, [(each.name, each.address) for each in recipients])
    if answer_to:
        _set_mailboxes(mime, "Reply-To", [("", answer_to)])
    mime["Subject"] = subject
    _add_identity(mime, sender)
    mime.set_content(text, charset="utf-8")
    envelope = {name: tuple(each.address for each in recipients) for name, recipients in named.items()}
    return OutgoingMessage(mime, sender, **envelope)


def from_eml(
    data: bytes,
    *,
    envelope_from: str,
    to: Recipients,
    cc: Recipients = (),
    bcc: Recipients = (),
) -> OutgoingMessage:
    """Take a message from a file: its own headers stay, Bcc goes, Date and Message-ID come if missing.

    Raises:
        ValidationError: the file is no message, or an address of the envelope is none.
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
    parsed = BytesParser(EmailMessage, policy=_FILE).parsebytes(data)
    assert isinstance(parsed, EmailMessage)
    if not parsed.keys():
        fields.error("eml", "não começa com cabeçalhos de mensagem (De, Para, Assunto).")
    fields.raise_errors()

    mime = _with_ascii_headers(parsed)
    del mime["Bcc"], mime["Resent-Bcc"]
    if "From" not in mime:
        _set_mailboxes(mime, "From", [("", sender)])
    _add_identity(mime, sender)
    return OutgoingMessage(mime, sender, **envelope)


def _add_identity(mime: EmailMessage, sender: str) -> None:
    if not str(mime.get("Date", "")).strip():
        del mime["Date"]
        mime["Date"] = format_datetime(datetime.now(UTC))
    if not str(mime.get("Message-ID", "")).strip():
        del mime["Message-ID"]
        mime["Message-ID"] = f"<{uuid4().hex}@{sender.rpartition('@')[2]}>"


def _set_mailboxes(mime: EmailMessage, header: str, mailboxes: list[tuple[str, str]]) -> None:
    """Append a header of (name, address) pairs, a line for each.

    The names are encoded here. Where CPython 3.11 folds a long quoted name it loses the quotes, and what
    follows a comma in it becomes an address of its own.
    """
    lines = []
    for name, address in mailboxes:
        if not name:
            lines.append(address)
        elif len(name) <= 60 and _PLAIN_NAME.fullmatch(name):
            lines.append(f"{name} <{address}>")
        else:
            encoded = Header(name, "utf-8", header_name=header).encode(linesep="\r\n")
            lines.append(f"{encoded}\r\n <{address}>")
    mime.set_raw(header, ",\r\n ".join(lines))


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
            continue
        header = _FILE.header_factory(name, _unfolded(_decoded(text)))
        addresses = getattr(header, "addresses", ()) if name.lower() in _ADDRESS_HEADERS else ()
        if addresses:
            _set_mailboxes(mime, name, [(each.display_name, each.addr_spec) for each in addresses])
        else:
            mime.set_raw(name, header)
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
