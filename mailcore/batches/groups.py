"""One turn of a worker in the database: a group settled, and the next one reserved, in one transaction.

It runs alone in the account, as for one message (see ``sending/reservation.py``): units, hold, the ledger's rows, the
recipients and the batch's counts change together or not at all. The next group is committed before its first byte
leaves. Plain SQL on the driver's cursor, many rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from mailcore.batches.leases import LEASE, clock, keep
from mailcore.batches.pace import keep_pace, pace_of
from mailcore.batches.reserving import Group, OpenBatch, reserve, take
from mailcore.batches.settling import Settlement, settle
from mailcore.batches.stopping import Stopping, stop_before, waits
from mailcore.diagnosis.replies import diagnosis_for, of_batch
from mailcore.quota import usage
from mailcore.quota.locked_account import LockedAccount
from mailcore.sending.ledger import as_json
from mailcore.sending.stops import over_limit
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import BatchKind, BatchState

if TYPE_CHECKING:
    from mailcore.batches.leases import Lease
    from mailcore.batches.pace import Pace
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.quota.rules import QuotaSettings
    from mailcore.storage.database import Database

_BATCH = """
SELECT state, kind, pending, retry_at, total, refusal_share, judged_tries, judged_refused, account_key, who
FROM batch WHERE id = :batch
"""
_IN_FLIGHT = "SELECT 1 FROM batch_recipient WHERE batch_id = :batch AND status = 'started' LIMIT 1"
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

    def _locked_batch(self, account: LockedAccount, batch_id: int) -> OpenBatch | None:
        statement = _BATCH if self._database.is_sqlite else f"{_BATCH} FOR UPDATE"
        row = account.cursor.row(statement, {"batch": batch_id})
        if row is None:
            return None
        state, kind, pending, retry_at, total, share, tries, refused, account_key, who = row
        due = self._database.moment(retry_at) if retry_at else None
        return OpenBatch(batch_id, state, BatchKind(kind), pending, due, total, share, tries, refused, account_key, who)

    def _next(
        self,
        account: LockedAccount,
        lease: Lease,
        batch: OpenBatch,
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
        if (until := pace.pauses_until(now)) is not None:
            return self._later(account, batch, until, why or diagnosis_for("throttled"), now)
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
        taken = take(account, batch, server, most, now)
        if not taken:
            return self._nothing_left(account, batch, now)
        pace.count(len(taken), now)
        return Turn(reserve(account, lease, batch, server, taken, now))

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

    def _nothing_left(self, account: LockedAccount, batch: OpenBatch, now: datetime) -> Turn:
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

    def _later(
        self, account: LockedAccount, batch: OpenBatch, until: datetime, reason: Diagnosis, now: datetime
    ) -> Turn:
        """Wait some seconds with the batch running; for longer, let its row say that it waits."""
        if (stop := waits(until, reason, now)) is not None:
            self._stop(account, batch, stop, now)
            return Turn(why=NoGroup.STOPPED)
        batch.waits_until = until
        return Turn(why=NoGroup.LATER, until=until)

    def _stop(self, account: LockedAccount, batch: OpenBatch, stop: Stopping, now: datetime) -> None:
        stored = self._database.stored
        account.cursor.execute(
            _STOP,
            {
                "batch": batch.id,
                "state": stop.state.value,
                "until": stored(stop.until) if stop.until else None,
                "reason": as_json(of_batch(stop.reason)) if stop.reason else "",
                "wakes": stop.wakes_by_itself,
                "finished": stored(now) if stop.state is BatchState.DONE else None,
            },
        )

    def _write_counts(self, account: LockedAccount, batch: OpenBatch, now: datetime) -> None:
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
