"""What became of a group, written: the recipients, their rows of the ledger, units given back, the account's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailcore.batches.following import first_look
from mailcore.batches.recovery import ledger_key
from mailcore.batches.stopping import Stopping, too_many_refusals
from mailcore.batches.suppressions import suppress
from mailcore.quota import holds, usage
from mailcore.quota.usage import Amount
from mailcore.sending.ledger import as_json
from mailcore.sending.reservation import COUNTED
from mailcore.transports import kind_of
from mailcore.vocabulary import BatchState, RecipientStatus, SendStatus, SuppressionSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mailcore.batches.pace import Pace
    from mailcore.batches.reserving import Counts, Group, OpenBatch
    from mailcore.batches.verdicts import Verdict
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.quota.locked_account import LockedAccount
    from mailcore.storage.tables import MailServer

NO_SUCH_MAILBOX = "recipient_unknown"

# Of this very try, and only while it is open: what another worker took for lost may turn out to be known after all.
_OPEN = """
SELECT row, status FROM batch_recipient WHERE batch_id = :batch AND row IN ({rows})
AND owner = :owner AND at = :at AND status IN ('started', 'uncertain')
"""
_RECIPIENT = """
UPDATE batch_recipient SET status = :status, reply = :reply, provider_id = :provider, diagnosis = :diagnosis,
next_at = :next_at, tries = :tries WHERE batch_id = :batch AND row = :row
"""
_LEDGER = """
UPDATE send SET status = :status, reply = :reply, provider_id = :provider, diagnosis = :diagnosis
WHERE idempotency_key = :key AND status IN ('started', 'uncertain')
"""
# Apart, because a column that is set costs the update of its index, changed or not.
_LEDGER_FREED = """
UPDATE send SET status = :status, reply = :reply, provider_id = :provider, diagnosis = :diagnosis, counted = 0
WHERE idempotency_key = :key AND status IN ('started', 'uncertain')
"""
_FOLLOW = """
INSERT INTO batch_follow_up (batch_id, server_id, provider_id, since, step, next_at, first_row, last_row)
VALUES (:batch, :server, :provider, :now, 0, :next_at, :first, :last) ON CONFLICT (batch_id, provider_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A group that was handed over, and what became of each recipient."""

    group: Group
    verdicts: Sequence[Verdict]
    most_connections: int
    """That make sense with this kind of server."""


def settle(
    account: LockedAccount,
    owner: str,
    batch: OpenBatch,
    server: MailServer,
    settlement: Settlement,
    pace: Pace,
    now: datetime,
) -> Stopping | None:
    """Write what became of a group, and learn from it; return why the batch stops, if it does.

    Args:
        owner: the lease under which the group was handed over.
        batch: whose counts are changed here, to be written by the caller.
        pace: changed likewise.
    """
    stored, group = account.database.stored, settlement.group
    rows = ", ".join(str(each.row) for each in group.recipients)
    asked = {"batch": batch.id, "owner": owner, "at": stored(group.at)}
    open_rows = dict(account.cursor.rows(_OPEN.format(rows=rows), asked))
    by_row = {each.row: each for each in group.recipients}
    verdicts = [each for each in settlement.verdicts if each.row in open_rows]
    texts = _texts(verdicts)
    recipients: list[dict[str, Any]] = []
    ledger: list[dict[str, Any]] = []
    freed: list[dict[str, Any]] = []
    for each in verdicts:
        before, tried = open_rows[each.row], by_row[each.row]
        next_at = now + each.delay if each.status is RecipientStatus.DEFERRED else None
        if next_at is not None and (batch.retry_at is None or next_at < batch.retry_at):
            batch.retry_at = next_at
        common = {
            "reply": each.reply[:2_000],
            "provider": each.provider_id[:255],
            "diagnosis": texts[id(each.diagnosis)],
        }
        # What the server never saw costs no try.
        tries = tried.tries - 1 if each.status is RecipientStatus.PENDING else tried.tries
        recipients.append(
            {
                **common,
                "status": each.status.value,
                "next_at": stored(next_at) if next_at else None,
                "tries": tries,
                "batch": batch.id,
                "row": each.row,
            }
        )
        written = {
            **common,
            "status": each.ledger_status.value,
            "key": ledger_key(batch.id, each.row, tried.repeat),
        }
        (ledger if each.ledger_status in COUNTED else freed).append(written)
        _count(batch.counts, before, each.status)
    account.cursor.execute_many(_RECIPIENT, recipients)
    account.cursor.execute_many(_LEDGER, ledger)
    account.cursor.execute_many(_LEDGER_FREED, freed)
    if freed:
        usage.add(account, server.id, group.at, Amount(messages=-len(freed), recipients=-len(freed)))
    _learn(account, verdicts, pace, settlement, now)
    _note_results(account, server, verdicts, group.at, now)
    _follow(account, batch.id, server, verdicts, now)
    return _stop(batch, verdicts)


def _texts(verdicts: list[Verdict]) -> dict[int, str]:
    """Diagnoses as JSON, each written once: a thousand recipients can share one."""
    different = {id(each.diagnosis): each.diagnosis for each in verdicts}
    return {key: as_json(diagnosis) if diagnosis else "" for key, diagnosis in different.items()}


def _count(counts: Counts, before: str, after: RecipientStatus) -> None:
    counts["pending" if before == RecipientStatus.STARTED else before] -= 1
    is_in_line = after in (RecipientStatus.PENDING, RecipientStatus.DEFERRED)
    counts["pending" if is_in_line else after.value] += 1


def _learn(
    account: LockedAccount,
    verdicts: list[Verdict],
    pace: Pace,
    settlement: Settlement,
    now: datetime,
) -> None:
    accepted = sum(each.status is RecipientStatus.ACCEPTED for each in verdicts)
    answered = sum(not each.is_unreachable and not each.pauses for each in verdicts)
    if any(each.is_too_fast for each in verdicts):
        pace.too_fast(now, is_stopped=not answered)
    elif accepted:
        pace.accepted(accepted, settlement.most_connections)
    elif verdicts and not answered:
        pace.failed(now)
    unknown = {
        each.row: each.reply
        for each in verdicts
        if each.status is RecipientStatus.REFUSED and each.diagnosis and each.diagnosis.code == NO_SUCH_MAILBOX
    }
    if unknown:
        addresses = {each.address: unknown[each.row] for each in settlement.group.recipients if each.row in unknown}
        suppress(account.cursor, account.database, addresses, SuppressionSource.REFUSAL)


def _note_results(
    account: LockedAccount, server: MailServer, verdicts: list[Verdict], begun_at: datetime, now: datetime
) -> None:
    """Hold the account or forgive it, once for each thing that was said."""
    said: dict[tuple[SendStatus, str], Diagnosis | None] = {}
    for each in verdicts:
        said.setdefault((each.ledger_status, each.diagnosis.code if each.diagnosis else ""), each.diagnosis)
    # What was taken comes first: a refusal for quota beside it holds all the same.
    for (status, _), diagnosis in sorted(said.items(), key=lambda item: item[0][0] is not SendStatus.ACCEPTED):
        holds.note_result(account, holds.SendResult(status, diagnosis, begun_at, server.host), now)


def _follow(account: LockedAccount, batch_id: int, server: MailServer, verdicts: list[Verdict], now: datetime) -> None:
    """Note which groups the service is to be asked about later."""
    if not kind_of(server.kind).can_follow:
        return
    taken: dict[str, list[int]] = {}
    for each in verdicts:
        if each.status is RecipientStatus.ACCEPTED and each.provider_id:
            taken.setdefault(each.provider_id, []).append(each.row)
    stored = account.database.stored
    account.cursor.execute_many(
        _FOLLOW,
        [
            {
                "batch": batch_id,
                "server": server.id,
                "provider": provider,
                "now": stored(now),
                "next_at": stored(first_look(now)),
                "first": min(rows),
                "last": max(rows),
            }
            for provider, rows in sorted(taken.items())
        ],
    )


def _stop(batch: OpenBatch, verdicts: list[Verdict]) -> Stopping | None:
    final = [each for each in verdicts if each.status not in (RecipientStatus.PENDING, RecipientStatus.DEFERRED)]
    batch.judged_tries += len(final)
    batch.judged_refused += sum(each.status is RecipientStatus.REFUSED for each in final)
    for each in verdicts:
        if each.stops:
            return Stopping(BatchState.PAUSED, each.diagnosis)
    return too_many_refusals(batch.total, batch.judged_tries, batch.judged_refused, batch.refusal_share)
