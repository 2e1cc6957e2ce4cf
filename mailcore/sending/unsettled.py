"""Outcomes that the ledger could not take: told at once as what they are, and written as soon as it can.

The server has answered by then, so a fault of the database must not make a taken message look like one that failed.
An outcome is kept in memory and, where a file can still be written, in a file beside the database, which the next
start reads. Where neither outlives the process, its row becomes ``uncertain`` (see ``abandoned.py``).
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy.exc import NoResultFound

from mailcore.diagnosis.replies import Diagnosis
from mailcore.errors import StorageError
from mailcore.sending.ledger import as_json
from mailcore.sending.reservation import SendOutcome
from mailcore.storage.tables import Send
from mailcore.vocabulary import SendStatus

if TYPE_CHECKING:
    from pathlib import Path

    from mailcore.sending.reservation import Reservations

_log = logging.getLogger(__name__)

FOLDER = "unsettled"
_KEPT_FOR = timedelta(days=30)
NOT_WRITTEN = (
    "O banco de dados não aceitou gravar este resultado agora, e até lá o envio aparece como em andamento. Não envie "
    "de novo: o resultado está guardado e é gravado assim que o banco aceitar."
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """One outcome that is not in the ledger yet."""

    send: Send
    outcome: SendOutcome
    answered_at: datetime
    file: Path | None
    """None where it could not be written either."""


class Unsettled:
    """The outcomes of one installation that wait for its database. Safe to share between threads."""

    def __init__(self, reservations: Reservations, data_dir: Path) -> None:
        """Take over what earlier processes left in the data folder; nothing is written yet."""
        self._reservations = reservations
        self._folder = data_dir / FOLDER
        self._lock = Lock()
        self._kept: dict[str, _Kept] = {}
        for file in self._files():
            if (kept := _read(file)) is not None:
                self._kept[kept.send.idempotency_key] = kept

    def __len__(self) -> int:
        return len(self._kept)

    def settle(self, send: Send, outcome: SendOutcome) -> Send:
        """Write an outcome, or keep it until it can be written; return the row with the outcome, whichever it was.

        Raises nothing of the database: the outcome is known, and is told.
        """
        answered_at = datetime.now(UTC)
        try:
            return self._reservations.settle(send, outcome, now=answered_at)
        except StorageError as error:
            _log.error("the outcome %s of send %s is not in the ledger yet: %s", outcome.status, send.id, error)
        with self._lock:
            file = self._write(send, outcome, answered_at)
            self._kept[send.idempotency_key] = _Kept(send, outcome, answered_at, file)
        return _told(send, outcome)

    def under_key(self, key: str) -> Send | None:
        """Return the send that was made under a key and whose outcome is not written yet."""
        kept = self._kept.get(key)
        return None if kept is None else _told(kept.send, kept.outcome)

    def catch_up(self) -> None:
        """Write what waits, as far as the database takes it. Costs nothing where nothing waits."""
        if not self._kept or not self._lock.acquire(blocking=False):
            return  # another thread is at it
        try:
            for key, kept in list(self._kept.items()):
                try:
                    self._reservations.settle(kept.send, kept.outcome, now=kept.answered_at)
                except StorageError:
                    return  # still out of order: all the rest would wait for it too
                except NoResultFound:
                    _log.error("send %s, whose outcome was kept, is not in this ledger", kept.send.id)
                del self._kept[key]
                if kept.file is not None:
                    with suppress(OSError):
                        kept.file.unlink(missing_ok=True)
        finally:
            self._lock.release()

    # ------------------------------------------------------------------ files

    def _files(self) -> list[Path]:
        try:
            files = sorted(self._folder.glob("*.json"))
            old = (datetime.now(UTC) - _KEPT_FOR).timestamp()
            for file in [file for file in files if file.stat().st_mtime < old]:
                file.unlink(missing_ok=True)
                files.remove(file)
        except OSError:
            return []
        return files

    def _write(self, send: Send, outcome: SendOutcome, answered_at: datetime) -> Path | None:
        document = {
            "send": {name: getattr(send, name) for name in _NAMES} | {"at": send.at.isoformat()},
            "outcome": asdict(outcome) | {"status": outcome.status.value},
            "answered_at": answered_at.isoformat(),
        }
        file = self._folder / f"{uuid4().hex}.json"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as opened:
                json.dump(document, opened)
                opened.flush()
                os.fsync(opened.fileno())
        except OSError:
            with suppress(OSError):
                file.unlink(missing_ok=True)
            return None
        return file


_NAMES = (
    *("id", "idempotency_key", "server_id", "server_name", "units", "counted", "recipients", "message_id"),
    *("account_key", "who"),
)


def _read(file: Path) -> _Kept | None:
    try:
        document: dict[str, Any] = json.loads(file.read_text("ascii"))
        values, outcome = document["send"], document["outcome"]
        send = Send(**{name: values[name] for name in _NAMES}, at=datetime.fromisoformat(values["at"]))
        outcome["status"] = SendStatus(outcome["status"])
        for name in ("diagnosis", "hold_for"):
            if outcome[name] is not None:
                outcome[name] = Diagnosis(**{**outcome[name], "evidence": tuple(outcome[name]["evidence"])})
        return _Kept(send, SendOutcome(**outcome), datetime.fromisoformat(document["answered_at"]), file)
    except (OSError, ValueError, TypeError, LookupError):  # half a file of a full disk
        return None


def _told(send: Send, outcome: SendOutcome) -> Send:
    """Make a row say what its outcome is, and that this is not written yet."""
    send.status, send.reply, send.provider_id = outcome.status, outcome.reply, outcome.provider_id
    send.warnings = "\n".join([*outcome.warnings, NOT_WRITTEN])
    send.diagnosis = as_json(outcome.diagnosis) if outcome.diagnosis else ""
    return send
