"""Handing one message to a server, whatever happens on the way: there always is an outcome, and only one.

A transport says what became of a message by its receipt or its :class:`TransportError`. Anything else that is raised,
by it, by what it calls or by a signal, is ``failed`` as long as no byte of the message had left, and ``uncertain`` from
then on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailcore.catalog import provider_id
from mailcore.diagnosis.replies import classify, diagnose
from mailcore.sending.reservation import SendOutcome
from mailcore.sending.stops import program_fault, uncertain_after, where
from mailcore.transports.base import TransportError
from mailcore.vocabulary import SendStatus, StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.messages.compose import OutgoingMessage
    from mailcore.storage.tables import MailServer
    from mailcore.transports.base import Receipt, Step, StepListener, Transport

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HandOver:
    """One message on its way to one server."""

    server: MailServer
    transport: Transport
    message: OutgoingMessage
    warnings: Sequence[str] = ()
    """What the row says besides, whatever the outcome."""
    interruption: BaseException | None = field(default=None, init=False)
    """What ended the program or its thread meanwhile; to be raised again once the outcome is in the ledger."""
    has_begun: bool = field(default=False, init=False)
    """A byte of the message may have left."""

    def run(self, key: str, on_step: StepListener) -> SendOutcome:
        """Hand the message over, once. Raises nothing, not even what ends the program: see :attr:`interruption`."""
        self.has_begun = not self.transport.hand_over_step
        try:
            return self._exchange(key, on_step)
        except Exception as error:  # noqa: BLE001 - whatever it is, the row needs an outcome
            # Its text may repeat a password, so only what it was and where.
            _log.error("a send was interrupted by a fault of the program: %s", where(error))
            return self._after(error)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller, after the row is settled
            self.interruption = error
            return self._after(error)

    def _exchange(self, key: str, on_step: StepListener) -> SendOutcome:
        def listen(step: Step) -> None:
            self._tell(on_step, step)
            if step.name == self.transport.hand_over_step and step.state is StepState.RUNNING:
                self.has_begun = True

        try:
            receipt = self.transport.send(self.message, idempotency_key=key, on_step=listen)
        except TransportError as error:
            return SendOutcome(
                status=SendStatus(error.outcome.value),
                reply=error.reply,
                warnings=self.warnings,
                diagnosis=diagnose(error, kind=self.server.kind, provider=provider_id(self.server.host)),
                host=self.server.host,
            )
        return self._accepted(receipt)

    def _tell(self, on_step: StepListener, step: Step) -> None:
        """Report a step. Once the message is leaving, a listener that fails must not cost us the server's answer."""
        if not self.has_begun:
            on_step(step)
            return
        try:
            on_step(step)
        except Exception as error:  # noqa: BLE001
            _log.error("a listener failed while a message was handed over: %s", where(error))
        except BaseException as error:  # noqa: BLE001 - raised again once the outcome is known
            self.interruption = error

    def _accepted(self, receipt: Receipt) -> SendOutcome:
        refused = receipt.refused_recipients
        notes = [f"O servidor recusou {address}: {words}" for address, words in refused.items()]
        return SendOutcome(
            status=SendStatus.ACCEPTED,
            reply=receipt.reply,
            provider_id=receipt.provider_id,
            warnings=[*self.warnings, *notes],
            hold_for=self._quota_among(receipt),
            taken=len(self.message.recipients) - len(refused),
            host=self.server.host,
        )

    def _quota_among(self, receipt: Receipt) -> Diagnosis | None:
        """What was said of quota to some of the recipients, where the others were taken."""
        provider, kind = provider_id(self.server.host), self.server.kind
        for reply in receipt.refused_recipients.values():
            diagnosis = classify(reply, phase="recipients", provider=provider, kind=kind)
            if diagnosis.category == "quota":
                return diagnosis
        return None

    def _after(self, error: BaseException) -> SendOutcome:
        if self.has_begun:
            return SendOutcome(status=SendStatus.UNCERTAIN, warnings=self.warnings, diagnosis=uncertain_after(error))
        return SendOutcome(status=SendStatus.FAILED, warnings=self.warnings, diagnosis=program_fault(error))
