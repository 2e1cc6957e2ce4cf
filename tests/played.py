"""An empty SQLite file gets its tables by the statements of the first time: what Alembic makes of it does not change.

To work them out again takes ten times as long as to open an installation.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection

from mailcore.storage import migrations
from mailcore.storage.migrations import current_revision


class Played:
    """Stands in for ``migrations._upgrade``."""

    def __init__(self) -> None:
        """Nothing is known yet: the first upgrade runs, and is noted."""
        self._upgrade = migrations._upgrade
        self._statements: list[tuple[str, Any]] = []

    def __call__(self, connection: Connection, revision: str = "head") -> None:
        """Play the upgrade of an empty SQLite file; run any other."""
        is_played = revision == "head" and connection.dialect.name == "sqlite" and current_revision(connection) is None
        if is_played and self._statements:
            for statement, parameters in self._statements:
                connection.exec_driver_sql(statement, parameters)
        elif is_played:
            self._run(connection)
        else:
            self._upgrade(connection, revision)

    def _run(self, connection: Connection) -> None:
        noted = []

        def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
            noted.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        try:
            self._upgrade(connection)
        finally:
            event.remove(connection, "before_cursor_execute", note)
        self._statements = noted
