"""An older file beside a newer log, or under a running program, is told; so is the time of which nothing is known."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailcore import Mailcore
from mailcore.actor import Actor
from mailcore.errors import NotAllowedError, StorageError
from mailcore.health.doctor import examine
from mailcore.registry.drafts import ServerDraft
from mailcore.rights import Role
from mailcore.settings import Settings
from mailcore.storage import history
from mailcore.storage.backup import back_up, restore
from mailcore.storage.history import Belonging, look
from mailcore.vocabulary import SendStatus
from tests import forked
from tests.actors import ME

NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", keyring="database")


def register(core: Mailcore, name: str) -> None:
    draft = ServerDraft(name=name, host="h.example", from_address="a@b.example", requires_auth=False)
    core.servers.create(draft, actor=ME)


def names(core: Mailcore) -> list[str]:
    return [server.name for server in core.all_servers()]


def files_of_a_crash(core: Mailcore, folder: Path) -> None:
    """Copy the files as they lie there, the log not brought in, as a process that was killed leaves them."""
    assert core.database.file is not None
    shutil.copytree(core.database.file.parent, folder)


def two_days(settings: Settings, tmp_path: Path) -> tuple[Path, Path]:
    """An old copy of the file, and the folder of an hour later with a log."""
    with Mailcore(settings) as core:
        register(core, "antes")
    shutil.copy(settings.data_dir / "mailcore.db", tmp_path / "velho.db")
    with Mailcore(settings) as core:
        history.renew(core.database, now=NOW + timedelta(hours=2))
        register(core, "depois")
        files_of_a_crash(core, tmp_path / "morto")
    assert (tmp_path / "morto" / "mailcore.db-wal").stat().st_size > 0
    return tmp_path / "velho.db", tmp_path / "morto"


def test_what_belongs_together_opens_whatever_the_crash(settings: Settings, tmp_path: Path) -> None:
    _, dead = two_days(settings, tmp_path)
    assert look(dead / "mailcore.db") is Belonging.SAME
    again = Settings(data_dir=dead, keyring="database")
    with Mailcore(again) as core:
        assert names(core) == ["antes", "depois"]
    assert examine(again).faults == []


def test_an_older_file_beside_a_newer_log_is_not_opened(settings: Settings, tmp_path: Path) -> None:
    old, dead = two_days(settings, tmp_path)
    shutil.copy(old, dead / "mailcore.db")
    before = {path.name: path.read_bytes() for path in dead.iterdir()}
    mixed = Settings(data_dir=dead, keyring="database")
    with pytest.raises(StorageError, match=r"mailcore\.db-wal.*misturaria duas histórias"):
        Mailcore(mixed)
    assert any("misturaria" in fault for fault in examine(mixed).faults)
    with pytest.raises(StorageError, match="misturaria"):
        back_up(dead / "mailcore.db", tmp_path / "copia.db", actor=ME)
    assert {path.name: path.read_bytes() for path in dead.iterdir()} == before, "nothing was touched"
    # Without the log it is the old day, and that is known.
    (dead / "mailcore.db-wal").unlink()
    (dead / "mailcore.db-shm").unlink(missing_ok=True)
    with Mailcore(mixed) as core:
        assert names(core) == ["antes"]
    report = examine(mixed)
    assert report.faults == []
    assert [notice for notice in report.notices if "voltou a uma cópia" in notice]


def test_a_database_of_an_older_version_beside_a_newer_log_is_not_opened(settings: Settings, tmp_path: Path) -> None:
    old, dead = two_days(settings, tmp_path)
    with closing(sqlite3.connect(old)) as without_mark:
        without_mark.execute("PRAGMA user_version = 0")
    shutil.copy(old, dead / "mailcore.db")
    with pytest.raises(StorageError, match="misturaria"):
        Mailcore(Settings(data_dir=dead, keyring="database"))


def test_marks_that_are_lost_or_no_text_accuse_nobody(settings: Settings, tmp_path: Path) -> None:
    old, dead = two_days(settings, tmp_path)
    shutil.copy(old, dead / "mailcore.db")
    for content in (None, b"", b"\xff\xfe"):
        (dead / "mailcore.db-marks").unlink(missing_ok=True)
        if content is not None:
            (dead / "mailcore.db-marks").write_bytes(content)
        assert look(dead / "mailcore.db") is Belonging.UNKNOWN


def test_a_new_database_does_not_inherit_the_marks_of_one_that_is_gone(settings: Settings, tmp_path: Path) -> None:
    with Mailcore(settings) as core:
        register(core, "um")
    (settings.data_dir / "mailcore.db").unlink()
    (settings.data_dir / "mailcore.db-wal").unlink(missing_ok=True)
    with Mailcore(settings) as core:
        files_of_a_crash(core, tmp_path / "morto")
    assert look(tmp_path / "morto" / "mailcore.db") is not Belonging.MIXED


@pytest.mark.parametrize("how", ["moved", "gone"])
def test_another_file_under_a_running_program_gets_nothing_more(settings: Settings, tmp_path: Path, how: str) -> None:
    core = Mailcore(settings)
    register(core, "um")
    assert core.database.file is not None
    core.database.file.rename(tmp_path / "fora.db")
    if how == "moved":
        shutil.copy(tmp_path / "fora.db", core.database.file)
    for _ in range(2):
        with pytest.raises(StorageError, match="trocado por outro, ou apagado"):
            register(core, "dois")
        with pytest.raises(StorageError, match="trocado"):
            core.reserve(core.servers.get(1), 1)
    core.close()


def _open_and_renew(folder: Path, number: int) -> None:
    with Mailcore(Settings(data_dir=folder, keyring="database")) as core:
        history.renew(core.database, now=NOW + timedelta(hours=2 * number + os.getpid() % 7))
        register(core, f"{os.getpid()}-{number}")


def _open_again_and_again(folder: Path, times: int) -> None:
    for number in range(times):
        _open_and_renew(folder, number)


def test_processes_that_open_and_renew_at_once_accuse_nobody(settings: Settings) -> None:
    Mailcore(settings).close()
    other = forked.make(_open_again_and_again, (settings.data_dir, 4))
    other.start()
    ours = 0
    while other.is_alive():
        _open_and_renew(settings.data_dir, ours)
        ours += 1
    assert other.exitcode == 0
    with Mailcore(settings) as core:
        assert len(names(core)) == 4 + ours
    assert look(settings.data_dir / "mailcore.db") is Belonging.SAME
    assert len((settings.data_dir / "mailcore.db-marks").read_text().split()) <= 3


def test_after_a_restore_what_was_sent_meanwhile_is_known_to_be_unknown(settings: Settings, tmp_path: Path) -> None:
    with Mailcore(settings) as core:
        register(core, "um")
        back_up(core.database.file, tmp_path / "copia.db", actor=ME)
        assert history.gap_in(_connection(core)) is None
        core.settle(core.reserve(core.servers.get(1), 1), SendStatus.ACCEPTED)
    made_at = datetime.fromtimestamp((tmp_path / "copia.db").stat().st_mtime, UTC)
    other = Settings(data_dir=tmp_path / "outra", keyring="database")
    restore(tmp_path / "copia.db", tmp_path / "outra" / "mailcore.db", actor=ME)
    shutil.copy(settings.data_dir / "secret.key", tmp_path / "outra")
    with Mailcore(other) as core:
        gap = history.gap_in(_connection(core))
        assert gap is not None
        assert abs(gap.since - made_at) < timedelta(seconds=30)
        assert made_at - timedelta(seconds=30) < gap.until <= datetime.now(UTC)
    with Mailcore(other) as core:
        assert history.gap_in(_connection(core)) == gap, "it is noted once"
    report = examine(other)
    assert report.faults == []
    (notice,) = [notice for notice in report.notices if "voltou a uma cópia" in notice]
    assert len(re.findall(r"\d\d/\d\d/\d{4} \d\d:\d\d", notice)) == 2


def _connection(core: Mailcore) -> object:
    return core.database.engine.connect()


@pytest.mark.parametrize("role", [Role.ANALYST, Role.SUPPORT])
def test_who_may_not_administer_neither_copies_nor_restores(settings: Settings, tmp_path: Path, role: Role) -> None:
    who = Actor("Bia", role, 7)
    with Mailcore(settings) as core:
        with pytest.raises(NotAllowedError):
            back_up(core.database.file, tmp_path / "copia.db", actor=who)
        assert not (tmp_path / "copia.db").exists()
        back_up(core.database.file, tmp_path / "copia.db", actor=ME)
    with pytest.raises(NotAllowedError):
        restore(tmp_path / "copia.db", tmp_path / "outra" / "mailcore.db", actor=who)
    assert not (tmp_path / "outra").exists()
