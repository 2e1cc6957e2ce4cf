"""Sending one message: rules, then a row in the ledger, then the server, then the outcome.

The row is committed before the first byte leaves, so a message is never handed over without a trace; a
process that dies in between leaves a ``started`` row, which :func:`settle_abandoned` turns into
``uncertain``. Nothing is ever sent again on its own.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from mailcore.drafts import connection_of, draft_of
from mailcore.errors import MailcoreError
from mailcore.guard import own_recipients
from mailcore.models import LimitUnit, SameAddress, Send, SendStatus
from mailcore.replies import Diagnosis, diagnose, diagnosis_for
from mailcore.transports import transport_for
from mailcore.transports.base import StepListener, TransportError, ignore_steps

if TYPE_CHECKING:
    from mailcore.compose import OutgoingMessage
    from mailcore.database import Database
    from mailcore.models import MailServer
    from mailcore.servers import Servers

ABANDONED_AFTER = timedelta(minutes=15)
"""No send takes this long: a ``started`` row of another machine this old has lost its process."""

_SAME_ADDRESS_WARNING = (
    "A mensagem vai para o próprio remetente ({addresses}). Contas gratuitas costumam ser bloqueadas por isso."
)


def send(
    database: Database,
    servers: Servers,
    server: MailServer,
    message: OutgoingMessage,
    *,
    base_url: str,
    idempotency_key: str = "",
    on_step: StepListener = ignore_steps,
) -> Send:
    """Send one message through ``server`` and return its row of the ledger, whatever the outcome.

    Args:
        base_url: root of the Elastic Email API, from the settings.
        idempotency_key: with a key that was used before, the first outcome is returned and nobody is
            contacted; only a ``failed`` send is tried anew, in the same row.

    Raises:
        SecretError: the server's password cannot be read; nothing was sent.
        StorageError: the ledger could not be written. If that happens after the server answered, the
            row stays ``started`` and becomes ``uncertain``; the message is not sent again.
    """
    row, ours = _begin(database, server, message, idempotency_key or uuid4().hex)
    if not ours:
        return row
    refusal = _rule_against(server, message)
    if refusal is not None:
        return _settle(database, row, SendStatus.REJECTED_BY_RULE, diagnosis=refusal)
    warnings = _warnings(server, message)
    try:
        secret = servers.secret(server)
        transport = transport_for(connection_of(draft_of(server), secret, base_url))
        receipt = transport.send(message, idempotency_key=row.idempotency_key, on_step=on_step)
    except TransportError as error:
        diagnosis = diagnose(error, kind=server.kind)
        status = SendStatus(error.outcome.value)
        return _settle(database, row, status, reply=error.reply, warnings=warnings, diagnosis=diagnosis)
    except MailcoreError:
        _settle(database, row, SendStatus.FAILED, warnings=warnings)
        raise
    refused = receipt.refused_recipients
    warnings += [f"O servidor recusou {address}: {words}" for address, words in refused.items()]
    return _settle(
        database,
        row,
        SendStatus.ACCEPTED,
        reply=receipt.reply,
        provider_id=receipt.provider_id,
        warnings=warnings,
        units=_units(server, len(message.recipients) - len(refused)),
    )


def settle_abandoned(database: Database) -> int:
    """Mark as ``uncertain`` what a dead process left ``started``; return how many there were."""
    with database.read() as session:
        started = session.scalars(select(Send).where(Send.status == SendStatus.STARTED)).all()
    abandoned = [row.id for row in started if _is_abandoned(row)]
    if abandoned:
        with database.write() as session:
            session.execute(
                update(Send)
                .where(Send.id.in_(abandoned), Send.status == SendStatus.STARTED)
                .values(status=SendStatus.UNCERTAIN, diagnosis=_as_json(diagnosis_for("uncertain")))
            )
    return len(abandoned)


def _begin(database: Database, server: MailServer, message: OutgoingMessage, key: str) -> tuple[Send, bool]:
    """Return the row for this key, and whether it is ours to send."""
    try:
        return _claim(database, server, message, key)
    except IntegrityError:  # the other half of a double click wrote it first: now it is there to be read
        return _claim(database, server, message, key)


def _claim(database: Database, server: MailServer, message: OutgoingMessage, key: str) -> tuple[Send, bool]:
    with database.write() as session:
        row = session.scalar(select(Send).where(Send.idempotency_key == key).with_for_update())
        if row is not None and row.status is not SendStatus.FAILED:
            return row, False
        if row is None:
            row = Send(idempotency_key=key, provider_id="", reply="", warnings="", diagnosis="")
            session.add(row)
        row.server_id = server.id
        row.server_name = server.name
        row.status = SendStatus.STARTED
        row.units = _units(server, len(message.recipients))
        row.recipients = "\n".join(message.recipients)
        row.message_id = message.message_id
        row.owner = _this_process()
        row.at = datetime.now(UTC)
    return row, True


def _settle(
    database: Database,
    row: Send,
    status: SendStatus,
    *,
    reply: str = "",
    provider_id: str = "",
    warnings: list[str] | None = None,
    diagnosis: Diagnosis | None = None,
    units: int | None = None,
) -> Send:
    with database.write() as session:
        stored = session.get_one(Send, row.id)
        stored.status = status
        stored.reply = reply
        stored.provider_id = provider_id
        stored.warnings = "\n".join(warnings or [])
        stored.diagnosis = _as_json(diagnosis) if diagnosis else ""
        if units is not None:
            stored.units = units
    return stored


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


def _units(server: MailServer, recipients: int) -> int:
    return 1 if server.limit_unit is LimitUnit.MESSAGES else recipients


def _as_json(diagnosis: Diagnosis) -> str:
    return json.dumps(asdict(diagnosis), ensure_ascii=False)


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"[-80:]


def _is_abandoned(row: Send) -> bool:
    """Whether the process that began this send is gone.

    On this machine the process table tells; elsewhere only the clock can.
    """
    host, _, pid = row.owner.rpartition(":")
    if host == _this_process().rpartition(":")[0] and os.name == "posix":
        return not _is_alive(int(pid))
    return datetime.now(UTC) - row.at > ABANDONED_AFTER


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
