"""A person gives an application the right to send as them: begin, come back, and who it was.

What stands between is a row of ``oauth_pending``, found by a hash of ``state``: the provider's answer may come in
another session or process than the one that asked. A row is used once, for ten minutes, by who began it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr
from sqlalchemy import select, update

from mailcore.actor import Actor, needs
from mailcore.errors import FieldError, ValidationError
from mailcore.oauth.client import DeviceCode, Tokens, new_state, new_verifier
from mailcore.oauth.faults import OAuthError, refused
from mailcore.oauth.providers import providers
from mailcore.quota.holds import forgive_logins
from mailcore.rights import Right
from mailcore.storage.tables import MailServer, OAuthPending
from mailcore.vocabulary import Auth, OAuthState

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from mailcore.oauth.apps import Apps
    from mailcore.secrets.store import SecretStore
    from mailcore.storage.database import Database

_LIVES = timedelta(minutes=10)
_UNFINISHED = {"waiting": "oauth_state", "taken": "oauth_interrupted"}
"""Why, of one that was never finished: nobody came back in time, or who took the answer died."""
_STORING = timedelta(seconds=60)
"""How long whoever took an answer may need to store what came of it; after that they are dead."""
_KEPT = timedelta(hours=12)
"""How long an authorisation waits for a form to be saved."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """For what somebody authorises: an application, and the values a token will be bound to."""

    app_id: int
    host: str
    username: str
    server_id: int | None = None
    """The record, where it is stored already."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An authorisation that waits for a person."""

    key: str
    """By which :meth:`Authorizing.state_of` and a save find it; no secret."""
    address: str
    """Where to go."""
    user_code: str = ""
    """What to type there; empty where nothing is."""
    seconds: float = 600.0
    interval: float = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an authorisation has come."""

    status: str
    """``waiting``, ``taken``, ``done`` or ``failed``."""
    code: str = ""
    words: str = ""
    user: str = ""
    server_id: int | None = None


class Authorizing:
    """The authorisations under way in one installation. Safe to share between threads."""

    def __init__(self, database: Database, secrets: SecretStore, apps: Apps) -> None:
        self._database = database
        self._secrets = secrets
        self._apps = apps

    @needs(Right.OPERATE)
    def begin(self, wanted: Wanted, *, redirect: str, actor: Actor) -> Begun:
        """Return the provider's address at which a person signs in and consents.

        Raises:
            ValidationError: host or user name are missing, or the host is not the provider's.
            NotFoundError, SecretError, StorageError: nothing was begun.
        """
        app = self._checked(wanted)
        state, verifier = new_state(), new_verifier()
        client = self._apps.client(app)
        key = self._keep(wanted, key_of(state), SecretStr(verifier), redirect, _LIVES, actor)
        address = client.authorize_url(redirect=redirect, state=state, verifier=verifier, login=wanted.username)
        return Begun(key, address, seconds=_LIVES.total_seconds())

    @needs(Right.OPERATE)
    def begin_device(self, wanted: Wanted, *, actor: Actor) -> Begun:
        """Return an address and what a person types there, on any machine; :meth:`poll` asks whether they have.

        Raises:
            OAuthError: the provider gives no device code.
            ValidationError, NotFoundError, SecretError, StorageError: see :meth:`begin`.
        """
        device: DeviceCode = self._apps.client(self._checked(wanted)).device_start()
        lives = timedelta(seconds=device.seconds)
        key = self._keep(wanted, key_of(new_state()), device.code, "", lives, actor)
        return Begun(key, device.address, device.user_code, device.seconds, device.interval)

    @needs(Right.OPERATE)
    def come_back(self, address: str, *, actor: Actor) -> Progress:
        """Take the address at which the provider's page ended, from a route of ours or pasted by a person.

        Raises:
            OAuthError: it is of no authorisation of this person that waits, or brought no tokens; nothing was stored.
            SecretError, StorageError: likewise.
        """
        given = {name: values[0] for name, values in parse_qs(urlsplit(address.strip()[:20_000]).query).items()}
        row = self._take(key_of(given.get("state", "")), actor)
        with self._failing(row):
            if "code" not in given:
                raise refused(given, 0, step="authorize")
            client = self._apps.client(self._apps.get(row.app_id))
            verifier = self._secrets.get(str(row.ref)).get_secret_value()
            return self._store(
                row, client.exchange_code(given["code"], redirect=row.redirect, verifier=verifier), actor
            )

    @needs(Right.OPERATE)
    def poll(self, key: str, *, actor: Actor) -> Progress | float:
        """Ask once whether a device code was used; return how it stands, or how much slower to ask from now on.

        Raises:
            OAuthError: it was declined or has ended.
        """
        row = self._row(key, actor)
        if row.status != "waiting" or row.redirect:
            return progress_of(row)
        client = self._apps.client(self._apps.get(row.app_id))
        try:
            tokens = client.device_poll(self._secrets.get(str(row.ref)))
        except OAuthError as error:
            if not error.is_temporary:
                self._note_failure(row, error)
            raise
        if isinstance(tokens, float):
            return tokens
        taken = self._take(key, actor)
        with self._failing(taken):
            return self._store(taken, tokens, actor)

    @needs(Right.OPERATE)
    def progress(self, key: str, *, actor: Actor) -> Progress:
        """Return how an authorisation stands.

        Raises:
            OAuthError: this person has begun none of this key.
        """
        return progress_of(self._row(key, actor))

    # ------------------------------------------------------------------ within

    def _checked(self, wanted: Wanted) -> Any:
        app = self._apps.get(wanted.app_id)
        if not wanted.username.strip():
            raise ValidationError([FieldError("username", "Usuário: preencha com a conta que vai autorizar.")])
        refuse_foreign_host(wanted.host, app.provider)
        return app

    def _keep(self, wanted: Wanted, key: str, secret: SecretStr, redirect: str, lives: timedelta, actor: Actor) -> str:
        self.forget_old()
        now = datetime.now(UTC)
        ref = self._secrets.put(secret)
        with self._database.write() as session:
            session.add(
                OAuthPending(
                    key=key,
                    app_id=wanted.app_id,
                    server_id=wanted.server_id,
                    host=wanted.host,
                    username=wanted.username,
                    redirect=redirect,
                    ref=ref,
                    token_ref=None,
                    who=_who(actor),
                    status="waiting",
                    code="",
                    words="",
                    user="",
                    created_at=now,
                    ends_at=now + lives,
                )
            )
            self._secrets.adopt(session, ref)
        return key

    def _row(self, key: str, actor: Actor) -> OAuthPending:
        with self._database.read() as session:
            row = session.get(OAuthPending, key)
        if row is None or row.who != _who(actor):
            raise OAuthError("oauth_state")
        return row

    def _take(self, key: str, actor: Actor) -> OAuthPending:
        """Claim a waiting row: nobody else, and no second answer, gets it."""
        with self._database.write() as session:
            claim = (
                update(OAuthPending)
                .where(
                    OAuthPending.key == key,
                    OAuthPending.status == "waiting",
                    OAuthPending.who == _who(actor),
                    OAuthPending.ends_at > datetime.now(UTC),
                )
                .values(status="taken", ends_at=datetime.now(UTC) + _STORING)
            )
            if session.execute(claim).rowcount != 1:  # type: ignore[attr-defined]
                raise OAuthError("oauth_state")
            return session.get_one(OAuthPending, key)

    def _failing(self, row: OAuthPending) -> _Failing:
        return _Failing(self, row)

    def _note_failure(self, row: OAuthPending, error: OAuthError) -> None:
        with self._database.write() as session:
            stored = session.get_one(OAuthPending, row.key)
            stored.status, stored.code, stored.words = "failed", error.code, error.words
            dropped = self._let_go(session, stored)
        for ref in dropped:
            self._secrets.drop(ref)

    def _store(self, row: OAuthPending, tokens: Tokens, actor: Actor) -> Progress:
        """Keep the refresh token, for the record or until a form is saved; all of it or nothing."""
        provider = providers()[self._apps.get(row.app_id).provider]
        if tokens.scope and provider.must_grant.casefold() not in tokens.scope.casefold():
            raise OAuthError("oauth_right_not_granted")
        if tokens.refresh is None:
            raise OAuthError("oauth_no_refresh_token")
        if tokens.user and tokens.user.casefold() != row.username.casefold():
            raise OAuthError("oauth_other_user", words=f"Entrou: {tokens.user}. No cadastro: {row.username}.")
        ref = self._secrets.put(tokens.refresh)
        dropped: list[str] = []
        try:
            with self._database.write() as session:
                stored = session.get_one(OAuthPending, row.key)
                stored.status, stored.user = "done", tokens.user or row.username
                stored.ends_at = datetime.now(UTC) + _KEPT
                dropped += self._let_go(session, stored)
                self._secrets.adopt(session, ref)
                stored.token_ref = ref
                session.flush()
                if row.server_id is not None:
                    server = session.get(MailServer, row.server_id, with_for_update=True)
                    if server is not None and _is_for(stored, server):
                        dropped += self.hand_to(session, stored, server)
        except BaseException:
            self._secrets.drop(ref)
            raise
        for old in dropped:
            self._secrets.drop(old)
        return progress_of(stored)

    def hand_to(self, session: Session, row: OAuthPending, server: MailServer) -> list[str]:
        """Within a transaction: give a record the token that a person got for it; return what to drop after it."""
        dropped = [server.oauth_ref] if server.oauth_ref else []
        for old in dropped:
            self._secrets.release(session, old)
        ref, row.token_ref = row.token_ref, None
        server.oauth_ref = None
        session.flush()
        server.oauth_ref = ref
        server.oauth_state, server.oauth_user, server.oauth_code = OAuthState.AUTHORIZED, row.user, ""
        server.oauth_at = server.oauth_renewed_at = datetime.now(UTC)
        server.oauth_generation = (server.oauth_generation or 0) + 1
        forgive_logins(session, server.account_key)
        return dropped

    def adopt_for(self, session: Session, key: str, server: MailServer, actor: Actor) -> list[str]:
        """Within the transaction of a save: hand over what was authorised in the form, if it is for these values.

        Returns:
            What to drop after the transaction.
        """
        row = session.get(OAuthPending, key, with_for_update=True) if key else None
        if row is None or row.who != _who(actor) or row.token_ref is None or not _is_for(row, server):
            return []
        dropped = self.hand_to(session, row, server)
        session.delete(row)
        return dropped

    def token_of(self, key: str, actor: Actor, host: str, username: str) -> tuple[str, int] | None:
        """Return reference and application of what was authorised in an unsaved form, if it is for these values."""
        with self._database.read() as session:
            row = session.get(OAuthPending, key) if key else None
        if row is None or row.who != _who(actor) or (row.host, row.username) != (host, username):
            return None
        return (row.token_ref, row.app_id) if row.token_ref else None

    def replace_token(self, key: str, old: str, new: SecretStr) -> None:
        """Put the next refresh token in the place of the one that was used."""
        ref = self._secrets.put(new)
        with self._database.write() as session:
            row = session.get(OAuthPending, key, with_for_update=True)
            if row is not None and row.token_ref == old:
                self._secrets.adopt(session, ref)
                self._secrets.release(session, old)
                row.token_ref = ref
        self._secrets.drop(old if row is not None and row.token_ref == ref else ref)

    def _let_go(self, session: Session, row: OAuthPending) -> list[str]:
        """Release the verifier or device code: it has been used."""
        if row.ref is None:
            return []
        ref, row.ref = row.ref, None
        self._secrets.release(session, ref)
        return [ref]

    def forget_old(self) -> None:
        """Drop authorisations that nobody finished or saved in time, a hundred at once.

        Raises:
            StorageError: the database could not be written.
        """
        dropped = []
        with self._database.read() as session:
            keys = session.scalars(select(OAuthPending.key).where(is_old()).limit(100)).all()
        if not keys:
            return
        with self._database.write() as session:
            for row in session.scalars(select(OAuthPending).where(OAuthPending.key.in_(keys))):
                for ref in filter(None, (row.ref, row.token_ref)):
                    self._secrets.release(session, ref)
                    dropped.append(ref)
                session.delete(row)
        for ref in dropped:
            self._secrets.drop(ref)


def is_old() -> ColumnElement[bool]:
    """Condition of the authorisations that nobody finished or saved in time."""
    return OAuthPending.ends_at < datetime.now(UTC) - _LIVES


class _Failing:
    """Notes in the row why an authorisation failed, whatever ended it."""

    def __init__(self, authorizing: Authorizing, row: OAuthPending) -> None:
        self._authorizing = authorizing
        self._row = row

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OAuthError):
            self._authorizing._note_failure(self._row, error)  # noqa: SLF001


def progress_of(row: OAuthPending) -> Progress:
    """Return how a row stands: one that nobody finished in time has failed."""
    if row.status in _UNFINISHED and row.ends_at < datetime.now(UTC):
        return Progress("failed", _UNFINISHED[row.status], server_id=row.server_id)
    return Progress(row.status, row.code, row.words, row.user, row.server_id)


def key_of(state: str) -> str:
    """Return under which key the row of a ``state`` is kept."""
    return hashlib.sha256(state.encode()).hexdigest()


def refuse_foreign_host(host: str, provider_id: str) -> None:
    """Refuse to get a token for a server that is not its provider's; this machine's own is for trying.

    Raises:
        ValidationError: it is another's.
    """
    if not host.strip():
        raise ValidationError([FieldError("host", "Servidor: preencha antes de autorizar.")])
    if not may_be_shown_to(host, provider_id):
        named = " ou ".join(providers()[provider_id].hosts[:2])
        raise ValidationError(
            [FieldError("host", f"Servidor: a autorização só é mostrada aos servidores do provedor ({named}).")]
        )


def may_be_shown_to(host: str, provider_id: str) -> bool:
    """Whether a token of this provider may be shown to a server: its own, or one on this machine."""
    from mailcore.settings import is_loopback

    name = host.casefold().rstrip(".")
    return is_loopback(name) or any(name == own or name.endswith(f".{own}") for own in providers()[provider_id].hosts)


def _is_for(row: OAuthPending, server: MailServer) -> bool:
    return server.auth is Auth.OAUTH2 and (row.app_id, row.host, row.username) == (
        server.oauth_app_id,
        server.host,
        server.username,
    )


def _who(actor: Actor) -> str:
    return json.dumps([actor.user_id, actor.name])[:200]
