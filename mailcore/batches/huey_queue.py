"""huey as batches use it: a queue beside the SQLite file, or in PostgreSQL, and its consumer's threads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from huey import PostgresHuey, SqliteHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer

if TYPE_CHECKING:
    from huey import Huey

    from mailcore.storage.database import Database

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
    address = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return PostgresHuey("batches", dsn=address, read_timeout=_WAIT_SECONDS, connect_timeout=_CONNECT_SECONDS, **common)
