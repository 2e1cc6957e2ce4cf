"""Pausing and waking batches for the program's own reasons: no person acts here, and the trail keeps nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update

from mailcore.batches.stopping import PATIENCE
from mailcore.batches.verdicts import LONGEST_DELAY
from mailcore.diagnosis.replies import Diagnosis, diagnosis_for, of_batch
from mailcore.quota import reports
from mailcore.quota.reports import QuotaQuery
from mailcore.sending.ledger import as_json
from mailcore.storage.tables import Batch
from mailcore.vocabulary import BatchState

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from mailcore.quota.rules import Quota, QuotaSettings
    from mailcore.storage.database import Database

_QUOTA_REASONS = ('"code": "quota_full"', '"code": "account_on_hold"', '"code": "account_paused"')


def may_go_now() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a batch that is being sent and does not pause for some seconds.

    One that pauses for longer does so by a clock that has been set back since.
    """
    now = datetime.now(UTC)
    pauses = Batch.waits_until.is_not(None) & Batch.waits_until.between(now, now + PATIENCE)
    return Batch.state == BatchState.RUNNING, Batch.is_loaded.is_(True), ~pauses


def pause_for(database: Database, batch_id: int, reason: Diagnosis | str) -> None:
    """Pause a batch that cannot go on.

    Args:
        reason: a diagnosis, or the code of one.

    Raises:
        StorageError: the database could not be written.
    """
    diagnosis = of_batch(diagnosis_for(reason) if isinstance(reason, str) else reason)
    with database.write() as session:
        session.execute(
            update(Batch)
            .where(Batch.id == batch_id, Batch.state == BatchState.RUNNING)
            .values(state=BatchState.PAUSED, reason=as_json(diagnosis), waits_until=None, wakes_by_itself=False)
        )


def wake_due(database: Database) -> None:
    """Let batches go on whose time has come.

    Raises:
        StorageError: the database could not be read or written.
    """
    now = datetime.now(UTC)
    is_long = or_(Batch.waits_for_its_hour, *(Batch.reason.contains(code) for code in _QUOTA_REASONS))
    # Nothing else is waited for that long: the clock has been set back.
    is_due = (Batch.waits_until <= now) | (~is_long & (Batch.waits_until > now + LONGEST_DELAY))
    due = Batch.state == BatchState.WAITING, is_due
    with database.read() as session:
        if not session.scalar(select(Batch.id).where(*due).limit(1)):
            return
    with database.write() as session:
        session.execute(update(Batch).where(*due).values(state=BatchState.RUNNING, waits_until=None, reason=""))


def wake_freed(database: Database, settings: QuotaSettings) -> None:
    """Let batches go on whose account takes messages again before its time: a raised limit, a lifted hold.

    Raises:
        StorageError: the database could not be read or written.
    """
    sleeping = (Batch.state == BatchState.WAITING) | ((Batch.state == BatchState.PAUSED) & Batch.wakes_by_itself)
    with database.read() as session:
        batches = session.scalars(select(Batch).where(sleeping)).all()
    waiting = [batch for batch in batches if batch.wakes_by_itself or _waits_for_quota(batch)]
    if not waiting:
        return
    keys = sorted({batch.account_key for batch in waiting})
    free = {
        quota.account_key
        for quota in reports.quotas(database, settings, QuotaQuery(account_keys=keys))
        if _takes_messages(quota)
    }
    freed = [batch.id for batch in waiting if batch.account_key in free]
    if freed:
        with database.write() as session:
            session.execute(
                update(Batch)
                .where(Batch.id.in_(freed), sleeping)
                .values(state=BatchState.RUNNING, waits_until=None, reason="", wakes_by_itself=False)
            )


def _waits_for_quota(batch: Batch) -> bool:
    return any(reason in batch.reason for reason in _QUOTA_REASONS)


def _takes_messages(quota: Quota) -> bool:
    return quota.hold is None and quota.own.left != 0
