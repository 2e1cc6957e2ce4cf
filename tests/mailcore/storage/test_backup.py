"""A backup while the program writes, and a restore that mixes nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailcore import Mailcore
from mailcore.errors import ConfigurationError, StorageError
from mailcore.health.doctor import examine
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.storage.backup import back_up, restore
from tests.actors import ME
from tests.forked import run_command


def draft(number: int) -> ServerDraft:
    return ServerDraft(name=f"n{number}", host="h.example", from_address="a@b.example", requires_auth=False)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Mailcore]:
    core = Mailcore(Settings(data_dir=tmp_path / "data", keyring="database"))
    yield core
    core.close()


def names(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM mail_server ORDER BY id")]


def test_a_backup_has_what_stands_in_the_log_alone(opened: Mailcore, tmp_path: Path) -> None:
    for number in range(3):
        opened.servers.create(draft(number), actor=ME)
    size = back_up(opened.database.file, tmp_path / "copia.db", actor=ME)
    assert size == (tmp_path / "copia.db").stat().st_size
    assert names(tmp_path / "copia.db") == ["n0", "n1", "n2"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("copia")] == ["copia.db"]
    assert os.name == "nt" or (tmp_path / "copia.db").stat().st_mode & 0o777 == 0o600


def test_a_backup_is_one_moment_while_others_write(opened: Mailcore, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            opened.servers.create(draft(number), actor=ME)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(opened.database.file, tmp_path / f"{number}.db", actor=ME)
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        found = names(tmp_path / f"{number}.db")
        assert found == [f"n{each}" for each in range(len(found))]


def test_a_restored_installation_is_whole(opened: Mailcore, tmp_path: Path) -> None:
    opened.servers.create(draft(1), actor=ME)
    back_up(opened.database.file, tmp_path / "copia.db", actor=ME)
    settings = Settings(data_dir=tmp_path / "outra", keyring="database")
    restore(tmp_path / "copia.db", tmp_path / "outra" / "mailcore.db", actor=ME)
    shutil.copy(tmp_path / "data" / "secret.key", tmp_path / "outra")
    again = Mailcore(settings)
    assert [server.name for server in again.all_servers()] == ["n1"]
    again.close()
    report = examine(settings)
    assert report.faults == []


@pytest.mark.parametrize("name", ["mailcore.db", "mailcore.db-wal", "mailcore.db-shm"])
def test_no_restore_beside_a_part_of_another_database(opened: Mailcore, tmp_path: Path, name: str) -> None:
    back_up(opened.database.file, tmp_path / "copia.db", actor=ME)
    (tmp_path / "outra").mkdir()
    (tmp_path / "outra" / name).write_bytes(b"x")
    with pytest.raises(StorageError, match="misturaria duas histórias"):
        restore(tmp_path / "copia.db", tmp_path / "outra" / "mailcore.db", actor=ME)
    assert [path.name for path in (tmp_path / "outra").iterdir()] == [name]


@pytest.mark.parametrize("content", [b"", b"nada", b"SQLite format 3\0" + b"x" * 5_000])
def test_what_is_no_backup_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "copia.db").write_bytes(content)
    with pytest.raises(StorageError):
        restore(tmp_path / "copia.db", tmp_path / "outra" / "mailcore.db", actor=ME)
    assert list((tmp_path / "outra").iterdir()) == []


def test_a_damaged_database_is_not_copied_and_the_doctor_says_so(opened: Mailcore, tmp_path: Path) -> None:
    for number in range(300):
        opened.servers.create(draft(number), actor=ME)
    file = opened.database.file
    assert file is not None
    opened.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        root = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'mail_server' AND rootpage > 0"
        ).fetchone()[0]
    with file.open("r+b") as raw:  # an older page, as a mixture of two histories has it
        raw.seek((root - 1) * page + 8)
        raw.write(b"\0" * (page - 8))
    with pytest.raises(StorageError, match=r"danificado|não pôde"):
        back_up(file, tmp_path / "copia.db", actor=ME)
    assert not (tmp_path / "copia.db").exists()
    assert any("danificado" in sentence for sentence in examine(opened.settings).faults)


def test_nothing_is_written_over(opened: Mailcore, tmp_path: Path) -> None:
    (tmp_path / "copia.db").write_text("meu")
    with pytest.raises(StorageError, match="já existe"):
        back_up(opened.database.file, tmp_path / "copia.db", actor=ME)
    assert (tmp_path / "copia.db").read_text() == "meu"
    with pytest.raises(StorageError):
        back_up(opened.database.file, tmp_path / "nenhuma" / "copia.db", actor=ME)
    with pytest.raises(ConfigurationError, match="pg_dump"):
        back_up(None, tmp_path / "pg.db", actor=ME)


def test_from_the_command_line(opened: Mailcore, tmp_path: Path) -> None:
    opened.servers.create(draft(1), actor=ME)

    def run(folder: str, *arguments: str) -> tuple[int, bytes, str]:
        environment = os.environ | {"MAILCORE_DATA_DIR": str(tmp_path / folder), "MAILCORE_KEYRING": "database"}
        done = run_command(arguments, env=environment)
        return done.returncode, done.stdout, done.stderr.decode()

    file = str(tmp_path / "copia.db")
    code, out, err = run("data", "backup", file, "--json")
    assert (code, json.loads(out)) == (0, {"file": file, "bytes": Path(file).stat().st_size})
    assert "secret.key" in err
    code, out, err = run("outra", "restore", file, "--json")
    assert (code, json.loads(out)["file"]) == (0, file)
    assert "secret.key" in err
    assert "não consta" in err
    assert names(tmp_path / "outra" / "mailcore.db") == ["n1"]
    code, out, err = run("outra", "restore", file)
    assert (code, out) == (4, b"")
    assert "misturaria" in err
