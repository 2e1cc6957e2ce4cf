"""huey as batches use it: a queue beside the SQLite file, or in PostgreSQL, and its consumer's threads."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huey import Huey

    from mailcore.storage.database import Database


@contextmanager
def _not_installed(name: str) -> Iterator[None]:
    """In the block a library that is not loaded yet looks as if it were not installed."""
    hides = name not in sys.modules
    if hides:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hides:
            del sys.modules[name]


# huey loads it also for a queue beside SQLite: 6 MB, and a tenth of a second of every start.
with _not_installed("psycopg"):
    from huey import PostgresHuey, SqliteHuey
    from huey import storage as huey_storage
    from huey.consumer import Consumer
    from huey.registry import Message
    from huey.serializer import Serializer

_WAIT_SECONDS = 1
"""How long a thread waits for a call in PostgreSQL before it looks whether it is to end."""
_CONNECT_SECONDS = 10


class JsonSerializer(Serializer):  # type: ignore[misc]
    """A task as JSON: whoever can write to the queue's table must not run code by it."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Message:
        return Message(*json.loads(bytes(data)))


class Threads(Consumer):  # type: ignore[misc]
    """huey's consumer, inside a program that has signals of its own."""

    def _set_signal_handlers(self) -> None:
        pass


def opened(database: Database) -> Huey:
    """Return the queue of an installation; its tables are made where they are not there."""
    common: dict[str, Any] = {"results": False, "serializer": JsonSerializer()}
    file = database.file
    if file is not None:
        return SqliteHuey("batches", filename=str(file.with_name(f"{file.stem}-queue.db")), **common)
    import psycopg

    huey_storage.psycopg = psycopg
    address = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return PostgresHuey("batches", dsn=address, read_timeout=_WAIT_SECONDS, connect_timeout=_CONNECT_SECONDS, **common)
