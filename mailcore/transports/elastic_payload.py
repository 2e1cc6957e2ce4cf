"""A message as Elastic Email's ``POST /emails/transactional`` takes it."""

from __future__ import annotations

import base64
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from mailcore.messages.compose import OutgoingMessage

# What the service writes itself, or what has a place of its own in the request.
_OWN_HEADERS = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version", "sender"})


def payload(message: OutgoingMessage) -> dict[str, Any]:
    """Return the body of ``POST /emails/transactional`` for a message.

    The first plain text and the first HTML become the body, every other part an attachment.
    """
    mime = message.mime
    recipients = {"To": list(message.to), "CC": list(message.cc), "BCC": list(message.bcc)}
    content: dict[str, Any] = {
        "From": _display(mime, "From"),
        "Subject": str(mime.get("Subject", "")),
        **_parts(mime),
    }
    if mime["Reply-To"]:
        content["ReplyTo"] = _display(mime, "Reply-To")
    headers = {
        name: str(value)
        for name, value in mime.items()
        if name.lower() not in _OWN_HEADERS and not name.lower().startswith("content-")
    }
    if headers:
        content["Headers"] = headers
    return {"Recipients": {name: some for name, some in recipients.items() if some or name == "To"}, "Content": content}


def _display(mime: EmailMessage, header: str) -> str:
    """Return the first address of a header as "Nome <a@b>", quoted where it must be, not encoded.

    Not by the ``email`` package's own reading: in CPython 3.11 that puts a space between the encoded
    pieces of a long name, which RFC 2047 §6.2 forbids.
    """
    raw = next((str(value) for name, value in mime.raw_items() if name.lower() == header.lower()), "")
    encoded, address = parseaddr(" ".join(raw.split()))
    name = encoded
    with suppress(HeaderParseError, LookupError, ValueError):  # a file may have anything there
        name = str(make_header(decode_header(encoded)))
    local, _, domain = address.rpartition("@")
    return str(Address(display_name=name, username=local, domain=domain)) if local else address


def _parts(mime: EmailMessage) -> dict[str, Any]:
    bodies: dict[str, str] = {}
    attachments: list[dict[str, Any]] = []
    for part in _leaves(mime):
        kind = {"text/plain": "PlainText", "text/html": "HTML"}.get(part.get_content_type())
        if kind and kind not in bodies and not part.is_attachment():
            bodies[kind] = _text_of(part)
        else:
            attachments.append(_attachment(part, len(attachments) + 1))
    parts: dict[str, Any] = {
        "Body": [{"ContentType": kind, "Content": text, "Charset": "utf-8"} for kind, text in bodies.items()]
    }
    if attachments:
        parts["Attachments"] = attachments
    return parts


def _leaves(mime: EmailMessage) -> Iterator[EmailMessage]:
    """Yield the parts that hold content; an attached message is one of them and is not entered."""
    if mime.get_content_maintype() == "multipart":
        for part in mime.iter_parts():
            yield from _leaves(cast("EmailMessage", part))
    else:
        yield mime


def _text_of(part: EmailMessage) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # a charset nobody knows
        return cast("bytes", part.get_payload(decode=True)).decode("utf-8", "replace")


def _attachment(part: EmailMessage, number: int) -> dict[str, Any]:
    if part.get_content_maintype() == "message":
        raw = cast("EmailMessage", part.get_content()).as_bytes()
    else:
        raw = cast("bytes | None", part.get_payload(decode=True)) or b""
    return {
        "BinaryContent": base64.b64encode(raw).decode("ascii"),
        "Name": part.get_filename() or f"anexo-{number}",
        "ContentType": part.get_content_type(),
    }
