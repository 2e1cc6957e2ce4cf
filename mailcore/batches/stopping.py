"""Why a batch stops, and whether it goes on by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailcore.batches.lifecycle import IDENTITY, identity_of, identity_of_values
from mailcore.diagnosis.replies import diagnosis_for
from mailcore.sending.stops import on_hold
from mailcore.vocabulary import BatchState

if TYPE_CHECKING:
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.quota.locked_account import LockedAccount
    from mailcore.storage.tables import MailServer

PATIENCE = timedelta(seconds=10)
"""So long a batch stays "running" while nothing may go; a longer wait is told as one."""
JUDGED_FROM = 200
"""Tries from which on the share of refusals is judged; half of a smaller batch, but never under the next."""
JUDGED_AT_LEAST = 50

_RECORD = f"""
SELECT m.is_active, m.account_key, b.identity, {", ".join(f"m.{name}" for name in IDENTITY)}
FROM batch AS b LEFT JOIN mail_server AS m ON m.id = b.server_id WHERE b.id = :batch
"""  # noqa: S608 - names of our own


@dataclass(frozen=True, slots=True)
class Stopping:
    """The state a batch goes into, and why."""

    state: BatchState
    reason: Diagnosis | None = None
    until: datetime | None = None
    """When it goes on by itself."""
    wakes_by_itself: bool = False
    """It is paused, and goes on when a person lifts the account's hold."""


def stop_before(account: LockedAccount, batch_id: int, server: MailServer, now: datetime) -> Stopping | None:
    """Return why nothing of a batch may go now, by its server's record as stored and its account.

    Args:
        server: the record that the worker's line was made from.
    """
    row = account.cursor.row(_RECORD, {"batch": batch_id})
    if row is None or row[0] is None:
        return Stopping(BatchState.PAUSED, diagnosis_for("server_gone"))
    is_active, account_key, identity, *values = row
    if not is_active:
        return Stopping(BatchState.PAUSED, diagnosis_for("inactive"))
    if account_key != account.key or not identity == identity_of_values(*values) == identity_of(server):
        return Stopping(BatchState.PAUSED, diagnosis_for("batch_server_changed"))
    held = on_hold(account, now)
    if held is None:
        return None
    if held.frees_at is None:
        return Stopping(BatchState.PAUSED, held.diagnosis, wakes_by_itself=True)
    return Stopping(BatchState.WAITING, held.diagnosis, held.frees_at)


def too_many_refusals(total: int, tries: int, refused: int, share: int) -> Stopping | None:
    """Return why a batch stops of which too many recipients were refused.

    Args:
        share: percent at which it does; 100 never.
    """
    judged_from = max(JUDGED_AT_LEAST, min(JUDGED_FROM, total // 2))
    if share >= 100 or tries < judged_from or refused * 100 < share * tries:
        return None
    diagnosis = diagnosis_for("batch_refusals")
    cause = diagnosis.cause.format(refused=refused, tries=tries, share=share)
    return Stopping(BatchState.PAUSED, replace(diagnosis, cause=cause))


def waits(until: datetime, reason: Diagnosis, now: datetime) -> Stopping | None:
    """Return that a batch waits, where that is for longer than some seconds."""
    return Stopping(BatchState.WAITING, reason, until) if until - now > PATIENCE else None
