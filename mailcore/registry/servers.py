"""The registry: search, get, create, update and delete servers, each together with its secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from pydantic import SecretStr
from sqlalchemy import select, update

from mailcore.actor import Actor, needs
from mailcore.arguments import need, need_count
from mailcore.audit import note_changed, note_created
from mailcore.errors import FieldError, NotFoundError, RecordGoneError, SecretError, StorageError, ValidationError
from mailcore.oauth.apps import Apps
from mailcore.oauth.authorizing import Authorizing, refuse_foreign_host
from mailcore.oauth.records import forget_authorization
from mailcore.oauth.tokens import TokenKeeper
from mailcore.quota.holds import forgive_logins
from mailcore.registry.accounts import Accounts
from mailcore.registry.bound_secrets import (
    authorization_lost,
    clean_with_secret,
    draft_needs_secret,
    refuse_moved,
)
from mailcore.registry.bulk import Bulk, DeletedMany
from mailcore.registry.default_server import heir_of, make_way
from mailcore.registry.drafts import ServerDraft, check_secret, draft_of, secret_label
from mailcore.registry.fields import FIELD, LABELS
from mailcore.registry.remembered import Remembered
from mailcore.registry.rows import (
    among,
    check_says_nothing,
    conflict,
    doubles,
    fill,
    forget_check,
    refuse_double,
    values_of,
)
from mailcore.registry.search import ServerQuery, conditions, find, place_of
from mailcore.rights import Right
from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.vocabulary import Auth

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from mailcore.registry.bulk import Change
    from mailcore.secrets.store import SecretStore
    from mailcore.settings import Settings
    from mailcore.storage.database import Database
    from mailcore.vocabulary import CheckState

_MOST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class ServerPage:
    """One page of the list, how many servers match the query, and how many there are."""

    servers: list[MailServer]
    matching: int
    total: int
    number: int
    """Which page it is: the last one, where the query asked for one beyond the end."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored server, and what was changed on the way from what was typed, a sentence each."""

    server: MailServer
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Deleted:
    """A server that is gone, and the one that is the default in its place, if it was and there is one."""

    server: MailServer
    new_default: MailServer | None


class Servers:
    """The registered servers of one database.

    What is returned is detached from the database: plain values that stay as they were read.
    """

    def __init__(self, database: Database, secrets: SecretStore, settings: Settings) -> None:
        self._database = database
        self._secrets = secrets
        self.apps = Apps(database, secrets, settings)
        self.authorizing = Authorizing(database, secrets, self.apps)
        self.tokens = TokenKeeper(database, secrets, self.apps, self.authorizing)
        self._remembered = Remembered()
        self.accounts = Accounts(database, secrets)
        self._bulk = Bulk(database, secrets, self.accounts)

    def search(self, query: ServerQuery, *, shares: Mapping[str, float] | None = None) -> ServerPage:
        """Return one page of the servers that match.

        Args:
            shares: for the order of quotas: how much of its limit each account has used, by its key.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            found = find(session, query, self._remembered, shares)
            rows = session.scalars(select(MailServer).where(MailServer.id.in_(found.ids))).all()
            by_id = {row.id: row for row in rows}
        servers = [by_id[key] for key in found.ids if key in by_id]
        return ServerPage(servers, found.matching, found.total, found.page)

    def that_match(self, query: ServerQuery, server_ids: Sequence[int]) -> list[MailServer]:
        """Return those of some servers that match a query and still exist, by description.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            found = list(among(session, MailServer.id, server_ids, *conditions(query)))
        return sorted(found, key=lambda server: server.name_key)

    def page_of(self, query: ServerQuery, server: MailServer) -> int | None:
        """Return on which page of a list a server stands; None where it does not match.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            before = place_of(session, query, self._remembered, server)
        return None if before is None else before // query.page_size + 1

    def is_empty(self) -> bool:
        """Whether no server is registered yet."""
        with self._database.read() as session:
            return session.scalar(select(MailServer.id).limit(1)) is None

    def get(self, server_id: int) -> MailServer:
        """Return one server.

        Raises:
            NotFoundError: there is none with this id.
            StorageError: the database could not be read.
        """
        need_count("server_id", server_id)
        with self._database.read() as session:
            server = session.get(MailServer, server_id)
        if server is None:
            raise NotFoundError(f"Não há servidor com o número {server_id}.")
        return server

    def names(self, ids: Collection[int]) -> dict[int, str]:
        """Return the descriptions of these servers, by id; one that is gone has none.

        Raises:
            StorageError: the database could not be read.
        """
        query = select(MailServer.id, MailServer.name)
        if len(ids) <= _MOST_NAMED:  # of more it is quicker to read all
            query = query.where(MailServer.id.in_(ids))
        with self._database.read() as session:
            return {number: name for number, name in session.execute(query) if number in ids}

    def name_for_copy(self, name: str) -> str:
        """Return a description for a copy of a record, one that nobody has: "Loja (cópia)", "Loja (cópia 2)" …

        Raises:
            StorageError: the database could not be read.
        """
        most = FIELD["name"].max_length
        with self._database.read() as session:
            for number in count(1):
                suffix = " (cópia)" if number == 1 else f" (cópia {number})"
                wanted = f"{name[: most - len(suffix)]}{suffix}"
                if session.scalar(select(MailServer.id).where(MailServer.name_key == fold(wanted))) is None:
                    return wanted
        raise AssertionError("unreachable")

    def default(self) -> MailServer | None:
        """Return the default server, or None."""
        with self._database.read() as session:
            return session.scalar(select(MailServer).where(MailServer.is_default))

    @needs(Right.OPERATE)
    def create(
        self, draft: ServerDraft, secret: SecretStr | None = None, *, actor: Actor, authorization: str = ""
    ) -> Saved:
        """Register a server together with its secret.

        Args:
            authorization: the key of what was authorised in the form, see :class:`mailcore.oauth.authorizing.Begun`.

        Raises:
            ArgumentError: an argument is of another type.
            ValidationError: a field cannot be stored as typed, or a needed secret is missing.
            SecretError: the keyring did not take the secret; nothing was registered.
            StorageError: the database could not be written; nothing was registered.
        """
        _need_draft(draft, secret)
        cleaned = clean_with_secret(draft, secret, needed=draft_needs_secret(draft))
        self._need_app(cleaned.draft)
        secret = secret if draft_needs_secret(cleaned.draft) else None
        account = self.accounts.key_of(cleaned.draft, secret)

        def store(session: Session, ref: str | None) -> MailServer:
            server = MailServer(version=1, created_at=datetime.now(UTC), secret_ref=ref)
            refuse_double(session, cleaned.draft.name, None)
            if cleaned.draft.is_default:
                make_way(session, None, actor=actor)
            fill(session, server, cleaned.draft, actor=actor)
            server.account_key = account
            session.add(server)
            session.flush()  # for its id
            self.authorizing.adopt_for(session, authorization, server, actor)  # a new record has none to lose
            note_created(session, server, actor=actor)
            return server

        return Saved(self._store(store, secret), cleaned.notes)

    @needs(Right.OPERATE)
    def update(
        self,
        opened: MailServer,
        draft: ServerDraft,
        secret: SecretStr | None = None,
        *,
        actor: Actor,
        remove_secret: bool = False,
        authorization: str = "",
    ) -> Saved:
        """Change a server. No ``secret`` keeps the stored one, unless ``remove_secret``.

        Args:
            authorization: as in :meth:`create`.
            opened: the record as it was when this person opened it; to overwrite somebody else's
                newer save, open it again and pass that.

        Raises:
            ConflictError: somebody saved it since; nothing was changed.
            RecordGoneError: somebody deleted it since.
            ValidationError: a field cannot be stored as typed, or the secret must be typed again.
            SecretError: the keyring did not take the secret; nothing was changed.
            StorageError: the database could not be written; nothing was changed.
        """
        need("opened", opened, MailServer, "core.servers.get(número)")
        _need_draft(draft, secret)
        was = draft_of(opened)
        begins_to_log_in = draft_needs_secret(draft) and not opened.secret_ref and not draft_needs_secret(was)
        cleaned = clean_with_secret(draft, secret, needed=begins_to_log_in and not remove_secret)
        self._need_app(cleaned.draft)
        uses_secret = draft_needs_secret(cleaned.draft)
        secret = secret if uses_secret else None
        keeps = secret is None and not remove_secret and uses_secret
        if keeps:
            refuse_moved(opened, cleaned.draft)
        account = self.accounts.key_of(cleaned.draft, secret, opened.account_key)
        released: list[str] = []
        lost: list[str] = []

        def store(session: Session, ref: str | None) -> MailServer:
            server = session.get(MailServer, opened.id, with_for_update=True)
            if server is None:
                raise RecordGoneError("Este servidor foi apagado por outra pessoa.")
            if server.version != opened.version:
                raise conflict(opened, server)
            refuse_double(session, cleaned.draft.name, server.id)
            if cleaned.draft.is_default:
                make_way(session, server.id, actor=actor)
            if not keeps:
                released[:] = [server.secret_ref] if server.secret_ref else []
                for old in released:
                    self._secrets.release(session, old)
                server.secret_ref = ref
            secret_changed = bool(ref or released)
            if secret_changed or check_says_nothing(server, cleaned.draft):
                forget_check(server)
            before = values_of(server)
            loses_authorization = authorization_lost(server, cleaned.draft)
            fill(session, server, cleaned.draft, actor=actor)
            server.account_key = account
            if loses_authorization:
                lost[:] = forget_authorization(session, self._secrets, server)
            lost.extend(self.authorizing.adopt_for(session, authorization, server, actor))
            if secret_changed or loses_authorization:
                forgive_logins(session, account)
            note_changed(session, server, before, values_of(server), actor=actor, secret=secret_changed)
            server.version += 1
            return server

        server = self._store(store, secret)
        for old in (*released, *lost):
            self._secrets.drop(old)
        return Saved(server, cleaned.notes)

    @needs(Right.DELETE_OR_BULK)
    def apply(self, changes: Sequence[Change], *, actor: Actor) -> list[MailServer]:
        """Register and change many servers at once, all or none; return them in the order given.

        No secret is taken: who logs in is registered without one, and a changed record loses its own where a
        value changes that it is bound to (invariant 2). Descriptions may change hands within ``changes``.

        Args:
            changes: a record as it was when opened, None for a new one, and what becomes of it.

        Raises:
            ConflictError: somebody saved one of them since; nothing was changed.
            RecordGoneError: somebody deleted one of them since; nothing was changed.
            ValidationError: a field cannot be stored as it is, or a description is taken; nothing was changed.
            StorageError: the database could not be written; nothing was changed.
        """
        return self._bulk.apply(changes, actor=actor)

    @needs(Right.DELETE_OR_BULK)
    def delete(self, server_id: int, *, actor: Actor) -> Deleted:
        """Delete a server and its secret; the history of its sends stays.

        Raises:
            RecordGoneError: it is gone already.
            StorageError: the database could not be written; nothing was deleted.
        """
        deleted = self._bulk.delete([server_id], actor=actor)
        if not deleted.servers:
            raise RecordGoneError("Este servidor já foi apagado por outra pessoa.")
        return Deleted(deleted.servers[0], deleted.new_default)

    @needs(Right.DELETE_OR_BULK)
    def delete_many(self, server_ids: Sequence[int], *, actor: Actor) -> DeletedMany:
        """Delete servers and their secrets, all at once; the history of their sends stays.

        Those that somebody has deleted meanwhile are left out.

        Raises:
            StorageError: the database could not be written; nothing was deleted.
        """
        return self._bulk.delete(server_ids, actor=actor)

    @needs(Right.OPERATE)
    def set_active(self, server_ids: Sequence[int], *, is_active: bool, actor: Actor) -> list[MailServer]:
        """Let servers accept sends, or not, all at once; return those that this changed.

        Raises:
            ValidationError: the default server would not be active any more; nothing was changed.
            StorageError: the database could not be written; nothing was changed.
        """
        return self._bulk.set_active(server_ids, is_active=is_active, actor=actor)

    def heir(self, *going: MailServer) -> MailServer | None:
        """Return who becomes the default when these are deleted, the default among them: the oldest active one left."""
        with self._database.read() as session:
            return heir_of(session, [server.id for server in going])

    def secret(self, server: MailServer) -> SecretStr | None:
        """Return the stored password or key, or None where the server has none.

        Raises:
            SecretError: it should be there, but the keyring does not give it.
        """
        return self._secrets.get(server.secret_ref) if server.secret_ref else None

    def secret_for(self, opened: MailServer | None, draft: ServerDraft, typed: SecretStr | None) -> SecretStr | None:
        """Return the secret a test of an unsaved form may use: the one typed, else the stored one.

        Raises:
            ValidationError: the stored one belongs to other values (invariant 2): it must be typed again.
            SecretError: it should be there, but the keyring does not give it.
        """
        if typed is not None:
            check_secret(typed, secret_label(draft.kind))
            return typed
        if opened is None or not draft.requires_auth or draft.auth is Auth.OAUTH2:
            return None
        refuse_moved(opened, draft)
        return self.secret(opened)

    def record_check(
        self,
        server: MailServer,
        state: CheckState,
        category: str | None,
        certificate_ends_at: datetime | None = None,
        *,
        code: str | None = None,
    ) -> None:
        """Note what a check of a stored server found, unless the server was changed meanwhile.

        A check is no edit: the version stays, so nobody's open form runs into a conflict.
        """
        with self._database.write() as session:
            session.execute(
                update(MailServer)
                .where(MailServer.id == server.id, MailServer.version == server.version)
                .values(
                    last_check_state=state,
                    last_check_at=datetime.now(UTC),
                    last_check_category=category,
                    last_check_code=code,
                    certificate_ends_at=certificate_ends_at,
                )
            )

    def _need_app(self, draft: ServerDraft) -> None:
        """Refuse an application that is not registered."""
        if draft.auth is not Auth.OAUTH2:
            return
        try:
            app = self.apps.get(int(draft.oauth_app_id or 0))
        except NotFoundError as error:
            raise ValidationError([FieldError("oauth_app_id", f"{LABELS['oauth_app_id']}: {error}")]) from None
        refuse_foreign_host(draft.host, app.provider)

    def _store(self, store: Callable[[Session, str | None], MailServer], secret: SecretStr | None) -> MailServer:
        """Put the secret, commit the record that points at it; leave neither when either fails.

        A sweep in another process may take the new secret for an orphan just before the record adopts
        it: then it is put anew, once.
        """
        for last_try in (False, True):
            ref = self._secrets.put(secret) if secret is not None else None
            try:
                with doubles(), self._database.write() as session:
                    server = store(session, ref)
                    if ref is not None:
                        self._secrets.adopt(session, ref)
                    session.flush()
                return server
            except BaseException as error:
                # After a fault of the database nobody knows whether the commit arrived: a sweep, which
                # asks the database itself, drops the secret if it did not.
                if ref is not None and not isinstance(error, StorageError):
                    self._secrets.drop(ref)
                if last_try or not isinstance(error, SecretError):
                    raise
        raise AssertionError("unreachable")


def _need_draft(draft: ServerDraft, secret: SecretStr | None) -> None:
    need("draft", draft, ServerDraft, "mailcore.ServerDraft(…)")
    if secret is not None:
        need("secret", secret, SecretStr, "pydantic.SecretStr(…)")
