"""What is done to rows of the registry within a transaction, whoever does it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from mailcore.errors import ConflictError, FieldChange, FieldError, StorageError, ValidationError
from mailcore.registry.columns import add_columns
from mailcore.registry.fields import CHECK_BOUND, LABELS, SEARCHED, STORED
from mailcore.registry.search import search_text
from mailcore.storage.tables import MailServer, OAuthApp
from mailcore.text import fold
from mailcore.vocabulary import CheckState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from mailcore.actor import Actor
    from mailcore.registry.drafts import ServerDraft

add_columns()

_BATCH = 500
"""Values in one IN: SQLite built with its old limits takes 999."""


def among(
    session: Session,
    column: InstrumentedAttribute[Any],
    values: Iterable[Any],
    *more: ColumnElement[bool],
    lock: bool = False,
) -> Iterator[MailServer]:
    """Yield the servers whose ``column`` has one of many values, and that fulfil more, asked for a batch at a time."""
    wanted = list(values)
    for start in range(0, len(wanted), _BATCH):
        query = select(MailServer).where(column.in_(wanted[start : start + _BATCH]), *more).order_by(MailServer.id)
        yield from session.scalars(query.with_for_update() if lock else query)


def fill(session: Session, server: MailServer, draft: ServerDraft, *, actor: Actor) -> None:
    """Make a row what a cleaned draft says, and note who did and when."""
    for name in STORED:
        setattr(server, name, getattr(draft, name))
    with session.no_autoflush:
        app = session.get(OAuthApp, int(draft.oauth_app_id)) if draft.oauth_app_id else None
    server.oauth_provider = app.provider if app else ""
    server.name_key = fold(draft.name)
    server.search_text = search_text(*(str(getattr(draft, name)) for name in SEARCHED))
    _note_who(server, actor)


def values_of(server: MailServer) -> dict[str, Any]:
    """Return the fields that a person fills in."""
    return {name: getattr(server, name) for name in STORED}


def touch(server: MailServer, *, actor: Actor) -> None:
    """Note a change that came along with another record's."""
    server.version += 1
    _note_who(server, actor)


def _note_who(server: MailServer, actor: Actor) -> None:
    server.updated_at = datetime.now(UTC)
    server.updated_by = actor.name


def forget_check(server: MailServer) -> None:
    """Make it a record that was never checked."""
    server.last_check_state = CheckState.NEVER
    server.last_check_at = None
    server.last_check_category = None
    server.last_check_code = None
    server.certificate_ends_at = None


def check_says_nothing(server: MailServer, draft: ServerDraft) -> bool:
    """Whether a change touches what the last check was made with."""
    return any(getattr(server, name) != getattr(draft, name) for name in CHECK_BOUND)


def refuse_double(session: Session, name: str, own_id: int | None) -> None:
    """Refuse a description that another record has.

    Raises:
        ValidationError: one has it.
    """
    holder = session.scalar(select(MailServer.id).where(MailServer.name_key == fold(name)))
    if holder is not None and holder != own_id:
        raise double(name)


def double(name: str = "") -> ValidationError:
    """Return the complaint about a description that is taken."""
    which = f" “{name}”" if name else ""
    return ValidationError(
        [FieldError("name", f"{LABELS['name']}: já existe um servidor com esta descrição{which}. Use outra.")]
    )


@contextmanager
def doubles() -> Iterator[None]:
    """Two people may register the same description at once: the index decides, in the same words."""
    try:
        yield
    except IntegrityError as error:
        if "name_key" in str(error.orig):
            raise double() from None
        raise StorageError("Outra pessoa gravou ao mesmo tempo. Nada foi perdido: salve de novo.") from None


def conflict(opened: MailServer, stored: MailServer) -> ConflictError:
    """Return who changed what since a record was opened."""
    before = values_of(opened)
    changes = [
        FieldChange(name, value, getattr(stored, name))
        for name, value in before.items()
        if value != getattr(stored, name)
    ]
    if opened.secret_ref != stored.secret_ref:
        changes.append(FieldChange("secret", None, None))
    return ConflictError(who=stored.updated_by, when=stored.updated_at, version=stored.version, changes=changes)
