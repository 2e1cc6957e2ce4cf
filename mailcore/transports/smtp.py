"""SMTP as a transport: what is said to the server in which order.

The conversation itself is in :mod:`mailcore.transports.smtp_session`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailcore.messages.transfer import carries, has_whole_line_ends
from mailcore.transports.base import (
    CHECK_SECONDS,
    Connection,
    Findings,
    Receipt,
    StepListener,
    Transport,
    TransportError,
    ignore_steps,
)
from mailcore.transports.smtp_exchange import Limits
from mailcore.transports.smtp_session import SmtpSession
from mailcore.transports.smtp_wire import queue_id

if TYPE_CHECKING:
    from mailcore.messages.compose import OutgoingMessage
    from mailcore.messages.merge import MergeMessage
    from mailcore.transports.bulk import BulkLine

CHECK_LIMITS = Limits(resolve=4, connect=6, greeting=15, silence=4, tls=6, command=8, quit=1)
"""Shorter than for a send: here an answer that comes late is an answer too, and somebody is waiting."""

_GREETING_SHARE = 0.75
"""Of a check's time, at most, for the first word of a server: what comes after it has to be heard too."""


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
        limits = self._given_limits or CHECK_LIMITS
        limits = replace(limits, whole=seconds, greeting=min(limits.greeting, seconds * _GREETING_SHARE))
        with SmtpSession(self.connection, limits, on_step, inspect=True) as session:
            session.open()
            if self.connection.from_address:
                session.sender(self.connection.from_address)
                if recipient:
                    session.recipients((recipient,))
                session.reset()
        return Findings(session.steps, session.certificate)

    def prepare(self, message: OutgoingMessage) -> OutgoingMessage:
        """Refuse a message whose bytes no server could be handed; what hangs on the server is told after EHLO."""
        is_whole = message.content.endswith(b"\r\n") and has_whole_line_ends(message.content)
        if not is_whole or not carries(message.content, eight_bit=True):
            raise TransportError(phase="data", cause="message_unwritable")
        return message

    def send(
        self,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
    ) -> Receipt:
        """Hand the message over once. SMTP has no idempotency key; the ledger alone keeps from sending twice."""
        content = self.prepare(message).content
        with SmtpSession(self.connection, self.limits, on_step) as session:
            session.open()
            if message.seven_bit and not session.offers("8bitmime"):
                content = message.seven_bit
            has_eight_bit = not content.partition(b"\r\n\r\n")[2].isascii()
            utf8 = message.needs_smtputf8
            session.sender(message.envelope_from, size=len(content), eight_bit=has_eight_bit, utf8=utf8)
            refused = session.recipients(message.recipients)
            reply = session.data(content)
        return Receipt(reply.text, queue_id(reply.text), refused)

    def bulk(self, merge: MergeMessage) -> BulkLine:
        """Return a line that keeps its connection and says as much at a time as the server allows."""
        from mailcore.transports.smtp_bulk import SmtpBulkLine

        return SmtpBulkLine(self.connection, self.limits, merge.sender.address)
