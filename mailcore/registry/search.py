"""Finding servers by what is typed in `Buscar`: every word must stand somewhere in the record.

SQLite answers from an FTS5 trigram index, PostgreSQL from pg_trgm (or a plain LIKE where that extension
is missing). Both look through ``search_text``, which is folded, so accents and case don't matter.

A trigram index knows no word of fewer than three letters. Because every field in ``search_text`` ends in a
line feed, two letters always have a third behind them: they are found as "any trigram that begins so".
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Integer, Select, bindparam, column, func, select, table, text

from mailcore.registry.order import BY_NAME, QUOTA, Order
from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.vocabulary import CheckState, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from mailcore.registry.remembered import Moment, Remembered

PAGE_SIZE = 50

_FEW = 10 * PAGE_SIZE
"""Rows at the beginning of a list that one pass finds without sorting the rest."""
_BATCH = 500
_FTS = table("mail_server_fts", column("rowid", Integer))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerQuery:
    """Which servers to list. None means "all"; pages count from 1."""

    text: str = ""
    kind: Kind | None = None
    is_active: bool | None = None
    is_paid: bool | None = None
    last_check: CheckState | None = None
    order: Order = BY_NAME
    page: int = 1
    page_size: int = PAGE_SIZE


@dataclass(frozen=True, slots=True)
class PageOfIds:
    """Ids of one page in the list's order, how many match, how many there are, and which page it is."""

    ids: tuple[int, ...]
    matching: int
    total: int
    page: int


def search_text(*parts: str) -> str:
    """Return what the index holds for one record: each field folded, ended by a line feed."""
    return "".join(f"{fold(part)}\n" for part in parts)


def find(
    session: Session, query: ServerQuery, remembered: Remembered, shares: Mapping[str, float] | None = None
) -> PageOfIds:
    """Return the page of ids that a query asks for, as the session sees the registry.

    Args:
        remembered: what was found before: between two writes nothing is counted or sorted twice.
        shares: for a list in the order of quotas: how much of its limit each account has used, by its key; those
            that are not there have used nothing.
    """
    return _Search(session, query, remembered.during(session), shares or {}).page()


def place_of(session: Session, query: ServerQuery, remembered: Remembered, server: MailServer) -> int | None:
    """Return how many records of a list stand before one; None where that one does not match."""
    return _Search(session, query, remembered.during(session), {}).place_of(server)


def conditions(query: ServerQuery) -> list[ColumnElement[bool]]:
    """Return what a record must fulfil to match, as it is looked at in one row."""
    return [*_filters(query), *_likes(fold(query.text).split())]


class _Search:
    """One search under way."""

    def __init__(self, session: Session, query: ServerQuery, moment: Moment, shares: Mapping[str, float]) -> None:
        self._session = session
        self._query = query
        self._moment = moment
        self._shares = shares
        self._words = tuple(fold(query.text).split())
        self._filters = _filters(query)
        self._key = (self._words, query.kind, query.is_active, query.is_paid, query.last_check)

    def page(self) -> PageOfIds:
        """The page asked for, or the last one where the list has become shorter than that."""
        total = self._total()
        matching = self._matching(total)
        size = self._query.page_size
        number = max(1, min(self._query.page, -(-matching // size)))
        start = (number - 1) * size
        key = (self._key, self._query.order)
        if not matching:
            ids: Sequence[int] = ()
        elif self._query.order.by == QUOTA:
            ids = self._by_quota(start, size, matching)
        elif self._is_walked(start + size, matching, total):
            ids = self._moment.answer((key, start, size), lambda: self._walked(start, size))
        else:  # other pages of it will want the same order
            ids = self._moment.answer((key, "sorted"), self._sorted)[start : start + size]
        return PageOfIds(tuple(ids), matching, total, number)

    def place_of(self, server: MailServer) -> int | None:
        """How many records stand before this one; in the order of quotas, where it would stand by its description."""
        own = select(MailServer.id).where(MailServer.id == server.id, *self._each_row())
        if self._session.scalar(own) is None:
            return None
        order = self._query.order
        if order.by in ("name", QUOTA):
            name = MailServer.name_key
            before = self._scalar(
                self._counted(name > server.name_key if order.is_descending else name < server.name_key)
            )
            first = self._exact()
            if first == server.id:
                return 0
            return before + (first is not None and self._typed > server.name_key)
        return self._moment.answer(((self._key, order), "sorted"), self._sorted).index(server.id)

    def _total(self) -> int:
        return self._moment.answer("total", lambda: self._scalar(select(func.count()).select_from(MailServer)))

    def _matching(self, total: int) -> int:
        if not self._words and not self._filters:
            return total
        return self._moment.answer((self._key, "matching"), lambda: self._scalar(self._counted()))

    def _counted(self, *more: ColumnElement[bool]) -> Select[int]:
        narrow = self._narrow()
        if narrow is None:  # count(*), not count(id): SQLite then counts in the smallest index, not the wide table
            return select(func.count()).select_from(MailServer).where(*self._each_row(), *more)
        matches, rest = narrow[0], [*narrow[1], *more]
        if not rest:
            return select(func.count()).select_from(matches.subquery())
        return select(func.count()).select_from(MailServer).where(MailServer.id.in_(matches), *rest)

    @property
    def _typed(self) -> str:
        """What was typed, as descriptions are kept for comparing."""
        return " ".join(self._words)

    def _exact(self) -> int | None:
        """The record whose description is what was typed: it comes first in a list by description."""
        if not self._words or self._query.order != BY_NAME:
            return None
        named = select(MailServer.id).where(MailServer.name_key == self._typed, *self._each_row())
        return self._moment.answer((self._key, "exact"), lambda: self._session.scalar(named))

    def _walked(self, start: int, size: int) -> tuple[int, ...]:
        """Ids of one page, by going along the list in its order."""
        first = self._exact()
        others: list[ColumnElement[bool]] = [] if first is None else [MailServer.id != first]
        shown: tuple[int, ...] = ()
        if first is not None and start == 0:
            shown, size = (first,), size - 1
        elif first is not None:
            start -= 1
        order = self._query.order.clauses()
        ids = select(MailServer.id).where(*self._each_row(), *others).order_by(*order).limit(size).offset(start)
        return (*shown, *self._session.scalars(ids))

    def _sorted(self) -> Sequence[int]:
        """All ids that match, in the list's order."""
        first = self._exact()
        matches, rest = self._narrow() or (select(MailServer.id).where(*self._each_row()), [])
        ids = select(MailServer.id).where(MailServer.id.in_(matches), *rest).order_by(*self._query.order.clauses())
        found = array("q", self._session.scalars(ids))
        if first is not None:
            found.remove(first)
            found.insert(0, first)
        return found

    def _by_quota(self, start: int, size: int, matching: int) -> list[int]:
        """Ids of one page: accounts that used some of their quota by how much, then the others by description.

        How much is used is worked out account by account (``quota/reports.py``) and is no column. Few of many
        accounts are used on one day; the database sorts the rest. Records without a limit come last.
        """
        is_descending = self._query.order.is_descending
        used = self._used(is_descending=is_descending)
        unused = MailServer.id.not_in(bindparam("used", used, expanding=True, literal_execute=True))
        limited = self._scalar(self._counted(unused, MailServer.daily_limit.is_not(None)))
        at_limit = MailServer.daily_limit.is_not(None), unused
        without = MailServer.daily_limit.is_(None), unused

        def in_sql(conditions: Sequence[ColumnElement[bool]]) -> Callable[[int, int], Sequence[int]]:
            found = select(MailServer.id).where(*self._each_row(), *conditions).order_by(MailServer.name_key)
            return lambda first, count: self._session.scalars(found.limit(count).offset(first)).all()

        parts: list[tuple[int, Callable[[int, int], Sequence[int]]]] = [
            (limited, in_sql(at_limit)),
            (len(used), lambda first, count: used[first : first + count]),
        ]
        if is_descending:
            parts.reverse()
        parts.append((matching - limited - len(used), in_sql(without)))
        ids: list[int] = []
        for length, read in parts:
            if start < length and len(ids) < size:
                ids += read(max(start, 0), min(size - len(ids), length - max(start, 0)))
            start -= length
        return ids

    def _used(self, *, is_descending: bool) -> list[int]:
        """Ids of the records that match of accounts that used some of their quota, by how much."""
        keys = sorted(self._shares)
        found: list[tuple[float, str, int]] = []
        for first in range(0, len(keys), _BATCH):
            batch = MailServer.account_key.in_(keys[first : first + _BATCH])
            rows = select(MailServer.account_key, MailServer.name_key, MailServer.id).where(batch, *self._each_row())
            found += [(self._shares[key], name, server_id) for key, name, server_id in self._session.execute(rows)]
        found.sort(key=lambda ranked: (-ranked[0] if is_descending else ranked[0], ranked[1]))
        return [server_id for _, _, server_id in found]

    def _is_walked(self, rows_wanted: int, matching: int, total: int) -> bool:
        """Whether going along the list and looking at each row beats sorting all that match.

        Sorting costs one step a match; walking costs about three a row, and meets a match every
        ``total / matching`` rows. It needs an index in the list's order, and no step where nothing is looked at.
        """
        if not self._query.order.has_index and rows_wanted > _FEW:
            return False
        if matching == total and not self._words:
            return True
        return matching >= 1_000 and rows_wanted * total / matching * 3 < matching

    def _each_row(self) -> list[ColumnElement[bool]]:
        """All conditions, as they are looked at in one row."""
        return [*self._filters, *_likes(self._words)]

    def _narrow(self) -> tuple[Select[int], list[ColumnElement[bool]]] | None:
        """SQLite's index of trigrams asked for ids, and what is left to be looked at in those rows, if it can help."""
        if self._session.get_bind().dialect.name != "sqlite":
            return None
        expression = _match_expression(self._session, self._words)
        if not expression:
            return None
        matches = select(_FTS.c.rowid).where(text("mail_server_fts MATCH :words").bindparams(words=expression))
        letters = _likes([word for word in self._words if len(word) == 1])
        return matches, [*self._filters, *letters]

    def _scalar(self, statement: Select[int]) -> int:
        return self._session.scalar(statement) or 0


def _filters(query: ServerQuery) -> list[ColumnElement[bool]]:
    wanted = {
        MailServer.kind: query.kind,
        MailServer.is_active: query.is_active,
        MailServer.is_paid: query.is_paid,
        MailServer.last_check_state: query.last_check,
    }
    return [column == value for column, value in wanted.items() if value is not None]


def _likes(words: Sequence[str]) -> list[ColumnElement[bool]]:
    return [MailServer.search_text.contains(word, autoescape=True) for word in words]


def _match_expression(session: Session, words: Sequence[str]) -> str:
    """Return the FTS5 query, empty where no word has two letters."""
    terms = []
    for word in words:
        if len(word) >= 3:
            terms.append(_quoted(word))
        elif len(word) == 2:
            # A pair that no trigram begins with is in no record; neither is it with a line feed before it.
            trigrams = _trigrams_beginning(session, word) or [f"\n{word}"]
            terms.append("(" + " OR ".join(_quoted(trigram) for trigram in trigrams) + ")")
    return " AND ".join(terms)


def _trigrams_beginning(session: Session, pair: str) -> list[str]:
    rows = session.execute(
        text("SELECT term FROM mail_server_terms WHERE term >= :pair AND term < :after"),
        {"pair": pair, "after": pair + "\U0010ffff"},
    )
    return [term for (term,) in rows]


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
