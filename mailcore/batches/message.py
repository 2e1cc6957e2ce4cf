"""The message of a batch, made once for all its recipients, and its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import select

from mailcore.batches.drafts import file_key
from mailcore.batches.reading import columns_of
from mailcore.messages.compose import Recipient
from mailcore.storage.tables import BatchFile
from mailcore.vocabulary import BatchKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailcore.batches.unsubscribing import Unsubscribing
    from mailcore.messages.merge import Attachment, MergeMessage
    from mailcore.storage.database import Database
    from mailcore.storage.tables import Batch, MailServer

_MOST_KEPT = 20_000_000
"""Bytes of recipients' own files that are kept in memory between groups."""


def merge_message(database: Database, batch: Batch, server: MailServer, unsubscribing: Unsubscribing) -> MergeMessage:
    """Return a batch's message as it goes through a server.

    Raises:
        ValidationError: the template, the sender or the address for replies cannot be used.
        StorageError: the attachments could not be read.
    """
    from mailcore.messages.merge import Attachment, MergeMessage, MergeTemplate  # loads jinja2

    with database.read() as session:
        files = session.scalars(
            select(BatchFile).where(BatchFile.batch_id == batch.id, BatchFile.for_all).order_by(BatchFile.id)
        ).all()
    message = MergeMessage(
        MergeTemplate.parse(subject=batch.subject, text=batch.text, html=batch.html),
        sender=Recipient(server.from_address, server.from_name),
        reply_to=server.reply_to,
        attachments=[Attachment(each.name, each.content_type, each.data) for each in files],
        list_unsubscribe=_way_out(server, unsubscribing) if batch.kind is BatchKind.MARKETING else None,
        has_own_files=bool(batch.file_column),
    )
    message.check(columns_of(batch))
    return message


class OwnFiles:
    """Each recipient's own attachment, by the name in its row."""

    def __init__(self, database: Database, batch: Batch) -> None:
        self._database = database
        self._batch_id = batch.id
        self._index = columns_of(batch).index(batch.file_column) if batch.file_column else None
        self._kept: dict[str, Attachment] = {}

    def of(self, fields: Sequence[str]) -> tuple[Attachment, ...]:
        """Return the file that a recipient's row names, if it names one.

        Raises:
            LookupError: there is no such file.
            StorageError: it could not be read.
        """
        from mailcore.messages.merge import Attachment

        key = file_key(fields[self._index]) if self._index is not None else ""
        if not key:
            return ()
        if key not in self._kept:
            if sum(len(each.data) for each in self._kept.values()) > _MOST_KEPT:
                self._kept.clear()
            wanted = BatchFile.batch_id == self._batch_id, BatchFile.name_key == key
            with self._database.read() as session:
                found = session.scalars(select(BatchFile).where(*wanted)).one_or_none()
            if found is None:
                raise LookupError(key)
            self._kept[key] = Attachment(found.name, found.content_type, found.data)
        return (self._kept[key],)


def name_column(columns: Sequence[str]) -> str:
    """Return the column that holds a recipient's name, for the field To; empty where there is none."""
    return next((column for column in columns if re.fullmatch(r"(?i)nome|name|nome completo", column)), "")


def _way_out(server: MailServer, unsubscribing: Unsubscribing) -> Callable[[str], str]:
    """How a recipient unsubscribes: with one press where the program has a public address, else by a message."""
    return unsubscribing.address_of if unsubscribing.is_offered else _by_mail(server)


def _by_mail(server: MailServer) -> Callable[[str], str]:
    """Let people unsubscribe by writing to whoever answers for the sender."""
    box = server.reply_to or server.from_address

    def address(recipient: str) -> str:
        return f"mailto:{quote(box, safe='@')}?subject={quote(f'descadastrar {recipient}', safe='@')}"

    return address
