"""The disk fills, the server restarts, somebody else holds the lock: at every moment of every act.

Each time there is a sentence of ours, nothing is half-done, and the same act works when the cause is gone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from mailcore import Mailcore
from mailcore.errors import MailcoreError, StorageError
from mailcore.health.doctor import examine
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.exchange import apply_import, plan_import
from mailcore.settings import Settings
from mailcore.storage.database import Database
from mailcore.storage.migrations import HEAD, _upgrade, migrate
from tests.actors import ME
from tests.faults import Cause, contents, full_disk, held_by_permissions, locked, server_away, standby, watched

DRAFT = ServerDraft(name="", host="smtp.x.example", username="a@x.example", from_address="a@x.example", daily_limit=9)
SECRET = SecretStr("senha-8812")
Act = Callable[[], object]


def create(core: Mailcore, number: int) -> Act:
    return lambda: core.servers.create(replace(DRAFT, name=f"Nova {number}"), SECRET, actor=ME)


def update(core: Mailcore, number: int) -> Act:
    opened = next((each for each in core.all_servers() if each.name == "Alvo"), None)
    opened = opened or core.servers.create(replace(DRAFT, name="Alvo"), SECRET, actor=ME).server
    changed = replace(draft_of(opened), notes=f"mudada {number}")
    return lambda: core.servers.update(opened, changed, SecretStr("outra-4471"), actor=ME)


def delete(core: Mailcore, number: int) -> Act:
    opened = core.servers.create(replace(DRAFT, name=f"Fim {number}"), SECRET, actor=ME).server
    return lambda: core.servers.delete(opened.id, actor=ME)


def import_file(core: Mailcore, number: int) -> Act:
    rows = "".join(f"Loja {number}-{row};smtp.x.example;587;a@x.example\n" for row in range(3))
    plan = plan_import(core.database, f"name;host;port;from_address\n{rows}".encode())
    return lambda: apply_import(core.servers, plan, actor=ME)


def external_use(core: Mailcore, number: int) -> Act:
    opened = core.servers.create(replace(DRAFT, name=f"Fora {number}"), SECRET, actor=ME).server
    entries = core.read_external_use(f"server_id,at,units\n{opened.id},2026-01-02T10:00,3\n".encode())
    return lambda: core.record_external_use(entries, actor=ME)


def rotate(core: Mailcore, number: int) -> Act:
    core.servers.create(replace(DRAFT, name=f"Chave {number}"), SECRET, actor=ME)
    return lambda: core.secrets.database_keyring.rotate(actor=ME)


ACTS = (create, update, delete, import_file, external_use, rotate)


def is_a_sentence(error: MailcoreError) -> None:
    words = str(error)
    assert words.endswith(".")
    assert "tente de novo" in words
    assert "sql" not in words.replace("PostgreSQL", "").lower()


def causes(core: Mailcore) -> tuple[Cause, ...]:
    return (full_disk,) if core.database.is_sqlite else (server_away, standby)


@pytest.mark.parametrize("make", ACTS, ids=lambda act: act.__name__)
def test_at_every_moment_of_an_act(core: Mailcore, make: Callable[[Mailcore, int], Act]) -> None:
    stopped = 0
    for cause in causes(core):
        number = 1
        with watched(core.database) as moments:
            while True:
                act = make(core, stopped * 100 + number)
                before = contents(core)
                with moments.breaking(number, cause):
                    try:
                        act()
                        error = None
                    except MailcoreError as raised:
                        error = raised
                has_broken = moments.passed >= number
                if error is not None:
                    is_a_sentence(error)
                    assert contents(core) == before
                    act()
                    stopped += 1
                assert contents(core) != before
                if not has_broken:
                    break
                # A standby ends the same connections as a restart; only its word on the next write is another.
                number += 1 + number // 3 if cause is standby else 1
    assert stopped >= 3
    report = examine(core.settings)
    assert (report.faults, report.secrets.orphans, report.secrets.missing) == ([], 0, 0)


@pytest.mark.parametrize("make", ACTS, ids=lambda act: act.__name__)
def test_while_somebody_else_holds_the_lock(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, make: Callable[[Mailcore, int], Act]
) -> None:
    monkeypatch.setattr("mailcore.storage.database.BUSY_TIMEOUT_SECONDS", 0.1)
    core = Mailcore(settings)
    act = make(core, 1)
    before = contents(core)
    with locked(core.database), pytest.raises(StorageError, match="ocupado") as raised:
        act()
    is_a_sentence(raised.value)
    assert contents(core) == before
    act()
    assert contents(core) != before
    core.close()


@pytest.mark.empty_database
def test_at_every_moment_of_an_update_of_the_tables(settings: Settings) -> None:
    database = Database(settings.database_url)
    settings.data_dir.mkdir(exist_ok=True)
    with database.write_connection() as connection:
        _upgrade(connection, "0003")

    def revision() -> str:
        with database.read() as session:
            return str(session.scalar(text("SELECT version_num FROM alembic_version")))

    cause = full_disk if database.is_sqlite else server_away
    stopped, number = 0, 1
    with watched(database) as moments:
        while True:
            with moments.breaking(number, cause), suppress(StorageError):
                migrate(database)
            if moments.passed < number:
                break
            assert revision() == "0003", number
            database.dispose()
            stopped, number = stopped + 1, number + 1 + number // 4
    assert stopped >= 8
    assert revision() == HEAD
    database.dispose()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's capabilities")
def test_a_folder_that_turns_read_only(tmp_path: Path) -> None:
    with held_by_permissions():
        data = tmp_path / "data"
        settings = Settings(data_dir=data, keyring="database")
        with Mailcore(settings) as core:
            create(core, 1)()
        files = [path for path in data.iterdir() if path.is_file()]
        for path in files:
            path.chmod(0o400)
        data.chmod(0o500)
        with pytest.raises(StorageError) as raised:
            Mailcore(settings)
        is_a_sentence(raised.value)
        # And under a program that is open already, which then opens a connection.
        for path in files:
            path.chmod(0o600)
        data.chmod(0o700)
        core = Mailcore(settings)
        core.database.dispose()
        for path in data.iterdir():
            path.chmod(0o400)
        data.chmod(0o500)
        with pytest.raises(StorageError) as raised:
            create(core, 2)()
        is_a_sentence(raised.value)
        data.chmod(0o700)
        for path in data.iterdir():
            path.chmod(0o600)
        create(core, 2)()
        assert [server.name for server in core.all_servers()] == ["Nova 1", "Nova 2"]
        core.close()
        assert examine(settings).faults == []
