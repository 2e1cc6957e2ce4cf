"""What a dead worker left in flight: uncertain, each recipient by name, and never sent again on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.diagnosis.replies import diagnosis_for
from mailcore.sending.ledger import as_json

if TYPE_CHECKING:
    from mailcore.quota.locked_account import LockedAccount

# Of any account: its key may have been spelled otherwise when the lease was taken.
_BATCHES = "SELECT id FROM batch WHERE pending > 0 AND state <> 'draft' ORDER BY id"
_LOCKED = "SELECT id FROM batch WHERE id = :batch"
# By the numbers first: SQLite then walks the index of statuses.
_STARTED = "row IN (SELECT row FROM batch_recipient WHERE batch_id = :batch AND status = 'started')"
_LOST = f"SELECT row, repeat FROM batch_recipient WHERE batch_id = :batch AND {_STARTED} AND owner = :owner"  # noqa: S608
_UNCERTAIN = f"""
UPDATE batch_recipient SET status = 'uncertain', diagnosis = :diagnosis WHERE batch_id = :batch AND {_STARTED}
AND owner = :owner
"""  # noqa: S608
_LEDGER = (
    "UPDATE send SET status = 'uncertain', diagnosis = :diagnosis WHERE idempotency_key = :key AND status = 'started'"
)
_COUNTED = """
UPDATE batch SET pending = pending - :lost, uncertain = uncertain + :lost, judged_tries = judged_tries + :lost
WHERE id = :batch
"""


def settle_lost(account: LockedAccount, owner: str) -> int:
    """Mark as uncertain what was in flight under a lease that is over; return how many there were.

    Their units stay counted, for the server may have taken them.
    """
    cursor, found = account.cursor, 0
    diagnosis = as_json(diagnosis_for("uncertain"))
    for (batch,) in cursor.rows(_BATCHES):
        cursor.row(_LOCKED if account.database.is_sqlite else f"{_LOCKED} FOR UPDATE", {"batch": batch})
        lost = cursor.rows(_LOST, {"batch": batch, "owner": owner})
        if not lost:
            continue
        cursor.execute(_UNCERTAIN, {"batch": batch, "owner": owner, "diagnosis": diagnosis})
        cursor.execute_many(
            _LEDGER, [{"key": ledger_key(batch, row, repeat), "diagnosis": diagnosis} for row, repeat in lost]
        )
        cursor.execute(_COUNTED, {"batch": batch, "lost": len(lost)})
        found += len(lost)
    return found


def ledger_key(batch_id: int, row: int, repeat: int) -> str:
    """Return the idempotency key of a recipient's row in the ledger: what makes a second message impossible.

    Only where a person had an uncertain message sent again is there another one.
    """
    return f"batch:{batch_id}:{row}:{repeat}" if repeat else f"batch:{batch_id}:{row}"
