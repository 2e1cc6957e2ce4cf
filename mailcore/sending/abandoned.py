"""Sends whose process died on the way: who holds a row, and what becomes of the rows of the dead."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import and_, select, update

from mailcore.diagnosis.replies import diagnosis_for
from mailcore.sending.ledger import as_json
from mailcore.storage.tables import Send
from mailcore.vocabulary import SendStatus

if TYPE_CHECKING:
    from mailcore.storage.database import Database

ABANDONED_AFTER = timedelta(minutes=15)
"""No send takes this long: a ``started`` row this old has lost its process."""

# Those of batches are settled with their recipients, by whoever takes their lease up.
IS_UNDER_WAY = and_(Send.status == SendStatus.STARTED, Send.batch_id.is_(None))
"""Condition of the rows of messages that somebody is sending, or was when they died."""

_RUN = uuid4().hex[:8]
_HOST = socket.gethostname()[-60:]


def settle_abandoned(database: Database) -> int:
    """Mark as ``uncertain`` what a dead process left ``started``; return how many there were."""
    with database.read() as session:
        started = session.scalars(select(Send).where(IS_UNDER_WAY)).all()
    abandoned = [row.id for row in started if _is_abandoned(row)]
    if abandoned:
        with database.write() as session:
            session.execute(
                update(Send)
                .where(Send.id.in_(abandoned), Send.status == SendStatus.STARTED)
                .values(status=SendStatus.UNCERTAIN, diagnosis=as_json(diagnosis_for("uncertain")))
            )
    return len(abandoned)


def this_process() -> str:
    """Who holds a row: the machine, the process, and which one of those that have had its number."""
    return f"{_HOST}:{os.getpid()}:{_RUN}"


def _is_abandoned(row: Send) -> bool:
    """Whether the process that began this send is gone, or no longer knows of it.

    On this machine the process table tells; elsewhere only the clock can. What turns out to be under way all the
    same is settled with its outcome nevertheless.
    """
    return datetime.now(UTC) - row.at > ABANDONED_AFTER or is_gone(row.owner)


def is_gone(owner: str) -> bool:
    """Whether the process of this name certainly ended; of another machine's nobody here can tell.

    Args:
        owner: what :func:`this_process` said there, with or without more after another colon.
    """
    host, pid, run = [*owner.split(":"), "", "", ""][:3]
    if host != _HOST or not pid.isdigit() or os.name != "posix":
        return False
    # In a container every run of the program has the same number.
    return run not in ("", _RUN) if int(pid) == os.getpid() else not _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # One that ended and whose parent has not looked yet still has its number (proc(5): state Z).
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:1] != [b"Z"]
    except OSError:  # no /proc here, or gone just now
        return True
