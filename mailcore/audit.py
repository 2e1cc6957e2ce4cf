"""The changes trail: who changed which field of a record, when, from what to what.

Rows are written in the transaction of the change itself, so neither is there without the other. Of a secret
only is kept that it changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from mailcore.storage.tables import Change, MailServer
from mailcore.text import as_text, thousands
from mailcore.vocabulary import ChangeAction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from mailcore.actor import Actor
    from mailcore.storage.database import Database, FastCursor
    from mailcore.storage.tables import Batch

PAGE_SIZE = 50
_INSERT = """
INSERT INTO change (at, who, server_id, server_name, action, field, before, after)
VALUES (:at, :who, :server, :name, :action, 'external_use', :before, :after)
"""
_APPLICATION = "Aplicativo OAuth"
_LONGEST_NAME = 200
_MOST = 300
"""Characters of a value that are kept: notes and certificates can be long."""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of the trail, newest first, and how many rows match."""

    changes: list[Change]
    matching: int


def note_created(session: Session, server: MailServer, *, actor: Actor) -> None:
    """Note that a record came into being."""
    _add(session, server, actor, ChangeAction.CREATED)


def note_deleted(session: Session, server: MailServer, *, actor: Actor) -> None:
    """Note that a record went."""
    _add(session, server, actor, ChangeAction.DELETED)


def note_changed(
    session: Session,
    server: MailServer,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    actor: Actor,
    secret: bool = False,
) -> None:
    """Note each field of ``after`` that differs from ``before``, and the secret where it was changed."""
    for name, value in after.items():
        if before[name] != value:
            _add(session, server, actor, ChangeAction.CHANGED, name, _kept(before[name]), _kept(value))
    if secret:
        _add(session, server, actor, ChangeAction.CHANGED, "secret")


def note_lifted(session: Session, server: MailServer, code: str, *, actor: Actor) -> None:
    """Note that a person let an account be used again that was on hold for ``code``."""
    _add(session, server, actor, ChangeAction.CHANGED, "account_hold", _kept(code), _kept(None))


def note_batch(session: Session, batch: Batch, what: str, *, actor: Actor, count: int | None = None) -> None:
    """Note what somebody did with a batch, in the trail of its server.

    Args:
        what: ``created``, ``started``, ``paused``, ``resumed``, ``cancelled`` or ``retried``.
        count: how many recipients it is about; all of them where it is not given.
    """
    session.add(
        Change(
            at=datetime.now(UTC),
            who=actor.name[:_LONGEST_NAME],
            server_id=batch.server_id,
            server_name=batch.server_name,
            action=ChangeAction.CHANGED,
            field=f"batch_{what}",
            before="",
            after=_kept(f"{batch.id} “{batch.name}”: {thousands(batch.total if count is None else count)}"),
        )
    )


def note_use_undone(
    database: Database,
    cursor: FastCursor,
    server_id: int,
    server_name: str,
    units: int,
    at: datetime,
    *,
    actor: Actor,
) -> None:
    """Note that a person took out an entry of use made elsewhere: how many units, of which moment.

    Args:
        cursor: of the transaction that takes it out.
        at: aware; kept with its own offset.
    """
    cursor.execute(
        _INSERT,
        {
            "at": database.stored(datetime.now(UTC)),
            "who": actor.name[:_LONGEST_NAME],
            "server": server_id,
            "name": server_name,
            "action": ChangeAction.CHANGED.value,
            "before": _kept({"units": units, "at": at.isoformat(timespec="seconds")}),
            "after": _kept(None),
        },
    )


def note_application(
    session: Session,
    name: str,
    action: ChangeAction,
    changes: Mapping[str, tuple[Any, Any]] = MappingProxyType({}),
    *,
    actor: Actor,
    secret: bool = False,
) -> None:
    """Note that an application of OAuth2 came, went, or had fields changed, each from what to what."""
    application = MailServer(id=0, name=f"{_APPLICATION}: {name}"[:_LONGEST_NAME])
    if action is not ChangeAction.CHANGED:
        _add(session, application, actor, action)
    for field, (before, after) in changes.items():
        _add(session, application, actor, action, f"app_{field}", _kept(before), _kept(after))
    if secret:
        _add(session, application, actor, action, "secret")


def value_of(stored: str) -> Any:
    """Return a value as it was, cut where it was long; None for a secret."""
    return json.loads(stored) if stored else None


class Trail:
    """The changes trail of one installation, to be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, *, server_id: int | None = None, text: str = "", page: int = 1) -> ChangePage:
        """Return a page of the trail, newest first.

        Args:
            server_id: only the changes of this record, which may be gone.
            text: only records or people whose name has this in it.

        Raises:
            StorageError: the database could not be read.
        """
        conditions = [] if server_id is None else [Change.server_id == server_id]
        if wanted := as_text(text).strip():
            named = Change.server_name.icontains(wanted, autoescape=True)
            conditions.append(named | Change.who.icontains(wanted, autoescape=True))
        with self._database.read() as session:
            matching = session.scalar(select(func.count()).select_from(Change).where(*conditions)) or 0
            rows = session.scalars(
                select(Change)
                .where(*conditions)
                .order_by(Change.id.desc())
                .limit(PAGE_SIZE)
                .offset((max(page, 1) - 1) * PAGE_SIZE)
            ).all()
        return ChangePage(list(rows), matching)


def _add(
    session: Session,
    server: MailServer,
    actor: Actor,
    action: ChangeAction,
    field: str = "",
    before: str = "",
    after: str = "",
) -> None:
    session.add(
        Change(
            at=datetime.now(UTC),
            who=actor.name[:_LONGEST_NAME],
            server_id=server.id,
            server_name=server.name,
            action=action,
            field=field,
            before=before,
            after=after,
        )
    )


def _kept(value: Any) -> str:
    text = f"{value[:_MOST]}…" if isinstance(value, str) and len(value) > _MOST else value
    return json.dumps(text, ensure_ascii=False)
