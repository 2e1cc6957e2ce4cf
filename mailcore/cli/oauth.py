"""``oauth apps list | add | remove``: the applications registered with Microsoft and Google."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from mailcore import labels
from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.as_json import app_document
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.oauth.apps import LABELS, AppDraft
from mailcore.vocabulary import OAuthMode

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from mailcore.storage.tables import OAuthApp


def list_apps(args: Namespace) -> Exit:
    """List the applications; a secret is never shown."""
    with closing(open_mailcore(args, fills=True)) as core:
        apps = core.servers.apps.all()
    output.show(args, [app_document(app) for app in apps], lambda: _table(apps))
    return Exit.DONE


def add(args: Namespace) -> Exit:
    """Register an application."""
    secret = output.secret_from_stdin(LABELS["client_secret"]) if args.secret_stdin else None
    draft = AppDraft(args.name, args.provider, args.client_id, args.tenant, OAuthMode(args.mode))
    with closing(open_mailcore(args, fills=True)) as core:
        app = core.servers.apps.add(draft, secret, actor=computer_user())
    output.show(args, app_document(app), lambda: _table([app]))
    return Exit.DONE


def remove(args: Namespace) -> Exit:
    """Remove an application and its secret, after asking."""
    with closing(open_mailcore(args, fills=True)) as core:
        app = core.servers.apps.get(args.id)
        if not args.yes and not output.confirmed(f"Apagar o aplicativo {app.id} “{app.name}” e o segredo dele?"):
            raise WrongUseError("Nada foi apagado.")
        core.servers.apps.remove(app.id, actor=computer_user())
    output.show(args, {"removed": app.id}, lambda: f"Aplicativo {app.id} “{app.name}” apagado.")
    return Exit.DONE


def _table(apps: Sequence[OAuthApp]) -> str:
    if not apps:
        return "Nenhum aplicativo."
    rows = [
        [
            str(app.id),
            app.name,
            app.provider,
            app.client_id,
            app.tenant,
            labels.OAUTH_MODE[app.mode],
            "guardado" if app.secret_ref else "não há",
        ]
        for app in apps
    ]
    heads = ["ID", *(LABELS[name] for name in ("name", "provider", "client_id", "tenant", "mode", "client_secret"))]
    return as_text.table([heads, *rows])
