"""The registry: search, get, create, update and delete servers, each together with its secret."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from mailcore.actor import Actor, needs
from mailcore.arguments import need_count
from mailcore.audit import note_changed, note_created, note_deleted
from mailcore.errors import (
    ConflictError,
    FieldChange,
    FieldError,
    NotFoundError,
    RecordGoneError,
    SecretError,
    StorageError,
    ValidationError,
)
from mailcore.quota.accounts import ELASTIC, UNKNOWN, elastic_account, smtp_account, unknown_elastic_account
from mailcore.quota.holds import forgive_logins
from mailcore.quota.usage import rename_account
from mailcore.registry.columns import add_columns
from mailcore.registry.drafts import (
    Cleaned,
    ServerDraft,
    check_secret,
    clean,
    draft_of,
    secret_label,
)
from mailcore.registry.fields import CHECK_BOUND, FIELD, LABELS, SEARCHED, SECRET_BOUND, STORED
from mailcore.registry.remembered import Remembered
from mailcore.registry.search import ServerQuery, find, search_text
from mailcore.rights import Right
from mailcore.storage.tables import Installation, MailServer
from mailcore.text import fold
from mailcore.vocabulary import CheckState, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import SecretStr
    from sqlalchemy.orm import InstrumentedAttribute, Session

    from mailcore.secrets.store import SecretStore
    from mailcore.storage.database import Database

add_columns()

_SPELLED = "accounts_spelled"
_BATCH = 500
"""Values in one IN: SQLite built with its old limits takes 999."""


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

    def __init__(self, database: Database, secrets: SecretStore) -> None:
        self._database = database
        self._secrets = secrets
        self._remembered = Remembered()

    def search(self, query: ServerQuery) -> ServerPage:
        """Return one page of the servers that match, in the order of their descriptions.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            found = find(session, query, self._remembered)
            rows = session.scalars(select(MailServer).where(MailServer.id.in_(found.ids))).all()
            by_id = {row.id: row for row in rows}
        servers = [by_id[key] for key in found.ids if key in by_id]
        return ServerPage(servers, found.matching, found.total, found.page)

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
    def create(self, draft: ServerDraft, secret: SecretStr | None = None, *, actor: Actor) -> Saved:
        """Register a server together with its secret.

        Raises:
            ValidationError: a field cannot be stored as typed, or a needed secret is missing.
            SecretError: the keyring did not take the secret; nothing was registered.
            StorageError: the database could not be written; nothing was registered.
        """
        cleaned = _clean(draft, secret, secret_needed=_logs_in(draft))
        account = self._account(cleaned.draft, secret)

        def store(session: Session, ref: str | None) -> MailServer:
            now = datetime.now(UTC)
            server = MailServer(version=1, created_at=now, secret_ref=ref)
            _refuse_double(session, cleaned.draft.name, None)
            _take_over_default(session, cleaned.draft, None, actor)
            _fill(server, cleaned.draft, now, actor)
            server.account_key = account
            session.add(server)
            session.flush()  # for its id
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
    ) -> Saved:
        """Change a server. No ``secret`` keeps the stored one, unless ``remove_secret``.

        Args:
            opened: the record as it was when this person opened it; to overwrite somebody else's
                newer save, open it again and pass that.

        Raises:
            ConflictError: somebody saved it since; nothing was changed.
            RecordGoneError: somebody deleted it since.
            ValidationError: a field cannot be stored as typed, or the secret must be typed again.
            SecretError: the keyring did not take the secret; nothing was changed.
            StorageError: the database could not be written; nothing was changed.
        """
        begins_to_log_in = _logs_in(draft) and not opened.secret_ref and not _logs_in(draft_of(opened))
        cleaned = _clean(draft, secret, secret_needed=begins_to_log_in and not remove_secret)
        keeps = secret is None and not remove_secret and cleaned.draft.requires_auth
        if keeps and opened.secret_ref and (moved := _moved(opened, cleaned.draft)):
            raise ValidationError([_ask_again(cleaned.draft, moved)])
        account = self._account(cleaned.draft, secret, opened.account_key)
        released: list[str] = []

        def store(session: Session, ref: str | None) -> MailServer:
            server = session.get(MailServer, opened.id, with_for_update=True)
            if server is None:
                raise RecordGoneError("Este servidor foi apagado por outra pessoa.")
            if server.version != opened.version:
                raise _conflict(opened, server)
            _refuse_double(session, cleaned.draft.name, server.id)
            _take_over_default(session, cleaned.draft, server.id, actor)
            if not keeps:
                released[:] = [server.secret_ref] if server.secret_ref else []
                for old in released:
                    self._secrets.release(session, old)
                server.secret_ref = ref
            secret_changed = bool(ref or released)
            if secret_changed or any(getattr(server, name) != getattr(cleaned.draft, name) for name in CHECK_BOUND):
                _forget_check(server)
            before = _values(server)
            _fill(server, cleaned.draft, datetime.now(UTC), actor)
            server.account_key = account
            if secret_changed:
                forgive_logins(session, account)
            note_changed(session, server, before, _values(server), actor=actor, secret=secret_changed)
            server.version += 1
            return server

        server = self._store(store, secret)
        for old in released:
            self._secrets.drop(old)
        return Saved(server, cleaned.notes)

    @needs(Right.DELETE_OR_BULK)
    def apply(self, changes: Sequence[tuple[MailServer | None, ServerDraft]], *, actor: Actor) -> list[MailServer]:
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
        drafts = [(opened, clean(draft).draft) for opened, draft in changes]
        released: list[str] = []
        with _doubles(), self._database.write() as session:
            stored = _lock_unchanged(session, [opened for opened, _ in drafts if opened is not None])
            _make_way(session, stored, drafts, actor)
            now = datetime.now(UTC)
            servers = [stored[opened.id] if opened else MailServer(version=1, created_at=now) for opened, _ in drafts]
            for server, (opened, draft) in zip(servers, drafts, strict=True):
                server.account_key = self._account(draft, None, opened.account_key if opened else "")
                if opened is None:
                    _fill(server, draft, now, actor)
                    session.add(server)
                    continue
                lost = None if draft.requires_auth and not _moved(opened, draft) else opened.secret_ref
                if lost is not None:
                    self._secrets.release(session, lost)
                    released.append(lost)
                    server.secret_ref = None
                if lost is not None or any(getattr(opened, name) != getattr(draft, name) for name in CHECK_BOUND):
                    _forget_check(server)
                _fill(server, draft, now, actor)
                note_changed(session, server, _values(opened), _values(server), actor=actor, secret=lost is not None)
                server.version += 1
            session.flush()  # for the new ids
            for server, (opened, _) in zip(servers, drafts, strict=True):
                if opened is None:
                    note_created(session, server, actor=actor)
        for ref in released:
            self._secrets.drop(ref)
        return servers

    @needs(Right.DELETE_OR_BULK)
    def delete(self, server_id: int, *, actor: Actor) -> Deleted:
        """Delete a server and its secret; the history of its sends stays.

        Raises:
            RecordGoneError: it is gone already.
            StorageError: the database could not be written; nothing was deleted.
        """
        with self._database.write() as session:
            server = session.get(MailServer, server_id)
            if server is None:
                raise RecordGoneError("Este servidor já foi apagado por outra pessoa.")
            heir = _heir(session, server) if server.is_default else None
            note_deleted(session, server, actor=actor)
            session.delete(server)
            session.flush()
            if heir is not None:
                heir.is_default = True
                note_changed(session, heir, {"is_default": False}, {"is_default": True}, actor=actor)
                _touch(heir, actor)
            if server.secret_ref:
                self._secrets.release(session, server.secret_ref)
        if server.secret_ref:
            self._secrets.drop(server.secret_ref)
        return Deleted(server, heir)

    def heir(self, server: MailServer) -> MailServer | None:
        """Return who becomes the default when this default server is deleted: the oldest active one."""
        with self._database.read() as session:
            return _heir(session, server)

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
        if opened is None or not draft.requires_auth:
            return None
        if opened.secret_ref and (moved := _moved(opened, draft)):
            raise ValidationError([_ask_again(draft, moved)])
        return self.secret(opened)

    def record_check(
        self,
        server: MailServer,
        state: CheckState,
        category: str | None,
        certificate_ends_at: datetime | None = None,
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
                    certificate_ends_at=certificate_ends_at,
                )
            )

    def identify_accounts(self) -> None:
        """Work out the accounts that a migration could not: their proper spelling, and those behind an API key.

        A key that cannot be read now is looked at again at the next start.

        Raises:
            StorageError: the database could not be read or written.
        """
        with self._database.read() as session:
            is_spelled = session.get(Installation, _SPELLED) is not None
            wanted = [] if not is_spelled else [MailServer.account_key.startswith(UNKNOWN)]
            servers = session.scalars(select(MailServer).where(*wanted)).all()
        for server in servers:
            with suppress(SecretError):
                secret = self.secret(server) if server.kind is not Kind.SMTP and server.secret_ref else None
                account = self._account(draft_of(server), secret, server.account_key)
                if account != server.account_key:
                    rename_account(self._database, server.id, server.account_key, account)
        if not is_spelled:
            with suppress(IntegrityError), self._database.write() as session:
                session.add(Installation(name=_SPELLED, value="1"))

    def _account(self, draft: ServerDraft, secret: SecretStr | None, current: str = "") -> str:
        """The account a record uses; without a new API key it stays the one it was."""
        if draft.kind is Kind.SMTP:
            return smtp_account(draft.host, draft.username if draft.requires_auth else "", draft.from_address)
        if secret is not None:
            return elastic_account(secret, self._pepper)
        return current if current.startswith(ELASTIC) else unknown_elastic_account()

    @cached_property
    def _pepper(self) -> str:
        """Random text that makes the digests of API keys this installation's own; made once."""
        try:
            with self._database.write() as session:
                kept = session.get(Installation, "account_pepper")
                if kept is None:
                    kept = Installation(name="account_pepper", value=token_hex(32))
                    session.add(kept)
                    session.flush()
        except IntegrityError:  # another process made it at the same moment
            with self._database.read() as session:
                kept = session.get_one(Installation, "account_pepper")
        return kept.value

    def _store(self, store: Callable[[Session, str | None], MailServer], secret: SecretStr | None) -> MailServer:
        """Put the secret, commit the record that points at it; leave neither when either fails.

        A sweep in another process may take the new secret for an orphan just before the record adopts
        it: then it is put anew, once.
        """
        for last_try in (False, True):
            ref = self._secrets.put(secret) if secret is not None else None
            try:
                with _doubles(), self._database.write() as session:
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


def among(
    session: Session, column: InstrumentedAttribute[Any], values: Iterable[Any], *, lock: bool = False
) -> Iterator[MailServer]:
    """Yield the servers whose ``column`` has one of many values, asked for a batch at a time."""
    wanted = list(values)
    for start in range(0, len(wanted), _BATCH):
        query = select(MailServer).where(column.in_(wanted[start : start + _BATCH])).order_by(MailServer.id)
        yield from session.scalars(query.with_for_update() if lock else query)


def _logs_in(draft: ServerDraft) -> bool:
    return draft.requires_auth or draft.kind is not Kind.SMTP


def _clean(draft: ServerDraft, secret: SecretStr | None, *, secret_needed: bool = False) -> Cleaned:
    """Clean the draft and look at the secret too, so that one press shows every complaint."""
    errors: list[FieldError] = []
    cleaned = None
    try:
        cleaned = clean(draft)
    except ValidationError as error:
        errors += error.errors
    label = secret_label(draft.kind)
    if secret is not None:
        try:
            check_secret(secret, label)
        except ValidationError as error:
            errors += error.errors
    elif secret_needed:
        hint = " Se o servidor não pede login, desmarque Meu servidor requer autenticação."
        errors.append(FieldError("secret", f"{label}: preencha este campo.{hint if draft.kind is Kind.SMTP else ''}"))
    if errors or cleaned is None:
        raise ValidationError(errors)
    return cleaned


def _moved(opened: MailServer, draft: ServerDraft) -> list[str]:
    """Fields a secret is bound to whose value is no longer the one it was stored for."""
    return [name for name in SECRET_BOUND if getattr(opened, name) != getattr(draft, name)]


def _ask_again(draft: ServerDraft, moved: list[str]) -> FieldError:
    label = secret_label(draft.kind)
    what = ", ".join(LABELS[name] for name in moved)
    return FieldError(
        "secret",
        f"{label}: digite de novo, porque você mudou {what}. A senha guardada nunca vai para outro servidor.",
    )


def _fill(server: MailServer, draft: ServerDraft, now: datetime, actor: Actor) -> None:
    for name in STORED:
        setattr(server, name, getattr(draft, name))
    server.name_key = fold(draft.name)
    server.search_text = search_text(*(str(getattr(draft, name)) for name in SEARCHED))
    server.updated_at = now
    server.updated_by = actor.name


def _values(server: MailServer) -> dict[str, Any]:
    return {name: getattr(server, name) for name in STORED}


def _touch(server: MailServer, actor: Actor) -> None:
    server.version += 1
    server.updated_at = datetime.now(UTC)
    server.updated_by = actor.name


def _forget_check(server: MailServer) -> None:
    server.last_check_state = CheckState.NEVER
    server.last_check_at = None
    server.last_check_category = None
    server.certificate_ends_at = None


def _refuse_double(session: Session, name: str, own_id: int | None) -> None:
    holder = session.scalar(select(MailServer.id).where(MailServer.name_key == fold(name)))
    if holder is not None and holder != own_id:
        raise _double(name)


def _double(name: str = "") -> ValidationError:
    which = f" “{name}”" if name else ""
    return ValidationError(
        [FieldError("name", f"{LABELS['name']}: já existe um servidor com esta descrição{which}. Use outra.")]
    )


@contextmanager
def _doubles() -> Iterator[None]:
    """Two people may register the same description at once: the index decides, in the same words."""
    try:
        yield
    except IntegrityError as error:
        if "name_key" in str(error.orig):
            raise _double() from None
        raise StorageError("Outra pessoa gravou ao mesmo tempo. Nada foi perdido: salve de novo.") from None


def _take_over_default(session: Session, draft: ServerDraft, own_id: int | None, actor: Actor) -> None:
    if not draft.is_default:
        return
    holder = session.scalar(select(MailServer).where(MailServer.is_default))
    if holder is not None and holder.id != own_id:
        holder.is_default = False
        note_changed(session, holder, {"is_default": True}, {"is_default": False}, actor=actor)
        _touch(holder, actor)
        session.flush()  # before the new default is written: the index allows one


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
            raise _conflict(server, stored[server.id])
    return stored


def _make_way(
    session: Session,
    stored: dict[int, MailServer],
    drafts: list[tuple[MailServer | None, ServerDraft]],
    actor: Actor,
) -> None:
    """Free the descriptions and the default that change hands, so that no row meets another on the way."""
    names: dict[str, str] = {}
    for _, draft in drafts:
        if fold(draft.name) in names:
            raise _double(draft.name)
        names[fold(draft.name)] = draft.name
    for holder in among(session, MailServer.name_key, names):
        if holder.id not in stored:
            raise _double(names[holder.name_key])
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
    for opened, draft in defaults:
        _take_over_default(session, draft, opened.id if opened else None, actor)


def _heir(session: Session, server: MailServer) -> MailServer | None:
    return session.scalar(
        select(MailServer).where(MailServer.is_active, MailServer.id != server.id).order_by(MailServer.id).limit(1)
    )


def _conflict(opened: MailServer, stored: MailServer) -> ConflictError:
    before = _values(opened)
    changes = [
        FieldChange(name, value, getattr(stored, name))
        for name, value in before.items()
        if value != getattr(stored, name)
    ]
    if opened.secret_ref != stored.secret_ref:
        changes.append(FieldChange("secret", None, None))
    return ConflictError(who=stored.updated_by, when=stored.updated_at, version=stored.version, changes=changes)
