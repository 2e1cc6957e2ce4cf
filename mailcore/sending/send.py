"""Sending one message: our rules, the message in bytes, a row in the ledger, the server, the outcome.

The row is committed before the first byte leaves, so a message is never handed over without a trace. Nothing is
ever sent again on its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from mailcore.actor import Actor, needs
from mailcore.catalog import provider_id
from mailcore.diagnosis.replies import diagnose, diagnosis_for
from mailcore.errors import MailcoreError
from mailcore.rights import Right
from mailcore.sending.hand_over import HandOver
from mailcore.sending.reservation import SendRequest
from mailcore.sending.same_address import own_recipients
from mailcore.sending.stops import Stop, not_begun, program_fault, where
from mailcore.sending.unsettled import Unsettled
from mailcore.transports import connection_for, transport_for
from mailcore.transports.base import StepListener, TransportError, ignore_steps
from mailcore.vocabulary import Origin, SameAddress, SendStatus

if TYPE_CHECKING:
    from mailcore.messages.compose import OutgoingMessage
    from mailcore.registry.servers import Servers
    from mailcore.sending.reservation import Reservations, SendOutcome
    from mailcore.settings import Settings
    from mailcore.storage.tables import MailServer, Send

_log = logging.getLogger(__name__)

_SAME_ADDRESS_WARNING = (
    "A mensagem vai para o próprio remetente ({addresses}). Contas gratuitas costumam ser bloqueadas por isso."
)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A message ready to be handed over, or why it is not."""

    hand_over: HandOver | None = None
    stop: Stop | None = None
    error: MailcoreError | None = None
    """What the caller is told besides the row."""


class Sender:
    """Sends through the servers of one installation. Safe to share between threads."""

    def __init__(self, servers: Servers, reservations: Reservations, settings: Settings) -> None:
        """Keep the parts; a kind of server takes from the settings what it needs."""
        self._servers = servers
        self._reservations = reservations
        self._unsettled = Unsettled(reservations, settings.data_dir)
        self._settings = settings

    @needs(Right.OPERATE)
    def send(
        self,
        server: MailServer,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
        origin: Origin = Origin.PROGRAM,
        actor: Actor,
    ) -> Send:
        """Send one message through ``server`` and return its row of the ledger, whatever the outcome.

        Whatever is raised on the way, the row gets an outcome: ``failed`` where no byte of the message had left,
        ``uncertain`` after that. What ends the program (Ctrl+C, say) is raised again when the row has it.

        Args:
            idempotency_key: with a key that was used before, the first outcome is returned and nobody is
                contacted; only a ``failed`` send is tried anew, in the same row.
            origin: by what it is sent, for the ledger.

        Raises:
            SecretError: the server's password cannot be read; nothing was sent, and the row says so.
            ConfigurationError: the server cannot be reached as it is configured; likewise.
            StorageError: the row could not be written; nothing was sent. Once the server has answered, such a fault
                raises nothing: the outcome is returned, with a warning, and written later (see ``unsettled.py``).
        """
        self.catch_up()
        if idempotency_key and (waiting := self._unsettled.under_key(idempotency_key)) is not None:
            return waiting
        warnings = _warnings(server, message)
        stop = rule_against(server, message)
        prepared = _Prepared(stop=stop) if stop else self._prepare(server, message, warnings)
        key = idempotency_key or uuid4().hex
        request = SendRequest(
            server,
            key,
            tuple(message.recipients),
            message_id=message.message_id,
            who=actor.name,
            origin=origin,
            stop=prepared.stop,
        )
        reservation = self._reservations.reserve(request)
        if not reservation.may_send or prepared.hand_over is None:
            if prepared.error is not None and reservation.is_new:
                raise prepared.error
            return reservation.send
        outcome = prepared.hand_over.run(key, on_step)
        send = self._settle(reservation.send, outcome)
        if prepared.hand_over.interruption is not None:
            raise prepared.hand_over.interruption
        return send

    def catch_up(self) -> None:
        """Write the outcomes that the ledger could not take when they came, as far as it does now."""
        self._reservations.clear_doubts()
        self._unsettled.catch_up()

    def _prepare(self, server: MailServer, message: OutgoingMessage, warnings: list[str]) -> _Prepared:
        """Open the way to the server and write the message; nobody is contacted."""
        try:
            secret = self._servers.secret(server)
            token = self._servers.tokens.source_for(server)
            transport = transport_for(connection_for(server, secret, self._settings, token))
            return _Prepared(HandOver(server, transport, transport.prepare(message), warnings))
        except TransportError as error:
            diagnosis = diagnose(error, kind=server.kind, provider=provider_id(server.host))
            # "failed", or "refused" where the transport knows that the service would not take it.
            return _Prepared(stop=Stop(diagnosis, SendStatus(error.outcome.value)))
        except MailcoreError as error:
            return _Prepared(stop=Stop(not_begun(str(error)), SendStatus.FAILED), error=error)
        except Exception as error:  # noqa: BLE001 - the row says what happened
            _log.error("a message could not be prepared: %s", where(error))
            return _Prepared(stop=Stop(program_fault(error), SendStatus.FAILED))

    def _settle(self, send: Send, outcome: SendOutcome) -> Send:
        try:
            return self._unsettled.settle(send, outcome)
        except Exception:
            raise
        except BaseException:
            # Interrupted while it was written, and so perhaps undone: once more, or the row would stay "started".
            self._unsettled.settle(send, outcome)
            raise


def rule_against(server: MailServer, message: OutgoingMessage) -> Stop | None:
    """Return which rule of ours forbids a message, as far as that is known without the ledger."""
    if not server.is_active:
        return Stop(diagnosis_for("inactive"))
    if server.same_address is SameAddress.BLOCK and own_recipients(server, message):
        return Stop(diagnosis_for("same_address"))
    return None


def _warnings(server: MailServer, message: OutgoingMessage) -> list[str]:
    addresses = own_recipients(server, message) if server.same_address is SameAddress.WARN else []
    warned = [_SAME_ADDRESS_WARNING.format(addresses=", ".join(addresses))] if addresses else []
    return [*message.notes, *warned]
