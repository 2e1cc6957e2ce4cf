"""Reading the ledger: what was sent when, through which server, and what became of it.

Rows are written in ``reservation.py``; here they are found, exported, and dropped when they are old.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, Enum, String, delete, func, select, type_coerce

from mailcore.arguments import need_count
from mailcore.diagnosis.replies import Diagnosis
from mailcore.errors import NotFoundError
from mailcore.storage.tables import Send, UTCDateTime
from mailcore.text import as_text
from mailcore.vocabulary import Origin, SendStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Row, Select

    from mailcore.storage.database import Database

PAGE_SIZE = 50
_MOST_PURGED = 5_000
"""Rows deleted in one transaction, so that no send waits long for the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerQuery:
    """Which rows; every condition given must hold."""

    server_id: int | None = None
    server_name: str = ""
    """A part of the server's description at the time of sending."""
    account_key: str = ""
    """Only what counts for this account."""
    since: datetime | None = None
    """Aware; from this moment on."""
    until: datetime | None = None
    """Aware; before this moment."""
    status: SendStatus | None = None
    """``uncertain`` takes in what is under way or was interrupted (``started``): nobody knows of those either."""
    origin: Origin | None = None
    """By what it was sent."""
    without_batches: bool = False
    """Leave out what batches sent, however many rows that is."""
    recipient: str = ""
    """A part of a recipient's address."""
    page: int = 1
    page_size: int = PAGE_SIZE


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """One page of rows, newest first, and how many match in all."""

    sends: list[Send]
    matching: int
    number: int


class Ledger:
    """The ledger of one installation, to be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, query: LedgerQuery) -> LedgerPage:
        """Return one page of the rows that match; a page past the end is the last one.

        Raises:
            StorageError: the database could not be read.
        """
        ours = conditions(query)
        with self._database.read() as session:
            matching = session.scalar(select(func.count()).select_from(Send).where(*ours)) or 0
            last = max(1, -(-matching // query.page_size))
            number = min(max(query.page, 1), last)
            sends = session.scalars(
                select(Send)
                .where(*ours)
                .order_by(Send.at.desc(), Send.id.desc())
                .limit(query.page_size)
                .offset((number - 1) * query.page_size)
            ).all()
        return LedgerPage(list(sends), matching, number)

    def get(self, send_id: int) -> Send:
        """Return one row.

        Raises:
            NotFoundError: there is none with this id (any more).
            StorageError: the database could not be read.
        """
        need_count("send_id", send_id)
        with self._database.read() as session:
            send = session.get(Send, send_id)
        if send is None:
            raise NotFoundError(f"Não há envio com o número {send_id}: ele pode ter passado do prazo de guarda.")
        return send

    def under_key(self, key: str) -> Send | None:
        """Return the row of an idempotency key, if there is one.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            return session.scalars(select(Send).where(Send.idempotency_key == key)).one_or_none()

    def read_columns(
        self, query: LedgerQuery, columns: Sequence[str], *, most: int | None = None, rows: int = 50_000
    ) -> Iterator[Sequence[Row[Any]]]:
        """Yield these columns of the rows that match, newest first, in pieces: for many rows, without their objects.

        Values are as stored: times in UTC without a zone, words as text.

        Args:
            most: only so many rows; the pages of ``query`` do not count.
            rows: of one piece.

        Raises:
            StorageError: the database could not be read.
        """
        newest = (
            select(*(_as_stored(Send.__table__.c[name]) for name in columns))
            .where(*conditions(query))
            .order_by(Send.at.desc(), Send.id.desc())
            .limit(most)
        )
        with self._database.read() as session:
            # Past the session, which would look at every row for objects of its own.
            yield from session.connection().execute(newest.execution_options(yield_per=rows)).partitions()


def _as_stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, UTCDateTime):
        return type_coerce(column, DateTime())
    return type_coerce(column, String()) if isinstance(column.type, Enum) else column


def diagnosis_of(send: Send) -> Diagnosis | None:
    """Return why a send did not go, as it was worked out then."""
    if not send.diagnosis:
        return None
    values = json.loads(send.diagnosis)
    return Diagnosis(**{**values, "evidence": tuple(values.get("evidence", ()))})


def origin_of(send: Send) -> Origin:
    """Return by what a message was sent."""
    return Origin.BATCH if send.batch_id is not None else send.origin


def as_json(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as the ledger keeps it."""
    return json.dumps(asdict(diagnosis), ensure_ascii=False)


def purge(database: Database, retention_days: int, *, now: datetime | None = None) -> int:
    """Delete up to 5,000 of the rows older than ``retention_days``; return how many went.

    What is ``started`` stays, however old: first it becomes ``uncertain`` (see ``reservation.py``).

    Args:
        retention_days: 0 keeps everything.
        now: aware; the present where it is not given.

    Raises:
        StorageError: the database could not be written.
    """
    if not retention_days:
        return 0
    old = past_retention(retention_days, now or datetime.now(UTC))
    with database.read() as session:
        ids = list(session.scalars(old.limit(_MOST_PURGED)))
    if ids:
        with database.write_connection() as connection:
            connection.execute(delete(Send).where(Send.id.in_(ids)))
    return len(ids)


def past_retention(retention_days: int, now: datetime) -> Select[int]:
    """Return the query of the rows that :func:`purge` may delete, the oldest first."""
    before = now - timedelta(days=retention_days)
    return select(Send.id).where(Send.at < before, Send.status != SendStatus.STARTED).order_by(Send.at)


def conditions(query: LedgerQuery) -> list[ColumnElement[bool]]:
    """Return what a row must be to match, whatever page of them is asked for."""
    found: list[ColumnElement[bool]] = []
    if query.server_id is not None:
        found.append(Send.server_id == query.server_id)
    if query.account_key:
        found.append(Send.account_key == query.account_key)
    if query.since is not None:
        found.append(Send.at >= query.since)
    if query.until is not None:
        found.append(Send.at < query.until)
    if query.status is SendStatus.UNCERTAIN:
        found.append(Send.status.in_([SendStatus.UNCERTAIN, SendStatus.STARTED]))
    elif query.status is not None:
        found.append(Send.status == query.status)
    if query.without_batches:
        found.append(Send.batch_id.is_(None))
    if query.origin is Origin.BATCH:
        found.append(Send.batch_id.is_not(None))
    elif query.origin is not None:
        found += [Send.origin == query.origin, Send.batch_id.is_(None)]
    for column, text in ((Send.recipients, query.recipient), (Send.server_name, query.server_name)):
        if wanted := as_text(text).strip():
            found.append(column.icontains(wanted, autoescape=True))
    return found
