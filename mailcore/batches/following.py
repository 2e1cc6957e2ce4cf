"""What became of messages after a service took them: asked until each recipient has an end.

A service that takes messages for later delivery (Elastic Email) tells afterwards which it could not deliver. Those
recipients are refused then, with its words; who has no mailbox is left out of later batches.

What went out as Divulgação is asked about for longer: who unsubscribes by the service's own link, or calls it spam, is
to get no more from us either, whichever account it would leave by.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from mailcore.batches.recovery import ledger_key
from mailcore.batches.suppressions import suppress
from mailcore.diagnosis.replies import classify, diagnosis_for
from mailcore.errors import NotFoundError, SecretError
from mailcore.sending.ledger import as_json
from mailcore.storage.tables import Batch, BatchFollowUp, BatchRecipient, Send
from mailcore.transports import connection_for, transport_for
from mailcore.transports.base import TransportError
from mailcore.vocabulary import BatchKind, RecipientStatus, SuppressionScope, SuppressionSource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.database import Database
    from mailcore.transports.base import Delivery, FailedRecipient

_FIRST = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))
_THEN = timedelta(hours=1)
_FOR = timedelta(days=2)
_LISTENS_EVERY, _LISTENS_FOR = timedelta(days=1), timedelta(days=14)
"""Most people who unsubscribe do so within days of the message."""
_NO_MAILBOX = "NoMailbox"
_MOST_AT_ONCE = 20
_LAST_ROW, _PIECE = 2**31 - 1, 1_000
_UNDER_WAY = timedelta(minutes=5)
"""So long nobody else asks about what somebody is asking about."""


def first_look(taken_at: datetime) -> datetime:
    """Return when a group that was just taken is first asked about."""
    return taken_at + _FIRST[0]


class Following:
    """Asks services about the groups they took. Safe to share between threads and processes."""

    def __init__(self, database: Database, servers: Servers, settings: Settings) -> None:
        self._database = database
        self._servers = servers
        self._settings = settings

    def is_due(self) -> bool:
        """Whether there is anything to ask about now.

        Raises:
            StorageError: the database could not be read.
        """
        due = select(BatchFollowUp.id).where(BatchFollowUp.next_at <= datetime.now(UTC)).limit(1)
        with self._database.read() as session:
            return session.scalar(due) is not None

    def look(self) -> int:
        """Ask about what is due, and write down what is news; return how many groups were asked about.

        Raises:
            StorageError: the database could not be read or written.
        """
        asked = 0
        for found in self._claimed():
            try:
                server = self._servers.get(found.server_id)
                connection = connection_for(server, self._servers.secret(server), self._settings)
                delivery = transport_for(connection).delivery(found.provider_id)
            except NotFoundError:
                delivery = None  # nobody is left to ask
                found.since = datetime.now(UTC) - _LISTENS_FOR
            except (TransportError, SecretError):
                delivery = None
            self._write(found, delivery)
            asked += 1
        return asked

    def _claimed(self) -> list[BatchFollowUp]:
        """Take what is due, so that nobody else asks about it at the same time."""
        now = datetime.now(UTC)
        due = select(BatchFollowUp).where(BatchFollowUp.next_at <= now).order_by(BatchFollowUp.next_at)
        with self._database.write() as session:
            rows = session.scalars(due.limit(_MOST_AT_ONCE).with_for_update(skip_locked=True)).all()
            for row in rows:
                row.next_at = now + _UNDER_WAY
        return list(rows)

    def _write(self, found: BatchFollowUp, delivery: Delivery | None) -> None:
        now = datetime.now(UTC)
        with self._database.write() as session:
            if delivery is not None and delivery.failed:
                batch = session.get(Batch, found.batch_id, with_for_update=True)
                if batch is not None:
                    _refuse(session, batch, found, delivery)
            is_complete = delivery is not None and not delivery.pending and delivery.state == "complete"
            step = found.step + 1
            next_at: datetime | None = found.since + _FIRST[step] if step < len(_FIRST) else now + _THEN
            if is_complete or now - found.since >= _FOR:
                if delivery is not None:
                    _note_state(session, found, delivery.state[:40], now)
                listens = now - found.since < _LISTENS_FOR and _is_marketing(session, found)
                next_at = now + _LISTENS_EVERY if listens else None
            ours = BatchFollowUp.id == found.id
            if next_at is None:
                session.execute(delete(BatchFollowUp).where(ours))
            else:
                values = {"step": step, "next_at": max(next_at, now + _FIRST[0])}
                session.execute(update(BatchFollowUp).where(ours).values(**values))
        if delivery is not None:
            self._suppress(delivery)

    def _suppress(self, delivery: Delivery) -> None:
        gone = {each.address: each.reply for each in delivery.failed if each.category == _NO_MAILBOX and each.address}
        left = dict.fromkeys(delivery.unsubscribed, "pelo link do serviço de envio")
        spam = dict.fromkeys(delivery.complained, "marcou a mensagem como spam")
        if not (gone or left or spam):
            return
        marketing = SuppressionScope.MARKETING
        with self._database.fast_write() as cursor:
            suppress(cursor, self._database, gone, SuppressionSource.SERVICE)
            suppress(cursor, self._database, spam | left, SuppressionSource.UNSUBSCRIBED, scope=marketing)


def _is_marketing(session: Session, found: BatchFollowUp) -> bool:
    return session.scalar(select(Batch.kind).where(Batch.id == found.batch_id)) is BatchKind.MARKETING


def _note_state(session: Session, found: BatchFollowUp, state: str, now: datetime) -> None:
    group = select(BatchRecipient.row, BatchRecipient.repeat).where(
        BatchRecipient.batch_id == found.batch_id,
        # By the rows: a look at a group must not become one at a million recipients.
        BatchRecipient.row.between(found.first_row or 0, found.last_row or _LAST_ROW),
        BatchRecipient.provider_id == found.provider_id,
    )
    keys = [ledger_key(found.batch_id, row, repeat) for row, repeat in session.execute(group)]
    for start in range(0, len(keys), _PIECE):
        ours = Send.idempotency_key.in_(keys[start : start + _PIECE]), Send.follow_state != state
        session.execute(update(Send).where(*ours).values(followed_at=now, follow_state=state))


def _refuse(session: Session, batch: Batch, found: BatchFollowUp, delivery: Delivery) -> None:
    """Turn what was accepted into refused, for those whom the service could not deliver to."""
    failed = {each.address.casefold(): each for each in delivery.failed}
    accepted = session.scalars(
        select(BatchRecipient).where(
            BatchRecipient.batch_id == batch.id,
            BatchRecipient.address_key.in_(list(failed)),
            BatchRecipient.provider_id == found.provider_id,
            BatchRecipient.status == RecipientStatus.ACCEPTED,
        )
    ).all()
    for recipient in accepted:
        told = failed[recipient.address_key]
        recipient.status, recipient.reply = RecipientStatus.REFUSED, told.reply[:2_000]
        recipient.diagnosis = as_json(_diagnosis(told))
        key = ledger_key(batch.id, recipient.row, recipient.repeat)
        ours = Send.idempotency_key == key, Send.message_id == recipient.message_id
        values: dict[str, Any] = {
            "follow_failures": json.dumps([asdict(told)], ensure_ascii=False),
            "follow_state": delivery.state[:40],
            "followed_at": datetime.now(UTC),
        }
        session.execute(update(Send).where(*ours).values(**values))
    batch.sent -= len(accepted)
    batch.refused += len(accepted)


def _diagnosis(failed: FailedRecipient) -> Any:
    if failed.category == _NO_MAILBOX:
        return diagnosis_for("recipient_unknown", reply=failed.reply)
    return classify(f"{failed.code} {failed.reply}".strip() if failed.code else failed.reply, phase="rcpt")
