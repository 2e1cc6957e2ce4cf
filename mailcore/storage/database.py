"""The database: engine, transactions and their faults in plain words.

Reading and writing are told apart because SQLite's deferred transactions, which read first and write
later, fail under load instead of waiting; a write here takes the lock at once (``BEGIN IMMEDIATE``).
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from time import monotonic, sleep
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from mailcore.errors import ConfigurationError, StorageError
from mailcore.storage.faults import OF_THE_CONNECTION, SENTENCES, StorageFaults

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

BUSY_TIMEOUT_SECONDS = 10.0
"""How long a write waits for another one's lock before it gives up with a sentence."""
_T = TypeVar("_T")
_LOCK_LOOK_SECONDS = 0.02
_MOST_LOOKS = 8
"""Connections to a database server that are kept for looks; each is an open one there."""


class Database:
    """An engine and its transactions; one for each process, safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Prepare to connect to ``url``; nothing is opened yet.

        Raises:
            ConfigurationError: the URL is none, or names a driver that is not installed.
        """
        self.engine = _engine(url)
        self._writer = self.engine.execution_options(mailcore_write=True)
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._faults = StorageFaults(self._note_fault, self.driver_errors)
        self._turn = threading.Lock()
        self._own_turn = _Turn(self._turn, self._stay_with_the_file) if self.is_sqlite else nullcontext()
        self._fast = _Kept()
        self._fast_turn = _Turn(self._turn, self._fast_kept)
        self._look_turn = threading.Lock()
        self._identity: tuple[int, int] | None = None
        """Which file it is, whatever stands under its name later."""
        self._look = _Kept()
        self._looks: deque[LookCursor] = deque()

    @cached_property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @cached_property
    def file(self) -> Path | None:
        """The SQLite file, or None where the database is not a file."""
        name = self.engine.url.database
        return Path(name) if self.is_sqlite and name and name != ":memory:" else None

    @property
    def shown_address(self) -> str:
        """Where the database is, for a person: its file, or its URL without passwords."""
        return f"“{self.file}”" if self.file else without_passwords(self.engine.url)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing.

        Raises:
            StorageError: the database could not be read; the sentence says what to do.
        """
        with self._faults, Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits at the end, or leaves no trace when anything raises.

        Raises:
            StorageError: nothing was written; the sentence says what to do.
        """
        with (
            self._faults,
            self._own_turn,
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def write_connection(self) -> Iterator[Connection]:
        """As :meth:`write`, without the ORM: for migrations and bulk loads."""
        with self._faults, self._own_turn, self._writer.begin() as connection:
            yield connection

    def _stay_with_the_file(self) -> None:
        """Write no further once another file stands under this name: SQLite itself would go on, into neither.

        Raises:
            StorageError: one does, or none does any more.
        """
        if self.file is None:
            return
        try:
            found = self.file.stat()
        except OSError:  # not made yet, or an address of SQLite's
            identity = None
        else:
            identity = found.st_dev, found.st_ino
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            raise StorageError(SENTENCES["replaced"])

    @contextmanager
    def fast_write(self) -> Iterator[FastCursor]:
        """As :meth:`write`, on the driver's own cursor: for what is done thousands of times a second.

        Nothing is converted: see :func:`stored` for times.
        """
        with self._faults, self._fast_connection() as connection:
            cursor = FastCursor(connection.cursor(), is_sqlite=self.is_sqlite)
            if self.is_sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                connection.commit()
            except BaseException:
                try:
                    connection.rollback()
                except self.driver_errors:  # a connection that is gone, which must not hide what was raised
                    self._fast.is_stale = True
                raise

    @contextmanager
    def fast_read(self) -> Iterator[FastCursor]:
        """One quick look on the driver's own cursor, which sees all that was committed before it.

        For what is asked before every message of every open page. Each statement stands alone: there is no
        transaction around several.
        """
        with self._faults:
            if self.file is not None:
                with self._look_turn:  # its own connection: a look never waits for a write
                    yield FastCursor(self._kept(self._look).cursor(), is_sqlite=True)
            elif self.is_sqlite:
                with self._reader.connect() as pooled:
                    yield FastCursor(pooled.connection.cursor(), is_sqlite=True)
            else:
                look = self._kept_look()
                try:
                    yield look
                finally:
                    if look.connection.closed or len(self._looks) >= _MOST_LOOKS:
                        look.connection.close()
                    else:
                        self._looks.append(look)

    def _kept_look(self) -> LookCursor:
        """A kept connection of a database server, without a transaction.

        One out of the pool is asked first whether it still lives, and told its isolation level: three times the cost.
        """
        try:
            return self._looks.pop()
        except IndexError:
            return LookCursor(self._new_look(), self._new_look)

    def _new_look(self) -> Any:
        pooled = self.engine.raw_connection()
        connection = pooled.dbapi_connection
        pooled.detach()
        assert connection is not None
        connection.autocommit = True
        return connection

    def _fast_connection(self) -> AbstractContextManager[Any]:
        """A connection for :meth:`fast_write`: from the pool, or on SQLite one that is kept.

        To take one from the pool and give it back costs as much as the statements of a reservation.
        """
        return self._fast_turn if self.file is not None else self._pooled()

    @contextmanager
    def _pooled(self) -> Iterator[Any]:
        with self._own_turn, closing(self.engine.raw_connection()) as connection:
            yield connection

    def _fast_kept(self) -> Any:
        self._stay_with_the_file()
        return self._kept(self._fast)

    def _kept(self, kept: _Kept) -> Any:
        if kept.is_stale:
            kept.close()
        if kept.connection is None:
            arguments, options = self.engine.dialect.create_connect_args(self.engine.url)
            kept.connection = self.engine.dialect.connect(
                *arguments, **{**options, "timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
            )
            _prepare_sqlite(kept.connection, None)
        return kept.connection

    @cached_property
    def driver_errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises, to whoever uses it without SQLAlchemy in between."""
        driver = self.engine.dialect.dbapi
        return (driver.Error,) if driver else ()

    def _note_fault(self, fault: str) -> None:
        """Open every connection anew before its next use, where it could keep a fault whose cause is gone."""
        if fault in OF_THE_CONNECTION:
            self._fast.is_stale = self._look.is_stale = True
            self.engine.dispose()

    def stored(self, moment: datetime) -> str | datetime:
        """Return an aware moment as the driver keeps it: UTC without a zone, on SQLite as SQLAlchemy's text."""
        utc = moment.astimezone(UTC)
        return utc.isoformat(" ", "microseconds")[:26] if self.is_sqlite else utc.replace(tzinfo=None)

    def moment(self, value: str | datetime) -> datetime:
        """Undo :meth:`stored`."""
        plain = datetime.fromisoformat(value) if isinstance(value, str) else value
        return plain.replace(tzinfo=UTC)

    def dispose(self) -> None:
        """Close every connection."""
        with self._turn:
            self._fast.close()
            self._identity = None
        with self._look_turn:
            self._look.close()
        while self._looks:
            self._looks.pop().connection.close()
        self.engine.dispose()


class _Turn(Generic[_T]):
    """A block that waits until no other thread of this process writes, and begins with what ``begin`` returns.

    Where thirty threads ask SQLite for its lock again and again, it is luck who gets it, and some never do.
    """

    def __init__(self, lock: threading.Lock, begin: Callable[[], _T]) -> None:
        self._lock = lock
        self._begin = begin

    def __enter__(self) -> _T:
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_SECONDS):
            raise StorageError(SENTENCES["locked"])
        try:
            return self._begin()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _Kept:
    """A connection that is kept open for one use, by whoever has the turn."""

    connection: Any = None
    is_stale = False

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection, self.is_stale = None, False


class FastCursor:
    """A driver's cursor that takes ``:name`` for a parameter on every database."""

    def __init__(self, cursor: Any, *, is_sqlite: bool) -> None:
        self._cursor = cursor
        self._is_sqlite = is_sqlite

    def execute(self, statement: str, parameters: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Run one statement."""
        self._cursor.execute(statement if self._is_sqlite else _percent_style(statement), parameters or ())

    def execute_many(self, statement: str, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Run one statement for each set of parameters."""
        self._cursor.executemany(statement if self._is_sqlite else _percent_style(statement), parameters)

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Store many rows, as fast as the database takes them; none may be there yet."""
        names = ", ".join(f'"{name}"' for name in columns)
        if self._is_sqlite:
            marks = ", ".join("?" * len(columns))
            self._cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
            return
        with self._cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    @property
    def count(self) -> int:
        """How many rows the last statement changed."""
        return int(self._cursor.rowcount)

    def row(self, statement: str, parameters: Mapping[str, Any] = MappingProxyType({})) -> tuple[Any, ...] | None:
        """Run one statement and return its first row, if it has one."""
        self.execute(statement, parameters)
        row: tuple[Any, ...] | None = self._cursor.fetchone()
        return row

    def rows(self, statement: str, parameters: Mapping[str, Any] = MappingProxyType({})) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        self.execute(statement, parameters)
        return list(self._cursor.fetchall())


class LookCursor(FastCursor):
    """The cursor of a connection that is kept, and may have died meanwhile: then another takes its place."""

    def __init__(self, connection: Any, connect: Callable[[], Any]) -> None:
        self.connection = connection
        self._connect = connect
        super().__init__(connection.cursor(), is_sqlite=False)

    def execute(self, statement: str, parameters: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Run one statement that only looks; a second time where the connection turns out to be dead."""
        try:
            super().execute(statement, parameters)
        except Exception as error:
            # 57P…: the server is being stopped, and says so before it closes (PostgreSQL, appendix A).
            is_ending = str(getattr(error, "sqlstate", "")).startswith("57P")
            if not self.connection.closed and not is_ending:
                raise
            self.connection.close()
            self.connection = self._connect()
            self._cursor = self.connection.cursor()
            super().execute(statement, parameters)


@cache
def _percent_style(statement: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", statement)


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(url, **_engine_options(url))
    except Exception as error:  # noqa: BLE001 - SQLAlchemy's own text would repeat the URL, password included
        raise ConfigurationError(
            "MAILCORE_DATABASE_URL não é um endereço de banco que eu conheça. Use sqlite:///… ou postgresql://…"
        ) from _without_url(error)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _engine_options(url: str) -> dict[str, Any]:
    # An error must not repeat what was being stored.
    common: dict[str, Any] = {"hide_parameters": True}
    if url.startswith("sqlite"):
        return common | {"connect_args": {"timeout": BUSY_TIMEOUT_SECONDS}}
    # A connection that died while it lay in the pool is found before it is used.
    # The level that reservations count on, whatever the server's own default is.
    level = {"isolation_level": "READ COMMITTED"}
    return common | level | {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10, **_PEER_IS_ALIVE}}


_PEER_IS_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""A server that vanished without a word is noticed within a minute (libpq, "Parameter Key Words")."""


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # As on SQLite: whoever holds a lock for minutes costs the others a sentence, not their patience.
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {BUSY_TIMEOUT_SECONDS * 1_000:.0f}")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # NORMAL: with WAL a commit survives the death of the process; only a power cut can undo the last ones.
    cursor.execute("PRAGMA synchronous = NORMAL")
    # 1 MB, in kB: each thread may hold a connection. What is read often is in the system's cache of files, which
    # all share; a search of 100,000 records with 64 MB each was faster by a fifth, and is remembered anyway.
    cursor.execute("PRAGMA cache_size = -1000")
    # 32 MB of log before it is written back, for that is what makes every thousandth send slow.
    cursor.execute("PRAGMA wal_autocheckpoint = 8000")
    _keep_wal(cursor)
    cursor.close()


def _keep_wal(cursor: Any) -> None:
    """Have the file keep a write-ahead log; a file that may only be read can still be listed without.

    While another connection writes to a file that has none yet, SQLite refuses at once instead of waiting: so it goes
    for two programs that start over an empty folder at the same moment.
    """
    ends = monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
        except Exception as error:
            if "readonly" in str(error):
                return
            if "locked" not in str(error) or monotonic() > ends:
                raise
            sleep(_LOCK_LOOK_SECONDS)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("mailcore_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _without_url(error: Exception) -> Exception | None:
    return None if "://" in str(error) else error


def without_passwords(url: str | URL) -> str:
    """Return the URL of a database or a service as it may be shown."""
    try:
        parsed = make_url(url)
    except Exception:  # noqa: BLE001 - whatever it is, its text may hold a password
        return "***"
    # libpq also takes a password (and the one of the client's own key) as parameters.
    query = {name: "oculta" if "password" in name.lower() else value for name, value in parsed.query.items()}
    return parsed.set(query=query).render_as_string(hide_password=True)


def make_data_dir(path: Path) -> None:
    """Create the data folder, readable by its owner alone.

    Raises:
        StorageError: it does not exist and cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"A pasta de dados “{path}” não pôde ser criada. Verifique as permissões ou escolha outra em "
            "MAILCORE_DATA_DIR."
        ) from error
