"""Import and export of servers, without secrets: what a file would do, then all of it or nothing.

:func:`plan_import` reads a file and says what it would create and change, changing nothing;
:func:`apply_import` does it, provided that nobody changed one of those records in between.

A record with an ``id`` changes that one, one without is new. A column that is absent leaves its field as it is; an
empty cell empties a text, a port or a limit and leaves a choice as it is. An export taken in again changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from mailcore.actor import Actor, needs
from mailcore.registry.exchange_file import export_rows, read, template_csv, to_csv, to_json
from mailcore.registry.exchange_plan import ChangedServer, ImportPlan, NewServer, Planning
from mailcore.registry.people_file import people_template_csv, to_people_csv
from mailcore.registry.remarks import Remark
from mailcore.rights import Right
from mailcore.storage.tables import MailServer

if TYPE_CHECKING:
    from mailcore.registry.drafts import ServerDraft
    from mailcore.registry.servers import Servers
    from mailcore.storage.database import Database

__all__ = [
    "ChangedServer",
    "ImportPlan",
    "NewServer",
    "Remark",
    "all_servers",
    "apply_import",
    "export_rows",
    "people_template_csv",
    "plan_import",
    "template_csv",
    "to_csv",
    "to_json",
    "to_people_csv",
]


def all_servers(database: Database) -> list[MailServer]:
    """Return every server in the order of registration, for an export.

    Raises:
        StorageError: the database could not be read.
    """
    with database.read() as session:
        return list(session.scalars(select(MailServer).order_by(MailServer.id)))


def plan_import(database: Database, data: bytes) -> ImportPlan:
    """Say what a CSV or JSON file would do; nothing is changed.

    Raises:
        StorageError: the database could not be read.
    """
    sheet = read(data)
    with database.read() as session:
        return Planning(session, sheet).run()


@needs(Right.DELETE_OR_BULK)
def apply_import(servers: Servers, plan: ImportPlan, *, actor: Actor) -> list[MailServer]:
    """Do what the plan says, all of it or nothing, and return the servers as stored.

    Raises:
        ValueError: the plan has errors.
        ConflictError, RecordGoneError: somebody changed or deleted one of the records since the plan was made.
        ValidationError: somebody took one of the descriptions since.
        StorageError: the database could not be written.
    """
    if plan.errors:
        raise ValueError("a plan with errors cannot be applied")
    changes: list[tuple[MailServer | None, ServerDraft]] = [(planned.server, planned.draft) for planned in plan.changed]
    return servers.apply(changes + [(None, planned.draft) for planned in plan.created], actor=actor)
