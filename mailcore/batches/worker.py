"""Sending the batches of one account, group by group, until there is nothing to do, no quota, or somebody says stop."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailcore.batches.groups import Groups, Turn
from mailcore.batches.message import OwnFiles, merge_message, name_column
from mailcore.batches.pausing import may_go_now, pause_for
from mailcore.batches.reading import columns_of
from mailcore.batches.settling import Settlement
from mailcore.batches.verdicts import Verdict, unwritable, verdict
from mailcore.errors import MailcoreError, NotFoundError, StorageError
from mailcore.sending.stops import not_begun, program_fault, uncertain_after, where
from mailcore.storage.tables import Batch
from mailcore.transports import connection_for, transport_for
from mailcore.transports.bulk import Parcel
from mailcore.vocabulary import RecipientStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailcore.batches.leases import Lease, Leases
    from mailcore.batches.reserving import Group, Reserved
    from mailcore.batches.unsubscribing import Unsubscribing
    from mailcore.messages.merge import MergeMessage
    from mailcore.quota.rules import QuotaSettings
    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.database import Database
    from mailcore.storage.tables import MailServer
    from mailcore.transports.base import Transport
    from mailcore.transports.bulk import BulkLine

_log = logging.getLogger(__name__)

SLICE_SECONDS = 60.0
"""So long one batch is sent before others of its account, or of accounts without a thread, have their turn."""
_FIRST_WAIT = 0.2
_PATIENCE_SECONDS = 600.0
"""How long the outcome of a group waits for a database that does not answer."""


class Worker:
    """Sends the batches of one installation. Safe to share between threads: each call of :meth:`work` is a thread."""

    def __init__(
        self,
        database: Database,
        servers: Servers,
        leases: Leases,
        settings: Settings,
        quota_settings: QuotaSettings,
        unsubscribing: Unsubscribing,
    ) -> None:
        self._database = database
        self._unsubscribing = unsubscribing
        self._servers = servers
        self._leases = leases
        self._settings = settings
        self._groups = Groups(database, quota_settings)
        self.stopping = threading.Event()
        """Once set, every thread ends after the messages in flight."""

    def work(self) -> bool:
        """Send for one account as long as there is anything to do, at most for a slice of time.

        Returns:
            Whether there was anything to do.

        Raises:
            StorageError: the database could not be read or written; what was in flight becomes uncertain.
        """
        for batch_id, account_key in self._runnable():
            if self.stopping.is_set():
                return False
            if (lease := self._leases.acquire(account_key)) is not None:
                self._under(lease, batch_id)
                return True
        return False

    def _runnable(self) -> list[tuple[int, str]]:
        """Return the batches that are being sent, the one that waited longest first."""
        # NULLs first on both databases.
        order = Batch.served_at.is_not(None), Batch.served_at, Batch.id
        running = select(Batch.id, Batch.account_key).where(*may_go_now())
        with self._database.read() as session:
            return [(number, key) for number, key in session.execute(running.order_by(*order))]

    def _under(self, lease: Lease, batch_id: int) -> None:
        """Send a batch under a lease, and give it back; where something is left unsettled, let it run out."""
        try:
            self._send(lease, batch_id)
        except StorageError:
            self._leases.abandon(lease)
            raise
        except Exception as error:  # noqa: BLE001 - a person is to look, and the other batches go on
            self._leases.abandon(lease)
            _log.error("a batch was interrupted by a fault of the program: %s", where(error))
            pause_for(self._database, batch_id, program_fault(error))
            return
        except BaseException:
            self._leases.abandon(lease)
            raise
        self._leases.release(lease)

    def _send(self, lease: Lease, batch_id: int) -> None:
        with self._database.read() as session:
            batch = session.get_one(Batch, batch_id)
        try:
            server = self._servers.get(batch.server_id)
            secret = self._servers.secret(server)
            token = self._servers.tokens.source_for(server)
            transport = transport_for(connection_for(server, secret, self._settings, token))
            merge = merge_message(self._database, batch, server, self._unsubscribing)
        except StorageError:
            raise
        except NotFoundError:
            pause_for(self._database, batch_id, "server_gone")
            return
        except MailcoreError as error:
            pause_for(self._database, batch_id, not_begun(str(error)))
            return
        _Sending(self, lease, batch, server, transport, merge).run()

    def turn(self, lease: Lease, batch_id: int, server: MailServer, done: Settlement | None, most: int) -> Turn:
        """Take a turn in the database; what became of a group waits for it, however long it does not answer.

        Raises:
            StorageError: there was nothing to settle; or it did not answer for ten minutes.
        """
        until = monotonic() + _PATIENCE_SECONDS
        delay = _FIRST_WAIT
        while True:
            try:
                return self._groups.turn(lease, batch_id, server, done, most=most)
            except StorageError:
                if done is None or monotonic() > until:
                    raise
                # Not the stop flag: what is known of messages that left must not be lost for an impatient stop.
                threading.Event().wait(delay)
                delay = min(delay * 2, 5.0)


class _Sending:
    """One batch on its way through one connection."""

    def __init__(
        self,
        worker: Worker,
        lease: Lease,
        batch: Batch,
        server: MailServer,
        transport: Transport,
        merge: MergeMessage,
    ) -> None:
        self._worker = worker
        self._lease = lease
        self._batch = batch
        self._server = server
        self._merge = merge
        self._columns = columns_of(batch)
        self._name = name_column(self._columns)
        self._files = OwnFiles(worker._database, batch)  # noqa: SLF001 - of one module
        self._line: BulkLine = transport.bulk(merge)

    def run(self) -> None:
        """Send group after group."""
        done: Settlement | None = None
        ends = monotonic() + SLICE_SECONDS
        with self._line:
            while True:
                is_over = self._worker.stopping.is_set() or monotonic() > ends
                most = 0 if is_over else self._line.group_size
                turn = self._worker.turn(self._lease, self._batch.id, self._server, done, most)
                done = None
                if turn.group is not None:
                    done = self._hand_over(turn.group)
                else:
                    return

    def _hand_over(self, group: Group) -> Settlement:
        parcels: list[Parcel] = []
        verdicts: list[Verdict] = []
        tries = {each.row: each.tries for each in group.recipients}
        for each in group.recipients:
            try:
                parcels.append(self._parcel(each))
            except (MailcoreError, LookupError, ValueError) as error:
                said = str(error) if isinstance(error, MailcoreError) else "O anexo deste destinatário não está aqui."
                verdicts.append(unwritable(each.row, said))
            except Exception as error:  # noqa: BLE001 - one recipient's fault must not stop the others
                verdicts.append(Verdict(each.row, RecipientStatus.FAILED, diagnosis=program_fault(error)))
        try:
            results = self._line.hand_over(parcels) if parcels else []
        except Exception as error:  # noqa: BLE001 - a line must not raise; if it does, nobody knows how far it came
            _log.error("a group was interrupted by a fault of the program: %s", where(error))
            diagnosis = uncertain_after(error)
            verdicts += [Verdict(each.number, RecipientStatus.UNCERTAIN, diagnosis=diagnosis) for each in parcels]
            return Settlement(group, verdicts, self._line.most_lines)
        kind, host = self._server.kind, self._server.host
        verdicts += [verdict(each, tries[each.number], kind=kind, host=host) for each in results]
        return Settlement(group, verdicts, self._line.most_lines)

    def _parcel(self, to: Reserved) -> Parcel:
        fields: Mapping[str, str] = dict(zip(self._columns, to.fields, strict=True))
        files = self._files.of(to.fields)
        if self._line.merges_itself:
            return Parcel(to.row, to.address, to.message_id, fields=fields, attachments=files)
        name = fields.get(self._name, "")
        data = self._merge.write(to.address, name, fields, message_id=to.message_id, attachments=files)
        return Parcel(to.row, to.address, to.message_id, data)
