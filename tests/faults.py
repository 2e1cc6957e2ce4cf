"""Ways to break a database for a while, and to break it at every moment of an act."""

from __future__ import annotations

import ctypes
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import psycopg
from sqlalchemy import event, text

from mailcore import Mailcore
from mailcore.storage.database import Database, FastCursor

Cause = Callable[[Database], AbstractContextManager[None]]


@contextmanager
def full_disk(_: Database) -> Iterator[None]:
    """No file of this process can grow or be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def server_away(database: Database) -> Iterator[None]:
    """As in a restart: every connection ends, and no new one comes about until the server is back."""
    name = database.engine.url.database
    with _connected(database, "postgres") as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        _end_connections(admin, name)
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextmanager
def standby(database: Database) -> Iterator[None]:
    """As where another server took over: the connections end, and the new ones may only read."""
    name = database.engine.url.database
    with _connected(database, "postgres") as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        _end_connections(admin, name)
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another process is writing, and takes its time."""
    if database.file is not None:
        with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    with _connected(database) as other, other.transaction(force_rollback=True):
        tables = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        other.execute("LOCK TABLE " + ", ".join(f'"{table}"' for (table,) in tables) + " IN EXCLUSIVE MODE")
        yield


def _end_connections(admin: psycopg.Connection[Any], name: str | None) -> None:
    """End every connection that there is to a database; return when each has ended.

    It is asked again and again who is left, for that takes a few milliseconds; PostgreSQL's own wait takes 100.
    """
    told = admin.execute("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    ending = [pid for pid, _ in told]
    while admin.execute("SELECT FROM pg_stat_activity WHERE pid = ANY(%s)", [ending]).rowcount:
        pass


def _connected(database: Database, name: str | None = None) -> psycopg.Connection[Any]:
    """A connection of our own to the same server, each statement for itself."""
    url = database.engine.url.set(drivername="postgresql", database=name or database.engine.url.database)
    return psycopg.connect(url.render_as_string(False), autocommit=True)


class Moments:
    """Counts the statements and commits of a database, and breaks it just before one of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at = 0
        self._cause: Cause | None = None
        self._broken: AbstractContextManager[None] | None = None
        self.passed = 0

    @contextmanager
    def breaking(self, at: int, cause: Cause) -> Iterator[None]:
        """Break the database just before the moment ``at`` (from 1 on), until the end of the block."""
        self._at, self._cause, self.passed = at, cause, 0
        try:
            yield
        finally:
            self.mend()

    def mend(self) -> None:
        """End the fault before the block does; there is no other in it."""
        self._cause = None
        if self._broken is not None:
            broken, self._broken = self._broken, None
            broken.__exit__(None, None, None)

    def next(self, *_: Any) -> None:
        """A moment passes."""
        if self._cause is None or self._broken is not None:
            return
        self.passed += 1
        if self.passed == self._at:
            self._broken = self._cause(self._database)
            self._broken.__enter__()


class _Watched:
    """A driver's connection whose commits are moments."""

    def __init__(self, connection: Any, moments: Moments) -> None:
        self._connection = connection
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        self._moments.next()
        self._connection.commit()


@contextmanager
def watched(database: Database) -> Iterator[Moments]:
    """Count every statement and commit of this database within the block."""
    moments = Moments(database)
    execute, fast_connection = FastCursor.execute, Database._fast_connection

    def counted(cursor: FastCursor, *arguments: Any) -> None:
        moments.next()
        execute(cursor, *arguments)

    @contextmanager
    def fast(self: Database) -> Iterator[Any]:
        with fast_connection(self) as connection:
            yield _Watched(connection, moments)

    event.listen(database.engine, "before_cursor_execute", moments.next)
    event.listen(database.engine, "commit", moments.next)
    FastCursor.execute, Database._fast_connection = counted, fast  # type: ignore[method-assign]
    try:
        yield moments
    finally:
        FastCursor.execute, Database._fast_connection = execute, fast_connection  # type: ignore[method-assign]
        event.remove(database.engine, "before_cursor_execute", moments.next)
        event.remove(database.engine, "commit", moments.next)


def contents(core: Mailcore) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but those of orphaned secrets, after what a start would sweep."""
    core.secrets.sweep()
    with core.database.read() as session:
        tables = [
            "mail_server", "stored_secret", "secret_journal", "change", "send", "usage", "daily_usage",
            "external_use", "account",
        ]  # fmt: skip
        return {name: sorted(map(tuple, session.execute(text(f"SELECT * FROM {name}"))), key=repr) for name in tables}


@contextmanager
def held_by_permissions() -> Iterator[None]:
    """Within the block the permissions of files hold this thread too, as root they would not (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    before = sets[0]
    sets[0] = before & ~0b110  # of those in effect: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        assert libc.capset(header, sets) == 0
