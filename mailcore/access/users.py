"""The registered users: who may enter, and in which role."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from mailcore.access import sessions
from mailcore.access.passwords import check_password, hash_password
from mailcore.access.trail import note
from mailcore.actor import Actor, needs
from mailcore.errors import FieldError, NotFoundError, ValidationError
from mailcore.messages.addresses import parse_address
from mailcore.rights import Right, Role, rights_of
from mailcore.storage.tables import LoginSession, PasswordLink, User
from mailcore.text import as_text

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy.orm import Session

    from mailcore.storage.database import Database

LINK_HOURS = 24
_LONGEST_NAME = 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UserDraft:
    """What is registered of a person."""

    email: str
    role: Role
    name: str = ""
    is_active: bool = True


def draft_of(user: User) -> UserDraft:
    """Return what is registered of a user, to change some of it."""
    return UserDraft(user.email, user.role, user.name, user.is_active)


def key_of(email: str) -> str:
    """How an address is compared: in lower case. Only ASCII, so that no letter looks like another."""
    return as_text(email).strip().lower()


class Users:
    """The users of one database. What is returned is detached from it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @needs(Right.ADMINISTER)
    def everybody(self, *, actor: Actor) -> list[User]:
        """Return every user, by name.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            return list(session.scalars(select(User).order_by(func.lower(User.name), User.email_key)))

    @needs(Right.ADMINISTER)
    def get(self, email: str, *, actor: Actor) -> User:
        """Return one user.

        Raises:
            NotFoundError: nobody is registered with this address.
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            return _found(session, email)

    def is_empty(self) -> bool:
        """Whether nobody is registered.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.fast_read() as cursor:
            return cursor.row("SELECT 1 FROM app_user LIMIT 1") is None

    def helpers(self, right: Right) -> list[str]:
        """Return who may do what somebody else may not: names and addresses, for "ask …".

        Raises:
            StorageError: the database could not be read.
        """
        roles = [role for role in Role if right in rights_of(role)]
        with self._database.read() as session:
            found = session.scalars(select(User).where(User.is_active, User.role.in_(roles)).order_by(User.name)).all()
        return [sessions.person(user.name, user.email) for user in found]

    @needs(Right.ADMINISTER)
    def add(self, draft: UserDraft, password: SecretStr | None = None, *, actor: Actor) -> User:
        """Register a person.

        Raises:
            ValidationError: the address is none or taken, or the password is too weak.
            StorageError: the database could not be written.
        """
        cleaned = _clean(draft, password)
        kept = hash_password(password) if password is not None else ""
        try:
            with self._database.write() as session:
                holder = session.scalar(select(User).where(User.email_key == key_of(cleaned.email)))
                if holder is not None:
                    raise _taken(cleaned.email)
                user = User(email_key=key_of(cleaned.email), is_registered=True, created_at=datetime.now(UTC))
                _fill(user, cleaned)
                user.password_hash = kept
                session.add(user)
                note(session, "user_added", email=user.email, by=actor.name, reason=user.role.value)
        except IntegrityError:  # somebody else did it at the same moment
            raise _taken(cleaned.email) from None
        return user

    @needs(Right.ADMINISTER)
    def edit(self, user: User, draft: UserDraft, password: SecretStr | None = None, *, actor: Actor) -> User:
        """Change a user. Another role, another password or an end of being active ends their sessions.

        Raises:
            NotFoundError: the user is gone.
            ValidationError: the address is none or taken, the password is too weak, or the last administrator
                would be one no more.
            StorageError: the database could not be written.
        """
        cleaned = _clean(draft, password)
        kept = hash_password(password) if password is not None else ""
        try:
            with self._database.write() as session:
                stored = _by_id(session, user)
                before = draft_of(stored)
                if (before.role, before.is_active) != (cleaned.role, cleaned.is_active):
                    _keep_an_administrator(session, stored, cleaned, actor)
                    sessions.end_all(session, stored.id)
                if cleaned.email != before.email or cleaned.role is not before.role:
                    stored.is_registered = True  # somebody decided on this person
                _fill(stored, cleaned)
                stored.email_key = key_of(cleaned.email)
                if kept:
                    stored.password_hash = kept
                    sessions.end_all(session, stored.id)
                    _drop_links(session, stored)
                    note(session, "password_set", email=stored.email, by=actor.name)
                if before != cleaned:
                    note(session, "user_changed", email=stored.email, by=actor.name, reason=cleaned.role.value)
                session.flush()
        except IntegrityError:
            raise _taken(cleaned.email) from None
        return stored

    @needs(Right.ADMINISTER)
    def remove(self, user: User, *, actor: Actor) -> None:
        """Remove a user with their sessions; what the trail and the ledger say of them stays.

        Raises:
            NotFoundError: the user is gone.
            ValidationError: it is the last administrator.
            StorageError: the database could not be written.
        """
        with self._database.write() as session:
            stored = _by_id(session, user)
            _keep_an_administrator(session, stored, None, actor)
            sessions.end_all(session, stored.id)
            _drop_links(session, stored)
            session.delete(stored)
            note(session, "user_removed", email=stored.email, by=actor.name)

    @needs(Right.ADMINISTER)
    def make_link(self, user: User, *, actor: Actor) -> str:
        """Return the secret of a new link of one use, with which this user sets a password; older ones end.

        Raises:
            NotFoundError: the user is gone.
            StorageError: the database could not be written.
        """
        token = token_urlsafe(32)
        with self._database.write() as session:
            stored = _by_id(session, user)
            _drop_links(session, stored)
            session.flush()
            ends_at = datetime.now(UTC) + timedelta(hours=LINK_HOURS)
            session.add(PasswordLink(token_hash=sessions.token_hash(token), user_id=stored.id, ends_at=ends_at))
            note(session, "link_made", email=stored.email, by=actor.name)
        return token

    @needs(Right.ADMINISTER)
    def sessions(self, user: User, *, actor: Actor) -> list[LoginSession]:
        """Return a user's sessions, the newest first.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.write() as session:
            sessions.purge(session, datetime.now(UTC))
            rows = select(LoginSession).where(LoginSession.user_id == user.id).order_by(LoginSession.id.desc())
            return list(session.scalars(rows))

    @needs(Right.ADMINISTER)
    def end_sessions(self, user: User, *, actor: Actor) -> int:
        """End a user's sessions and return how many there were.

        Raises:
            StorageError: the database could not be written.
        """
        with self._database.write() as session:
            ended = sessions.end_all(session, user.id)
            note(session, "sessions_ended", email=user.email, by=actor.name)
        return ended


def _clean(draft: UserDraft, password: SecretStr | None) -> UserDraft:
    """Return the draft as it is kept; complain of every field at once."""
    errors: list[FieldError] = []
    email, name = draft.email.strip(), " ".join(draft.name.split())
    try:
        email = parse_address(email)
        if not email.isascii():
            raise ValueError("use só letras sem acento.")
    except ValueError as error:
        errors.append(FieldError("email", f"E-mail: {error}"))
    if len(name) > _LONGEST_NAME or not name.isprintable():
        errors.append(FieldError("name", f"Nome: use no máximo {_LONGEST_NAME} caracteres, numa linha."))
    if password is not None:
        try:
            check_password(password, email=email, name=name)
        except ValidationError as error:
            errors += error.errors
    if errors:
        raise ValidationError(errors)
    return replace(draft, email=email, name=name)


def _fill(user: User, draft: UserDraft) -> None:
    user.email, user.name, user.role, user.is_active = draft.email, draft.name, draft.role, draft.is_active


def _found(session: Session, email: str) -> User:
    user = session.scalar(select(User).where(User.email_key == key_of(email)))
    if user is None:
        raise NotFoundError(f"Não há usuário com o e-mail {as_text(email).strip()[:100]}.")
    return user


def _by_id(session: Session, user: User) -> User:
    stored = session.get(User, user.id, with_for_update=True)
    if stored is None:
        raise NotFoundError(f"O usuário {user.email} foi apagado por outra pessoa.")
    return stored


def _taken(email: str) -> ValidationError:
    return ValidationError([FieldError("email", f"E-mail: já há um usuário com o endereço {email}.")])


def _drop_links(session: Session, user: User) -> None:
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))


def _keep_an_administrator(session: Session, user: User, draft: UserDraft | None, actor: Actor) -> None:
    """Who is signed in must not lock everybody out; the command line can, for it needs nobody to let it in."""
    stays = draft is not None and draft.is_active and draft.role is Role.ADMINISTRATOR
    if actor.user_id is None or stays or user.role is not Role.ADMINISTRATOR or not user.is_active:
        return
    # Locked in one order: two administrators who demote each other at once do it one after the other.
    admins = session.scalars(
        select(User.id).where(User.role == Role.ADMINISTRATOR, User.is_active).order_by(User.id).with_for_update()
    ).all()
    if [found for found in admins if found != user.id]:
        return
    raise ValidationError(
        [FieldError("role", "Papel: este é o último administrador ativo. Dê o papel a outra pessoa antes.")]
    )
