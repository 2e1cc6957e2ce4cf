"""A message as Elastic Email's ``POST /emails/transactional`` takes it.

The service builds the message anew from what it is given, so what cannot survive that (a signature, encryption) and
what cannot be read for certain (text in an unknown charset) is refused before anything is sent.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from mailcore.messages.address_fields import mailboxes
from mailcore.messages.encoded_words import decoded_words, has_hidden_break
from mailcore.messages.headers import HeaderError
from mailcore.messages.parts import Part, parsed
from mailcore.messages.transfer import UnwritableError
from mailcore.transports.base import TransportError

if TYPE_CHECKING:
    from mailcore.messages.compose import OutgoingMessage

# What the service writes itself, what has a place of its own in the request, and what other servers wrote on the way.
_OWN_HEADERS = frozenset(
    {
        *("from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version", "sender"),
        *("received", "return-path", "delivered-to", "received-spf", "authentication-results"),
        *("dkim-signature", "domainkey-signature", "x-google-dkim-signature"),
    }
)
_SEALED = frozenset({"multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_BODIES = {"text/plain": "PlainText", "text/html": "HTML"}
_NEEDS_QUOTES = re.compile(r"[^\w !#$%&'*+/=?^`{|}~-]")


def payload(message: OutgoingMessage) -> dict[str, Any]:
    """Return the body of ``POST /emails/transactional`` for a message.

    The first plain text and the first HTML become the body, every other part an attachment: an attached message and
    a delivery status as the bytes they are.

    Raises:
        TransportError: the service cannot be given this message as it is meant; nobody was contacted.
    """
    try:
        part = parsed(message.content)
        if any(each.content_type in _SEALED for each in _all_parts(part)):
            raise TransportError(phase="message", cause="signature_would_break")
        recipients = {"To": list(message.to), "CC": list(message.cc), "BCC": list(message.bcc)}
        content: dict[str, Any] = {
            "From": _mailbox(part, "from"),
            "Subject": decoded_words(part.text("subject")),
            **_bodies_and_attachments(part),
        }
        if part.text("reply-to"):
            content["ReplyTo"] = _mailbox(part, "reply-to")
        headers = _other_headers(part)
    except (UnwritableError, HeaderError):
        raise TransportError(phase="message", cause="message_unwritable") from None
    if headers:
        content["Headers"] = headers
    return {"Recipients": {name: some for name, some in recipients.items() if some or name == "To"}, "Content": content}


def _all_parts(part: Part) -> list[Part]:
    """The part and all within it, save for attached messages: those are attached as they are."""
    inner = part.children if part.is_multipart else []
    return [part, *(each for child in inner for each in _all_parts(child))]


def _other_headers(part: Part) -> dict[str, str]:
    headers: dict[str, str] = {}
    for each in part.fields:
        if each.key in _OWN_HEADERS or each.key.startswith(("content-", "arc-")):
            continue
        text = each.text if each.key == "message-id" else decoded_words(each.text)
        headers.setdefault(each.name, text)
    return headers


def _mailbox(part: Part, name: str) -> str:
    """Return the first address of a field as "Nome <a@b>", quoted where it must be, not encoded."""
    return mailbox_text(*next(iter(mailboxes(part.text(name))), ("", "")))


def mailbox_text(shown: str, address: str) -> str:
    """Return "Nome <a@b>", quoted where it must be, not encoded; the address alone where there is no name."""
    if not shown:
        return address
    if _NEEDS_QUOTES.search(shown):
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        shown = f'"{escaped}"'
    return f"{shown} <{address}>"


def _bodies_and_attachments(message: Part) -> dict[str, Any]:
    bodies: dict[str, str] = {}
    attachments: list[dict[str, Any]] = []
    for part in message.leaves():
        kind = _BODIES.get(part.content_type)
        if kind and kind not in bodies and not part.is_attachment:
            bodies[kind] = _text_of(part)
        else:
            attachments.append(_attachment(part, len(attachments) + 1))
    found: dict[str, Any] = {
        "Body": [{"ContentType": kind, "Content": text, "Charset": "utf-8"} for kind, text in bodies.items()]
    }
    if attachments:
        found["Attachments"] = attachments
    return found


def _text_of(part: Part) -> str:
    raw = part.decoded()
    try:
        text = raw.decode(part.charset or "ascii")
    except (LookupError, ValueError):  # UnicodeDecodeError is one
        raise TransportError(phase="message", cause="charset_unknown") from None
    return text.replace("\r\n", "\n")


def _attachment(part: Part, number: int) -> dict[str, Any]:
    name = part.filename
    if has_hidden_break(name):
        raise UnwritableError("tem um anexo com quebra de linha no nome.")
    return {
        "BinaryContent": base64.b64encode(part.decoded()).decode("ascii"),
        "Name": name or f"anexo-{number}",
        "ContentType": part.content_type,
    }
