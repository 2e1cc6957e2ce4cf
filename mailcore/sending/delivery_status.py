"""What became of a message after its service took it: asked of the service, kept in the ledger.

Asking sends nothing. SMTP servers cannot be asked; what fails there comes back as a bounce.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from sqlalchemy import update

from mailcore.diagnosis.replies import diagnose
from mailcore.sending.ledger import Ledger
from mailcore.storage.tables import Send
from mailcore.transports import connection_for, kind_of, transport_for
from mailcore.transports.base import FailedRecipient, TransportError
from mailcore.vocabulary import SendStatus

if TYPE_CHECKING:
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.database import Database
    from mailcore.vocabulary import Kind

_MOST_FAILURES = 100
"""Failed recipients that are kept of one send; a transactional message has at most 50."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A row of the ledger after its service was asked, and why it did not answer, if it did not."""

    send: Send
    diagnosis: Diagnosis | None = None


def can_follow(send: Send, kind: Kind) -> bool:
    """Whether this send's service can be asked what became of it."""
    return kind_of(kind).can_follow and send.status is SendStatus.ACCEPTED and bool(send.provider_id)


def follow_up(database: Database, servers: Servers, send_id: int, *, settings: Settings) -> Followed:
    """Ask the service what became of a send and keep the answer in its row.

    The status of the row stays: the service took the message, whatever came after.

    Raises:
        NotFoundError: the send or its server is gone.
        SecretError: the server's key cannot be read.
        StorageError: the answer could not be kept.
        ValueError: this send cannot be followed; see :func:`can_follow`.
    """
    send = Ledger(database).get(send_id)
    server = servers.get(send.server_id)
    if not can_follow(send, server.kind):
        raise ValueError("this send cannot be followed")
    transport = transport_for(connection_for(server, servers.secret(server), settings))
    try:
        delivery = transport.delivery(send.provider_id)
    except TransportError as error:
        return Followed(send, diagnose(error, kind=server.kind))
    send.followed_at = datetime.now(UTC)
    send.follow_state = delivery.state[:40]
    failed = [asdict(each) for each in delivery.failed[:_MOST_FAILURES]]
    send.follow_failures = json.dumps(failed, ensure_ascii=False) if failed else ""
    with database.write_connection() as connection:
        names = ("followed_at", "follow_state", "follow_failures")
        connection.execute(update(Send).where(Send.id == send.id).values({name: getattr(send, name) for name in names}))
    return Followed(send)


def failures_of(send: Send) -> list[FailedRecipient]:
    """Return the recipients the service could not deliver to, as last heard."""
    return [FailedRecipient(**each) for each in json.loads(send.follow_failures)] if send.follow_failures else []


def failure_text(category: str) -> tuple[str, str]:
    """Return what happened and what to do, for the service's word for a failure."""
    texts = _texts()
    return texts.get(category) or texts["CodeError"]


@cache
def _texts() -> dict[str, tuple[str, str]]:
    text = resources.files("mailcore.sending").joinpath("delivery_status.toml").read_text(encoding="utf-8")
    return {name: (entry["title"], entry["remedy"]) for name, entry in tomllib.loads(text).items()}
