"""The batches of one installation: what the front door hands out as ``core.batches``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailcore.actor import Actor, needs
from mailcore.batches import drafts, lifecycle, reading
from mailcore.batches.following import Following
from mailcore.batches.forecast import forecast
from mailcore.batches.leases import Leases
from mailcore.batches.message import OwnFiles, merge_message, name_column
from mailcore.batches.queue import BatchConsumer, BatchQueue
from mailcore.batches.reading import columns_of, fields_of
from mailcore.batches.worker import Worker
from mailcore.messages.eml import new_message_id
from mailcore.quota import reports
from mailcore.quota.reports import QuotaQuery
from mailcore.rights import Right
from mailcore.storage.tables import Batch
from mailcore.vocabulary import BatchKind, BatchState, RecipientStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailcore.batches.new_batch import NewBatch, RecipientsPlan
    from mailcore.batches.reading import BatchPage, RecipientPage
    from mailcore.batches.recipients_file import RecipientsFile
    from mailcore.batches.unsubscribing import Unsubscribing
    from mailcore.messages.merge import Preview
    from mailcore.quota.rules import FreedUnits, QuotaSettings
    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.database import Database
    from mailcore.storage.tables import BatchRecipient


class Batches:
    """Makes batches, starts and stops them, and tells how they stand. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        servers: Servers,
        settings: Settings,
        quota_settings: QuotaSettings,
        unsubscribing: Unsubscribing,
    ) -> None:
        """Keep the parts; no thread begins and no queue is opened."""
        self._database = database
        self._servers = servers
        self._settings = settings
        self._quota_settings = quota_settings
        self._unsubscribing = unsubscribing
        self._leases = Leases(database, quota_settings)
        self._worker = Worker(database, servers, self._leases, settings, quota_settings, unsubscribing)
        self._following = Following(database, servers, settings)
        self._queue = BatchQueue(database, self._worker, self._following)

    # ------------------------------------------------------------------ making one

    def read_recipients(
        self,
        source: RecipientsFile,
        *,
        email_column: str = "",
        server_id: int | None = None,
        kind: BatchKind = BatchKind.TRANSACTIONAL,
    ) -> RecipientsPlan:
        """Read a list of recipients, storing nothing; see :func:`mailcore.batches.drafts.read_recipients`."""
        server = self._servers.get(server_id) if server_id is not None else None
        return drafts.read_recipients(self._database, server, source, email_column, kind)

    @needs(Right.DELETE_OR_BULK)
    def create(self, new: NewBatch, *, start: bool = False, actor: Actor) -> Batch:
        """Store a batch, and start it at once where that is wanted.

        Raises:
            NotFoundError: there is no such server.
            ValidationError, StorageError: see :func:`mailcore.batches.drafts.store_draft`, and
                :func:`mailcore.batches.lifecycle.start`, whose refusal leaves the draft.
        """
        batch_id = drafts.store_draft(self._database, self._servers.get(new.server_id), new, actor=actor)
        if start:
            self.start(batch_id, actor=actor)
        return self.get(batch_id)

    # ------------------------------------------------------------------ from draft to end

    @needs(Right.DELETE_OR_BULK)
    def start(self, batch_id: int, *, actor: Actor) -> Batch:
        """Let a draft begin; see :func:`mailcore.batches.lifecycle.start`."""
        lifecycle.start(self._database, batch_id, actor=actor)
        self._queue.call()
        return self.get(batch_id)

    @needs(Right.DELETE_OR_BULK)
    def pause(self, batch_id: int, *, actor: Actor) -> Batch:
        """Stop it within the messages in flight; see :func:`mailcore.batches.lifecycle.pause`."""
        lifecycle.pause(self._database, batch_id, actor=actor)
        return self.get(batch_id)

    @needs(Right.DELETE_OR_BULK)
    def resume(self, batch_id: int, *, actor: Actor) -> Batch:
        """Let it go on; see :func:`mailcore.batches.lifecycle.resume`."""
        lifecycle.resume(self._database, batch_id, actor=actor)
        self._queue.call()
        return self.get(batch_id)

    @needs(Right.DELETE_OR_BULK)
    def cancel(self, batch_id: int, *, actor: Actor) -> Batch:
        """End it; see :func:`mailcore.batches.lifecycle.cancel`."""
        lifecycle.cancel(self._database, batch_id, actor=actor)
        return self.get(batch_id)

    @needs(Right.DELETE_OR_BULK)
    def retry(self, batch_id: int, *, failed: bool = False, uncertain: bool = False, actor: Actor) -> Batch:
        """Try again those that failed or were refused, or those that are uncertain, on a person's word.

        See :func:`mailcore.batches.lifecycle.retry`.
        """
        statuses = [RecipientStatus.REFUSED, RecipientStatus.FAILED] if failed else []
        statuses += [RecipientStatus.UNCERTAIN] if uncertain else []
        if lifecycle.retry(self._database, batch_id, statuses, actor=actor):
            self._queue.call()
        return self.get(batch_id)

    # ------------------------------------------------------------------ looking

    def find(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        server_name: str = "",
        page: int = 1,
        page_size: int = reading.PAGE_SIZE,
    ) -> BatchPage:
        """Return one page of batches, newest first; see :func:`mailcore.batches.reading.find`."""
        return reading.find(
            self._database, since=since, until=until, server_name=server_name, page=page, page_size=page_size
        )

    def get(self, batch_id: int) -> Batch:
        """Return one batch; see :func:`mailcore.batches.reading.get`."""
        return reading.get(self._database, batch_id)

    def recipients(
        self,
        batch_id: int,
        *,
        status: RecipientStatus | None = None,
        page: int = 1,
        page_size: int = reading.PAGE_SIZE,
    ) -> RecipientPage:
        """Return one page of recipients; see :func:`mailcore.batches.reading.recipients`."""
        return reading.recipients(self._database, self.get(batch_id), status=status, page=page, page_size=page_size)

    def result(self, batch_id: int, *, status: RecipientStatus | None = None) -> Iterator[BatchRecipient]:
        """Yield all recipients, for a file; see :func:`mailcore.batches.reading.result`."""
        return reading.result(self._database, self.get(batch_id), status=status)

    def preview(self, batch_id: int, row: int | None = None) -> tuple[str, Preview]:
        """Return the address of a row's recipient and the message as it gets it; of the first where none is given.

        Raises:
            NotFoundError: there is no such batch, or its server is gone.
            ValidationError: (``row``) no recipient has it.
            StorageError: the database could not be read.
        """
        batch = self.get(batch_id)
        found = reading.recipient(self._database, batch, row)
        merge = merge_message(self._database, batch, self._servers.get(batch.server_id), self._unsubscribing)
        return found.address, merge.preview(fields_of(columns_of(batch), found), found.address)

    def sample_message(self, batch_id: int, row: int, to: str) -> bytes:
        """Return a row's message as bytes, addressed to somebody else: for a test to oneself.

        Raises:
            NotFoundError, ValidationError, StorageError: as :meth:`preview`.
        """
        batch = self.get(batch_id)
        found = reading.recipient(self._database, batch, row)
        server = self._servers.get(batch.server_id)
        fields = fields_of(columns_of(batch), found)
        return merge_message(self._database, batch, server, self._unsubscribing).write(
            to,
            fields.get(name_column(list(fields)), ""),
            fields,
            message_id=new_message_id(server.from_address),
            attachments=OwnFiles(self._database, batch).of(list(fields.values())),
        )

    def forecast(self, batch_id: int) -> list[FreedUnits]:
        """Return when how many of the messages left will go; see :func:`mailcore.batches.forecast.forecast`.

        Raises:
            NotFoundError: there is no such batch.
            StorageError: the database could not be read.
        """
        batch = self.get(batch_id)
        if batch.state in (BatchState.DONE, BatchState.CANCELLED) or not batch.pending:
            return []
        query = QuotaQuery(account_keys=[batch.account_key], every_slot=True)
        found = reports.quotas(self._database, self._quota_settings, query)
        if not found:
            return []
        begins = max((at for at in (batch.starts_at, batch.waits_until) if at is not None), default=None)
        return forecast(found[0], batch.pending, ahead=self._ahead(batch), begins=begins)

    def planned(self) -> dict[str, int]:
        """Return how many messages of batches under way each account still has before it, by its key.

        Raises:
            StorageError: the database could not be read.
        """
        under_way = Batch.state.in_([BatchState.RUNNING, BatchState.WAITING])
        with self._database.read() as session:
            rows = session.execute(
                select(Batch.account_key, func.sum(Batch.pending)).where(under_way).group_by(Batch.account_key)
            )
            return {key: int(pending) for key, pending in rows if pending}

    def _ahead(self, batch: Batch) -> int:
        """How many messages of its account's other batches go before this one's."""
        others = (
            Batch.account_key == batch.account_key,
            Batch.id != batch.id,
            Batch.state.in_([BatchState.RUNNING, BatchState.WAITING]),
            Batch.started_at < (batch.started_at or datetime.now(UTC)),
        )
        with self._database.read() as session:
            return int(session.scalar(select(func.coalesce(func.sum(Batch.pending), 0)).where(*others)) or 0)

    # ------------------------------------------------------------------ the work

    def consumer(self, threads: int) -> BatchConsumer:
        """Return what does the work, to be started and stopped; see :class:`mailcore.batches.queue.BatchConsumer`."""
        return BatchConsumer(
            self._database,
            self._quota_settings,
            self._queue,
            self._worker,
            self._leases,
            self._following,
            threads,
            self._settings.retention_days,
        )

    def close(self) -> None:
        """Give back the queue's connections."""
        self._queue.close()
