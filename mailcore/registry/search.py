"""Finding servers by what is typed in `Buscar`: every word must stand somewhere in the record.

SQLite answers from an FTS5 trigram index, PostgreSQL from pg_trgm (or a plain LIKE where that extension
is missing). Both look through ``search_text``, which is folded, so accents and case don't matter.

A trigram index knows no word of fewer than three letters. Because every field in ``search_text`` ends in a
line feed, two letters always have a third behind them: they are found as "any trigram that begins so".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Integer, column, func, select, table, text

from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.vocabulary import CheckState, Kind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PAGE_SIZE = 50

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
class Found:
    """Ids of one page in the list's order, how many match, how many there are, and which page it is."""

    ids: list[int]
    matching: int
    total: int
    page: int = 1


def search_text(*parts: str) -> str:
    """Return what the index holds for one record: each field folded, ended by a line feed."""
    return "".join(f"{fold(part)}\n" for part in parts)


def find(session: Session, query: ServerQuery) -> Found:
    """Return the page of ids that a query asks for."""
    words = fold(query.text).split()
    filters = _filters(query)
    total = _count(session, [])
    if session.get_bind().dialect.name == "sqlite" and words:
        return _find_sqlite(session, query, words, filters, total)
    return _find_like(session, query, [*filters, *_likes(words)], total)


def _filters(query: ServerQuery) -> list[ColumnElement[bool]]:
    wanted = {
        MailServer.kind: query.kind,
        MailServer.is_active: query.is_active,
        MailServer.is_paid: query.is_paid,
        MailServer.last_check_state: query.last_check,
    }
    return [column == value for column, value in wanted.items() if value is not None]


def _likes(words: list[str]) -> list[ColumnElement[bool]]:
    return [MailServer.search_text.contains(word, autoescape=True) for word in words]


def _find_like(session: Session, query: ServerQuery, conditions: list[ColumnElement[bool]], total: int) -> Found:
    matching = _count(session, conditions) if conditions else total
    return _page(session, query, conditions, matching, total)


def _count(session: Session, conditions: list[ColumnElement[bool]]) -> int:
    # count(*), not count(id): SQLite then counts in the smallest index instead of the wide table.
    return session.scalar(select(func.count()).select_from(MailServer).where(*conditions)) or 0


def _page(
    session: Session, query: ServerQuery, conditions: list[ColumnElement[bool]], matching: int, total: int
) -> Found:
    """The page asked for, or the last one where the list has become shorter than that."""
    page = max(1, min(query.page, -(-matching // query.page_size)))
    ids = (
        select(MailServer.id)
        .where(*conditions)
        .order_by(MailServer.name_key)
        .limit(query.page_size)
        .offset((page - 1) * query.page_size)
    )
    return Found(list(session.scalars(ids)), matching, total, page)


def _find_sqlite(
    session: Session, query: ServerQuery, words: list[str], filters: list[ColumnElement[bool]], total: int
) -> Found:
    expression = _match_expression(session, words)
    if expression is None:
        return Found([], 0, total)
    if not expression:  # single letters only: no trigram to look up, and nearly everything matches
        return _find_like(session, query, [*filters, *_likes(words)], total)
    matches = select(_FTS.c.rowid).where(text("mail_server_fts MATCH :words").bindparams(words=expression))
    rest = [*filters, *_likes([word for word in words if len(word) == 1])]
    conditions = [MailServer.id.in_(matches), *rest]
    if rest:
        matching = _count(session, conditions)
    else:
        matching = session.scalar(select(func.count()).select_from(matches.subquery())) or 0
    if _is_broad(query, matching, total):
        conditions = [*filters, *_likes(words)]
    return _page(session, query, conditions, matching, total)


def _is_broad(query: ServerQuery, matching: int, total: int) -> bool:
    """Whether walking the list in order and looking at each row beats sorting all that match.

    Sorting costs one step a match; walking costs about three a row, and meets a match every
    ``total / matching`` rows.
    """
    if matching < 1_000:
        return False
    rows_walked = query.page * query.page_size * total / matching
    return rows_walked * 3 < matching


def _match_expression(session: Session, words: list[str]) -> str | None:
    """Return the FTS5 query, empty where no word has two letters, None where nothing can match."""
    terms = []
    for word in words:
        if len(word) >= 3:
            terms.append(_quoted(word))
        elif len(word) == 2:
            trigrams = _trigrams_beginning(session, word)
            if not trigrams:
                return None
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
