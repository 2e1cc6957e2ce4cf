"""The row a send has in the ledger: claimed before the first byte leaves, settled with its outcome.

A process that dies in between leaves a ``started`` row, which :func:`settle_abandoned` turns into
``uncertain``. Written with SQLAlchemy's Core, not its ORM: a row costs a fraction of the send it is about.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailcore.models import LimitUnit, Send, SendStatus
from mailcore.replies import diagnosis_for

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from mailcore.database import Database
    from mailcore.models import MailServer
    from mailcore.replies import Diagnosis

ABANDONED_AFTER = timedelta(minutes=15)
"""No send takes this long: a ``started`` row of another machine this old has lost its process."""

_UNIQUE = [Send.idempotency_key]
_INSERT = {
    "sqlite": sqlite.insert(Send).on_conflict_do_nothing(index_elements=_UNIQUE).returning(Send.id),
    "postgresql": postgresql.insert(Send).on_conflict_do_nothing(index_elements=_UNIQUE).returning(Send.id),
}
_AGAIN = (
    update(Send)
    .where(Send.idempotency_key == bindparam("key"), Send.status == SendStatus.FAILED)
    .values({name: bindparam(f"new_{name}") for name in ("server_id", "server_name", "status", "units", "recipients")})
    .values(
        {name: bindparam(f"new_{name}") for name in ("message_id", "reply", "warnings", "diagnosis", "owner", "at")}
    )
    .returning(Send.id)
)
_SETTLE = (
    update(Send)
    .where(Send.id == bindparam("row_id"))
    .values({name: bindparam(f"new_{name}") for name in ("status", "units", "reply", "provider_id", "warnings")})
    .values(diagnosis=bindparam("new_diagnosis"))
)


def claim(
    database: Database,
    server: MailServer,
    recipients: tuple[str, ...],
    message_id: str,
    key: str,
    *,
    refusal: Diagnosis | None = None,
) -> tuple[Send, bool]:
    """Commit the row of a send that is about to be made; return it, and whether it is this caller's to make.

    It is not where the key was used before, unless that send ``failed``: then its own row is taken again.

    Args:
        refusal: a rule of ours forbids the send; the row is written as ``rejected_by_rule`` at once.

    Raises:
        StorageError: the row could not be written; nothing may be sent.
    """
    values: dict[str, Any] = {
        "server_id": server.id,
        "server_name": server.name,
        "status": SendStatus.REJECTED_BY_RULE if refusal else SendStatus.STARTED,
        "units": units_of(server, len(recipients)),
        "recipients": "\n".join(recipients),
        "message_id": message_id,
        "reply": "",
        "warnings": "",
        "diagnosis": as_json(refusal) if refusal else "",
        "owner": _this_process(),
        "at": datetime.now(UTC),
    }
    with database.write_connection() as connection:
        row_id = _insert(connection, key, values) or _take_again(connection, key, values)
    if row_id is None:
        with database.read() as session:
            return session.scalars(select(Send).where(Send.idempotency_key == key)).one(), False
    fresh = {"provider_id": "", "followed_at": None, "follow_state": "", "follow_failures": ""}
    return Send(id=row_id, idempotency_key=key, **values, **fresh), refusal is None


def settle(
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
    """Commit the outcome of a claimed send and return its row.

    Raises:
        StorageError: it could not be written; the row stays ``started`` and becomes ``uncertain``.
    """
    row.status = status
    row.reply = reply
    row.provider_id = provider_id
    row.warnings = "\n".join(warnings or [])
    row.diagnosis = as_json(diagnosis) if diagnosis else ""
    row.units = row.units if units is None else units
    names = ("status", "units", "reply", "provider_id", "warnings", "diagnosis")
    with database.write_connection() as connection:
        connection.execute(_SETTLE, {"row_id": row.id} | {f"new_{name}": getattr(row, name) for name in names})
    return row


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
                .values(status=SendStatus.UNCERTAIN, diagnosis=as_json(diagnosis_for("uncertain")))
            )
    return len(abandoned)


def units_of(server: MailServer, recipients: int) -> int:
    """Return what a message counts against the server's limit."""
    return 1 if server.limit_unit is LimitUnit.MESSAGES else recipients


def as_json(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as the ledger keeps it."""
    return json.dumps(asdict(diagnosis), ensure_ascii=False)


def _insert(connection: Connection, key: str, values: dict[str, Any]) -> int | None:
    fresh = {"provider_id": "", "follow_state": "", "follow_failures": ""}
    statement = _INSERT[connection.dialect.name]
    row_id: int | None = connection.execute(statement, {"idempotency_key": key, **values, **fresh}).scalar()
    return row_id


def _take_again(connection: Connection, key: str, values: dict[str, Any]) -> int | None:
    """Make a ``failed`` row a begun one again; of two who try, one gets it."""
    new = {f"new_{name}": value for name, value in values.items()}
    row_id: int | None = connection.execute(_AGAIN, {"key": key, **new}).scalar()
    return row_id


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
