"""The choices of "Forma de login": a password, or a provider's OAuth2 with one of its registered applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailcore.oauth.providers import providers
from ui.context import library

if TYPE_CHECKING:
    from mailcore.storage.tables import OAuthApp

PASSWORD = "password"  # noqa: S105 - a choice of the form
_LABELS = {PASSWORD: "Senha", **{name: provider.label for name, provider in providers().items()}}
LOGIN_FORMS = list(_LABELS)


def login_label(choice: str) -> str:
    """Return what the form calls a form of login."""
    return _LABELS[choice]


def provider_of(app_id: int | str | None) -> str:
    """Return whose an application is; of one that is gone, the first provider's."""
    found = next((app for app in library().servers.apps.all() if str(app.id) == str(app_id)), None)
    return found.provider if found else next(iter(providers()))


def apps_of(provider: str) -> dict[str, OAuthApp]:
    """Return the applications of a provider, by their number as the form has it."""
    return {str(app.id): app for app in library().servers.apps.all() if app.provider == provider}
