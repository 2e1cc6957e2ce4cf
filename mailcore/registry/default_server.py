"""Which record is the default, and who becomes it when that one goes or another takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from mailcore.audit import note_changed
from mailcore.registry.rows import touch
from mailcore.storage.tables import MailServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from mailcore.actor import Actor


def heir_of(session: Session, going: Sequence[int]) -> MailServer | None:
    """Return who becomes the default when records are deleted: the oldest active one of the others."""
    stays = MailServer.id.not_in(bindparam("going", list(going), expanding=True, literal_execute=True))
    return session.scalar(select(MailServer).where(MailServer.is_active, stays).order_by(MailServer.id).limit(1))


def hand_on(session: Session, heir: MailServer, *, actor: Actor) -> None:
    """Make ``heir`` the default; the one before must be gone from the database."""
    heir.is_default = True
    note_changed(session, heir, {"is_default": False}, {"is_default": True}, actor=actor)
    touch(heir, actor=actor)


def make_way(session: Session, own_id: int | None, *, actor: Actor) -> None:
    """End the time of whoever is the default, for the record ``own_id`` (None: a new one) is about to be."""
    holder = session.scalar(select(MailServer).where(MailServer.is_default))
    if holder is not None and holder.id != own_id:
        holder.is_default = False
        note_changed(session, holder, {"is_default": True}, {"is_default": False}, actor=actor)
        touch(holder, actor=actor)
        session.flush()  # before the new default is written: the index allows one
