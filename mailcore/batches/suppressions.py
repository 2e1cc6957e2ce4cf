"""Who gets nothing from batches any more, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from mailcore.actor import Actor, needs
from mailcore.batches.labels import refused
from mailcore.errors import NotFoundError
from mailcore.messages.addresses import parse_address
from mailcore.rights import Right
from mailcore.storage.tables import Suppression
from mailcore.text import as_text
from mailcore.vocabulary import BatchKind, SuppressionScope, SuppressionSource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mailcore.batches.unsubscribing import Unsubscribing
    from mailcore.storage.database import Database, FastCursor

PAGE_SIZE = 50
_MOST_REASON = 300
_PIECE = 500
"""Addresses asked about in one statement."""

_ADD = """
INSERT INTO suppression (address, address_key, scope, source, reason, since, who)
VALUES (:address, :key, :scope, :source, :reason, :since, :who) ON CONFLICT (address_key, scope) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class SuppressionPage:
    """One page of suppressed addresses, newest first, and how many match."""

    suppressions: list[Suppression]
    matching: int
    number: int


class Suppressions:
    """The suppression list of one installation."""

    def __init__(self, database: Database, unsubscribing: Unsubscribing) -> None:
        self._database = database
        self._unsubscribing = unsubscribing

    def search(self, *, text: str = "", page: int = 1, page_size: int = PAGE_SIZE) -> SuppressionPage:
        """Return one page of the list, newest first; a page past the end is the last one.

        Args:
            text: only addresses with this in them.

        Raises:
            StorageError: the database could not be read.
        """
        wanted = as_text(text).strip().casefold()
        conditions = [Suppression.address_key.contains(wanted, autoescape=True)] if wanted else []
        with self._database.read() as session:
            matching = session.scalar(select(func.count()).select_from(Suppression).where(*conditions)) or 0
            number = min(max(page, 1), max(1, -(-matching // page_size)))
            rows = session.scalars(
                select(Suppression)
                .where(*conditions)
                .order_by(Suppression.since.desc(), Suppression.id.desc())
                .limit(page_size)
                .offset((number - 1) * page_size)
            ).all()
        return SuppressionPage(list(rows), matching, number)

    @needs(Right.OPERATE)
    def add(
        self, address: str, *, reason: str = "", scope: SuppressionScope = SuppressionScope.ALL, actor: Actor
    ) -> Suppression:
        """Leave an address out of every batch from now on, also of those that are being sent.

        One that is there already stays as it is.

        Raises:
            ValidationError: (``address``) it is no address.
            StorageError: it could not be written.
        """
        try:
            written = parse_address(address)
        except ValueError as error:
            raise refused("address", str(error)) from None
        with self._database.fast_write() as cursor:
            suppress(cursor, self._database, {written: reason}, SuppressionSource.HAND, scope=scope, who=actor)
        return self._get(written, scope)

    @needs(Right.OPERATE)
    def remove(self, address: str, *, actor: Actor) -> str:
        """Let an address get batches again, whatever it was left out of; return it as it stood in the list.

        Raises:
            NotFoundError: it is not in the list.
            StorageError: the database could not be written.
        """
        key = as_text(address).strip().casefold()
        with self._database.write() as session:
            found = session.scalars(select(Suppression).where(Suppression.address_key == key)).first()
            if found is None:
                raise NotFoundError(f"O endereço “{as_text(address).strip()[:320]}” não está na lista de supressão.")
            session.execute(delete(Suppression).where(Suppression.address_key == key))
        return found.address

    def unsubscriber(self, token: str) -> str:
        """Return whom an address for unsubscribing is for; see :meth:`Unsubscribing.recipient_of`."""
        return self._unsubscribing.recipient_of(token)

    def unsubscribe(self, token: str) -> str:
        """Leave whom an address for unsubscribing is for out of batches of the kind Divulgação; return who that is.

        Everybody who has the address may: it was sent to its recipient alone, and does nothing else.

        Raises:
            NotFoundError: it is no address of ours.
            StorageError: the database could not be read or written.
        """
        recipient = self._unsubscribing.recipient_of(token)
        with self._database.fast_write() as cursor:
            suppress(
                cursor,
                self._database,
                {recipient: "pelo endereço na mensagem"},
                SuppressionSource.UNSUBSCRIBED,
                scope=SuppressionScope.MARKETING,
            )
        return recipient

    def _get(self, address: str, scope: SuppressionScope) -> Suppression:
        with self._database.read() as session:
            wanted = Suppression.address_key == address.casefold(), Suppression.scope == scope
            return session.scalars(select(Suppression).where(*wanted)).one()


def suppress(
    cursor: FastCursor,
    database: Database,
    reasons: Mapping[str, str],
    source: SuppressionSource,
    *,
    scope: SuppressionScope = SuppressionScope.ALL,
    who: Actor | None = None,
) -> None:
    """Put addresses on the list, in the transaction at hand; who is there already stays as before.

    Args:
        reasons: address → why.
    """
    since = database.stored(datetime.now(UTC))
    common = {"scope": scope.value, "source": source.value, "since": since, "who": who.name[:200] if who else ""}
    cursor.execute_many(
        _ADD,
        [
            {**common, "address": address, "key": address.casefold(), "reason": " ".join(reason.split())[:_MOST_REASON]}
            # In one order, so that two who add the same do not wait for each other.
            for address, reason in sorted(reasons.items(), key=lambda item: item[0].casefold())
        ],
    )


def suppressed_among(cursor: FastCursor, keys: Collection[str], kind: BatchKind) -> set[str]:
    """Return which of these addresses, in folded case, a batch of this kind leaves out."""
    found: set[str] = set()
    listed = list(keys)
    scopes = ("all",) if kind is BatchKind.TRANSACTIONAL else ("all", "marketing")
    marks = ", ".join(f"'{scope}'" for scope in scopes)
    for start in range(0, len(listed), _PIECE):
        piece = {f"k{number}": key for number, key in enumerate(listed[start : start + _PIECE])}
        named = ", ".join(f":{name}" for name in piece)
        rows = cursor.rows(
            f"SELECT address_key FROM suppression WHERE address_key IN ({named}) AND scope IN ({marks})",  # noqa: S608
            piece,
        )
        found |= {key for (key,) in rows}
    return found
