"""What the tests of batches share: a server at a peer, a batch, the work done here, and what must always hold."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from sqlalchemy import select

from mailcore.batches.new_batch import NewBatch
from mailcore.batches.reading import counted, shown_status
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.registry.drafts import ServerDraft
from mailcore.storage.tables import Batch, BatchRecipient, Send, Usage
from mailcore.vocabulary import BatchState, RecipientStatus, Security, SendStatus
from tests.actors import ME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer
    from tests.peers.smtp_server import SmtpPeer

SENDER, PASSWORD = "ana@exemplo.com.br", "Segredo-Único-4471"
SECONDS = 60
"""How long a test waits for what takes a moment, before it fails."""


def at_peer(core: Mailcore, peer: SmtpPeer, name: str = "Loja", **changes: Any) -> MailServer:
    """Register a server that is a peer of the tests."""
    values = {"name": name, "host": peer.host, "port": peer.port, "security": Security.NONE, "security_auto": False}
    values |= {"username": SENDER, "from_address": SENDER} | changes
    return core.servers.create(ServerDraft(**values), SecretStr(PASSWORD), actor=ME).server


def address(number: int) -> str:
    return f"p{number}@outro.example"


def people(count: int) -> str:
    """A list of so many, as a CSV file; the first is in row 2."""
    return "nome,email\n" + "".join(f"Fulano {number},{address(number)}\n" for number in range(count))


def new_batch(server: MailServer, count: int = 5, **changes: Any) -> NewBatch:
    values: dict[str, Any] = {"recipients": RecipientsFile(people(count)), "subject": "Oi {{nome}}", "text": "Olá"}
    return NewBatch(server_id=server.id, **(values | changes))


def started(core: Mailcore, server: MailServer, count: int = 5, **changes: Any) -> Batch:
    return core.batches.create(new_batch(server, count, **changes), start=True, actor=ME)


def work(core: Mailcore) -> None:
    """Do the work in this thread, without a queue, until there is none; a pause of some moments is waited for."""
    while True:
        while core.batches._worker.work():
            pass
        with core.database.read() as session:
            running = session.scalars(select(Batch).where(Batch.state == BatchState.RUNNING)).all()
        if not running:
            return
        goes_on = min(batch.waits_until or datetime.now(UTC) for batch in running)
        threading.Event().wait(max(0.0, (goes_on - datetime.now(UTC)).total_seconds()))


def work_with_threads(core: Mailcore, threads: int = 3) -> None:
    """Do it as the program does: huey's threads, the watch, until nothing can be done now."""
    consumer = core.batches.consumer(threads)
    consumer.look(closely=True)
    consumer.start()
    given_up = threading.Event()
    timer = threading.Timer(SECONDS, given_up.set)
    timer.start()
    try:
        consumer.wait(until_idle=True, is_over=given_up)
    finally:
        timer.cancel()
        consumer.stop()
    assert not given_up.is_set(), "the work did not come to an end"


def statuses(core: Mailcore, batch: Batch) -> dict[str, str]:
    """Address → what became of it."""
    return {each.address: shown_status(each).value for each in core.batches.result(batch.id)}


def assert_accounted_for(core: Mailcore, batch_id: int, delivered: Iterable[str]) -> None:
    """Hold a batch to what must always be true of it.

    Args:
        delivered: the recipients of the messages that really arrived.
    """
    arrived = Counter(delivered)
    with core.database.read() as session:
        batch = session.get_one(Batch, batch_id)
        rows = session.scalars(select(BatchRecipient).where(BatchRecipient.batch_id == batch_id)).all()
        sends = session.scalars(select(Send).where(Send.batch_id == batch_id)).all()
        used = session.scalars(select(Usage).where(Usage.account_key == batch.account_key)).all()
    assert not {address for address, count in arrived.items() if count > 1}, "somebody got it twice"
    for row in rows:
        if row.status is RecipientStatus.ACCEPTED:
            assert arrived[row.address] == 1, f"{row.address} is said to have it"
        elif row.status is not RecipientStatus.UNCERTAIN:
            assert not arrived[row.address], f"{row.address} has it, and is said to be {row.status}"
    assert Counter(shown_status(row) for row in rows) == Counter(
        {status: count for status, count in counted(batch).items() if count}
    )
    assert batch.total == len(rows)
    # One row of the ledger for each that was tried, with the same outcome.
    by_recipient = {send.recipients: send for send in sends}
    assert len(by_recipient) == len(sends)
    for row in rows:
        send = by_recipient.get(row.address)
        if row.status in (RecipientStatus.ACCEPTED, RecipientStatus.UNCERTAIN):
            assert send is not None
            assert send.status.value == row.status.value
            assert (send.message_id, send.at) == (row.message_id, row.at)
        elif send is not None and row.status is not RecipientStatus.STARTED:
            assert send.status in (SendStatus.FAILED, SendStatus.REFUSED)
    open_ones = (SendStatus.ACCEPTED, SendStatus.UNCERTAIN, SendStatus.STARTED)
    counts = sum(send.status in open_ones for send in sends)
    assert sum(send.counted for send in sends) == counts == sum(each.recipients for each in used)
