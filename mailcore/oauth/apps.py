"""The applications registered with the providers: the administrator's, each with its secret in the keyring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from sqlalchemy import select

from mailcore.actor import Actor, needs
from mailcore.audit import note_application
from mailcore.errors import FieldError, NotFoundError, ValidationError
from mailcore.labels import OAUTH_MODE
from mailcore.oauth.client import App, Client, service_account_of
from mailcore.oauth.faults import OAuthError
from mailcore.oauth.providers import providers
from mailcore.oauth.records import forget_authorization
from mailcore.quota.holds import forgive_logins
from mailcore.rights import Right
from mailcore.storage.tables import MailServer, OAuthApp
from mailcore.text import fold
from mailcore.vocabulary import ChangeAction, OAuthMode, OAuthState

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy.orm import Session

    from mailcore.secrets.store import SecretStore
    from mailcore.settings import Settings
    from mailcore.storage.database import Database

LABELS = {
    "name": "Nome",
    "provider": "Provedor",
    "client_id": "ID do cliente",
    "tenant": "Locatário",
    "mode": "Modo",
    "client_secret": "Segredo do cliente",
    "secret_ends_on": "Segredo vence em",
}
_FIELDS = ("name", "provider", "client_id", "tenant", "mode", "secret_ends_on")
_LONGEST = {"name": 200, "client_id": 320, "tenant": 255}
_LONGEST_SECRET = 10_000
"""Characters: the key file of a service account has about 2,400."""
_NO_TENANT_ALONE = ("", "common", "organizations", "consumers")


@dataclass(frozen=True, slots=True)
class AppDraft:
    """An application as typed."""

    name: str
    provider: str
    client_id: str
    tenant: str = ""
    mode: OAuthMode = OAuthMode.DELEGATED
    secret_ends_on: date | None = None
    """The last day of the secret, as the provider showed it when it was made."""


def draft_of(app: OAuthApp) -> AppDraft:
    """Return an application as it would be typed, to change some of it."""
    return AppDraft(**{name: getattr(app, name) for name in _FIELDS})


class Apps:
    """The registered applications of one installation. Safe to share between threads."""

    def __init__(self, database: Database, secrets: SecretStore, settings: Settings) -> None:
        self._database = database
        self._secrets = secrets
        self._settings = settings

    def all(self) -> list[OAuthApp]:
        """Return every application, by name; there is no secret in it."""
        with self._database.read() as session:
            return list(session.scalars(select(OAuthApp).order_by(OAuthApp.name_key)))

    def get(self, app_id: int) -> OAuthApp:
        """Return one application.

        Raises:
            NotFoundError: there is none of this number.
        """
        with self._database.read() as session:
            app = session.get(OAuthApp, app_id)
        if app is None:
            raise NotFoundError(f"Não há aplicativo OAuth com o número {app_id}.")
        return app

    @needs(Right.ADMINISTER)
    def add(self, draft: AppDraft, secret: SecretStr | None = None, *, actor: Actor) -> OAuthApp:
        """Register an application together with its secret.

        Args:
            secret: of a confidential client, or the key file (JSON) of a Google service account.

        Raises:
            ValidationError: a field cannot be stored as typed.
            SecretError, StorageError: nothing was registered.
        """
        cleaned = _clean(draft, has_secret=secret is not None, secret=secret)
        ref = self._secrets.put(secret) if secret is not None else None
        try:
            with self._database.write() as session:
                app = OAuthApp(secret_ref=ref, created_at=datetime.now(UTC))
                _fill(session, app, cleaned)
                session.add(app)
                if ref is not None:
                    self._secrets.adopt(session, ref)
                session.flush()
                note_application(session, app.name, ChangeAction.CREATED, actor=actor)
        except ValidationError:
            if ref is not None:
                self._secrets.drop(ref)
            raise
        return app

    @needs(Right.ADMINISTER)
    def edit(
        self,
        app_id: int,
        draft: AppDraft,
        secret: SecretStr | None = None,
        *,
        remove_secret: bool = False,
        actor: Actor,
    ) -> OAuthApp:
        """Change an application. Without a secret the stored one stays, unless the client is another.

        What was authorised for another client or mode is given up: those records say that nobody authorised them.
        Records that were refused for what is corrected here are tried again.

        Args:
            remove_secret: make it a public client, which has none.

        Raises:
            NotFoundError: there is none of this number.
            ValidationError: a field cannot be stored as typed.
            SecretError, StorageError: nothing was changed.
        """
        stored = self.get(app_id)
        if draft.provider != stored.provider:
            raise ValidationError(
                [_complaint("provider", "não muda. Registre outro aplicativo para o outro provedor.")]
            )
        is_another = (draft.client_id.strip(), draft.mode) != (stored.client_id, stored.mode)
        if is_another and secret is None and stored.secret_ref and not remove_secret:
            raise ValidationError(
                [_complaint("client_secret", "cole de novo: o guardado é do cliente e do modo de antes.")]
            )
        keeps = stored.secret_ref is not None and not remove_secret
        cleaned = _clean(draft, has_secret=secret is not None or keeps, secret=secret)
        ref = self._secrets.put(secret) if secret is not None else None
        try:
            with self._database.write() as session:
                app = session.get(OAuthApp, app_id, with_for_update=True)
                if app is None:
                    raise NotFoundError(f"Não há aplicativo OAuth com o número {app_id}.")
                changes = _fill(session, app, cleaned)
                dropped = self._tell_records(session, app, is_another=is_another)
                if ref is not None or (remove_secret and app.secret_ref):
                    dropped += self._change_secret(session, app, ref)
                    note_application(session, app.name, ChangeAction.CHANGED, actor=actor, secret=True)
                note_application(session, app.name, ChangeAction.CHANGED, changes, actor=actor)
        except (ValidationError, NotFoundError):
            if ref is not None:
                self._secrets.drop(ref)
            raise
        for old in dropped:
            self._secrets.drop(old)
        return app

    def _change_secret(self, session: Session, app: OAuthApp, ref: str | None) -> list[str]:
        old = [app.secret_ref] if app.secret_ref else []
        for released in old:
            self._secrets.release(session, released)
        if ref is not None:
            self._secrets.adopt(session, ref)
        app.secret_ref = ref
        return old

    def _tell_records(self, session: Session, app: OAuthApp, *, is_another: bool) -> list[str]:
        dropped: list[str] = []
        for server in session.scalars(select(MailServer).where(MailServer.oauth_app_id == app.id)):
            if is_another:
                dropped += forget_authorization(session, self._secrets, server)
                forgive_logins(session, server.account_key)
            elif server.oauth_state is OAuthState.REFUSED:
                server.oauth_state = OAuthState.AUTHORIZED if server.oauth_ref else OAuthState.NONE
                server.oauth_code = ""
                forgive_logins(session, server.account_key)
        return dropped

    @needs(Right.ADMINISTER)
    def remove(self, app_id: int, *, actor: Actor) -> OAuthApp:
        """Remove an application and its secret.

        Raises:
            NotFoundError: there is none of this number.
            ValidationError: records use it.
            StorageError: nothing was removed.
        """
        with self._database.write() as session:
            app = session.get(OAuthApp, app_id, with_for_update=True)
            if app is None:
                raise NotFoundError(f"Não há aplicativo OAuth com o número {app_id}.")
            users = session.scalars(select(MailServer.name).where(MailServer.oauth_app_id == app_id).limit(4)).all()
            if users:
                named = ", ".join(f"“{name}”" for name in users[:3]) + (" e outros" if len(users) > 3 else "")
                raise ValidationError(
                    [FieldError("app", f"O aplicativo é usado por {named}. Mude antes a forma de login deles.")]
                )
            session.delete(app)
            if app.secret_ref:
                self._secrets.release(session, app.secret_ref)
            note_application(session, app.name, ChangeAction.DELETED, actor=actor)
        if app.secret_ref:
            self._secrets.drop(app.secret_ref)
        return app

    def consent_link(self, app: OAuthApp) -> str:
        """Return where a tenant's administrator lets an application in for everybody there; empty at Google.

        Source: learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent (read on 2026-11-26).
        """
        if app.provider != "microsoft":
            return ""
        tenant = quote(app.tenant or "organizations", safe="")
        return f"{self._settings.microsoft_login_url}/{tenant}/adminconsent?{urlencode({'client_id': app.client_id})}"

    def client(self, app: OAuthApp) -> Client:
        """Return who speaks to the application's authorization server.

        Raises:
            SecretError: its secret cannot be read.
        """
        secret = self._secrets.get(app.secret_ref) if app.secret_ref else None
        return Client(App(providers()[app.provider], app.client_id, app.tenant, secret), self._settings)


def _fill(session: Session, app: OAuthApp, cleaned: AppDraft) -> dict[str, tuple[str, str]]:
    """Take over what was typed; return what it changes, from what to what.

    Raises:
        ValidationError: another application has this name.
    """
    same_name = select(OAuthApp.id).where(OAuthApp.name_key == fold(cleaned.name))
    with session.no_autoflush:
        if session.scalar(same_name) not in (None, app.id):
            raise ValidationError([_complaint("name", "já existe um aplicativo com este nome.")])
    changes = {
        name: (_noted(getattr(app, name)), _noted(getattr(cleaned, name)))
        for name in _FIELDS
        if getattr(app, name) != getattr(cleaned, name)
    }
    for name in _FIELDS:
        setattr(app, name, getattr(cleaned, name))
    app.name_key = fold(cleaned.name)
    return changes


def _noted(value: object) -> str:
    if isinstance(value, OAuthMode):
        return OAUTH_MODE[value]
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else str(value or "")


def _clean(draft: AppDraft, *, has_secret: bool, secret: SecretStr | None) -> AppDraft:
    errors: list[FieldError] = []
    values = {}
    for name, longest in _LONGEST.items():
        value = str(getattr(draft, name)).strip()
        if not value and name != "tenant":
            errors.append(_complaint(name, "preencha este campo."))
        elif not value.isprintable() or len(value) > longest:
            errors.append(_complaint(name, f"escreva numa linha só, com até {longest} caracteres."))
        values[name] = value
    if draft.provider not in providers():
        errors.append(_complaint("provider", f"use {' ou '.join(providers())}."))
    alone = draft.mode is OAuthMode.APPLICATION
    if alone and draft.provider == "microsoft" and values["tenant"].lower() in _NO_TENANT_ALONE:
        errors.append(_complaint("tenant", "o aplicativo que trabalha sozinho precisa do ID do diretório da empresa."))
    if alone and not has_secret:
        what = "o arquivo JSON da conta de serviço" if draft.provider == "google" else "o Valor do segredo"
        errors.append(_complaint("client_secret", f"o aplicativo que trabalha sozinho precisa dele: cole {what}."))
    if secret is not None:
        errors += _complaints_of_secret(secret, alone=alone, provider=draft.provider)
    if errors:
        raise ValidationError(errors)
    return replace(draft, name=values["name"], client_id=values["client_id"], tenant=values["tenant"])


def _complaints_of_secret(secret: SecretStr, *, alone: bool, provider: str) -> list[FieldError]:
    text = secret.get_secret_value()
    if alone and provider == "google":
        try:
            service_account_of(secret)
        except OAuthError:
            return [
                _complaint("client_secret", "isto não é o arquivo JSON de uma conta de serviço do Google, inteiro.")
            ]
        return []
    if len(text) > _LONGEST_SECRET or not text.isprintable():
        return [_complaint("client_secret", "cole só o segredo, sem quebra de linha nem texto a mais.")]
    return []


def _complaint(name: str, sentence: str) -> FieldError:
    return FieldError(name, f"{LABELS[name]}: {sentence}")
