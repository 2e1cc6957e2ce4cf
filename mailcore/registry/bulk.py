"""Changing many records at once, all of them or none: an import, or several selected in the list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailcore.actor import Actor, needs
from mailcore.audit import note_changed, note_created, note_deleted
from mailcore.errors import FieldError, RecordGoneError, ValidationError
from mailcore.oauth.authorizing import refuse_foreign_host
from mailcore.oauth.records import forget_authorization
from mailcore.registry.bound_secrets import authorization_lost, draft_needs_secret, moved
from mailcore.registry.default_server import hand_on, heir_of, make_way
from mailcore.registry.drafts import clean
from mailcore.registry.fields import LABELS
from mailcore.registry.rows import (
    among,
    check_says_nothing,
    conflict,
    double,
    doubles,
    fill,
    forget_check,
    touch,
    values_of,
)
from mailcore.rights import Right
from mailcore.storage.tables import MailServer, OAuthApp
from mailcore.text import fold
from mailcore.vocabulary import Auth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from mailcore.registry.accounts import Accounts
    from mailcore.registry.drafts import ServerDraft
    from mailcore.secrets.store import SecretStore
    from mailcore.storage.database import Database


@dataclass(frozen=True, slots=True)
class DeletedMany:
    """Servers that are gone, and the one that is the default in the place of one of them, if there is one."""

    servers: list[MailServer]
    new_default: MailServer | None


Change = tuple[MailServer | None, "ServerDraft"]
"""A record as it was when opened, None for a new one, and what becomes of it."""


class Bulk:
    """Changes of many records of one installation."""

    def __init__(self, database: Database, secrets: SecretStore, accounts: Accounts) -> None:
        self._database = database
        self._secrets = secrets
        self._accounts = accounts

    @needs(Right.DELETE_OR_BULK)
    def apply(self, changes: Sequence[Change], *, actor: Actor) -> list[MailServer]:
        """Do all of them or none; see :meth:`mailcore.registry.servers.Servers.apply`."""
        drafts: list[Change] = [(opened, clean(draft).draft) for opened, draft in changes]
        released: list[str] = []
        with doubles(), self._database.write() as session:
            stored = _lock_unchanged(session, [opened for opened, _ in drafts if opened is not None])
            _make_room(session, stored, drafts, actor)
            _need_apps(session, [draft for _, draft in drafts])
            now = datetime.now(UTC)
            servers = [stored[opened.id] if opened else MailServer(version=1, created_at=now) for opened, _ in drafts]
            for server, (opened, draft) in zip(servers, drafts, strict=True):
                server.account_key = self._accounts.key_of(draft, None, opened.account_key if opened else "")
                if opened is None:
                    fill(session, server, draft, actor=actor)
                    session.add(server)
                else:
                    released += self._change(session, server, opened, draft, actor)
            session.flush()  # for the new ids
            for server, (opened, _) in zip(servers, drafts, strict=True):
                if opened is None:
                    note_created(session, server, actor=actor)
        for ref in released:
            self._secrets.drop(ref)
        return servers

    @needs(Right.DELETE_OR_BULK)
    def delete(self, server_ids: Sequence[int], *, actor: Actor) -> DeletedMany:
        """Delete those that are still there; see :meth:`mailcore.registry.servers.Servers.delete_many`."""
        heir = None
        with self._database.write() as session:
            going = list(among(session, MailServer.id, sorted(set(server_ids)), lock=True))
            if any(server.is_default for server in going):
                heir = heir_of(session, [server.id for server in going])
            for server in going:
                note_deleted(session, server, actor=actor)
                session.delete(server)
                for ref in _refs(server):
                    self._secrets.release(session, ref)
            session.flush()
            if heir is not None:
                hand_on(session, heir, actor=actor)
        for server in going:
            for ref in _refs(server):
                self._secrets.drop(ref)
        return DeletedMany(going, heir)

    @needs(Right.OPERATE)
    def set_active(self, server_ids: Sequence[int], *, is_active: bool, actor: Actor) -> list[MailServer]:
        """Change those that are otherwise; see :meth:`mailcore.registry.servers.Servers.set_active`."""
        with self._database.write() as session:
            others = MailServer.is_active.is_not(is_active)
            changed = list(among(session, MailServer.id, sorted(set(server_ids)), others, lock=True))
            for server in changed:
                if server.is_default:  # then it was active
                    raise _default_stays_active(server)
                server.is_active = is_active
                before, after = {"is_active": not is_active}, {"is_active": is_active}
                note_changed(session, server, before, after, actor=actor)
                touch(server, actor=actor)
        return changed

    def _change(
        self, session: Session, server: MailServer, opened: MailServer, draft: ServerDraft, actor: Actor
    ) -> list[str]:
        """Change one record; return the secrets it loses."""
        keeps = draft_needs_secret(draft) and not moved(opened, draft)
        lost = None if keeps else opened.secret_ref
        authorization: list[str] = []
        if authorization_lost(server, draft):
            authorization = forget_authorization(session, self._secrets, server)
        if lost is not None:
            self._secrets.release(session, lost)
            server.secret_ref = None
        if lost is not None or check_says_nothing(opened, draft):
            forget_check(server)
        fill(session, server, draft, actor=actor)
        note_changed(session, server, values_of(opened), values_of(server), actor=actor, secret=lost is not None)
        server.version += 1
        return [*([lost] if lost else []), *authorization]


def _need_apps(session: Session, drafts: list[ServerDraft]) -> None:
    """Refuse applications that are not registered here, and hosts that are not their provider's."""
    apps = {app.id: app for app in session.scalars(select(OAuthApp))}
    for draft in drafts:
        if draft.auth is not Auth.OAUTH2:
            continue
        app = apps.get(int(draft.oauth_app_id or 0))
        if app is None:
            sentence = (
                f"{LABELS['oauth_app_id']}: “{draft.name}” usa o aplicativo {draft.oauth_app_id}, que não está "
                "registrado aqui. Registre-o antes, ou troque o número."
            )
            raise ValidationError([FieldError("oauth_app_id", sentence)])
        refuse_foreign_host(draft.host, app.provider)


def _refs(server: MailServer) -> list[str]:
    """Where its secrets are: password or key, and refresh token."""
    return [ref for ref in (server.secret_ref, server.oauth_ref) if ref]


def _default_stays_active(server: MailServer) -> ValidationError:
    label = LABELS["is_active"]
    return ValidationError(
        [
            FieldError(
                "is_active",
                f"{label}: “{server.name}” é o servidor padrão, e só um servidor ativo pode ser o padrão. Faça de "
                "outro o padrão antes. Nada foi alterado.",
            )
        ]
    )


def _lock_unchanged(session: Session, opened: list[MailServer]) -> dict[int, MailServer]:
    """The records as stored, by id, locked; each must be as it was when opened."""
    ids = sorted({server.id for server in opened})  # locked in one order: two imports cannot block each other
    if len(ids) != len(opened):
        raise ValueError("a record is there twice")
    stored = {server.id: server for server in among(session, MailServer.id, ids, lock=True)}
    for server in opened:
        if server.id not in stored:
            raise RecordGoneError(f"O servidor {server.id} “{server.name}” foi apagado por outra pessoa.")
        if stored[server.id].version != server.version:
            raise conflict(server, stored[server.id])
    return stored


def _make_room(
    session: Session,
    stored: dict[int, MailServer],
    drafts: list[tuple[MailServer | None, ServerDraft]],
    actor: Actor,
) -> None:
    """Free the descriptions and the default that change hands, so that no row meets another on the way."""
    names: dict[str, str] = {}
    for _, draft in drafts:
        if fold(draft.name) in names:
            raise double(draft.name)
        names[fold(draft.name)] = draft.name
    for holder in among(session, MailServer.name_key, names):
        if holder.id not in stored:
            raise double(names[holder.name_key])
    for opened, draft in drafts:
        if opened is None:
            continue
        server = stored[opened.id]
        if server.name_key in names and server.name_key != fold(draft.name):
            server.name_key = f"\x01{server.id}"  # no description can have it: control characters are refused
        server.is_default = server.is_default and draft.is_default
    session.flush()
    defaults = [(opened, draft) for opened, draft in drafts if draft.is_default]
    if len(defaults) > 1:
        raise ValidationError([FieldError("is_default", f"{LABELS['is_default']}: só um servidor pode ser o padrão.")])
    for opened, _ in defaults:
        make_way(session, opened.id if opened else None, actor=actor)
