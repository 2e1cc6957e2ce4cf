"""A copy of the SQLite database while the program runs, and an installation made from such a copy.

The file alone is no copy: what was written last stands in the log beside it (``mailcore.db-wal``). SQLite's backup API
takes both, as one moment of them. Source: sqlite.org/backup.html and sqlite.org/howtocorrupt.html §1.2-1.4.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from mailcore.actor import Actor, needs
from mailcore.errors import ConfigurationError, StorageError
from mailcore.rights import Right
from mailcore.storage.history import BESIDE, COPIED_AT, refuse_mixed
from mailcore.storage.migrations import HEAD
from mailcore.text import in_log

_log = logging.getLogger(__name__)

_NOTE_WHERE_NONE = "INSERT OR IGNORE INTO installation (name, value) VALUES (?, ?)"
_NOTE = _NOTE_WHERE_NONE.replace("IGNORE", "REPLACE")
_BESIDE = ("-wal", "-shm", "-journal", BESIDE)


@needs(Right.ADMINISTER)
def back_up(file: Path | None, target: Path, *, actor: Actor) -> int:
    """Copy the database to a file of its own, whole and checked; return its size in bytes.

    Args:
        file: the SQLite file; others may write to it meanwhile.
        target: must not exist.

    Raises:
        NotAllowedError: whoever asks may not: the copy has the addresses of everybody.
        ConfigurationError: the database is no SQLite file.
        StorageError: the copy could not be made, or is not whole; nothing stands under its name then.
    """
    if not _is_there(_sqlite(file)):
        raise StorageError(f"Não há banco de dados em “{file}”. Confira MAILCORE_DATA_DIR.")
    refuse_mixed(_sqlite(file))
    size = _copied(_sqlite(file), target, copied_at=datetime.now(UTC))
    _log.info("%s copied the database to %s", in_log(actor.name), in_log(str(target)))
    return size


@needs(Right.ADMINISTER)
def restore(source: Path, file: Path | None, *, actor: Actor) -> int:
    """Make the database from a copy, where there is none yet; return its size in bytes.

    The next start notes from when to when nothing is known of it (:func:`mailcore.storage.history.note_return`).

    Raises:
        NotAllowedError: whoever asks may not.
        ConfigurationError: the database is no SQLite file.
        StorageError: the copy is none of ours or not whole, or a database, or a part of one, is there already.
    """
    target = _sqlite(file)
    if not _is_there(source):
        raise StorageError(f"O arquivo “{source}” não foi encontrado. Confira o caminho.")
    there = [path for path in (target, *_beside(target)) if path.exists()]
    if there:
        raise StorageError(
            f"A pasta de dados já tem “{there[0].name}”, e uma cópia posta ao lado misturaria duas histórias. Pare o "
            "programa, mude a pasta de dados de lugar e restaure numa pasta vazia."
        )
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"A pasta “{target.parent}” não pôde ser criada. Verifique as permissões.") from error
    size = _copied(source, target)
    _log.info("%s made the database from %s", in_log(actor.name), in_log(str(source)))
    return size


def _sqlite(file: Path | None) -> Path:
    if file is None:
        raise ConfigurationError(
            "O banco de dados é um PostgreSQL. Copie-o com pg_dump e restaure-o com pg_restore, as ferramentas dele."
        )
    return file


def _beside(file: Path) -> list[Path]:
    return [file.with_name(file.name + ending) for ending in _BESIDE]


def _is_there(file: Path) -> bool:
    with suppress(OSError, ValueError):  # ValueError: a NUL in the path
        return file.is_file()
    return False


def _copied(source: Path, target: Path, *, copied_at: datetime | None = None) -> int:
    """Copy under another name, check, and only then give it its own.

    Args:
        copied_at: noted in the copy; without it, what is noted there already stays.
    """
    if os.path.lexists(target):
        raise StorageError(f"“{target}” já existe, e não escrevo por cima. Dê outro nome.")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with closing(_opened(source)) as original, closing(sqlite3.connect(unfinished)) as copy:
            unfinished.chmod(0o600)
            original.backup(copy)
            # A file by itself: no log of its own beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            _check(copy)
            _note_when(copy, copied_at, source)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        _name(unfinished, target)
        return target.stat().st_size
    except FileExistsError as error:
        raise StorageError(f"“{target}” já existe, e não escrevo por cima. Dê outro nome.") from error
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"“{target}” não pôde ser gravado, ou “{source}” não pôde ser lido. Verifique se é um banco de dados "
            "deste programa, o espaço em disco e as permissões."
        ) from error
    finally:
        for path in (unfinished, *_beside(unfinished)):
            path.unlink(missing_ok=True)


def _note_when(copy: sqlite3.Connection, copied_at: datetime | None, source: Path) -> None:
    """Write into a copy when it was made; one of an older version does not say so, and its file does."""
    moment = copied_at or datetime.fromtimestamp(source.stat().st_mtime, UTC)
    statement = _NOTE if copied_at else _NOTE_WHERE_NONE
    with suppress(sqlite3.OperationalError):  # so old that it has no place for it
        copy.execute(statement, (COPIED_AT, moment.isoformat()))
    copy.commit()


def _name(unfinished: Path, target: Path) -> None:
    try:
        os.link(unfinished, target)  # unlike a rename it never takes another file's place
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as memory sticks have
        unfinished.rename(target)


def _opened(source: Path) -> sqlite3.Connection:
    # As an address, so that a file which is not there is not made.
    return sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=10)


def _check(copy: sqlite3.Connection) -> None:
    found = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
    broken = copy.execute("PRAGMA foreign_key_check").fetchone()
    if found != ["ok"] or broken:
        raise StorageError(
            "O banco de dados está danificado, e a cópia não foi feita. Restaure a cópia boa mais recente."
        )
    try:
        revision = str(copy.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except (sqlite3.Error, TypeError):
        raise StorageError("Este arquivo não é um banco de dados deste programa.") from None
    if revision > HEAD:
        raise StorageError("Esta cópia é de uma versão mais nova do programa. Atualize o programa antes.")
