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

from sqlalchemy import ColumnElement, Integer, Select, column, func, select, table, text

from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.vocabulary import CheckState, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from mailcore.registry.remembered import Moment, Remembered

PAGE_SIZE = 50

_ORDER = (MailServer.name_key,)
_FTS = table("mail_server_fts", column("rowid", Integer))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerQuery:
    """Which servers to list. None means "all"; pages count from 1."""

    text: str = ""
    kind: Kind | None = None
    is_active: bool | None = None
    is_paid: bool | None = None
    last_check: CheckState | None = None
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


def find(session: Session, query: ServerQuery, remembered: Remembered) -> PageOfIds:
    """Return the page of ids that a query asks for, as the session sees the registry.

    Args:
        remembered: what was found before: between two writes nothing is counted or sorted twice.
    """
    return _Search(session, query, remembered.during(session)).page()


class _Search:
    """One search under way."""

    def __init__(self, session: Session, query: ServerQuery, moment: Moment) -> None:
        self._session = session
        self._query = query
        self._moment = moment
        self._words = tuple(fold(query.text).split())
        filters = {
            MailServer.kind: query.kind,
            MailServer.is_active: query.is_active,
            MailServer.is_paid: query.is_paid,
            MailServer.last_check_state: query.last_check,
        }
        self._key = (self._words, tuple(filters.values()))
        self._filters = [column == value for column, value in filters.items() if value is not None]

    def page(self) -> PageOfIds:
        """The page asked for, or the last one where the list has become shorter than that."""
        total = self._moment.answer("total", lambda: self._scalar(select(func.count()).select_from(MailServer)))
        matching = self._matching(total)
        size = self._query.page_size
        number = max(1, min(self._query.page, -(-matching // size)))
        start = (number - 1) * size
        if not matching:
            ids: Sequence[int] = ()
        elif self._is_walked(start + size, matching, total):
            ids = self._moment.answer((self._key, start, size), lambda: self._walked(start, size))
        else:  # other pages of it will want the same order
            ids = self._moment.answer((self._key, "sorted"), self._sorted)[start : start + size]
        return PageOfIds(tuple(ids), matching, total, number)

    def _matching(self, total: int) -> int:
        if not self._words and not self._filters:
            return total
        return self._moment.answer((self._key, "matching"), lambda: self._scalar(self._counted()))

    def _counted(self) -> Select[int]:
        narrow = self._narrow()
        if narrow is None:  # count(*), not count(id): SQLite then counts in the smallest index, not the wide table
            return select(func.count()).select_from(MailServer).where(*self._each_row())
        matches, rest = narrow
        if not rest:
            return select(func.count()).select_from(matches.subquery())
        return select(func.count()).select_from(MailServer).where(MailServer.id.in_(matches), *rest)

    def _walked(self, start: int, size: int) -> tuple[int, ...]:
        """Ids of one page, by going along the list in its order."""
        ids = select(MailServer.id).where(*self._each_row()).order_by(*_ORDER).limit(size).offset(start)
        return tuple(self._session.scalars(ids))

    def _sorted(self) -> Sequence[int]:
        """All ids that match, in the list's order."""
        matches, rest = self._narrow() or (select(MailServer.id).where(*self._each_row()), [])
        ids = select(MailServer.id).where(MailServer.id.in_(matches), *rest).order_by(*_ORDER)
        return array("q", self._session.scalars(ids))

    def _is_walked(self, rows_wanted: int, matching: int, total: int) -> bool:
        """Whether going along the list and looking at each row beats sorting all that match.

        Sorting costs one step a match; walking costs about three a row, and meets a match every
        ``total / matching`` rows. It needs an index in the list's order, and no step where nothing is looked at.
        """
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
