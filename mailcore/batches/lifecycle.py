"""A batch from draft to its end: started, paused, resumed, cancelled, its failures tried again.

Every act is one short transaction over the batch's own row, whatever the number of its recipients; only trying again
touches theirs. Workers look at the row before each group (see ``groups.py``), so an act holds from the next group on.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from mailcore.audit import note_batch
from mailcore.batches.labels import refused
from mailcore.diagnosis.replies import diagnosis_for, of_batch
from mailcore.errors import NotFoundError
from mailcore.labels import BATCH_STATE, inside
from mailcore.sending.ledger import as_json
from mailcore.storage.tables import Batch, BatchRecipient, MailServer
from mailcore.vocabulary import BatchState, RecipientStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from mailcore.actor import Actor
    from mailcore.storage.database import Database

UNDER_WAY = frozenset({BatchState.RUNNING, BatchState.WAITING})

IDENTITY = ("kind", "host", "port", "security", "username", "from_address")
"""What of a server's record must not change while a batch goes through it. A new password, limit or name may."""


def identity_of(server: MailServer) -> str:
    """Return what of a record must stay as it is while a batch goes through it, as text."""
    return identity_of_values(*(getattr(server, name) for name in IDENTITY))


def identity_of_values(*values: object) -> str:
    """Return the same from the values of :data:`IDENTITY`, in its order."""
    return json.dumps([str(value or "") for value in values], ensure_ascii=False)


def start(database: Database, batch_id: int, *, actor: Actor) -> None:
    """Let a draft begin, now or when its time comes.

    Raises:
        NotFoundError: there is no such batch.
        ValidationError: (``state``) it is no draft any more; (``server``) its server is gone or inactive.
        StorageError: the database could not be written.
    """
    with database.write() as session:
        batch = _locked(session, batch_id, {BatchState.DRAFT}, "iniciar")
        _set_off(session, batch)
        batch.started_at = datetime.now(UTC)
        note_batch(session, batch, "started", actor=actor)


def pause(database: Database, batch_id: int, *, actor: Actor) -> None:
    """Stop a batch within the messages already in flight.

    Raises:
        NotFoundError, ValidationError, StorageError: as :func:`start`.
    """
    with database.write() as session:
        batch = _locked(session, batch_id, UNDER_WAY, "pausar")
        batch.state, batch.waits_until, batch.reason, batch.wakes_by_itself = BatchState.PAUSED, None, "", False
        note_batch(session, batch, "paused", actor=actor)


def resume(database: Database, batch_id: int, *, actor: Actor) -> None:
    """Let a paused batch go on, by its server's record as it is now.

    Raises:
        NotFoundError, ValidationError, StorageError: as :func:`start`.
    """
    with database.write() as session:
        batch = _locked(session, batch_id, {BatchState.PAUSED}, "retomar")
        _set_off(session, batch)
        note_batch(session, batch, "resumed", actor=actor)


def cancel(database: Database, batch_id: int, *, actor: Actor) -> None:
    """End a batch; what is in flight ends, and the others are never sent.

    Raises:
        NotFoundError, ValidationError, StorageError: as :func:`start`.
    """
    with database.write() as session:
        batch = _locked(session, batch_id, {BatchState.DRAFT, BatchState.PAUSED, *UNDER_WAY}, "cancelar")
        batch.state, batch.waits_until, batch.reason, batch.wakes_by_itself = BatchState.CANCELLED, None, "", False
        batch.finished_at = datetime.now(UTC)
        note_batch(session, batch, "cancelled", actor=actor)


def retry(database: Database, batch_id: int, statuses: Collection[RecipientStatus], *, actor: Actor) -> int:
    """Put recipients back in line and let the batch go on; return how many there were.

    Args:
        statuses: ``refused`` and ``failed``; ``uncertain`` only on a person's word, for they may get it twice.

    Raises:
        NotFoundError, ValidationError, StorageError: as :func:`start`.
    """
    with database.write() as session:
        batch = _locked(session, batch_id, {BatchState.DONE, BatchState.PAUSED, *UNDER_WAY}, "tentar de novo")
        moved = 0
        for status in statuses:
            repeat = BatchRecipient.repeat + (1 if status is RecipientStatus.UNCERTAIN else 0)
            ours = BatchRecipient.batch_id == batch_id, BatchRecipient.status == status
            # As many as there are at this moment: a worker may be settling others of the same batch.
            count = session.scalar(select(func.count()).select_from(BatchRecipient).where(*ours)) or 0
            values = {"status": RecipientStatus.PENDING, "repeat": repeat, "next_at": None, "tries": 0}
            session.execute(update(BatchRecipient).where(*ours).values(**values))
            setattr(batch, status.value, getattr(batch, status.value) - count)
            moved += count
        if moved:
            batch.pending += moved
            batch.finished_at = None
            if batch.state not in UNDER_WAY:
                _set_off(session, batch)
            note_batch(session, batch, "retried", actor=actor, count=moved)
    return moved


def _locked(session: Session, batch_id: int, allowed: Collection[BatchState], verb: str) -> Batch:
    batch = session.get(Batch, batch_id, with_for_update=True)
    if batch is None or not batch.is_loaded:
        raise NotFoundError(f"Não há lote com o número {batch_id}.")
    if batch.state not in allowed:
        raise refused("state", f"não dá para {verb} um lote {inside(BATCH_STATE[batch.state])}.")
    return batch


def _set_off(session: Session, batch: Batch) -> None:
    server = session.get(MailServer, batch.server_id)
    if server is None or not server.is_active:
        diagnosis = of_batch(diagnosis_for("server_gone" if server is None else "inactive"))
        raise refused("server", f"{inside(diagnosis.title)} {diagnosis.remedy}")
    now = datetime.now(UTC)
    batch.identity, batch.account_key = identity_of(server), server.account_key
    batch.reason, batch.wakes_by_itself = "", False
    batch.judged_tries = batch.judged_refused = 0
    if not batch.pending:
        batch.state, batch.waits_until, batch.finished_at = BatchState.DONE, None, now
    elif batch.starts_at is not None and batch.starts_at > now:
        batch.state, batch.waits_until = BatchState.WAITING, batch.starts_at
        batch.reason = as_json(diagnosis_for("batch_scheduled"))
    else:
        batch.state, batch.waits_until = BatchState.RUNNING, None
