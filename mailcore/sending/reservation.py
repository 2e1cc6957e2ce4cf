"""The row a send has in the ledger: reserved, with its units, before the first byte leaves; then settled.

Both happen in one transaction each, alone in the account, so that no two processes take the same unit. A process
that dies in between leaves a ``started`` row (see ``abandoned.py``); its units stay counted. Plain SQL on the
driver's cursor: a row costs a fraction of the send it is about.

What a service tells of its own limit and use stops no send: a reservation must not depend on which process happens
to have read it, nor on how old that is. The service refuses for itself, and its refusal puts the account on hold.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mailcore.diagnosis.replies import Diagnosis, diagnosis_for
from mailcore.errors import StorageError
from mailcore.quota import holds, usage
from mailcore.quota.locked_account import LockedAccount
from mailcore.quota.usage import Amount
from mailcore.sending.abandoned import this_process
from mailcore.sending.ledger import as_json
from mailcore.sending.stops import Stop, on_hold, over_limit, program_fault
from mailcore.storage.tables import Send
from mailcore.vocabulary import Origin, SendStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.quota.rules import QuotaRule, QuotaSettings
    from mailcore.storage.database import Database, FastCursor
    from mailcore.storage.tables import MailServer

COUNTED = frozenset({SendStatus.STARTED, SendStatus.ACCEPTED, SendStatus.UNCERTAIN})
"""What counts against the quota: all but what was certainly not taken."""

_COLUMNS = (
    *("server_id", "server_name", "status", "units", "recipients", "message_id", "reply", "warnings", "diagnosis"),
    *("owner", "at", "account_key", "counted", "frees_at", "provider_id", "follow_state", "follow_failures", "who"),
    "origin",
)
_INSERT = (
    f"INSERT INTO send (idempotency_key, {', '.join(_COLUMNS)}) "  # noqa: S608 - names of our own
    f"VALUES (:idempotency_key, {', '.join(f':{name}' for name in _COLUMNS)}) "
    "ON CONFLICT (idempotency_key) DO NOTHING RETURNING id"
)
_AGAIN = (
    f"UPDATE send SET {', '.join(f'{name} = :{name}' for name in _COLUMNS)} "  # noqa: S608
    "WHERE idempotency_key = :idempotency_key AND status = 'failed' RETURNING id"
)
_KNOWN = "SELECT status FROM send WHERE idempotency_key = :key"
_RECORD = f"SELECT account_key, is_active, host, username, ({_KNOWN}) FROM mail_server WHERE id = :id"  # noqa: S608
_SETTLE = """
UPDATE send SET status = :status, {more}reply = :reply, provider_id = :provider_id,
warnings = :warnings, diagnosis = :diagnosis WHERE id = :id
"""
_SETTLE_WHOLE = _SETTLE.format(more="")
# Apart, because a column that is set costs the update of its index, changed or not.
_SETTLE_FREED = _SETTLE.format(more="units = :units, counted = :counted, ")
# Of this very try: a failed send that was begun anew has another time.
_MOST_DOUBTFUL = 1_000
_OPEN = (
    "SELECT counted, units, account_key FROM send WHERE id = :id AND at = :at AND status IN ('started', 'uncertain')"
)


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A message that somebody wants to send through a server."""

    server: MailServer
    key: str
    """The idempotency key: unique in the ledger."""
    recipients: tuple[str, ...] = ()
    unnamed: int = 0
    """How many recipients there are, where they are not named."""
    message_id: str = ""
    who: str = ""
    """On whose behalf, for the ledger."""
    origin: Origin = Origin.UNKNOWN
    """By what it is sent, for the ledger."""
    stop: Stop | None = None
    """Why it will not be sent, where that is known before: its row says so, and nothing is reserved."""

    @property
    def size(self) -> int:
        """How many recipients there are."""
        return self.unnamed or len(self.recipients)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The row of a send, and what its caller may do about it."""

    send: Send
    may_send: bool
    """The units are reserved for this caller, who must hand the message over and settle the row."""
    is_new: bool
    """This caller wrote the row; else it is of an earlier send under the same key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOutcome:
    """What became of a message that was handed over, or could not be."""

    status: SendStatus
    reply: str = ""
    """The server's words."""
    provider_id: str = ""
    """The id under which the provider keeps the message."""
    warnings: Sequence[str] = ()
    diagnosis: Diagnosis | None = None
    """Why it did not go."""
    hold_for: Diagnosis | None = None
    """Why to hold the account although the message was taken: some recipients were refused for quota."""
    taken: int | None = None
    """Recipients the server took the message for; all of them where it is not given."""
    host: str = ""
    """The server's, for the catalogue's rule about holds."""


class Reservations:
    """Reserving and settling in one installation's ledger. Safe to share between threads."""

    def __init__(self, database: Database, settings: QuotaSettings) -> None:
        self._database = database
        self._settings = settings
        self._doubtful: deque[tuple[str, datetime]] = deque(maxlen=_MOST_DOUBTFUL)
        """Keys and moments of rows that may have been committed although their caller was told that they were not."""

    def reserve(self, request: SendRequest, *, now: datetime | None = None) -> Reservation:
        """Reserve the units of a send and commit its row.

        Under a key that was used before, the row of then is returned and nothing is reserved; only a send that
        ``failed`` is tried anew, in its own row. Where something forbids the send, its row says so
        (``rejected_by_rule``), and when it would fit.

        Args:
            now: aware; the present where it is not given.

        Raises:
            StorageError: the row could not be written; nothing may be sent.
            ValueError: there is no recipient.
        """
        moment = now or datetime.now(UTC)
        if request.size < 1:
            raise ValueError("a message has at least one recipient")
        self.clear_doubts()
        try:
            return self._reserve(request, moment)
        except StorageError:
            # A connection that is lost during the commit does not tell whether it arrived.
            self._doubtful.append((request.key, moment))
            raise
        except Exception:
            raise
        except BaseException as error:
            # Interrupted, perhaps just after the row was committed: nobody will send it.
            self._give_up(request.key, moment, error)
            raise

    def _reserve(self, request: SendRequest, moment: datetime) -> Reservation:
        with self._database.fast_write() as cursor:
            record = _stored_record(cursor, request)
            if record.earlier in (None, SendStatus.FAILED):
                account = LockedAccount(self._database, cursor, self._settings, record.account_key)
                rule = account.rule(request.server)
                assert rule is not None  # given a record, there is one
                stop = request.stop or record.stop or on_hold(account, moment)
                stop = stop or over_limit(account, rule, request.size, moment)
                row = _new_row(request, account.key, rule, stop, moment)
                number = self._write(cursor, row, is_again=record.earlier is not None)
                if number is not None:
                    if stop is None:
                        usage.add(account, request.server.id, moment, Amount(messages=1, recipients=request.size))
                    return Reservation(Send.of(row | {"id": number}), may_send=stop is None, is_new=True)
        with self._database.read() as session:
            earlier = session.scalars(select(Send).where(Send.idempotency_key == request.key)).one()
        return Reservation(earlier, may_send=False, is_new=False)

    def clear_doubts(self) -> None:
        """Free what was reserved for sends that never began, as far as the database can be asked."""
        while self._doubtful:
            with suppress(IndexError):  # another thread took the last one
                key, begun = self._doubtful.popleft()
                try:
                    self._give_up(key, begun, StorageError())
                except StorageError:
                    self._doubtful.appendleft((key, begun))
                    return

    def _give_up(self, key: str, begun: datetime, error: BaseException) -> None:
        with self._database.read() as session:
            ours = Send.idempotency_key == key, Send.at == begun, Send.status == SendStatus.STARTED
            send = session.scalars(select(Send).where(*ours)).one_or_none()
        if send is not None:
            self.settle(send, SendOutcome(status=SendStatus.FAILED, diagnosis=program_fault(error)))

    def settle(self, send: Send, outcome: SendOutcome, *, now: datetime | None = None) -> Send:
        """Commit the outcome of a reserved send and return its row; a row that is settled already stays as it is.

        What was certainly not taken frees its units; a refusal for quota, and refused logins in a row, put the
        account on hold.

        Args:
            now: aware; the present where it is not given.

        Raises:
            StorageError: it could not be written; the row stays ``started`` and becomes ``uncertain``.
        """
        moment = now or datetime.now(UTC)
        values: dict[str, Any] = {
            "reply": outcome.reply,
            "provider_id": outcome.provider_id,
            "warnings": "\n".join(outcome.warnings),
            "diagnosis": as_json(outcome.diagnosis) if outcome.diagnosis else "",
        }
        with self._database.fast_write() as cursor:
            account = LockedAccount(self._database, cursor, self._settings, send.account_key)
            stored = cursor.row(_OPEN, {"id": send.id, "at": self._database.stored(send.at)})
            if stored is not None:
                before, units, account_key = stored
                if account_key != account.key:  # renamed meanwhile
                    account = LockedAccount(self._database, cursor, self._settings, account_key)
                counted = _counted_after(outcome, before)
                written = values | {"id": send.id, "status": outcome.status.value}
                if counted == before:
                    cursor.execute(_SETTLE_WHOLE, written)
                else:
                    values |= {"units": counted if units == before and counted else units, "counted": counted}
                    cursor.execute(_SETTLE_FREED, written | values)
                    freed = Amount(messages=0 if counted else -1, recipients=counted - before)
                    usage.add(account, send.server_id, send.at, freed)
                reason = outcome.hold_for or outcome.diagnosis
                holds.note_result(account, holds.SendResult(outcome.status, reason, send.at, outcome.host), moment)
        if stored is None:
            with self._database.read() as session:
                return session.get_one(Send, send.id)
        send.take(values | {"status": outcome.status})
        return send

    def _write(self, cursor: FastCursor, row: dict[str, Any], *, is_again: bool) -> int | None:
        """Write a row and return its number, or None where another process was first."""
        frees_at = row["frees_at"]
        stored = {
            "at": self._database.stored(row["at"]),
            "frees_at": self._database.stored(frees_at) if frees_at else None,
            "status": row["status"].value,
            "origin": row["origin"].value,
        }
        written = cursor.row(_AGAIN if is_again else _INSERT, row | stored)
        return None if written is None else int(written[0])


@dataclass(frozen=True, slots=True)
class _StoredRecord:
    """A record as it is stored, not as the caller read it, which may have been hours ago."""

    account_key: str
    stop: Stop | None
    """Why nothing may go through it as the caller has it."""
    earlier: str | None
    """The status of a send under the same key."""


def _stored_record(cursor: FastCursor, request: SendRequest) -> _StoredRecord:
    server = request.server
    row = cursor.row(_RECORD, {"id": server.id, "key": request.key})
    if row is None:
        known = cursor.row(_KNOWN, {"key": request.key})
        return _StoredRecord(server.account_key, Stop(diagnosis_for("server_gone")), known[0] if known else None)
    account_key, is_active, host, username, earlier = row
    stop = None
    if not is_active:
        stop = Stop(diagnosis_for("inactive"))
    elif (host, username) != (server.host, server.username):
        stop = Stop(diagnosis_for("server_changed"))
    return _StoredRecord(account_key, stop, earlier)


def _counted_after(outcome: SendOutcome, before: int) -> int:
    """Return how many recipients count after an outcome, of those that were reserved."""
    if outcome.status not in COUNTED:
        return 0
    return before if outcome.taken is None else max(0, min(outcome.taken, before))


def _new_row(
    request: SendRequest, account_key: str, rule: QuotaRule, stop: Stop | None, now: datetime
) -> dict[str, Any]:
    """The values of a :class:`Send` as it begins."""
    return {
        "idempotency_key": request.key,
        "server_id": request.server.id,
        "server_name": request.server.name,
        "status": stop.status if stop else SendStatus.STARTED,
        "units": rule.units(1, request.size),
        "recipients": "\n".join(request.recipients),
        "message_id": request.message_id,
        "who": request.who[:200],
        "origin": request.origin,
        "provider_id": "",
        "reply": "",
        "warnings": "",
        "diagnosis": as_json(stop.diagnosis) if stop else "",
        "owner": this_process(),
        "at": now,
        "account_key": account_key,
        "counted": 0 if stop else request.size,
        "frees_at": stop.frees_at if stop else None,
        "follow_state": "",
        "follow_failures": "",
    }
