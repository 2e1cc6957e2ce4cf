"""Looking at batches: the list, one, its recipients, its result, a preview."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailcore.batches.labels import refused
from mailcore.diagnosis.replies import Diagnosis
from mailcore.errors import NotFoundError
from mailcore.storage.tables import Batch, BatchRecipient
from mailcore.text import as_text, thousands
from mailcore.vocabulary import RecipientStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from mailcore.storage.database import Database

PAGE_SIZE = 50
_PIECE = 5_000
_IN_LINE = (RecipientStatus.PENDING, RecipientStatus.DEFERRED, RecipientStatus.STARTED)


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of batches, newest first, and how many there are."""

    batches: list[Batch]
    matching: int
    number: int


@dataclass(frozen=True, slots=True)
class RecipientPage:
    """One page of a batch's recipients, by row, and how many match."""

    recipients: list[BatchRecipient]
    matching: int
    number: int


def find(
    database: Database,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    server_name: str = "",
    page: int = 1,
    page_size: int = PAGE_SIZE,
) -> BatchPage:
    """Return one page of batches; the cost does not depend on the number of their recipients.

    Args:
        since: aware; only those started from this moment on.
        until: aware; only those started before this moment.
        server_name: only with this in the description of their server.

    Raises:
        StorageError: the database could not be read.
    """
    wanted: list[ColumnElement[bool]] = [Batch.is_loaded.is_(True)]
    if since is not None:
        wanted.append(Batch.started_at >= since)
    if until is not None:
        wanted.append(Batch.started_at < until)
    if text := as_text(server_name).strip():
        wanted.append(Batch.server_name.icontains(text, autoescape=True))
    with database.read() as session:
        matching = session.scalar(select(func.count()).select_from(Batch).where(*wanted)) or 0
        number = min(max(page, 1), max(1, -(-matching // page_size)))
        newest = select(Batch).where(*wanted).order_by(Batch.id.desc())
        rows = session.scalars(newest.limit(page_size).offset((number - 1) * page_size)).all()
    return BatchPage(list(rows), matching, number)


def get(database: Database, batch_id: int) -> Batch:
    """Return one batch.

    Raises:
        NotFoundError: there is none with this number.
        StorageError: the database could not be read.
    """
    with database.read() as session:
        batch = session.get(Batch, batch_id)
    if batch is None or not batch.is_loaded:
        raise NotFoundError(f"Não há lote com o número {batch_id}.")
    return batch


def recipients(
    database: Database,
    batch: Batch,
    *,
    status: RecipientStatus | None = None,
    page: int = 1,
    page_size: int = PAGE_SIZE,
) -> RecipientPage:
    """Return one page of a batch's recipients, by row.

    Args:
        status: only these; ``pending`` takes in what is in flight or waits to be tried again.

    Raises:
        StorageError: the database could not be read.
    """
    matching = batch.total if status is None else counted(batch)[status]
    number = min(max(page, 1), max(1, -(-matching // page_size)))
    wanted = _in_order(batch, status).limit(page_size).offset((number - 1) * page_size)
    with database.read() as session:
        rows = session.scalars(wanted).all()
    return RecipientPage(list(rows), matching, number)


def result(database: Database, batch: Batch, *, status: RecipientStatus | None = None) -> Iterator[BatchRecipient]:
    """Yield a batch's recipients by row, read piece by piece: for a file, however many they are.

    Raises:
        StorageError: the database could not be read.
    """
    after = -1
    while True:
        wanted = _of(batch, status).where(BatchRecipient.row > after).order_by(BatchRecipient.row).limit(_PIECE)
        with database.read() as session:
            rows = session.scalars(wanted).all()
        if not rows:
            return
        yield from rows
        after = rows[-1].row


def recipient(database: Database, batch: Batch, row: int | None = None) -> BatchRecipient:
    """Return the recipient of a row; the first one where no row is given.

    Raises:
        ValidationError: (``row``) no recipient has it.
        StorageError: the database could not be read.
    """
    wanted = _of(batch, None).order_by(BatchRecipient.row).limit(1)
    if row is not None:
        wanted = wanted.where(BatchRecipient.row == row)
    with database.read() as session:
        found = session.scalars(wanted).one_or_none()
    if found is None:
        raise refused("row", f"não há destinatário na linha {thousands(row or 0)}.")
    return found


def counted(batch: Batch) -> dict[RecipientStatus, int]:
    """Return how many recipients have each status that is shown."""
    return {
        RecipientStatus.PENDING: batch.pending,
        RecipientStatus.ACCEPTED: batch.sent,
        RecipientStatus.REFUSED: batch.refused,
        RecipientStatus.FAILED: batch.failed,
        RecipientStatus.UNCERTAIN: batch.uncertain,
        RecipientStatus.SUPPRESSED: batch.suppressed,
    }


def shown_status(found: BatchRecipient) -> RecipientStatus:
    """Return the status as people see it: what is in flight, or waits to be tried again, is pending."""
    return RecipientStatus.PENDING if found.status in _IN_LINE else found.status


def columns_of(batch: Batch) -> list[str]:
    """Return the names of a batch's columns."""
    columns: list[str] = json.loads(batch.columns)
    return columns


def fields_of(columns: Sequence[str], found: BatchRecipient) -> dict[str, str]:
    """Return a recipient's merge fields by column."""
    return dict(zip(columns, json.loads(found.fields), strict=True))


def reason_of(row: Batch | BatchRecipient) -> Diagnosis | None:
    """Return why a batch waits or is paused, or why a recipient did not get its message."""
    stored = row.reason if isinstance(row, Batch) else row.diagnosis
    if not stored:
        return None
    values = json.loads(stored)
    return Diagnosis(**{**values, "evidence": tuple(values.get("evidence", ()))})


def _in_order(batch: Batch, status: RecipientStatus | None) -> Select[BatchRecipient]:
    if status is None or status in _IN_LINE:
        return _of(batch, status).order_by(BatchRecipient.row)
    # The order of the index of statuses: by the row alone PostgreSQL would look at everybody for the few that failed.
    ours = BatchRecipient.batch_id == batch.id, BatchRecipient.status.between(status, status)
    return select(BatchRecipient).where(*ours).order_by(BatchRecipient.status, BatchRecipient.row)


def _of(batch: Batch, status: RecipientStatus | None) -> Select[BatchRecipient]:
    wanted = select(BatchRecipient).where(BatchRecipient.batch_id == batch.id)
    if status is None:
        return wanted
    return wanted.where(BatchRecipient.status.in_(_IN_LINE if status in _IN_LINE else [status]))
