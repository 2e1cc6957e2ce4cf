"""Reserving and settling for a program that carries the mail itself, and only wants its quota and ledger kept."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from mailcore.actor import Actor, needs
from mailcore.arguments import need_text
from mailcore.catalog import provider_id
from mailcore.diagnosis.replies import classify, diagnosis_for
from mailcore.errors import NotFoundError
from mailcore.rights import Right
from mailcore.sending.reservation import SendOutcome, SendRequest
from mailcore.sending.stops import Stop
from mailcore.vocabulary import Origin, SendStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.registry.servers import Servers
    from mailcore.sending.reservation import Reservations
    from mailcore.storage.tables import MailServer, Send

OUTCOMES = (SendStatus.ACCEPTED, SendStatus.REFUSED, SendStatus.FAILED, SendStatus.UNCERTAIN)
"""What a program may say became of its message."""


class ProgramSends:
    """The sends of other programs through the servers of one installation."""

    def __init__(self, servers: Servers, reservations: Reservations) -> None:
        self._servers = servers
        self._reservations = reservations

    @needs(Right.OPERATE)
    def reserve(
        self,
        server: MailServer,
        recipients: Sequence[str] | int,
        *,
        idempotency_key: str = "",
        message_id: str = "",
        actor: Actor,
    ) -> Send:
        """Reserve a message's place in the quota.

        Returns:
            The row of the ledger. Where its status is ``rejected_by_rule`` the message must not be sent: its
            ``diagnosis`` says why and ``frees_at`` when it would fit. Only where it is ``started``, send it and
            :meth:`settle` it; if your process dies before that, it becomes ``uncertain`` and stays counted. Of two
            who reserve under one key, one gets ``started``.

        Args:
            recipients: their addresses, or only how many they are.
            idempotency_key: a key used before returns the row of then, whatever its status; only a ``failed`` one is
                reserved anew.
            message_id: for the ledger.

        Raises:
            StorageError: the row could not be written; nothing is reserved.
            ValueError: there is no recipient, or one is no text.
        """
        addresses: tuple[str, ...] = ()
        if not isinstance(recipients, int):
            addresses = (recipients,) if isinstance(recipients, str) else tuple(recipients)
        for address in addresses:
            need_text("recipients", address)
        request = SendRequest(
            server,
            idempotency_key or uuid4().hex,
            addresses,
            unnamed=recipients if isinstance(recipients, int) else 0,
            message_id=message_id,
            who=actor.name,
            origin=Origin.PROGRAM,
            stop=None if server.is_active else Stop(diagnosis_for("inactive")),
        )
        reservation = self._reservations.reserve(request)
        send = reservation.send
        if not reservation.may_send and send.status is SendStatus.STARTED:
            send.status = SendStatus.UNCERTAIN  # somebody else's, under way: not this caller's to send
        return send

    @needs(Right.OPERATE)
    def settle(
        self,
        send: Send,
        outcome: SendStatus,
        *,
        reply: str = "",
        phase: str = "data",
        taken: int | None = None,
        actor: Actor,
    ) -> Send:
        """Say what became of a reserved message.

        Args:
            outcome: one of :data:`OUTCOMES`: ``accepted``; ``refused`` or ``failed``, which free its units;
                ``uncertain``, which keeps them.
            reply: the server's words; a refusal for quota puts the account on hold, refused logins in a row too.
            phase: the step that the reply answers: ``connect``, ``auth``, ``mail``, ``rcpt`` or ``data``.
            taken: recipients it was taken for, if not all.

        Raises:
            StorageError: it could not be written; the row becomes ``uncertain``.
        """
        diagnosis, host = None, ""
        if outcome is SendStatus.UNCERTAIN:
            diagnosis = diagnosis_for("uncertain", reply=reply)
        elif outcome is not SendStatus.ACCEPTED and reply:
            diagnosis, host = self._diagnosed(send, reply, phase)
        settled = SendOutcome(status=outcome, reply=reply, diagnosis=diagnosis, taken=taken, host=host)
        return self._reservations.settle(send, settled)

    def _diagnosed(self, send: Send, reply: str, phase: str) -> tuple[Diagnosis | None, str]:
        """Return what a refusal means, and the host of the server, unless its record is gone."""
        try:
            server = self._servers.get(send.server_id)
        except NotFoundError:
            return None, ""
        return classify(reply, phase=phase, provider=provider_id(server.host), kind=server.kind), server.host
