"""Statements compiled once for all the databases that the tests of a process open, or the processes forked from it.

To compile them again for every database took a quarter of the time of the suite's quick tests, and half of what a
forked process does to open one.
"""

from __future__ import annotations

import pytest
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.util import LRUCache

from mailcore.storage import database as storage


def compile_once(patch: pytest.MonkeyPatch) -> None:
    """Let the engines of one kind of database share their compiled statements, as the threads of a program do.

    SQLAlchemy keeps them by dialect, and a dialect equals itself alone.
    """
    compiled: dict[type[Dialect], LRUCache[object, object]] = {}
    for kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        patch.setattr(kind, "__hash__", lambda self: hash(type(self)))
        patch.setattr(kind, "__eq__", lambda self, other: type(self) is type(other))
    make = storage._engine

    def engine(url: str) -> Engine:
        made = make(url)
        made._compiled_cache = compiled.setdefault(type(made.dialect), LRUCache(2_000))
        return made

    patch.setattr(storage, "_engine", engine)
