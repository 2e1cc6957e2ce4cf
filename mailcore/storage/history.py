"""Whether a SQLite file and what stands beside it belong together, and from when to when nothing is known.

A log (``-wal``) says nothing of the file it was written for: SQLite lays a newer one over an older file without a
word, and the mixture is permanent with the next checkpoint. So every hour a new mark (``user_version``, in the file's
first page) is stored and brought into the file itself, and the marks that the file may have are written beside it. A
file with another mark was put there by somebody: beside a log it is not opened, and without one it is a return to an
earlier day.

Sources: sqlite.org/howtocorrupt.html §1.4 and §2.2, sqlite.org/fileformat2.html §1.3, sqlite.org/wal.html. What this
cannot see: a copy that was made and put back within the hour of one mark, and one written into the open file itself.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from secrets import randbelow
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import text

from mailcore.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from mailcore.storage.database import Database

BESIDE = "-marks"
COPIED_AT = "copied_at"
"""In a copy: when it was made. In a database: it is a copy that somebody put there."""
_RETURNED = "returned"
_MARKED_AT = "marked_at"
_RENEWED_AFTER = timedelta(hours=1)
_SET = "INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value"
_LAST_KNOWN = "SELECT max(at) FROM send"
_open_here: defaultdict[str, set[int]] = defaultdict(set)
"""Who in this process has each file open."""

MIXED = (
    "O arquivo do banco de dados é de outro dia que o registro (“{log}”) ao lado dele: foi posto ali por cima, e abrir "
    "misturaria duas histórias. Nada foi mudado. Guarde a pasta de dados como está e restaure a última cópia boa numa "
    "pasta vazia (restore)."
)


class Belonging(Enum):
    """How a database file stands to what is beside it."""

    UNKNOWN = "unknown"
    """There are no marks yet, or it cannot be read."""
    SAME = "same"
    OTHER = "other"
    """Somebody put another file there, without a log."""
    MIXED = "mixed"
    """Somebody put another file there, and a log is beside it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """From when to when nobody knows what was sent: the database was put back to an earlier day."""

    since: datetime
    until: datetime


def look(file: Path) -> Belonging:
    """Look at the files alone, as they lie there.

    Not where this process has the database open: to close a file that SQLite has open too takes its locks away
    (howtocorrupt.html §2.2). It was looked at when it was opened.
    """
    known = _known(file)
    if not known or _open_here[_name(file)]:
        return Belonging.UNKNOWN
    found = _look(file, known)
    # Another process may be bringing a mark into the file at this moment: a second look sees it.
    return found if found is Belonging.SAME else _look(file, _known(file))


def _look(file: Path, known: list[str]) -> Belonging:
    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except OSError:
        return Belonging.UNKNOWN
    if not header.startswith(b"SQLite format 3\0"):
        return Belonging.UNKNOWN
    if str(int.from_bytes(header[60:64], "big")) in known:
        return Belonging.SAME
    return Belonging.MIXED if _log(file).is_file() and _log(file).stat().st_size else Belonging.OTHER


def refuse_mixture(database: Database) -> Belonging:
    """Look before the database is opened.

    Raises:
        StorageError: opening it would mix two histories.
    """
    if not _is_ours(database):
        if database.file is not None:  # marks of a database that is gone say nothing of the one to come
            with suppress(OSError):
                _marks(database.file).unlink(missing_ok=True)
        return Belonging.UNKNOWN
    assert database.file is not None
    return refuse_mixed(database.file)


def refuse_mixed(file: Path) -> Belonging:
    """As :func:`refuse_mixture`, of a file."""
    found = look(file)
    if found is Belonging.MIXED:
        raise StorageError(MIXED.format(log=_log(file).name))
    return found


def hold_open(database: Database) -> None:
    """From now on this process has the database open; see :func:`look`."""
    if database.file is not None:
        _open_here[_name(database.file)].add(id(database))


def let_go(database: Database) -> None:
    """Undo one :func:`hold_open`, once every connection is closed."""
    if database.file is not None:
        _open_here[_name(database.file)].discard(id(database))


def note_return(database: Database, found: Belonging, *, now: datetime | None = None) -> None:
    """Once it is open: where it is a database of an earlier day, note from when to when nothing is known of it.

    Raises:
        StorageError: the database could not be written.
    """
    if not _is_ours(database):
        return
    with database.read() as session:
        copied_at = _value(session.connection(), COPIED_AT)
    if copied_at is None and found is not Belonging.OTHER:
        return
    with database.write_connection() as connection:
        note_gap(connection, now or datetime.now(UTC))
    _renew(database, now or datetime.now(UTC))


def note_gap(connection: Connection, until: datetime) -> None:
    """Within a transaction: this database ends at the last that it knows, and goes on at ``until``."""
    copied_at, marked_at = _value(connection, COPIED_AT), _value(connection, _MARKED_AT)
    last = connection.scalar(text(_LAST_KNOWN))
    moments = [datetime.fromisoformat(copied_at)] if copied_at else []
    if not moments:
        moments = [datetime.fromisoformat(marked_at)] if marked_at else []
        moments += [datetime.fromisoformat(str(last)).replace(tzinfo=UTC)] if last else []
    since = max(moments, default=until)
    gap = {"since": min(since, until).isoformat(), "until": until.isoformat()}
    connection.execute(text(_SET), {"name": _RETURNED, "value": json.dumps(gap)})
    connection.execute(text("DELETE FROM installation WHERE name = :name"), {"name": COPIED_AT})


def gap_in(connection: Connection) -> Gap | None:
    """Return the last time that this database was put back to an earlier day, if it ever was."""
    value = _value(connection, _RETURNED)
    if value is None:
        return None
    gap = json.loads(value)
    return Gap(datetime.fromisoformat(gap["since"]), datetime.fromisoformat(gap["until"]))


def renew(database: Database, *, now: datetime | None = None) -> None:
    """Give the database a new mark where the old one is an hour old.

    Raises:
        StorageError: the database could not be written.
    """
    if not _is_ours(database):
        return
    assert database.file is not None
    moment = now or datetime.now(UTC)
    with database.read() as session:
        is_fresh = _is_fresh(session.connection(), moment)
    if not is_fresh or not _known(database.file):
        _renew(database, moment)


def _is_fresh(connection: Connection, moment: datetime) -> bool:
    made_at = _value(connection, _MARKED_AT)
    return made_at is not None and abs(moment - datetime.fromisoformat(made_at)) < _RENEWED_AFTER


def _renew(database: Database, moment: datetime) -> None:
    """Store a mark, and bring it into the file itself.

    What is written beside the file has every mark that the file may have by then. Both times within a transaction, so
    that no two processes are at it.
    """
    file = database.file
    assert file is not None
    new = randbelow(2**31 - 1) + 1
    with database.write_connection() as connection:
        if known := _known(file):  # before the first one is in the file, there is nothing to compare with
            stored = str(connection.scalar(text("PRAGMA user_version")))
            _write_known(file, list(dict.fromkeys([*known, stored, str(new)])))
        connection.execute(text(f"PRAGMA user_version = {new}"))
        connection.execute(text(_SET), {"name": _MARKED_AT, "value": moment.isoformat()})
    with database.read() as session:
        # Waits for nobody, so it may bring in a part only; then the next hour does the rest.
        busy, pages, moved = session.execute(text("PRAGMA wal_checkpoint(PASSIVE)")).one()
    if busy or pages != moved:
        return
    with database.write_connection() as connection:
        if connection.scalar(text("PRAGMA user_version")) == new:  # nobody was quicker: this is what the file has
            _write_known(file, [str(new)])


def _is_ours(database: Database) -> bool:
    return database.file is not None and database.file.is_file()


def _name(file: Path) -> str:
    return str(file.resolve())


def _log(file: Path) -> Path:
    return file.with_name(file.name + "-wal")


def _marks(file: Path) -> Path:
    return file.with_name(file.name + BESIDE)


def _known(file: Path) -> list[str]:
    try:
        return _marks(file).read_text("ascii").split()
    except (OSError, ValueError):
        return []


def _write_known(file: Path, marks: list[str]) -> None:
    """Write them whole. Where that cannot be, the old ones are removed: better no word than a wrong one."""
    path = _marks(file)
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write("\n".join(marks) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(path)
        _sync_folder(path.parent)  # or a power cut could take it back, and leave the database with a newer mark
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _value(connection: Connection, name: str) -> str | None:
    value: str | None = connection.scalar(text("SELECT value FROM installation WHERE name = :name"), {"name": name})
    return value
