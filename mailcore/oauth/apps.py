"""The applications registered with the providers: the administrator's, each with its secret in the keyring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailcore.actor import Actor, needs
from mailcore.errors import FieldError, NotFoundError, ValidationError
from mailcore.oauth.client import App, Client, service_account_of
from mailcore.oauth.faults import OAuthError
from mailcore.oauth.providers import providers
from mailcore.rights import Right
from mailcore.storage.tables import MailServer, OAuthApp
from mailcore.text import fold
from mailcore.vocabulary import OAuthMode

if TYPE_CHECKING:
    from pydantic import SecretStr

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
}
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
        cleaned = _clean(draft, secret)
        ref = self._secrets.put(secret) if secret is not None else None
        try:
            with self._database.write() as session:
                if session.scalar(select(OAuthApp.id).where(OAuthApp.name_key == fold(cleaned.name))) is not None:
                    raise ValidationError([_complaint("name", "já existe um aplicativo com este nome.")])
                app = OAuthApp(
                    name=cleaned.name,
                    name_key=fold(cleaned.name),
                    provider=cleaned.provider,
                    client_id=cleaned.client_id,
                    tenant=cleaned.tenant,
                    mode=cleaned.mode,
                    secret_ref=ref,
                    created_at=datetime.now(UTC),
                )
                session.add(app)
                if ref is not None:
                    self._secrets.adopt(session, ref)
                session.flush()
        except ValidationError:
            if ref is not None:
                self._secrets.drop(ref)
            raise
        return app

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
        if app.secret_ref:
            self._secrets.drop(app.secret_ref)
        return app

    def client(self, app: OAuthApp) -> Client:
        """Return who speaks to the application's authorization server.

        Raises:
            SecretError: its secret cannot be read.
        """
        secret = self._secrets.get(app.secret_ref) if app.secret_ref else None
        return Client(App(providers()[app.provider], app.client_id, app.tenant, secret), self._settings)


def _clean(draft: AppDraft, secret: SecretStr | None) -> AppDraft:
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
    if alone and secret is None:
        what = "o arquivo JSON da conta de serviço" if draft.provider == "google" else "o Valor do segredo"
        errors.append(_complaint("client_secret", f"o aplicativo que trabalha sozinho precisa dele: cole {what}."))
    if secret is not None:
        errors += _complaints_of_secret(secret, alone=alone, provider=draft.provider)
    if errors:
        raise ValidationError(errors)
    return AppDraft(values["name"], draft.provider, values["client_id"], values["tenant"], draft.mode)


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
