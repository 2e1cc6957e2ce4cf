"""``oauth apps list | add | edit | remove``: the applications registered with Microsoft and Google."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from mailcore import labels
from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.as_json import app_document
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.oauth.apps import LABELS, AppDraft, draft_of
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
    draft = AppDraft(
        args.name, args.provider, args.client_id, args.tenant, OAuthMode(args.mode), _day(args.secret_ends_on)
    )
    with closing(open_mailcore(args, fills=True)) as core:
        app = core.servers.apps.add(draft, secret, actor=computer_user())
    output.show(args, app_document(app), lambda: _table([app]))
    return Exit.DONE


def edit(args: Namespace) -> Exit:
    """Change what is given of an application, and nothing else."""
    secret = output.secret_from_stdin(LABELS["client_secret"]) if args.secret_stdin else None
    given = {name: getattr(args, name) for name in ("name", "client_id", "tenant")}
    changes = {name: value for name, value in given.items() if value is not None}
    if args.mode is not None:
        changes["mode"] = OAuthMode(args.mode)
    if args.secret_ends_on is not None:
        changes["secret_ends_on"] = _day(args.secret_ends_on)
    with closing(open_mailcore(args, fills=True)) as core:
        draft = replace(draft_of(core.servers.apps.get(args.id)), **changes)
        app = core.servers.apps.edit(args.id, draft, secret, remove_secret=args.remove_secret, actor=computer_user())
    output.show(args, app_document(app), lambda: _table([app]))
    return Exit.DONE


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUseError("--secret-ends-on: escreva o dia assim: 2026-12-31.") from None


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
            labels.OAUTH_PROVIDER[app.provider],
            app.client_id,
            app.tenant,
            labels.OAUTH_MODE[app.mode],
            _secret(app),
        ]
        for app in apps
    ]
    heads = ["ID", *(LABELS[name] for name in ("name", "provider", "client_id", "tenant", "mode", "client_secret"))]
    return as_text.table([heads, *rows])


def _secret(app: OAuthApp) -> str:
    if app.secret_ref is None:
        return "não há"
    return f"guardado, até {app.secret_ends_on:%d/%m/%Y}" if app.secret_ends_on else "guardado"
