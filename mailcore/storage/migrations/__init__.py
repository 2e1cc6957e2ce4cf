"""Bringing a database of any released version up to date, at start and by one process at a time.

The common case, a database already at :data:`HEAD`, costs one query: Alembic is imported only when
there is something to do.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from mailcore.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from mailcore.storage.database import Database

_VERSIONS = Path(__file__).parent / "versions"
_KNOWN = frozenset(path.name[:4] for path in _VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))
HEAD = max(_KNOWN)
"""The newest revision in ``versions/``: each file's name begins with its own (a test holds Alembic to it)."""

_ADVISORY_LOCK = 0x6D61696C  # "mail": any number will do, as long as every instance uses the same
_NEWER = "Este banco de dados foi criado por uma versão mais nova do programa. Atualize o programa antes de abri-lo."


def current_revision(connection: Connection) -> str | None:
    """Return the revision the database is at, or None where it has never been migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def migrate(database: Database) -> bool:
    """Bring the database to :data:`HEAD`; a SQLite file is copied beside itself first.

    Returns:
        Whether there was none: every table has just been made.

    Raises:
        StorageError: the database belongs to a newer version of the program, or cannot be changed.
    """
    with database.read() as session:
        if current_revision(session.connection()) == HEAD:
            return False
    with database.write_connection() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))  # whoever is at it needs longer than a write
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        # Another process may have done it while this one waited for the lock.
        revision = current_revision(connection)
        if revision == HEAD:
            return False
        # Before the copy: the program tries again every few seconds, and would fill the disk with copies.
        if revision is not None and revision not in _KNOWN:
            raise StorageError(_NEWER)
        if revision is not None and database.file is not None:
            _copy(database.file, revision)
        _upgrade(connection)
    return revision is None


def _upgrade(connection: Connection, revision: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _copy(file: Path, revision: str) -> Path:
    """Copy through SQLite's backup API, which also takes along what still stands in the WAL."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = file.with_name(f"{file.stem}-{revision}-{stamp}{file.suffix}")
    try:
        # `with connection` ends a transaction, not the connection: hence closing().
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        target.chmod(0o600)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            "Não consegui fazer a cópia do banco de dados que vem antes da atualização; nada foi mudado. "
            "Verifique o espaço em disco e as permissões da pasta de dados."
        ) from error
    return target
