"""Random text of an installation, made once and kept: for digests and signatures that are its own."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from mailcore.storage.tables import Installation

if TYPE_CHECKING:
    from mailcore.storage.database import Database


def own_random(database: Database, name: str) -> str:
    """Return the text kept under ``name``; whoever asks first makes it, and every process gets the same.

    Raises:
        StorageError: the database could not be read or written.
    """
    with database.read() as session:
        kept = session.get(Installation, name)
    if kept is not None:
        return kept.value
    try:
        with database.write() as session:
            kept = session.get(Installation, name)
            if kept is None:
                kept = Installation(name=name, value=token_hex(32))
                session.add(kept)
                session.flush()
    except IntegrityError:  # another process made it at the same moment
        with database.read() as session:
            kept = session.get_one(Installation, name)
    return kept.value
