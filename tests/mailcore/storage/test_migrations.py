"""A database of any released version opens in this one (invariant 8)."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import inspect, select, text

import mailcore.storage.migrations as migrations
from mailcore import Mailcore
from mailcore.errors import StorageError
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.settings import Settings
from mailcore.storage.database import Database, make_data_dir
from mailcore.storage.migrations import HEAD, current_revision
from mailcore.storage.tables import Base, Send
from tests.actors import ME

pytestmark = pytest.mark.empty_database


def register(core: Mailcore, name: str) -> None:
    draft = ServerDraft(name=name, host="smtp.x.example", username="u", from_address="a@x.example")
    core.servers.create(draft, SecretStr("s"), actor=ME)


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_the_models_say_what_the_migrations_made(core: Mailcore) -> None:
    def ours(thing: Any, name: str | None, kind: str, reflected: bool, _: object) -> bool:
        return not (name or "").startswith(
            ("mail_server_fts", "mail_server_terms", "mail_server_changes", "alembic_", "ix_mail_server_trgm")
        )

    with core.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, Base.metadata) == []
        made = {table: inspect(connection).get_indexes(table) for table in Base.metadata.tables}
    option = f"{core.database.engine.dialect.name}_where"
    found = {index["name"]: index.get("dialect_options", {}).get(option) for of in made.values() for index in of}
    partial = {name: str(condition) for name, condition in found.items() if condition is not None}
    said = {
        index.name: index.info["where"]
        for table in Base.metadata.tables.values()
        for index in table.indexes
        if "where" in index.info
    }
    assert partial.keys() - {"ix_mail_server_trgm"} == said.keys()
    if core.database.is_sqlite:  # PostgreSQL says them back in its own words
        assert partial == said


def test_a_start_at_head_loads_only_what_it_needs(open_core: Callable[[], Mailcore], settings: Settings) -> None:
    open_core()
    code = (
        "import sys\nfrom mailcore.cli import main\nassert main(['servers', 'list']) == 0\n"
        "from mailcore import open_mailcore\nwith open_mailcore() as core:\n    core.attention()\n"
        "libraries = {'alembic', 'requests', 'jinja2', 'huey', 'openpyxl', 'argon2', 'smtplib'}\n"
        "ours = {'batches.front', 'health.checks', 'health.doctor', 'diagnosis.explain', 'registry.exchange'}\n"
        "heavy = (libraries | {f'mailcore.{name}' for name in ours}) & set(sys.modules)\n"
        "import mailcore.batches.huey_queue\n"
        "if core.database.is_sqlite:\n    heavy |= {'psycopg', 'sqlalchemy.dialects.postgresql'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    env = {
        "MAILCORE_DATABASE_URL": settings.database_url,
        "MAILCORE_DATA_DIR": str(settings.data_dir),
        "MAILCORE_KEYRING": "database",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_starts_at_the_same_time_migrate_once(settings: Settings) -> None:
    start, failed = threading.Barrier(4), []

    def open_it() -> None:
        start.wait()
        try:
            Mailcore(settings).close()
        except Exception as error:  # any at all
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_an_update_copies_the_file_first_and_keeps_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path / "data", keyring="database")
    core = Mailcore(settings)
    register(core, "Padaria")
    core.close()
    steps: list[str] = []

    def next_version(connection: Any) -> None:
        steps.append("upgrade")
        copies = list(settings.data_dir.glob(f"mailcore-{HEAD}-*.db"))
        assert len(copies) == 1, "the copy comes before the change"
        connection.execute(text("ALTER TABLE mail_server ADD COLUMN added TEXT"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'next'"))

    monkeypatch.setattr(migrations, "HEAD", "next")
    monkeypatch.setattr(migrations, "_upgrade", next_version)
    again = Mailcore(settings)
    assert again.servers.search(ServerQuery(text="padaria")).matching == 1
    Mailcore(settings).close()
    assert steps == ["upgrade"]
    (copy,) = settings.data_dir.glob(f"mailcore-{HEAD}-*.db")
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT name FROM mail_server").fetchall() == [("Padaria",)]


def test_an_update_that_fails_changes_nothing(
    open_core: Callable[[], Mailcore], monkeypatch: pytest.MonkeyPatch
) -> None:
    core = open_core()
    register(core, "Padaria")

    def broken(connection: Any) -> None:
        connection.execute(text("ALTER TABLE mail_server ADD COLUMN added TEXT"))
        raise StorageError("não deu")

    with monkeypatch.context() as next_version:
        next_version.setattr(migrations, "HEAD", "next")
        next_version.setattr(migrations, "_upgrade", broken)
        with pytest.raises(StorageError):
            open_core()
    assert open_core().servers.search(ServerQuery()).total == 1


def test_a_newer_database_is_a_sentence(open_core: Callable[[], Mailcore]) -> None:
    core = open_core()
    with core.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    beside = set(core.settings.data_dir.iterdir())
    with pytest.raises(StorageError, match="versão mais nova"):
        open_core()
    assert set(core.settings.data_dir.iterdir()) == beside  # no copy: the program tries again every few seconds


def test_a_database_of_the_first_version_opens_with_its_data(settings: Settings) -> None:
    make_data_dir(settings.data_dir)
    old = Database(settings.database_url)
    with old.write_connection() as connection:
        migrations._upgrade(connection, "0001")
        connection.execute(
            text(
                "INSERT INTO mail_server (version, name, name_key, kind, host, port, security, security_auto,"
                " verify_certificate, ca_pem, username, from_address, from_name, reply_to, is_paid, is_active,"
                " is_default, limit_unit, limit_window, same_address, notes, search_text, last_check_state,"
                " created_at, updated_at, updated_by) VALUES (1, 'Padaria', 'padaria', 'smtp', 'smtp.x.com', 587,"
                " 'starttls', true, true, '', '', 'a@x.com', '', '', false, true, false, 'recipients', 'rolling_24h',"
                " 'block', '', 'padaria', 'ok', '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'ana')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO send (idempotency_key, server_id, server_name, status, units, recipients, message_id,"
                " provider_id, reply, warnings, diagnosis, owner, at) VALUES ('k', 1, 'Padaria', 'accepted', 1,"
                " 'b@x.com', '<1@x>', '', '250 ok', '', '', 'host:1', '2026-11-01 00:00:00')"
            )
        )
    old.dispose()
    core = Mailcore(settings)
    (server,) = core.servers.search(ServerQuery(text="padaria")).servers
    assert server.certificate_ends_at is None
    with core.database.read() as session:
        row = session.scalars(select(Send)).one()
        assert (row.reply, row.followed_at, row.follow_state, row.follow_failures) == ("250 ok", None, "", "")
        assert current_revision(session.connection()) == HEAD
    core.close()
