"""The row a send has in the ledger: claimed, with its units reserved, before the first byte leaves; then settled.

Both happen in one transaction each, alone in the account, so that no two processes take the same unit. A process
that dies in between leaves a ``started`` row, which :func:`settle_abandoned` turns into ``uncertain``; its units stay
counted. Plain SQL on the driver's cursor: a row costs a fraction of the send it is about.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select, update

from mailcore.diagnosis.replies import Diagnosis, diagnosis_for
from mailcore.quota import holds, usage
from mailcore.quota.rules import NEAR, Freeing, Rule, fits_at, rule_of
from mailcore.quota.usage import Amount
from mailcore.storage.tables import Send
from mailcore.vocabulary import LimitUnit, LimitWindow, SendStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailcore.quota.rules import Counting
    from mailcore.storage.database import Database, FastCursor
    from mailcore.storage.tables import MailServer

ABANDONED_AFTER = timedelta(minutes=15)
"""No send takes this long: a ``started`` row this old has lost its process."""

COUNTED = frozenset({SendStatus.STARTED, SendStatus.ACCEPTED, SendStatus.UNCERTAIN})
"""What counts against the quota: all but what was certainly not taken."""

_COLUMNS = (
    *("server_id", "server_name", "status", "units", "recipients", "message_id", "reply", "warnings", "diagnosis"),
    *("owner", "at", "account_key", "counted", "frees_at", "provider_id", "follow_state", "follow_failures"),
)
_INSERT = (
    f"INSERT INTO send (idempotency_key, {', '.join(_COLUMNS)}) "  # noqa: S608 - names of our own
    f"VALUES (:key, {', '.join(f':{name}' for name in _COLUMNS)}) ON CONFLICT (idempotency_key) DO NOTHING RETURNING id"
)
_AGAIN = (
    f"UPDATE send SET {', '.join(f'{name} = :{name}' for name in _COLUMNS)} "  # noqa: S608
    "WHERE idempotency_key = :key AND status = 'failed' RETURNING id"
)
_RECORD = "SELECT account_key, is_active, host, username FROM mail_server WHERE id = :id"
_KNOWN = "SELECT status FROM send WHERE idempotency_key = :key"
_LIMIT = """
SELECT daily_limit, limit_unit, limit_window, host FROM mail_server
WHERE account_key = :account AND daily_limit IS NOT NULL ORDER BY daily_limit, id LIMIT 1
"""
_SETTLE = """
UPDATE send SET status = :status, {more}reply = :reply, provider_id = :provider_id,
warnings = :warnings, diagnosis = :diagnosis WHERE id = :id
"""
_SETTLE_WHOLE = _SETTLE.format(more="")
# Apart, because a column that is set costs the update of its index, changed or not.
_SETTLE_FREED = _SETTLE.format(more="units = :units, counted = :counted, ")
# Of this very try: a failed send that was begun anew has another time.
_OPEN = (
    "SELECT counted, units, account_key FROM send WHERE id = :id AND at = :at AND status IN ('started', 'uncertain')"
)
_SLOTS = """
SELECT sum(messages + external), sum(recipients + external), max(last_at) FROM usage
WHERE account_key = :account AND slot > :edge GROUP BY slot ORDER BY slot
"""


def claim(
    database: Database,
    counting: Counting,
    server: MailServer,
    recipients: Sequence[str],
    message_id: str,
    key: str,
    *,
    refusal: Diagnosis | None = None,
    count: int | None = None,
    now: datetime | None = None,
) -> tuple[Send, bool]:
    """Reserve the units of a send and commit its row; return it, and whether it is this caller's to make.

    It is not where the key was used before, unless that send ``failed``: then its own row is taken again. Nor is it
    where something forbids the send: then the row says so (``rejected_by_rule``), and when it would fit.

    Args:
        refusal: a rule that the caller knows of forbids the send.
        count: recipients, where they are not named one by one.
        now: aware; the present where it is not given.

    Raises:
        StorageError: the row could not be written; nothing may be sent.
        ValueError: there is no recipient.
    """
    moment = now or datetime.now(UTC)
    many = len(recipients) if count is None else count
    if many < 1:
        raise ValueError("a message has at least one recipient")
    with database.fast_write() as cursor:
        known = cursor.row(_KNOWN, {"key": key})
        if known is None or known[0] == SendStatus.FAILED:
            # As it is stored, not as the caller read it, which may have been hours ago.
            account_key, stale = _record(cursor, server)
            state = holds.lock(database, cursor, account_key)
            rule = _rule(cursor, account_key, server, counting)
            refusal, frees_at = refusal or stale, None
            if refusal is None and state.is_held(moment):
                refusal, frees_at = hold_diagnosis(state, counting), state.held_until
            if refusal is None and rule.limit is not None:
                refusal, frees_at = _refuse_overrun(database, cursor, account_key, rule, counting, many, moment)
            row = _new_row(server, account_key, rule, recipients, message_id, key, many, refusal, frees_at, moment)
            row_id = _write(database, cursor, row, known)
            if row_id is not None:
                row.__dict__["id"] = row_id
                if row.counted:
                    amount = Amount(messages=1, recipients=row.counted)
                    usage.add(database, cursor, row.account_key, row.server_id, moment, amount, counting.zone)
                return row, refusal is None
    with database.read() as session:
        return session.scalars(select(Send).where(Send.idempotency_key == key)).one(), False


def settle(
    database: Database,
    counting: Counting,
    row: Send,
    status: SendStatus,
    *,
    host: str = "",
    reply: str = "",
    provider_id: str = "",
    warnings: Sequence[str] = (),
    diagnosis: Diagnosis | None = None,
    hold_for: Diagnosis | None = None,
    taken: int | None = None,
    now: datetime | None = None,
) -> Send:
    """Commit the outcome of a claimed send and return its row; a row that is settled already stays as it is.

    What was certainly not taken frees its units; a refusal for quota, and refused logins in a row, put the account
    on hold.

    Args:
        host: the server's, for the catalogue's rule about its holds.
        hold_for: why to hold the account although the message was taken: some recipients were refused for quota.
        taken: recipients the server took the message for; all of them where it is not given.
        now: aware; the present where it is not given.

    Raises:
        StorageError: it could not be written; the row stays ``started`` and becomes ``uncertain``.
    """
    moment = now or datetime.now(UTC)
    values: dict[str, Any] = {
        "id": row.id,
        "status": status.value,
        "reply": reply,
        "provider_id": provider_id,
        "warnings": "\n".join(warnings),
        "diagnosis": as_json(diagnosis) if diagnosis else "",
    }
    with database.fast_write() as cursor:
        state = holds.lock(database, cursor, row.account_key)
        stored = cursor.row(_OPEN, {"id": row.id, "at": database.stored(row.at)})
        if stored is not None:
            before, units, account_key = stored
            if account_key != row.account_key:  # renamed meanwhile
                state = holds.lock(database, cursor, account_key)
            counted = (before if taken is None else max(0, min(taken, before))) if status in COUNTED else 0
            if counted == before:
                cursor.execute(_SETTLE_WHOLE, values)
            else:
                by_recipients = units == before and counted
                values |= {"units": counted if by_recipients else units, "counted": counted}
                cursor.execute(_SETTLE_FREED, values)
                freed = Amount(messages=0 if counted else -1, recipients=counted - before)
                usage.add(database, cursor, account_key, row.server_id, row.at, freed, counting.zone)
            reason = hold_for or diagnosis
            until = moment
            if reason is not None and reason.category == "quota":
                until = _end_of_hold(database, cursor, account_key, counting, host, moment)
            outcome = holds.After(status, reason, row.at, until, moment)
            holds.note_outcome(database, cursor, account_key, state, outcome)
    if stored is None:
        with database.read() as session:
            return session.get_one(Send, row.id)
    row.__dict__.update(values | {"status": status})
    return row


def settle_abandoned(database: Database) -> int:
    """Mark as ``uncertain`` what a dead process left ``started``; return how many there were."""
    with database.read() as session:
        started = session.scalars(select(Send).where(Send.status == SendStatus.STARTED)).all()
    abandoned = [row.id for row in started if _is_abandoned(row)]
    if abandoned:
        with database.write() as session:
            session.execute(
                update(Send)
                .where(Send.id.in_(abandoned), Send.status == SendStatus.STARTED)
                .values(status=SendStatus.UNCERTAIN, diagnosis=as_json(diagnosis_for("uncertain")))
            )
    return len(abandoned)


def as_json(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as the ledger keeps it."""
    return json.dumps(asdict(diagnosis), ensure_ascii=False)


def hold_diagnosis(state: holds.AccountState, counting: Counting) -> Diagnosis:
    """Return why an account on hold is not used, and until when."""
    if state.held_until is None:
        return diagnosis_for("account_paused", reply=state.held_reply)
    diagnosis = diagnosis_for("account_on_hold", reply=state.held_reply)
    return replace(diagnosis, remedy=diagnosis.remedy.format(until=_clock(state.held_until, counting)))


def _record(cursor: FastCursor, server: MailServer) -> tuple[str, Diagnosis | None]:
    """Return the account a record uses now, and why nothing may go through it as the caller has it."""
    row = cursor.row(_RECORD, {"id": server.id})
    if row is None:
        return server.account_key, diagnosis_for("server_gone")
    account_key, is_active, host, username = row
    if not is_active:
        return account_key, diagnosis_for("inactive")
    if (host, username) != (server.host, server.username):
        return account_key, diagnosis_for("server_changed")
    return account_key, None


def _rule(cursor: FastCursor, account_key: str, server: MailServer, counting: Counting) -> Rule:
    row = cursor.row(_LIMIT, {"account": account_key})
    if row is None:
        return rule_of(None, server.limit_unit, server.limit_window, server.host, counting)
    return rule_of(row[0], LimitUnit(row[1]), LimitWindow(row[2]), row[3], counting)


def _refuse_overrun(
    database: Database,
    cursor: FastCursor,
    account_key: str,
    rule: Rule,
    counting: Counting,
    recipients: int,
    now: datetime,
) -> tuple[Diagnosis | None, datetime | None]:
    """Return why a message does not fit and when it will, or nothing where all of it fits."""
    units, ceiling = rule.units(1, recipients), rule.ceiling or 0
    used = rule.units(*usage.used(database, cursor, account_key, rule.since(now)))
    if used + units <= ceiling:
        return None, None
    what = "mensagens" if rule.unit is LimitUnit.MESSAGES else "destinatários"
    if units > ceiling:
        diagnosis = diagnosis_for("quota_message_too_large")
        return replace(diagnosis, cause=diagnosis.cause.format(units=units, limit=ceiling)), None
    frees_at = fits_at(ceiling, used, _freeing(database, cursor, account_key, rule, now), units, now)
    diagnosis = diagnosis_for("quota_full")
    when = _clock(frees_at, counting) if frees_at else "quando a janela liberar"
    cause = diagnosis.cause.format(used=used, limit=ceiling, units=units, what=what)
    return replace(diagnosis, cause=cause, remedy=diagnosis.remedy.format(when=when)), frees_at


def _freeing(database: Database, cursor: FastCursor, account_key: str, rule: Rule, now: datetime) -> list[Freeing]:
    """When what is used frees: first what still counts of the slot that the window's beginning cuts, then by slots."""
    parameters = usage.window_parameters(database, account_key, rule.since(now))
    rows = cursor.rows(usage.CUT, {name: value for name, value in parameters.items() if name != "edge"})
    rows += cursor.rows(_SLOTS, {"account": account_key, "edge": parameters["edge"]})
    return [
        Freeing(rule.frees(database.moment(newest)), units)
        for messages, recipients, newest in rows
        if newest is not None and (units := rule.units(int(messages), int(recipients))) > 0
    ]


def _end_of_hold(
    database: Database, cursor: FastCursor, account_key: str, counting: Counting, host: str, now: datetime
) -> datetime:
    row = cursor.row(_LIMIT, {"account": account_key})
    if row is None:
        return holds.end_of_hold(host, now, None, is_explained=False)
    rule = rule_of(row[0], LimitUnit(row[1]), LimitWindow(row[2]), row[3], counting)
    if rule.window is LimitWindow.CALENDAR_DAY:
        return holds.end_of_hold(host, now, rule.frees(now), is_explained=True)
    used = rule.units(*usage.used(database, cursor, account_key, rule.since(now)))
    frees = _freeing(database, cursor, account_key, rule, now)
    is_explained = used >= (rule.limit or 0) * NEAR
    return holds.end_of_hold(host, now, frees[0].at if frees else None, is_explained=is_explained)


def _new_row(
    server: MailServer,
    account_key: str,
    rule: Rule,
    recipients: Sequence[str],
    message_id: str,
    key: str,
    many: int,
    refusal: Diagnosis | None,
    frees_at: datetime | None,
    now: datetime,
) -> Send:
    row = Send()
    # Past SQLAlchemy's bookkeeping of changes, which nobody needs here and which costs as much as the statements.
    row.__dict__.update(
        idempotency_key=key,
        server_id=server.id,
        server_name=server.name,
        status=SendStatus.REJECTED_BY_RULE if refusal else SendStatus.STARTED,
        units=rule.units(1, many),
        recipients="\n".join(recipients),
        message_id=message_id,
        provider_id="",
        reply="",
        warnings="",
        diagnosis=as_json(refusal) if refusal else "",
        owner=_this_process(),
        at=now,
        account_key=account_key,
        counted=0 if refusal else many,
        frees_at=frees_at,
        followed_at=None,
        follow_state="",
        follow_failures="",
    )
    return row


def _write(database: Database, cursor: FastCursor, row: Send, known: tuple[Any, ...] | None) -> int | None:
    values: dict[str, Any] = {name: getattr(row, name) for name in _COLUMNS} | {"key": row.idempotency_key}
    values["status"] = row.status.value
    values["at"] = database.stored(row.at)
    values["frees_at"] = database.stored(row.frees_at) if row.frees_at else None
    written = cursor.row(_AGAIN if known else _INSERT, values)
    return int(written[0]) if written else None


def _clock(moment: datetime, counting: Counting) -> str:
    return moment.astimezone(counting.zone).strftime("%d/%m às %H:%M")


_RUN = uuid4().hex[:8]


def _this_process() -> str:
    """Who holds a row: the machine, the process, and which one of those that have had its number."""
    return f"{socket.gethostname()[-60:]}:{os.getpid()}:{_RUN}"


def _is_abandoned(row: Send) -> bool:
    """Whether the process that began this send is gone, or no longer knows of it.

    On this machine the process table tells; elsewhere only the clock can. What turns out to be under way all the
    same is settled with its outcome nevertheless.
    """
    if datetime.now(UTC) - row.at > ABANDONED_AFTER:
        return True
    host, _, rest = row.owner.partition(":")
    pid, _, run = rest.partition(":")
    if host != _this_process().partition(":")[0] or not pid.isdigit() or os.name != "posix":
        return False
    # In a container every run of the program has the same number.
    return run not in ("", _RUN) if int(pid) == os.getpid() else not _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
