"""One turn of a worker in the database: a group settled, and the next one reserved, in one transaction.

It runs alone in the account, as for one message (see ``sending/reservation.py``): units, hold, the ledger's rows, the
recipients and the batch's counts change together or not at all. The next group is committed before its first byte
leaves. Plain SQL on the driver's cursor, many rows at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mailcore.batches.drafts import OwnAddresses
from mailcore.batches.leases import LEASE, clock, keep
from mailcore.batches.pace import keep_pace, pace_of
from mailcore.batches.recovery import ledger_key
from mailcore.batches.settling import Counts, settle
from mailcore.batches.stopping import Stopping, stop_before, waits
from mailcore.batches.suppressions import suppressed_among
from mailcore.diagnosis.replies import diagnosis_for
from mailcore.quota import usage
from mailcore.quota.locked_account import LockedAccount
from mailcore.quota.usage import Amount
from mailcore.sending.abandoned import this_process
from mailcore.sending.ledger import as_json
from mailcore.sending.stops import over_limit
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import BatchKind, BatchState, RecipientStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.batches.leases import Lease
    from mailcore.batches.pace import Pace
    from mailcore.batches.verdicts import Verdict
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.quota.rules import QuotaSettings
    from mailcore.storage.database import Database

_BATCH = """
SELECT state, kind, pending, retry_at, total, refusal_share, judged_tries, judged_refused, account_key, who
FROM batch WHERE id = :batch
"""
# By the numbers first: SQLite then walks the index of statuses, and not every recipient that is done.
_NEXT = """
SELECT row, address, address_key, fields, tries, repeat FROM batch_recipient
WHERE batch_id = :batch AND row IN (SELECT row FROM batch_recipient
WHERE batch_id = :batch AND status = 'pending' ORDER BY row LIMIT :most) ORDER BY row
"""
_DEFERRED = "row IN (SELECT row FROM batch_recipient WHERE batch_id = :batch AND status = 'deferred')"
_DUE = f"""
UPDATE batch_recipient SET status = 'pending', next_at = NULL
WHERE batch_id = :batch AND {_DEFERRED} AND next_at <= :now
"""  # noqa: S608 - words of our own
_FIRST_DUE = f"SELECT min(next_at) FROM batch_recipient WHERE batch_id = :batch AND {_DEFERRED}"  # noqa: S608
_IN_FLIGHT = "SELECT 1 FROM batch_recipient WHERE batch_id = :batch AND status = 'started' LIMIT 1"
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
_COUNT = """
UPDATE batch SET pending = pending + :pending, sent = sent + :sent, refused = refused + :refused,
failed = failed + :failed, uncertain = uncertain + :uncertain, suppressed = suppressed + :suppressed,
judged_tries = :judged_tries, judged_refused = :judged_refused, retry_at = :retry_at, served_at = :now,
waits_until = CASE WHEN state = 'running' THEN :waits_until ELSE waits_until END WHERE id = :batch
"""
_STOP = """
UPDATE batch SET state = :state, waits_until = :until, reason = :reason, wakes_by_itself = :wakes,
finished_at = :finished WHERE id = :batch AND state = 'running'
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


@dataclass(frozen=True, slots=True)
class Settlement:
    """A group that was handed over, and what became of each recipient."""

    group: Group
    verdicts: Sequence[Verdict]
    most_connections: int
    """That make sense with this kind of server."""


class NoGroup(StrEnum):
    """Why a turn gave no group."""

    STOPPED = "stopped"
    """The batch is not running any more, or waits."""
    LATER = "later"
    """Nothing may go for a few seconds."""
    IN_FLIGHT = "in_flight"
    """All that is left is being handed over by others."""
    RELEASE = "release"
    """The lease is over, or the account takes fewer connections now."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn brought: a group, or why there is none."""

    group: Group | None = None
    why: NoGroup | None = None
    until: datetime | None = None


@dataclass(slots=True)
class _Batch:
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


class Groups:
    """Reserves and settles the groups of one installation's batches. Safe to share between threads."""

    def __init__(self, database: Database, settings: QuotaSettings) -> None:
        self._database = database
        self._settings = settings

    def turn(
        self,
        lease: Lease,
        batch_id: int,
        server: MailServer,
        settlement: Settlement | None,
        *,
        most: int,
        now: datetime | None = None,
    ) -> Turn:
        """Settle a group, if there is one, and reserve the next.

        Args:
            server: the record as the worker's line was made from it: another one must not be used for it.
            most: recipients of the next group; 0 settles only.
            now: aware; the present where it is not given.

        Raises:
            StorageError: nothing was written, neither settled nor reserved.
        """
        moment = now or datetime.now(UTC)
        with self._database.fast_write() as cursor:
            account = LockedAccount(self._database, cursor, self._settings, lease.account_key)
            until = self._database.stored(clock(self._database, cursor) + LEASE)
            is_held = keep(cursor, lease, until)
            batch = self._locked_batch(account, batch_id)
            if batch is None:
                return Turn(why=NoGroup.STOPPED)
            pace = pace_of(account)
            stop = None
            if settlement is not None:
                stop = settle(account, lease.owner, batch, server, settlement, pace, moment)
                account = LockedAccount(self._database, cursor, self._settings, lease.account_key)  # held now, perhaps
            turn = self._next(
                account, lease, batch, server, pace, stop, _why(settlement), most if is_held else 0, moment
            )
            keep_pace(account, pace, moment)
            self._write_counts(account, batch, moment)
        if not is_held:
            return Turn(why=NoGroup.RELEASE)
        return turn

    def _locked_batch(self, account: LockedAccount, batch_id: int) -> _Batch | None:
        statement = _BATCH if self._database.is_sqlite else f"{_BATCH} FOR UPDATE"
        row = account.cursor.row(statement, {"batch": batch_id})
        if row is None:
            return None
        state, kind, pending, retry_at, total, share, tries, refused, account_key, who = row
        due = self._database.moment(retry_at) if retry_at else None
        return _Batch(batch_id, state, BatchKind(kind), pending, due, total, share, tries, refused, account_key, who)

    def _next(
        self,
        account: LockedAccount,
        lease: Lease,
        batch: _Batch,
        server: MailServer,
        pace: Pace,
        stop: Stopping | None,
        why: Diagnosis | None,
        most: int,
        now: datetime,
    ) -> Turn:
        """Reserve the next group, or say why there is none and let the batch's own row say so."""
        if batch.state != BatchState.RUNNING:
            return Turn(why=NoGroup.STOPPED)
        if batch.account_key != account.key:  # renamed meanwhile
            return Turn(why=NoGroup.RELEASE)
        if not batch.pending + batch.counts["pending"]:
            self._stop(account, batch, Stopping(BatchState.DONE), now)
            return Turn(why=NoGroup.STOPPED)
        stop = stop or stop_before(account, batch.id, server, now)
        if stop is not None:
            self._stop(account, batch, stop, now)
            return Turn(why=NoGroup.STOPPED)
        if pace.not_before is not None and pace.not_before > now:
            return self._later(account, batch, pace.not_before, why or diagnosis_for("throttled"), now)
        if lease.slot >= pace.connections:
            return Turn(why=NoGroup.RELEASE)
        if not most:
            return Turn(why=NoGroup.LATER, until=now)
        room = self._room(account, server, now)
        if isinstance(room, Stopping):
            self._stop(account, batch, room, now)
            return Turn(why=NoGroup.STOPPED)
        paced = pace.room(now)
        if paced == 0:
            return self._later(account, batch, pace.next_minute(now), diagnosis_for("throttled"), now)
        most = min(value for value in (most, room, paced) if value is not None)
        taken = self._take(account, batch, server, most, now)
        if not taken:
            return self._nothing_left(account, batch, now)
        pace.count(len(taken), now)
        return Turn(self._reserve(account, lease, batch, server, taken, now))

    def _room(self, account: LockedAccount, server: MailServer, now: datetime) -> int | Stopping | None:
        """Return how many messages the quota still takes, or why none; None without a limit."""
        rule = account.rule(server)
        assert rule is not None  # given a record, there is one
        ceiling = rule.ceiling
        if ceiling is None:
            return None
        if (room := ceiling - usage.count(account, rule, now).used) > 0:
            return room
        full = over_limit(account, rule, 1, now)
        assert full is not None
        if full.frees_at is None:
            return Stopping(BatchState.PAUSED, full.diagnosis)
        return Stopping(BatchState.WAITING, full.diagnosis, full.frees_at)

    def _take(
        self, account: LockedAccount, batch: _Batch, server: MailServer, most: int, now: datetime
    ) -> list[tuple[Any, ...]]:
        """Return the next recipients that may get the message; those that may not are settled on the way."""
        cursor, own = account.cursor, OwnAddresses(server)
        if batch.retry_at is not None and batch.retry_at <= now:
            cursor.execute(_DUE, {"batch": batch.id, "now": self._database.stored(now)})
            row = cursor.row(_FIRST_DUE, {"batch": batch.id})
            batch.retry_at = self._database.moment(row[0]) if row and row[0] else None
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

    def _reserve(
        self,
        account: LockedAccount,
        lease: Lease,
        batch: _Batch,
        server: MailServer,
        rows: list[tuple[Any, ...]],
        now: datetime,
    ) -> Group:
        domain = server.from_address.rpartition("@")[2]
        reserved = [
            Reserved(row, address, json.loads(fields), f"<{uuid4().hex}@{domain}>", tries + 1, repeat)
            for row, address, _, fields, tries, repeat in rows
        ]
        at = self._database.stored(now)
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

    def _nothing_left(self, account: LockedAccount, batch: _Batch, now: datetime) -> Turn:
        if not batch.pending + batch.counts["pending"]:
            self._stop(account, batch, Stopping(BatchState.DONE), now)
            return Turn(why=NoGroup.STOPPED)
        if account.cursor.row(_IN_FLIGHT, {"batch": batch.id}) is not None:
            batch.waits_until = now + timedelta(seconds=1)  # unless they end before, which clears it
            return Turn(why=NoGroup.IN_FLIGHT)
        if batch.retry_at is not None:
            return self._later(account, batch, batch.retry_at, diagnosis_for("recipient_unavailable_now"), now)
        batch.waits_until = now + timedelta(seconds=1)
        return Turn(why=NoGroup.LATER, until=batch.waits_until)

    def _later(self, account: LockedAccount, batch: _Batch, until: datetime, reason: Diagnosis, now: datetime) -> Turn:
        """Wait some seconds with the batch running; for longer, let its row say that it waits."""
        if (stop := waits(until, reason, now)) is not None:
            self._stop(account, batch, stop, now)
            return Turn(why=NoGroup.STOPPED)
        batch.waits_until = until
        return Turn(why=NoGroup.LATER, until=until)

    def _stop(self, account: LockedAccount, batch: _Batch, stop: Stopping, now: datetime) -> None:
        stored = self._database.stored
        account.cursor.execute(
            _STOP,
            {
                "batch": batch.id,
                "state": stop.state.value,
                "until": stored(stop.until) if stop.until else None,
                "reason": as_json(stop.reason) if stop.reason else "",
                "wakes": stop.wakes_by_itself,
                "finished": stored(now) if stop.state is BatchState.DONE else None,
            },
        )

    def _write_counts(self, account: LockedAccount, batch: _Batch, now: datetime) -> None:
        stored, counts = self._database.stored, batch.counts
        names = ("pending", "refused", "failed", "uncertain", "suppressed")
        account.cursor.execute(
            _COUNT,
            {
                **{name: counts[name] for name in names},
                "sent": counts["accepted"],
                "judged_tries": batch.judged_tries,
                "judged_refused": batch.judged_refused,
                "retry_at": stored(batch.retry_at) if batch.retry_at else None,
                "waits_until": stored(batch.waits_until) if batch.waits_until else None,
                "now": stored(now),
                "batch": batch.id,
            },
        )


def _why(settlement: Settlement | None) -> Diagnosis | None:
    """What kept the first message of a group from getting through."""
    verdicts = settlement.verdicts if settlement is not None else ()
    return next((each.diagnosis for each in verdicts if each.diagnosis is not None), None)
