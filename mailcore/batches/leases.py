"""Who sends through an account: a lease for each connection, kept alive by its process, taken up when that is gone.

A lease is a row with an end, which its process keeps ahead of the clock. It is over when its process is known to be
dead, when its end has passed, or when its end lies further ahead than anybody could have put it (a clock set back).
What was in flight under it is then uncertain, for nobody knows how far it came.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from mailcore.batches.pace import pace_of
from mailcore.batches.recovery import settle_lost
from mailcore.quota.locked_account import LockedAccount
from mailcore.sending.abandoned import is_gone, this_process

if TYPE_CHECKING:
    from mailcore.quota.rules import QuotaSettings
    from mailcore.storage.database import Database, FastCursor

LEASE = timedelta(seconds=10)
RENEW_SECONDS = 3.0
"""How often a lease is renewed: a process may miss two turns."""

_OF = "SELECT slot, owner, until FROM account_lease WHERE account_key = :key ORDER BY slot"
_TAKE = "INSERT INTO account_lease (account_key, slot, owner, until) VALUES (:key, :slot, :owner, :until)"
_RENEW = "UPDATE account_lease SET until = :until WHERE account_key = :key AND slot = :slot AND owner = :owner"
_DROP = "DELETE FROM account_lease WHERE account_key = :key AND slot = :slot AND owner = :owner"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to one connection of an account."""

    account_key: str
    slot: int
    owner: str


class Leases:
    """The leases of one process. Safe to share between threads."""

    def __init__(self, database: Database, settings: QuotaSettings) -> None:
        self._database = database
        self._settings = settings
        self._held: set[Lease] = set()
        self._lock = threading.Lock()

    def acquire(self, account_key: str) -> Lease | None:
        """Take a free connection of an account, after settling what dead processes left there; None where all are used.

        Raises:
            StorageError: the database could not be written.
        """
        with self._database.fast_write() as cursor:
            account = LockedAccount(self._database, cursor, self._settings, account_key)
            now = clock(self._database, cursor)
            taken = set()
            for slot, owner, until in cursor.rows(_OF, {"key": account_key}):
                if _is_over(owner, self._database.moment(until), now):
                    settle_lost(account, owner)
                    cursor.execute(_DROP, {"key": account_key, "slot": slot, "owner": owner})
                else:
                    taken.add(slot)
            allowed = pace_of(account).connections
            free = next((slot for slot in range(allowed) if slot not in taken), None)
            if free is None or len(taken) >= allowed:
                return None
            lease = Lease(account_key, free, f"{this_process()}:{uuid4().hex[:8]}")
            until = self._database.stored(now + LEASE)
            cursor.execute(_TAKE, {"key": account_key, "slot": free, "owner": lease.owner, "until": until})
        with self._lock:
            self._held.add(lease)
        return lease

    def release(self, lease: Lease) -> None:
        """Give a lease back.

        What is still noted as in flight under it is of a transaction whose end the database did not tell: uncertain.

        Raises:
            StorageError: the database could not be written; it ends by itself.
        """
        with self._lock:
            self._held.discard(lease)
        with self._database.fast_write() as cursor:
            settle_lost(LockedAccount(self._database, cursor, self._settings, lease.account_key), lease.owner)
            cursor.execute(_DROP, {"key": lease.account_key, "slot": lease.slot, "owner": lease.owner})

    def abandon(self, lease: Lease) -> None:
        """Let a lease end: what is in flight under it could not be settled, and becomes uncertain."""
        with self._lock:
            self._held.discard(lease)

    def renew(self) -> None:
        """Keep the leases of this process alive.

        Raises:
            StorageError: the database could not be written; they end if that lasts.
        """
        with self._lock:
            held = list(self._held)
        if not held:
            return
        with self._database.fast_write() as cursor:
            until = self._database.stored(clock(self._database, cursor) + LEASE)
            for lease in sorted(held, key=lambda each: (each.account_key, each.slot)):
                keep(cursor, lease, until)


def keep(cursor: FastCursor, lease: Lease, until: object) -> bool:
    """Put the end of a lease ahead; return whether it is still ours."""
    names = {"key": lease.account_key, "slot": lease.slot, "owner": lease.owner}
    cursor.execute(_RENEW, {**names, "until": until})
    return cursor.count == 1


def clock(database: Database, cursor: FastCursor) -> datetime:
    """Return the present by the clock that all processes share: PostgreSQL's own, or this machine's."""
    if database.is_sqlite:
        return datetime.now(UTC)
    row = cursor.row("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    assert row is not None
    return database.moment(row[0])


def recover(database: Database, settings: QuotaSettings) -> int:
    """End the leases of dead processes everywhere; return how many there were.

    Raises:
        StorageError: the database could not be read or written.
    """
    with database.fast_read() as cursor:
        now = clock(database, cursor)
        rows = cursor.rows("SELECT account_key, slot, owner, until FROM account_lease")
    over = [(key, slot, owner) for key, slot, owner, until in rows if _is_over(owner, database.moment(until), now)]
    ended = 0
    for key, slot, owner in over:
        with database.fast_write() as cursor:
            account = LockedAccount(database, cursor, settings, key)
            names = {"key": key, "slot": slot, "owner": owner}
            row = cursor.row(
                "SELECT until FROM account_lease WHERE account_key = :key AND slot = :slot AND owner = :owner", names
            )
            if row is None or not _is_over(owner, database.moment(row[0]), clock(database, cursor)):
                continue  # renewed or taken up meanwhile
            settle_lost(account, owner)
            cursor.execute(_DROP, names)
            ended += 1
    return ended


def _is_over(owner: str, until: datetime, now: datetime) -> bool:
    return is_gone(owner) or until <= now or until > now + 2 * LEASE
