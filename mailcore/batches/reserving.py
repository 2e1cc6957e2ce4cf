"""The recipients of the next group: chosen, and reserved with their units before the first byte leaves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mailcore.batches.drafts import OwnAddresses
from mailcore.batches.recovery import ledger_key
from mailcore.batches.suppressions import suppressed_among
from mailcore.batches.verdicts import LONGEST_DELAY
from mailcore.diagnosis.replies import diagnosis_for
from mailcore.quota import usage
from mailcore.quota.usage import Amount
from mailcore.sending.abandoned import this_process
from mailcore.sending.ledger import as_json
from mailcore.vocabulary import BatchKind, RecipientStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mailcore.batches.leases import Lease
    from mailcore.quota.locked_account import LockedAccount
    from mailcore.storage.tables import MailServer

Counts = Counter[str]
"""How the counts of a batch change, by status; what is deferred or in flight counts as ``pending``."""

# Only the index of statuses has the order asked for here. By ``status = 'pending' ORDER BY row`` a database may walk
# the primary key instead, past every recipient that is done: longer with each group.
_NEXT = """
SELECT row, address, address_key, fields, tries, repeat FROM batch_recipient
WHERE batch_id = :batch AND row IN (SELECT row FROM batch_recipient
WHERE batch_id = :batch AND status BETWEEN 'pending' AND 'pending' ORDER BY status, row LIMIT :most) ORDER BY row
"""
_DEFERRED = "row IN (SELECT row FROM batch_recipient WHERE batch_id = :batch AND status = 'deferred')"
_DUE = f"""
UPDATE batch_recipient SET status = 'pending', next_at = NULL
WHERE batch_id = :batch AND {_DEFERRED} AND (next_at <= :now OR next_at > :latest)
"""  # noqa: S608 - words of our own
_FIRST_DUE = f"SELECT min(next_at) FROM batch_recipient WHERE batch_id = :batch AND {_DEFERRED}"  # noqa: S608
_LEFT_OUT = """
UPDATE batch_recipient SET status = :status, diagnosis = :diagnosis WHERE batch_id = :batch AND row = :row
"""
_START = """
UPDATE batch_recipient SET status = 'started', owner = :owner, at = :at, message_id = :message_id, tries = tries + 1
WHERE batch_id = :batch AND row = :row
"""
# A recipient's row of before stands in for the new one where that is sure to have brought nothing.
_LEDGER = """
INSERT INTO send (idempotency_key, server_id, server_name, status, units, recipients, message_id, provider_id, reply,
warnings, diagnosis, owner, at, account_key, counted, follow_state, follow_failures, who, batch_id)
VALUES (:key, :server, :server_name, 'started', 1, :address, :message_id, '', '', '', '', :owner, :at, :account, 1,
'', '', :who, :batch)
ON CONFLICT (idempotency_key) DO UPDATE SET status = 'started', units = 1, message_id = excluded.message_id,
provider_id = '', reply = '', diagnosis = '', owner = excluded.owner, at = excluded.at, server_id = excluded.server_id,
server_name = excluded.server_name, account_key = excluded.account_key, counted = 1, who = excluded.who
WHERE send.status IN ('failed', 'refused')
"""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A recipient whose message is to be handed over now."""

    row: int
    address: str
    fields: list[str]
    message_id: str
    tries: int
    repeat: int


@dataclass(frozen=True, slots=True)
class Group:
    """Recipients reserved together, each with a row in the ledger."""

    recipients: Sequence[Reserved]
    at: datetime
    """When: the moment of their rows in the ledger."""


@dataclass(slots=True)
class OpenBatch:
    """A batch as it stands in the transaction, and how its counts change."""

    id: int
    state: str
    kind: BatchKind
    pending: int
    retry_at: datetime | None
    total: int
    refusal_share: int
    judged_tries: int
    judged_refused: int
    account_key: str
    who: str
    counts: Counts = field(default_factory=Counter)
    waits_until: datetime | None = None
    """For some seconds nothing of it may go."""


def take(
    account: LockedAccount, batch: OpenBatch, server: MailServer, most: int, now: datetime
) -> list[tuple[Any, ...]]:
    """Return the next recipients that may get the message; those that may not are settled on the way."""
    cursor, own = account.cursor, OwnAddresses(server)
    latest = now + LONGEST_DELAY  # what is later was put off by a clock that has been set back
    if batch.retry_at is not None and not now < batch.retry_at <= latest:
        stored = account.database.stored
        cursor.execute(_DUE, {"batch": batch.id, "now": stored(now), "latest": stored(latest)})
        row = cursor.row(_FIRST_DUE, {"batch": batch.id})
        batch.retry_at = account.database.moment(row[0]) if row and row[0] else None
    while rows := cursor.rows(_NEXT, {"batch": batch.id, "most": most}):
        out = suppressed_among(cursor, [row[2] for row in rows], batch.kind)
        left_out = []
        for row in rows:
            if row[2] in out:
                left_out.append((row[0], RecipientStatus.SUPPRESSED, "batch_suppressed"))
            elif own.has(row[1]):
                left_out.append((row[0], RecipientStatus.REFUSED, "batch_own_address"))
        if not left_out:
            return rows
        cursor.execute_many(
            _LEFT_OUT,
            [
                {"batch": batch.id, "row": row, "status": status.value, "diagnosis": as_json(diagnosis_for(code))}
                for row, status, code in left_out
            ],
        )
        batch.counts.update(status.value for _, status, _ in left_out)
        batch.counts["pending"] -= len(left_out)
        gone = {row for row, _, _ in left_out}
        if kept := [row for row in rows if row[0] not in gone]:
            return kept
    return []


def reserve(
    account: LockedAccount,
    lease: Lease,
    batch: OpenBatch,
    server: MailServer,
    rows: list[tuple[Any, ...]],
    now: datetime,
) -> Group:
    """Write that these recipients' messages are about to leave: theirs, the ledger's rows and the units.

    Args:
        rows: of :func:`take`.

    Raises:
        RuntimeError: the ledger has a row for one of them that must not be written over.
    """
    domain = server.from_address.rpartition("@")[2]
    reserved = [
        Reserved(row, address, json.loads(fields), f"<{uuid4().hex}@{domain}>", tries + 1, repeat)
        for row, address, _, fields, tries, repeat in rows
    ]
    at = account.database.stored(now)
    account.cursor.execute_many(
        _START,
        [
            {"batch": batch.id, "row": each.row, "owner": lease.owner, "at": at, "message_id": each.message_id}
            for each in reserved
        ],
    )
    common = {
        "server": server.id,
        "server_name": server.name,
        "owner": this_process(),
        "at": at,
        "account": account.key,
        "who": batch.who,
        "batch": batch.id,
    }
    account.cursor.execute_many(
        _LEDGER,
        [
            {
                **common,
                "key": ledger_key(batch.id, each.row, each.repeat),
                "address": each.address,
                "message_id": each.message_id,
            }
            for each in reserved
        ],
    )
    if account.cursor.count != len(reserved):
        # Somebody has a row of the ledger that our own tables know nothing of: no message is worth the risk.
        raise RuntimeError(f"batch {batch.id}: the ledger has {len(reserved) - account.cursor.count} of these rows")
    usage.add(account, server.id, now, Amount(messages=len(reserved), recipients=len(reserved)))
    return Group(reserved, now)
