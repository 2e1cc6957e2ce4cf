"""Making a batch: its list read, checked line by line and stored, nothing sent.

The rows are stored piece by piece, so that nobody else who writes waits long; until all are there the batch is in no
list, and what a crash leaves of it is swept.
"""

from __future__ import annotations

import json
import mimetypes
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, text

from mailcore.arguments import need_moment
from mailcore.audit import note_batch
from mailcore.batches.labels import LABELS, refused
from mailcore.batches.new_batch import RecipientsPlan
from mailcore.batches.recipients_file import Recipients
from mailcore.batches.suppressions import suppressed_among
from mailcore.diagnosis.replies import diagnosis_for
from mailcore.errors import FieldError, ValidationError
from mailcore.messages.addresses import same_mailbox_key
from mailcore.sending.ledger import as_json
from mailcore.storage.tables import Batch, BatchFile, BatchRecipient, Send
from mailcore.text import as_text, fold, thousands
from mailcore.vocabulary import BatchKind, BatchState, RecipientStatus, SameAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailcore.actor import Actor
    from mailcore.batches.new_batch import NewBatch
    from mailcore.batches.recipients_file import Faults, ReadRow, RecipientsFile
    from mailcore.storage.database import Database
    from mailcore.storage.tables import MailServer

_PIECE = 5_000
"""Rows stored in one transaction."""
_MANY = 10_000
_MOST_SWEPT = 3
_UNFINISHED_FOR = timedelta(hours=1)
"""After so long nobody is still storing its recipients."""
MOST_FILE_BYTES = 25_000_000
"""All attachments of one message, which services take up to some 20 to 35 MB."""
_COLUMNS = ("batch_id", "row", "address", "address_key", "fields", "status", "diagnosis")
_SAMPLE = 20


@dataclass(slots=True)
class _Counts:
    total: int = 0
    doubles: int = 0
    suppressed: int = 0
    own: int = 0
    seen: set[str] = field(default_factory=set)


class OwnAddresses:
    """The addresses that a server's record does not let its own messages go to."""

    def __init__(self, server: MailServer) -> None:
        is_blocked = server.same_address is SameAddress.BLOCK
        own = [address for address in (server.from_address, server.username) if "@" in address and is_blocked]
        self._keys = {same_mailbox_key(address) for address in own}
        # Looked at first, for it spares the rest of the work for almost everybody.
        self._domains = {key.rpartition("@")[2] for key in self._keys}
        if "gmail.com" in self._domains:
            self._domains.add("googlemail.com")

    def has(self, address: str) -> bool:
        """Whether this is one of them, under any spelling."""
        return address.rpartition("@")[2] in self._domains and same_mailbox_key(address) in self._keys


def read_recipients(
    database: Database, server: MailServer | None, source: RecipientsFile, email_column: str, kind: BatchKind
) -> RecipientsPlan:
    """Read a list of recipients and say what is in it; nothing is stored.

    Args:
        server: whose own addresses count as refused; None where it is not chosen yet.

    Raises:
        ValidationError: it is no list that can be read, or has no such column.
        StorageError: the suppression list could not be read.
    """
    recipients = Recipients(source, email_column)
    counts = _Counts()
    own = OwnAddresses(server) if server is not None else None
    sample: list[tuple[int, tuple[str, ...]]] = []
    for piece in _pieces(recipients.rows()):
        kept = _without_doubles(piece, counts)
        sample += [(row.row, tuple(row.fields)) for row, _ in kept[: _SAMPLE - len(sample)]]
        counts.total += len(kept)
        counts.own += sum(own.has(row.address) for row, _ in kept) if own is not None else 0
        with database.fast_read() as cursor:
            counts.suppressed += len(suppressed_among(cursor, [key for _, key in kept], kind))
    return RecipientsPlan(
        columns=tuple(recipients.columns),
        email_column=recipients.email_column,
        total=counts.total,
        doubles=counts.doubles,
        suppressed=counts.suppressed,
        own=counts.own,
        faults=tuple(recipients.faults.first),
        fault_count=recipients.faults.count,
        sample=tuple(sample),
    )


def store_draft(database: Database, server: MailServer, new: NewBatch, *, actor: Actor) -> int:
    """Store a batch with its recipients, as a draft; return its number.

    Raises:
        ValidationError: a sentence for each field that cannot be used, and for each line that cannot (field
            ``recipients``; the first hundred, and how many more there are). Nothing is left of it.
        StorageError: it could not be written.
    """
    recipients = Recipients(new.recipients, new.email_column)
    file_index = _checked(new, recipients)
    batch_id = _begin(database, server, new, recipients, actor)
    try:
        counts = _store_rows(database, batch_id, server, new, recipients, file_index)
        _finish(database, batch_id, counts, actor)
        if counts.total >= _MANY and not database.is_sqlite:
            with database.write() as session:  # PostgreSQL plans by what it last counted, which was before these
                session.execute(text("ANALYZE batch_recipient"))
    except BaseException:
        drop(database, [batch_id])
        raise
    return batch_id


def sweep_unfinished(database: Database) -> None:
    """Drop batches whose recipients were never all stored: their process died.

    Raises:
        StorageError: the database could not be written.
    """
    before = datetime.now(UTC) - _UNFINISHED_FOR
    with database.read() as session:
        left = session.scalars(select(Batch.id).where(Batch.is_loaded.is_(False), Batch.created_at < before)).all()
    drop(database, list(left))


def sweep_old(database: Database, retention_days: int) -> None:
    """Drop a few of the batches that ended longer ago than anything is kept, once the ledger has none of their rows.

    Args:
        retention_days: 0 keeps everything.

    Raises:
        StorageError: the database could not be read or written.
    """
    if not retention_days:
        return
    before = datetime.now(UTC) - timedelta(days=retention_days)
    in_ledger = select(Send.id).where(Send.batch_id == Batch.id).exists()
    old = select(Batch.id).where(Batch.finished_at < before, ~in_ledger).order_by(Batch.id).limit(_MOST_SWEPT)
    with database.read() as session:
        ended = list(session.scalars(old))
    drop(database, ended)


def drop(database: Database, batch_ids: Iterable[int]) -> None:
    """Delete batches with their recipients and files; their rows of the ledger stay.

    Raises:
        StorageError: the database could not be written.
    """
    for batch_id in batch_ids:
        rows = select(BatchRecipient.row).where(BatchRecipient.batch_id == batch_id).limit(_PIECE)
        while True:
            with database.write() as session:
                numbers = session.scalars(rows.order_by(BatchRecipient.row)).all()
                if numbers:
                    ours = BatchRecipient.batch_id == batch_id, BatchRecipient.row <= numbers[-1]
                    session.execute(delete(BatchRecipient).where(*ours))
                    continue
                session.execute(delete(BatchFile).where(BatchFile.batch_id == batch_id))
                session.execute(delete(Batch).where(Batch.id == batch_id))
            break


def _checked(new: NewBatch, recipients: Recipients) -> int | None:
    """Check what was typed beside the list; return where the column of files stands."""
    from mailcore.messages.merge import MergeTemplate  # only who makes or sends a batch waits for jinja2

    template = MergeTemplate.parse(subject=new.subject, text=new.text, html=new.html)
    template.bind(recipients.columns, marketing=new.kind is BatchKind.MARKETING)
    if not 1 <= new.refusal_share <= 100:
        raise refused("refusal_share", "use um número de 1 a 100.")
    if new.starts_at is not None:
        need_moment("starts_at", new.starts_at)
    for_all = [each for each in new.attachments if each.for_all]
    if sum(len(each.data) for each in for_all) > MOST_FILE_BYTES:
        raise refused("attachments", f"passam de {MOST_FILE_BYTES // 1_000_000} MB por mensagem.")
    keys = [file_key(each.name) for each in new.attachments]
    for each, key in zip(new.attachments, keys, strict=True):
        if not key or len(each.name) > 255 or any(ord(char) < 32 for char in each.name):
            raise refused("attachments", "há um arquivo sem um nome que sirva.")
        if keys.count(key) > 1:
            raise refused("attachments", f"há dois arquivos com o nome “{each.name}”.")
    if not new.file_column:
        if len(for_all) < len(new.attachments):
            raise refused("file_column", "diga que coluna tem o nome do anexo de cada destinatário.")
        return None
    columns = [fold(column) for column in recipients.columns]
    if fold(new.file_column) not in columns:
        raise refused("file_column", f"não há coluna “{as_text(new.file_column)[:80]}”.")
    return columns.index(fold(new.file_column))


def _begin(database: Database, server: MailServer, new: NewBatch, recipients: Recipients, actor: Actor) -> int:
    batch = Batch(
        name=(" ".join(new.name.split()) or " ".join(new.subject.split()))[:200],
        server_id=server.id,
        server_name=server.name,
        account_key=server.account_key,
        kind=new.kind,
        subject=new.subject.strip(),
        text=new.text,
        html=new.html,
        email_column=recipients.email_column,
        file_column=new.file_column,
        columns=json.dumps(recipients.columns, ensure_ascii=False),
        state=BatchState.DRAFT,
        is_loaded=False,
        starts_at=new.starts_at,
        refusal_share=new.refusal_share,
        who=actor.name[:200],
        created_at=datetime.now(UTC),
    )
    with database.write() as session:
        session.add(batch)
        session.flush()
        session.add_all(
            BatchFile(
                batch_id=batch.id,
                name=each.name,
                name_key=file_key(each.name),
                content_type=each.content_type or mimetypes.guess_type(each.name)[0] or "application/octet-stream",
                data=each.data,
                for_all=each.for_all,
            )
            for each in new.attachments
        )
    return batch.id


def _store_rows(
    database: Database,
    batch_id: int,
    server: MailServer,
    new: NewBatch,
    recipients: Recipients,
    file_index: int | None,
) -> _Counts:
    counts, own, files = _Counts(), OwnAddresses(server), {file_key(each.name) for each in new.attachments}
    faults, is_own = recipients.faults, as_json(diagnosis_for("batch_own_address"))
    for piece in _pieces(recipients.rows()):
        kept = _without_doubles(piece, counts)
        if file_index is not None:
            _check_files(kept, recipients.columns[file_index], file_index, files, faults)
        if faults.count:
            continue  # read on for the other faults, and store no more
        with database.fast_write() as cursor:
            out = suppressed_among(cursor, [key for _, key in kept], new.kind)
            stored = []
            for row, key in kept:
                status, diagnosis = RecipientStatus.PENDING, ""
                if key in out:
                    status = RecipientStatus.SUPPRESSED
                    counts.suppressed += 1
                elif own.has(row.address):
                    status, diagnosis = RecipientStatus.REFUSED, is_own
                    counts.own += 1
                fields = json.dumps(row.fields, ensure_ascii=False)
                stored.append((batch_id, row.row, row.address, key, fields, status.value, diagnosis))
            cursor.load("batch_recipient", _COLUMNS, stored)
        counts.total += len(kept)
    if faults.count:
        raise _all_faults(faults)
    if not counts.total:
        raise refused("recipients", "não há nenhum destinatário na lista.")
    return counts


def _check_files(kept: list[tuple[ReadRow, str]], column: str, index: int, files: set[str], faults: Faults) -> None:
    for row, _ in kept:
        name = row.fields[index].strip()
        if name and file_key(name) not in files:
            faults.add(row.row, column, f"o anexo “{name[:80]}” não está entre os arquivos.")


def _finish(database: Database, batch_id: int, counts: _Counts, actor: Actor) -> None:
    with database.write() as session:
        batch = session.get_one(Batch, batch_id)
        batch.total = counts.total
        batch.suppressed, batch.refused = counts.suppressed, counts.own
        batch.pending = counts.total - counts.suppressed - counts.own
        batch.is_loaded = True
        note_batch(session, batch, "created", actor=actor)


def _all_faults(faults: Faults) -> ValidationError:
    errors = [FieldError("recipients", str(fault)) for fault in faults.first]
    if faults.count > len(faults.first):
        more = faults.count - len(faults.first)
        errors.append(FieldError("recipients", f"{LABELS['recipients']}: há mais {thousands(more)} linhas com erro."))
    return ValidationError(errors)


def _without_doubles(piece: list[ReadRow], counts: _Counts) -> list[tuple[ReadRow, str]]:
    """Return the rows whose address is new, each with the address in folded case."""
    kept = []
    for row in piece:
        key = row.address.casefold()
        if key in counts.seen:
            counts.doubles += 1
        else:
            counts.seen.add(key)
            kept.append((row, key))
    return kept


def _pieces(rows: Iterator[ReadRow]) -> Iterator[list[ReadRow]]:
    while piece := list(islice(rows, _PIECE)):
        yield piece


def file_key(name: str) -> str:
    """Return the name of a file as it is compared: a cell's spelling need not match in case or accents."""
    return fold(name.replace("\\", "/").rpartition("/")[2])
