"""Coming in: by password, by an identity provider, by a proxy; and going out again.

What the screen says is the same whatever was wrong; the trail tells it apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.exc import IntegrityError

from mailcore.access import sessions, throttle, trail
from mailcore.access.doors import open_doors
from mailcore.access.passwords import check_password, hash_password, is_outdated, verify
from mailcore.access.sessions import Entered, Sessions
from mailcore.access.trail import Visitor, note
from mailcore.access.users import Users, key_of
from mailcore.actor import Actor, needs
from mailcore.errors import FieldError, SignInRefusedError, ValidationError
from mailcore.messages.addresses import parse_address
from mailcore.rights import Right
from mailcore.settings import Door, Settings
from mailcore.storage.tables import AccessEvent, LoginSession, PasswordLink, SignInTries, User

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from mailcore.storage.database import Database
    from mailcore.storage.tables.base import Base

WRONG_PAIR = "E-mail ou senha não conferem."
NOT_WITH_THIS_ACCOUNT = "Não foi possível entrar com esta conta. Fale com quem administra este programa."
WRONG_CURRENT = "A senha atual não confere."
BAD_LINK = "Este link já foi usado ou venceu. Peça outro a um administrador."


@dataclass(frozen=True, slots=True)
class Identity:
    """What an identity provider says of somebody, its signature checked."""

    provider: str
    email: str
    is_verified: bool | None
    """None where the provider says nothing of it."""
    name: str = ""


class Access:
    """Who may enter one installation."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self.sessions = Sessions(database)
        self.users = Users(database)
        self._had_users = False

    def doors(self, *, is_local: bool) -> frozenset[Door]:
        """Return the doors that stand open now.

        Once anybody was registered ``auto`` asks for a login until the program ends, also when all are removed.

        Raises:
            StorageError: the database could not be read.
        """
        if self._settings.doors is None and is_local and not self._had_users:
            self._had_users = not self.users.is_empty()
        return open_doors(self._settings, has_users=self._had_users, is_local=is_local)

    def sign_in(self, email: str, password: SecretStr, visitor: Visitor, *, earlier: str = "") -> str:
        """Sign in with a password and return the token of the new session.

        Args:
            earlier: the token the browser had before; that session ends.

        Raises:
            SignInRefusedError: the pair is wrong, or too many were.
            StorageError: the database is busy or gone; nobody is let in.
        """
        account = key_of(email) if _is_address(email) else ""
        self._count_try(account, visitor)
        with self._database.read() as session:
            user = session.scalar(select(User).where(User.email_key == account)) if account else None
        fits = verify(user.password_hash if user else "", password)
        if user is None or not fits or not user.is_active:
            reason = "inactive" if fits else "wrong_pair"
            raise self._refusal(WRONG_PAIR, reason, Door.ACCOUNTS, visitor, user.email if user else "")
        fresh = hash_password(password) if is_outdated(user.password_hash) else ""
        with self._database.write() as session:
            throttle.forgive(session, account, visitor.address, datetime.now(UTC))
            stored = session.get(User, user.id, with_for_update=True)
            # Changed while the password was being looked at: what fitted may fit no more.
            if stored is None or not stored.is_active or stored.password_hash != user.password_hash:
                raise SignInRefusedError(WRONG_PAIR, "wrong_pair")
            if fresh:
                stored.password_hash = fresh
            return _let_in(session, stored, Door.ACCOUNTS, visitor, earlier)

    def change_password(self, entered: Entered, current: SecretStr, password: SecretStr, visitor: Visitor) -> str:
        """Change the password of whoever is signed in, and return the token of their new session.

        Every session of theirs ends, also this one: whoever took its cookie is out.

        Args:
            current: the password they have, for a cookie alone must not be enough.

        Raises:
            SignInRefusedError: the current password is wrong, or too many were.
            ValidationError: the new one is too weak, or is the old one.
            StorageError: the database is busy or gone; the password stays.
        """
        account = key_of(entered.email)
        self._count_try(account, visitor)
        with self._database.read() as session:
            user = session.get(User, entered.user_id)
        kept = user.password_hash if user else ""
        if not verify(kept, current) or user is None or not user.is_active:
            raise self._refusal(WRONG_CURRENT, "wrong_current", Door.ACCOUNTS, visitor, entered.email)
        check_password(password, email=user.email, name=user.name)
        if password == current:
            raise ValidationError([FieldError("password", "Senha: a nova é igual à atual. Escolha outra.")])
        fresh = hash_password(password)
        with self._database.write() as session:
            throttle.forgive(session, account, visitor.address, datetime.now(UTC))
            stored = session.get(User, user.id, with_for_update=True)
            if stored is None or not stored.is_active or stored.password_hash != kept:
                raise SignInRefusedError(WRONG_CURRENT, "wrong_current")
            stored.password_hash = fresh
            sessions.end_all(session, stored.id)
            session.execute(delete(PasswordLink).where(PasswordLink.user_id == stored.id))
            note(session, "password_set", email=stored.email, by=entered.actor.name, visitor=visitor)
            return sessions.begin(session, stored, Door.ACCOUNTS, visitor)

    def _count_try(self, account: str, visitor: Visitor) -> None:
        with self._database.write() as session:
            throttle.claim(session, account, visitor.address, datetime.now(UTC))

    def enter_by_provider(self, identity: Identity, visitor: Visitor, *, earlier: str = "") -> str:
        """Let in whom an identity provider vouches for and return the token of the new session.

        Registered users enter, and who has a verified address of a listed domain.

        Raises:
            SignInRefusedError: anybody else.
            StorageError: the database is busy or gone; nobody is let in.
        """

        def refuse(reason: str) -> SignInRefusedError:
            return self._refusal(NOT_WITH_THIS_ACCOUNT, reason, Door.OIDC, visitor, identity.email)

        if not identity.email:
            raise refuse("email_missing")
        if not _is_address(identity.email):
            raise refuse("not_registered")
        is_trusted = identity.is_verified is True or (identity.is_verified is None and self._settings.oidc_trust_email)
        if not is_trusted:
            raise refuse("email_unverified")
        email = key_of(identity.email)
        is_listed = email.rpartition("@")[2] in self._settings.domains
        try:
            with self._database.write() as session:
                user = session.scalar(select(User).where(User.email_key == email).with_for_update())
                if user is None and is_listed:
                    user = self._newcomer(identity, email)
                    session.add(user)
                    session.flush()
                if user is not None and user.is_active and (user.is_registered or is_listed):
                    if not user.is_registered and user.role is not self._settings.oidc_role:
                        user.role = self._settings.oidc_role
                        sessions.end_all(session, user.id)
                    return _let_in(session, user, Door.OIDC, visitor, earlier)
        except IntegrityError:
            # Two first entries of one person at once: the other one made the user.
            return self.enter_by_provider(identity, visitor, earlier=earlier)
        if user is not None and not user.is_active:
            raise refuse("inactive")
        raise refuse("domain_not_listed" if self._settings.domains else "not_registered")

    def _newcomer(self, identity: Identity, email: str) -> User:
        return User(
            email=email,
            email_key=email,
            name=" ".join(identity.name.split())[:200],
            role=self._settings.oidc_role,
            is_active=True,
            is_registered=False,
            created_at=datetime.now(UTC),
        )

    def enter_by_proxy(self, email: str, visitor: Visitor) -> Entered:
        """Let in the registered user whom the proxy names.

        Raises:
            SignInRefusedError: nobody active is registered with this address.
            StorageError: the database is busy or gone; nobody is let in.
        """
        key = key_of(email)
        found = self.sessions.at_proxy(key, visitor)
        if found is not None:
            return found
        with self._database.write() as session:
            user = session.scalar(select(User).where(User.email_key == key).with_for_update())
            if user is not None and user.is_active and user.is_registered:
                _let_in(session, user, Door.PROXY, visitor, "")
        found = self.sessions.at_proxy(key, visitor)
        if found is None:
            reason = "inactive" if user is not None else "not_registered"
            known = email if _is_address(email) else ""
            raise self._refusal(NOT_WITH_THIS_ACCOUNT, reason, Door.PROXY, visitor, known)
        return found

    def note_refusal(self, reason: str, door: Door, visitor: Visitor) -> None:
        """Note that somebody was refused before it was known who they are.

        Raises:
            StorageError: the database could not be written.
        """
        with self._database.write() as session:
            note(session, "refused", door=door.value, visitor=visitor, reason=reason)

    def sign_out(self, entered: Entered, visitor: Visitor) -> None:
        """End a session; its cookie opens nothing any more.

        Raises:
            StorageError: the database could not be written; the session goes on.
        """
        with self._database.write() as session:
            session.execute(delete(LoginSession).where(LoginSession.id == entered.session_id))
            note(session, "left", email=entered.email, door=entered.door, visitor=visitor)

    def link_is_good(self, link: str) -> bool:
        """Whether a link to set one's password can still be used; looking does not use it up.

        Raises:
            StorageError: the database could not be read.
        """
        with self._database.read() as session:
            kept = session.get(PasswordLink, sessions.token_hash(link))
        return kept is not None and kept.ends_at > datetime.now(UTC)

    def set_password(self, link: str, password: SecretStr, visitor: Visitor) -> None:
        """Set the password of whom the link was made for, use the link up and end their sessions.

        Raises:
            SignInRefusedError: the link was used, is too old, or never was.
            ValidationError: the password is too weak; the link stays.
            StorageError: the database could not be written; the link stays.
        """
        hashed = sessions.token_hash(link)
        with self._database.read() as session:
            kept = session.get(PasswordLink, hashed)
            user = session.get(User, kept.user_id) if kept and kept.ends_at > datetime.now(UTC) else None
        if user is None:
            raise self._refusal(BAD_LINK, "bad_link", Door.ACCOUNTS, visitor, "")
        check_password(password, email=user.email, name=user.name)
        fresh = hash_password(password)
        with self._database.write() as session:
            again = session.get(PasswordLink, hashed, with_for_update=True)
            stored = session.get(User, user.id, with_for_update=True) if again else None
            if again is None or stored is None:
                raise SignInRefusedError(BAD_LINK, "bad_link")
            session.delete(again)
            stored.password_hash = fresh
            sessions.end_all(session, stored.id)
            note(session, "password_set", email=stored.email, visitor=visitor)

    @needs(Right.ADMINISTER)
    def events(self, *, page: int = 1, actor: Actor) -> trail.EventPage:
        """Return a page of the trail of who came in and who was refused, newest first.

        Raises:
            StorageError: the database could not be read.
        """
        return trail.read(self._database, page=page)

    def tidy(self, now: datetime) -> None:
        """Drop sessions that are over, forgotten tries, and the trail beyond its 90 days.

        Raises:
            StorageError: the database could not be written.
        """
        with self._database.write() as session:
            for table, is_past in _past(now):
                session.execute(delete(table).where(is_past))

    def is_due(self, now: datetime) -> ColumnElement[bool]:
        """Return the expression, for a SELECT, that says whether :meth:`tidy` has anything to drop."""
        return or_(*(exists().where(is_past) for _, is_past in _past(now)))

    def _refusal(self, sentence: str, reason: str, door: Door, visitor: Visitor, email: str) -> SignInRefusedError:
        with self._database.write() as session:
            note(session, "refused", email=email, door=door.value, visitor=visitor, reason=reason)
        return SignInRefusedError(sentence, reason)


def _past(now: datetime) -> tuple[tuple[type[Base], ColumnElement[bool]], ...]:
    """The tables of what passes by itself, each with the condition of what has."""
    return (
        (LoginSession, sessions.is_over(now)),
        (SignInTries, throttle.is_forgotten(now)),
        (AccessEvent, trail.is_past(now)),
        (PasswordLink, PasswordLink.ends_at < now),
    )


def _let_in(session: Session, user: User, door: Door, visitor: Visitor, earlier: str) -> str:
    """A new session for whoever enters; the one the browser had before ends."""
    if earlier:
        session.execute(delete(LoginSession).where(LoginSession.token_hash == sessions.token_hash(earlier)))
    note(session, "entered", email=user.email, door=door.value, visitor=visitor)
    return sessions.begin(session, user, door.value, visitor)


def _is_address(text: str) -> bool:
    """Whether it is an e-mail address as users have them: all in ASCII, so that no letter looks like another."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return text.isascii()
