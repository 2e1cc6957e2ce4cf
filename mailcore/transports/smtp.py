"""SMTP as a transport: what is said to the server in which order, and the message in bytes.

The conversation itself is in :mod:`mailcore.transports.smtp_session`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from email.generator import BytesGenerator
from io import BytesIO
from typing import TYPE_CHECKING, cast

from mailcore.transports.base import (
    CHECK_SECONDS,
    Connection,
    Findings,
    Receipt,
    StepListener,
    Transport,
    ignore_steps,
)
from mailcore.transports.smtp_session import Limits, SmtpSession

if TYPE_CHECKING:
    from email.message import EmailMessage
    from email.policy import EmailPolicy

    from mailcore.messages.compose import OutgoingMessage

CHECK_LIMITS = Limits(resolve=4, connect=6, greeting=10, silence=4, tls=6, command=8, quit=1)
"""Shorter than for a send: here an answer that comes late is an answer too, and somebody is waiting."""

_QUEUE_ID = re.compile(
    r"queued as <?([\w.@-]+)|\bid=<?([\w.@-]+)|^250[ -](?:2\.\d\.\d )?ok:? ([\w-]{8,})\s*$",
    re.IGNORECASE | re.MULTILINE,
)


class SmtpTransport(Transport):
    """A server that is reached over SMTP."""

    stages = ("resolve", "connect", "greeting", "tls", "ehlo", "auth", "sender")
    hand_over_step = "data"

    def __init__(self, connection: Connection, limits: Limits | None = None) -> None:
        super().__init__(connection)
        self._given_limits = limits
        self.limits = limits or Limits()

    def check(
        self, on_step: StepListener = ignore_steps, *, recipient: str = "", seconds: float = CHECK_SECONDS
    ) -> Findings:
        """Connect, log in and name the sender; then take it back. Never DATA: nothing is sent.

        With ``recipient`` the server is asked for it too (RCPT TO), which some of them write down.
        """
        limits = replace(self._given_limits or CHECK_LIMITS, whole=seconds)
        with SmtpSession(self.connection, limits, on_step, inspect=True) as session:
            session.open()
            if self.connection.from_address:
                session.sender(self.connection.from_address)
                if recipient:
                    session.recipients((recipient,))
                session.reset()
        return Findings(session.steps, session.certificate)

    def send(
        self,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
    ) -> Receipt:
        """Hand the message over once. SMTP has no idempotency key; the ledger alone keeps from sending twice."""
        with SmtpSession(self.connection, self.limits, on_step) as session:
            session.open()
            utf8 = message.needs_smtputf8
            content = wire_format(message, utf8=utf8, eight_bit=session.offers("8bitmime"))
            session.sender(message.envelope_from, size=len(content), eight_bit=not content.isascii(), utf8=utf8)
            refused = session.recipients(message.recipients)
            reply = session.data(content)
        return Receipt(reply.text, _queue_id(reply.text), refused)


def wire_format(message: OutgoingMessage, *, utf8: bool, eight_bit: bool) -> bytes:
    """Return the message in bytes, every line ending in CR LF, dots not yet doubled.

    Args:
        utf8: headers may stand in UTF-8 (only towards a server with SMTPUTF8).
        eight_bit: bodies may stay in 8 bits (only towards a server with 8BITMIME); a file's 8-bit text is
            encoded anew otherwise.
    """
    own = cast("EmailPolicy[EmailMessage]", message.mime.policy)
    policy = own.clone(linesep="\r\n", utf8=utf8, cte_type="8bit" if eight_bit else "7bit")
    buffer = BytesIO()
    BytesGenerator(buffer, mangle_from_=False, policy=policy).flatten(message.mime)
    # A bare CR or LF would let two servers see different messages (CVE-2023-51764, "SMTP smuggling").
    content = re.sub(rb"\r\n|\r|\n", b"\r\n", buffer.getvalue())
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _queue_id(reply: str) -> str:
    match = _QUEUE_ID.search(reply)
    return next(filter(None, match.groups()), "") if match else ""
