"""Access tokens: kept in this process' memory alone, renewed early, by one process at a time.

Of two that use one refresh token, a provider with reuse detection logs out both. So a renewal runs under a lease, a
row of ``oauth_lease``: whoever has it reads the record anew, asks the provider, and stores the new refresh token
before the old one goes. No transaction is open while somebody else is asked.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from mailcore.errors import MailcoreError, SecretError, StorageError
from mailcore.oauth.authorizing import may_be_shown_to
from mailcore.oauth.faults import OAuthError
from mailcore.quota.holds import forgive_logins, pause
from mailcore.storage.tables import MailServer, OAuthLease
from mailcore.transports.base import BearerToken, TransportError
from mailcore.vocabulary import Auth, OAuthMode, OAuthState, Outcome

if TYPE_CHECKING:
    from mailcore.actor import Actor
    from mailcore.oauth.apps import Apps
    from mailcore.oauth.authorizing import Authorizing
    from mailcore.oauth.client import Tokens
    from mailcore.secrets.store import SecretStore
    from mailcore.storage.database import Database
    from mailcore.storage.tables import OAuthApp
    from mailcore.transports.base import TokenSource
    from mailcore.transports.kind import Record

_log = logging.getLogger(__name__)

EARLY = 300.0
"""Seconds before its end from which a token is renewed."""
LEASE = timedelta(seconds=45)
"""Longer than a renewal can take: 25 s for the provider, and the keyring."""
KEEP_ALIVE = timedelta(days=7)
_KEEP_ALIVE_SECONDS = 25.0
_HOUR_SECONDS = 3_600.0
_AGAIN = 0.05
_MOST_KEPT = 5_000
_ENDED = frozenset({"oauth_revoked", "oauth_idle", "oauth_sign_in_frequency", "oauth_interrupted"})


@dataclass(frozen=True, slots=True)
class _Kept:
    value: SecretStr
    ends: float
    """By the monotonic clock: a wrong wall clock does no harm."""
    ends_at: datetime


class TokenKeeper:
    """The access tokens of one process. Safe to share between threads."""

    def __init__(self, database: Database, secrets: SecretStore, apps: Apps, authorizing: Authorizing) -> None:
        self._database = database
        self._secrets = secrets
        self._apps = apps
        self._authorizing = authorizing
        self._kept: dict[object, _Kept] = {}
        self._locks: dict[object, Lock] = {}
        self._unstored: dict[tuple[int, str], SecretStr] = {}
        """Record and its stored token → the one that came in its place, until it can be stored."""
        self._guard = Lock()

    def __repr__(self) -> str:
        return f"<TokenKeeper of {len(self._kept)}>"

    def source_for(self, server: MailServer) -> TokenSource | None:
        """Return what gives the tokens of a registered server; None where it logs in otherwise."""
        return partial(self._for_server, server) if server.auth is Auth.OAUTH2 else None

    def source_for_draft(self, draft: Record, opened: MailServer | None, key: str, actor: Actor) -> TokenSource | None:
        """Return what gives the tokens for a form not saved yet: by what was authorised in it, else by its record."""
        if getattr(draft, "auth", None) is not Auth.OAUTH2:
            return None
        app_id = int(getattr(draft, "oauth_app_id", 0) or 0)
        same = ("auth", "oauth_app_id", "host", "username")
        if opened is not None and all(getattr(opened, name) == getattr(draft, name) for name in same):
            return partial(self._for_server, opened)
        return partial(self._for_draft, draft.host, draft.username, app_id, key, actor)

    # ------------------------------------------------------------------ a record's

    def _for_server(self, server: MailServer, seconds: float, anew: bool) -> BearerToken:
        with _as_fault():
            app = self._apps.get(server.oauth_app_id or 0)
            slot = (server.id, app.id, app.client_id, app.tenant, server.host, server.username, server.oauth_at)
            _refuse_host(server.host, app)
            with self._lock_of(slot):
                kept = self._kept.get(slot)
                if kept is not None and not anew and kept.ends - time.monotonic() > EARLY:
                    return BearerToken(kept.value, kept.ends_at, is_fresh=False)
                ends = time.monotonic() + seconds
                if app.mode is OAuthMode.APPLICATION:
                    tokens = self._alone(server, app, ends)
                else:
                    tokens = self._renewed(server, app, ends)
                return self._keep(slot, tokens)

    def _alone(self, server: MailServer, app: OAuthApp, ends: float) -> Tokens:
        try:
            tokens = self._apps.client(app).application(server.username, seconds=ends - time.monotonic())
        except OAuthError as error:
            self._note_refusal(server, error)
            raise
        if server.oauth_state is not OAuthState.AUTHORIZED:
            self._note_good(server, server.username)
        return tokens

    def keep_alive(self, *, is_over: Event | None = None, most: int = 200) -> int:
        """Renew what nobody has used for a week, and return how many: providers end what nobody uses for long.

        Microsoft after 90 days, Google after six months. What a provider refuses is noted in the record, as at a send;
        one that does not answer is asked again an hour later. Another process may do the same at once.

        Args:
            is_over: no further one is begun once it is set.

        Raises:
            StorageError: the database could not be read.
        """
        before = datetime.now(UTC) - KEEP_ALIVE
        due = (
            select(MailServer)
            .where(
                MailServer.auth == Auth.OAUTH2,
                MailServer.oauth_state == OAuthState.AUTHORIZED,
                MailServer.oauth_ref.is_not(None),
                MailServer.oauth_renewed_at < before,
            )
            .order_by(MailServer.oauth_renewed_at)
            .limit(most)
        )
        with self._database.read() as session:
            servers = list(session.scalars(due))
        renewed = 0
        for server in servers:
            if is_over is not None and is_over.is_set():
                break
            try:
                app = self._apps.get(server.oauth_app_id or 0)
                tokens = self._renewed_unless(server, app, time.monotonic() + _KEEP_ALIVE_SECONDS, since=before)
            except MailcoreError as error:
                code = error.code if isinstance(error, OAuthError) else type(error).__name__
                _log.warning("the authorisation of record %d was not renewed: %s", server.id, code)
            else:
                renewed += tokens is not None
        return renewed

    def keep_alive_until(self, is_over: Event) -> None:
        """Do :meth:`keep_alive` now and once an hour, until told to end: for a thread of its own."""
        while not is_over.is_set():
            try:
                self.keep_alive(is_over=is_over)
            except MailcoreError as error:
                _log.warning("%s", error)
            is_over.wait(_HOUR_SECONDS)

    def _renewed(self, server: MailServer, app: OAuthApp, ends: float) -> Tokens:
        tokens = self._renewed_unless(server, app, ends, since=None)
        assert tokens is not None  # without “since” it is renewed or an error
        return tokens

    def _renewed_unless(
        self, server: MailServer, app: OAuthApp, ends: float, *, since: datetime | None
    ) -> Tokens | None:
        """Renew under the lease; None where another process has done so since a moment."""
        owner = uuid4().hex
        was_broken = self._take_lease(server.id, owner, ends)
        try:
            # Read after the lease is ours: whoever had it has put another refresh token there.
            with self._database.read() as session:
                current = session.get(MailServer, server.id)
            if current is None or current.oauth_ref is None or not _same(current, server):
                raise OAuthError("oauth_not_authorized")
            if since is not None and current.oauth_renewed_at is not None and current.oauth_renewed_at >= since:
                return None
            unstored = self._unstored.get((server.id, current.oauth_ref))
            try:
                refresh = unstored or self._secrets.get(current.oauth_ref)
                tokens = self._apps.client(app).refresh(refresh, seconds=ends - time.monotonic())
            except OAuthError as error:
                if was_broken and error.code in _ENDED:
                    error = OAuthError("oauth_interrupted", error=error.error, words=error.words)
                self._note_refusal(current, error)
                raise error from None
            self._keep_refresh(current, tokens.refresh or unstored)
            if current.oauth_state is not OAuthState.AUTHORIZED:
                self._note_good(current, current.oauth_user)
            return tokens
        finally:
            self._give_lease_back(server.id, owner)

    def _keep_refresh(self, server: MailServer, refresh: SecretStr | None) -> None:
        """Store what came; where the keyring or the database cannot take it now, hold it for the next renewal.

        The token before it has been used, so that to lose this one could be to lose the authorisation.
        """
        place = (server.id, str(server.oauth_ref))
        try:
            self._replace(server, refresh)
        except (SecretError, StorageError) as error:
            if refresh is not None:
                self._unstored[place] = refresh
            _log.warning("the renewed authorisation of record %d waits to be stored: %s", server.id, error)
        else:
            self._unstored.pop(place, None)

    def _replace(self, server: MailServer, refresh: SecretStr | None) -> None:
        """Note that it was used; store a new refresh token, point the record at it, and only then drop the old one."""
        if refresh is None:
            used = update(MailServer).where(MailServer.id == server.id, MailServer.oauth_ref == server.oauth_ref)
            with self._database.write() as session:
                session.execute(used.values(oauth_renewed_at=datetime.now(UTC)))
            return
        old, ref = str(server.oauth_ref), self._secrets.put(refresh)
        with self._database.write() as session:
            stored = session.get(MailServer, server.id, with_for_update=True)
            is_ours = stored is not None and stored.oauth_ref == old
            if stored is not None and is_ours:
                self._secrets.adopt(session, ref)
                self._secrets.release(session, old)
                stored.oauth_ref, stored.oauth_generation = ref, stored.oauth_generation + 1
                stored.oauth_renewed_at = datetime.now(UTC)
        # Authorised anew meanwhile: then that one counts.
        self._secrets.drop(old if is_ours else ref)

    def _note_refusal(self, server: MailServer, error: OAuthError) -> None:
        """Say in the record why its authorisation is no good, and pause its account. The token stays where it is."""
        if error.is_temporary or error.code in ("oauth_malformed", "oauth_clock"):
            return
        state = OAuthState.EXPIRED if error.code in _ENDED else OAuthState.REFUSED
        with self._database.write() as session:
            stored = session.get(MailServer, server.id, with_for_update=True)
            if stored is None or stored.oauth_ref != server.oauth_ref:
                return
            stored.oauth_state, stored.oauth_code, stored.oauth_at = state, error.code, datetime.now(UTC)
            pause(session, stored.account_key, error.code, error.words)

    def _note_good(self, server: MailServer, user: str) -> None:
        with self._database.write() as session:
            stored = session.get(MailServer, server.id, with_for_update=True)
            if stored is not None and stored.oauth_ref == server.oauth_ref:
                stored.oauth_state, stored.oauth_code, stored.oauth_user = OAuthState.AUTHORIZED, "", user
                forgive_logins(session, stored.account_key)

    # ------------------------------------------------------------------ a form's

    def _for_draft(
        self, host: str, username: str, app_id: int, key: str, actor: Actor, seconds: float, anew: bool
    ) -> BearerToken:
        with _as_fault():
            app = self._apps.get(app_id)
            _refuse_host(host, app)
            client = self._apps.client(app)
            if app.mode is OAuthMode.APPLICATION:
                return _bearer(client.application(username, seconds=seconds))
            found = self._authorizing.token_of(key, actor, host, username)
            if found is None or found[1] != app_id:
                raise OAuthError("oauth_not_authorized")
            slot = (key, host, username)
            with self._lock_of(slot):
                kept = self._kept.get(slot)
                if kept is not None and not anew and kept.ends - time.monotonic() > EARLY:
                    return BearerToken(kept.value, kept.ends_at, is_fresh=False)
                tokens = client.refresh(self._secrets.get(found[0]), seconds=seconds)
                if tokens.refresh is not None:
                    self._authorizing.replace_token(key, found[0], tokens.refresh)
                return self._keep(slot, tokens)

    # ------------------------------------------------------------------ lease and memory

    def _take_lease(self, server_id: int, owner: str, ends: float) -> bool:
        """Wait for the lease; return whether who had it last died with it."""
        while True:
            now = datetime.now(UTC)
            try:
                with self._database.write() as session:
                    lease = session.get(OAuthLease, server_id, with_for_update=True)
                    if lease is None:
                        session.add(OAuthLease(server_id=server_id, owner=owner, until=now + LEASE))
                        session.flush()
                        return False
                    if lease.until < now:
                        lease.owner, lease.until = owner, now + LEASE
                        return True
            except IntegrityError:  # two began at once
                pass
            if time.monotonic() + _AGAIN > ends:
                raise OAuthError("oauth_busy")
            time.sleep(_AGAIN)

    def _give_lease_back(self, server_id: int, owner: str) -> None:
        with self._database.write() as session:
            session.execute(delete(OAuthLease).where(OAuthLease.server_id == server_id, OAuthLease.owner == owner))

    def _lock_of(self, slot: object) -> Lock:
        with self._guard:
            return self._locks.setdefault(slot, Lock())

    def _keep(self, slot: object, tokens: Tokens) -> BearerToken:
        bearer = _bearer(tokens)
        with self._guard:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[slot] = _Kept(tokens.access, time.monotonic() + tokens.seconds, bearer.ends_at)
        return bearer


class _as_fault:  # noqa: N801
    """Tells whatever keeps a login from a token as the transport tells its own faults."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OAuthError):
            raise TransportError(phase="auth", cause=error.code, reply=error.words, outcome=Outcome.FAILED) from None
        if isinstance(error, MailcoreError) and not isinstance(error, TransportError):
            raise TransportError(
                phase="auth", cause="oauth_not_ready", reply=str(error), outcome=Outcome.FAILED
            ) from None


def _bearer(tokens: Tokens) -> BearerToken:
    return BearerToken(tokens.access, datetime.now(UTC) + timedelta(seconds=tokens.seconds), is_fresh=True)


def _refuse_host(host: str, app: OAuthApp) -> None:
    if not may_be_shown_to(host, app.provider):
        raise OAuthError("oauth_wrong_host")


def _same(current: MailServer, server: MailServer) -> bool:
    names = ("auth", "oauth_app_id", "host", "username")
    return all(getattr(current, name) == getattr(server, name) for name in names)
