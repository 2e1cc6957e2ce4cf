"""Sending one message: rules, then a row in the ledger, then the server, then the outcome.

The row is committed before the first byte leaves, so a message is never handed over without a trace. Nothing
is ever sent again on its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from mailcore.catalog import provider_id
from mailcore.diagnosis.replies import Diagnosis, classify, diagnose, diagnosis_for
from mailcore.errors import MailcoreError
from mailcore.sending.reservation import claim, settle
from mailcore.sending.same_address import own_recipients
from mailcore.storage.tables import Send
from mailcore.transports import connection_for, transport_for
from mailcore.transports.base import StepListener, TransportError, ignore_steps
from mailcore.vocabulary import SameAddress, SendStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailcore.messages.compose import OutgoingMessage
    from mailcore.quota.rules import Counting
    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.database import Database
    from mailcore.storage.tables import MailServer

_SAME_ADDRESS_WARNING = (
    "A mensagem vai para o próprio remetente ({addresses}). Contas gratuitas costumam ser bloqueadas por isso."
)


def send(
    database: Database,
    servers: Servers,
    server: MailServer,
    message: OutgoingMessage,
    *,
    counting: Counting,
    settings: Settings,
    idempotency_key: str = "",
    on_step: StepListener = ignore_steps,
) -> Send:
    """Send one message through ``server`` and return its row of the ledger, whatever the outcome.

    Args:
        counting: how quotas are counted, from the settings.
        settings: of the installation; a kind of server takes from them what it needs.
        idempotency_key: with a key that was used before, the first outcome is returned and nobody is
            contacted; only a ``failed`` send is tried anew, in the same row.

    Raises:
        SecretError: the server's password cannot be read; nothing was sent.
        StorageError: the ledger could not be written. If that happens after the server answered, the
            row stays ``started`` and becomes ``uncertain``; the message is not sent again.
    """
    key, refusal = idempotency_key or uuid4().hex, _rule_against(server, message)
    row, ours = claim(database, counting, server, message.recipients, message.message_id, key, refusal=refusal)
    if not ours:
        return row
    warnings = _warnings(server, message)
    try:
        secret = servers.secret(server)
        transport = transport_for(connection_for(server, secret, settings))
        receipt = transport.send(message, idempotency_key=row.idempotency_key, on_step=on_step)
    except TransportError as error:
        return settle(
            database,
            counting,
            row,
            SendStatus(error.outcome.value),
            host=server.host,
            reply=error.reply,
            warnings=warnings,
            diagnosis=diagnose(error, kind=server.kind, provider=provider_id(server.host)),
        )
    except MailcoreError:
        settle(database, counting, row, SendStatus.FAILED, warnings=warnings)
        raise
    refused = receipt.refused_recipients
    warnings += [f"O servidor recusou {address}: {words}" for address, words in refused.items()]
    return settle(
        database,
        counting,
        row,
        SendStatus.ACCEPTED,
        reply=receipt.reply,
        provider_id=receipt.provider_id,
        warnings=warnings,
        host=server.host,
        hold_for=_quota_among(refused.values(), server),
        taken=len(message.recipients) - len(refused),
    )


def _quota_among(replies: Iterable[str], server: MailServer) -> Diagnosis | None:
    """What was said of quota to some of the recipients, where the others were taken."""
    found = (
        classify(reply, phase="recipients", provider=provider_id(server.host), kind=server.kind) for reply in replies
    )
    return next((diagnosis for diagnosis in found if diagnosis.category == "quota"), None)


def _rule_against(server: MailServer, message: OutgoingMessage) -> Diagnosis | None:
    if not server.is_active:
        return diagnosis_for("inactive")
    if server.same_address is SameAddress.BLOCK and own_recipients(server, message):
        return diagnosis_for("same_address")
    return None


def _warnings(server: MailServer, message: OutgoingMessage) -> list[str]:
    if server.same_address is not SameAddress.WARN:
        return []
    addresses = own_recipients(server, message)
    return [_SAME_ADDRESS_WARNING.format(addresses=", ".join(addresses))] if addresses else []
