"""Faults of the database are sentences, and nothing is lost by them."""

from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import event, text

from mailcore import Mailcore
from mailcore.errors import ConfigurationError, StorageError
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.settings import Settings
from mailcore.storage.database import Database
from mailcore.storage.faults import fault_in
from tests.actors import ME
from tests.tables import each_row


def register(core: Mailcore, name: str = "Padaria") -> None:
    draft = ServerDraft(name=name, host="smtp.x.example", username="a@x.example", from_address="a@x.example")
    core.servers.create(draft, SecretStr("senha-8812"), actor=ME)


@pytest.fixture
def sqlite_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mailcore:
    monkeypatch.setattr("mailcore.storage.database.BUSY_TIMEOUT_SECONDS", 0.2)
    return Mailcore(Settings(data_dir=tmp_path / "data", keyring="database"))


def test_who_starts_while_another_makes_the_file_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(tmp_path / "mailcore.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            other.execute("COMMIT")

    monkeypatch.setattr("mailcore.storage.database.sleep", wait)
    database = Database(f"sqlite:///{tmp_path / 'mailcore.db'}")
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
    assert len(waits) == 2
    database.dispose()
    other.close()


def test_a_locked_database_is_a_sentence_and_the_next_try_saves(sqlite_core: Mailcore) -> None:
    lock = sqlite3.connect(sqlite_core.database.file, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="ocupado"):
        register(sqlite_core)
    assert sqlite_core.servers.search(ServerQuery()).total == 0  # reading goes on
    lock.execute("ROLLBACK")
    register(sqlite_core)


def test_a_full_disk_is_a_sentence_and_nothing_half_is_stored(sqlite_core: Mailcore) -> None:
    register(sqlite_core)
    with sqlite_core.database.read() as session:
        pages = session.scalar(text("PRAGMA page_count"))
    sqlite_core.database.dispose()

    @event.listens_for(sqlite_core.database.engine, "connect")
    def fill_up(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    draft = ServerDraft(name="Grande", host="x.example", username="u", from_address="a@x.example", notes="x" * 4_000)

    def fill_the_disk() -> None:
        for number in range(200):
            sqlite_core.servers.create(replace(draft, name=f"Grande {number}"), SecretStr("s"), actor=ME)

    with pytest.raises(StorageError, match="cheio"):
        fill_the_disk()
    total = sqlite_core.servers.search(ServerQuery()).total
    assert sqlite_core.servers.search(ServerQuery(text="padaria")).matching == 1
    with sqlite_core.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM mail_server")) == total


def test_a_read_only_database_is_a_sentence(sqlite_core: Mailcore) -> None:
    @event.listens_for(sqlite_core.database.engine, "connect")
    def protect(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    sqlite_core.database.dispose()
    with pytest.raises(StorageError, match="protegido"):
        register(sqlite_core)
    assert sqlite_core.servers.search(ServerQuery()).total == 0


def test_what_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "mailcore.db").write_bytes(b"isto nao e um banco de dados" * 100)
    with pytest.raises(StorageError, match="danificado"):
        Mailcore(Settings(data_dir=data, keyring="database"))


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file stands in the way")
    with pytest.raises(StorageError, match="pasta de dados"):
        Mailcore(Settings(data_dir=tmp_path / "data" / "inner", keyring="database"))


def test_a_postgresql_that_does_not_answer_is_a_sentence_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://ana:senha-9917@127.0.0.1:1/mailcore"
    with pytest.raises(StorageError, match="não respondeu") as raised:
        Mailcore(Settings(database_url=url, data_dir=tmp_path / "data", keyring="database"))
    assert "senha-9917" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("url", ["isto não é", "oracle://ana:senha-9917@host/x", "mysql+nada://ana:senha-9917@h/x"])
def test_a_url_that_is_none_is_a_sentence_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="MAILCORE_DATABASE_URL") as raised:
        Database(url)
    assert "senha-9917" not in "".join(traceback.format_exception(raised.value))


def test_a_write_that_raises_leaves_no_trace(core: Mailcore) -> None:

    def write_and_fail() -> None:
        with core.database.write() as session:
            session.execute(text("INSERT INTO stored_secret (name, ciphertext) VALUES ('a', 'b')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with core.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM stored_secret")) == 0


def test_the_data_folder_is_its_owners_alone(open_core: Callable[[], Mailcore], settings: Settings) -> None:
    open_core()
    assert settings.data_dir.stat().st_mode & 0o777 == 0o700


def test_threads_take_turns_to_write_and_keep_little_each(tmp_path: Path) -> None:
    core = Mailcore(Settings(data_dir=tmp_path / "data", keyring="database"))
    opened: list[sqlite3.Connection] = []
    event.listen(core.database.engine, "connect", lambda connection, _: opened.append(connection))
    core.database.dispose()
    together, kept, busy = threading.Barrier(30), set(), []

    def work(number: int) -> None:
        together.wait()
        with core.database.fast_write() as cursor:
            busy.append(number)
            kept.add(cursor.row("PRAGMA cache_size"))
            cursor.execute("INSERT INTO stored_secret VALUES (:name, '')", {"name": f"{number}"})
            assert busy.pop() == number
            assert busy == [], "another thread wrote at the same time"
        with core.database.write() as session:
            kept.add(tuple(session.execute(text("PRAGMA cache_size")).one()))
            session.execute(text("DELETE FROM stored_secret WHERE name = :name"), {"name": f"{number}"})

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(work, range(30)))
    assert kept == {(-1000,)}, "kB a connection"
    assert len(opened) == 1, "one connection serves writers that take turns"
    core.close()


def test_a_thread_that_holds_the_turn_too_long_is_a_sentence(sqlite_core: Mailcore) -> None:
    with sqlite_core.database.write(), ThreadPoolExecutor(1) as pool:
        failed = pool.submit(register, sqlite_core).exception()
    assert isinstance(failed, StorageError)
    assert "ocupado" in str(failed)
    register(sqlite_core)


def test_too_many_readers_at_once_are_a_sentence(sqlite_core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_core.database.engine.pool, "_timeout", 0.05)
    with ExitStack() as held:
        for _ in range(15):  # SQLAlchemy's own 5 and 10 more
            held.enter_context(sqlite_core.database.read()).execute(text("SELECT 1"))
        with pytest.raises(StorageError, match="todas as conexões"):
            sqlite_core.servers.search(ServerQuery())
    assert sqlite_core.servers.search(ServerQuery()).total == 0


def test_a_look_at_postgresql_outlives_the_connection_it_was_kept_on(postgres_url: str) -> None:
    """A restart of the server between two messages of a page is no error of that page."""
    database = Database(postgres_url)
    with database.fast_read() as cursor:
        first = cursor.row("SELECT pg_backend_pid()")
    with database.fast_read() as cursor:
        assert cursor.row("SELECT pg_backend_pid()") == first  # kept
    with database.write_connection() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first[0]})
    with database.fast_read() as cursor:
        assert cursor.row("SELECT pg_backend_pid()") != first
    with pytest.raises(StorageError), database.fast_read() as cursor:
        cursor.row("SELECT nothing_there")
    with database.fast_read() as cursor:
        assert cursor.row("SELECT 1") == (1,)
    database.dispose()


@each_row(
    ("message", "fault"),
    [
        ("could not extend file “base/1/2”: No space left on device", "full"),
        ("disk I/O error", "full"),
        ("canceling statement due to lock timeout", "locked"),
        ("cannot execute INSERT in a read-only transaction", "readonly"),
        ("terminating connection due to administrator command", "unreachable"),
        ("SSL SYSCALL error: EOF detected", "unreachable"),
        ("the database system is starting up", "unreachable"),
        ("the database system is shutting down", "unreachable"),
        ("could not receive data from server: Connection timed out", "unreachable"),
        ("column “x” does not exist", "other"),
    ],
)
def test_what_drivers_say_is_understood(message: str, fault: str) -> None:
    assert fault_in(message) == fault
