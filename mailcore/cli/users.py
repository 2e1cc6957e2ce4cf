"""``users list | add | edit | sessions | link | remove``: who may enter.

It acts as the user of this computer, who can read the database anyway: so the first administrator is made here, and
nobody who merely reaches the page first becomes one.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from mailcore import open_mailcore
from mailcore.access.users import LINK_HOURS, UserDraft, draft_of
from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.as_json import login_document, user_document
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.output import say
from mailcore.rights import ROLE_LABELS, Role

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from pydantic import SecretStr

    from mailcore import Mailcore
    from mailcore.storage.tables import LoginSession, User

LINK_PATH = "/entrar/senha?link="


def list_users(args: Namespace) -> Exit:
    """List who may enter."""
    with closing(open_mailcore()) as core:
        found = core.access.users.everybody(actor=computer_user())
        zone = core.settings.zone
    output.show(args, [user_document(user, zone) for user in found], lambda: _table(found, zone))
    return Exit.DONE


def add(args: Namespace) -> Exit:
    """Register a person; without a password, show the link with which they set one."""
    with closing(open_mailcore()) as core:
        password = _password(args)
        draft = UserDraft(args.email, Role(args.role), args.name or "")
        user = core.access.users.add(draft, password, actor=computer_user())
        _show(args, core, user)
        if password is None:
            _say_link(core, user)
    return Exit.DONE


def edit(args: Namespace) -> Exit:
    """Change what is given of a person, and nothing else."""
    with closing(open_mailcore()) as core:
        user = core.access.users.get(args.email, actor=computer_user())
        draft = draft_of(user)
        if args.role is not None:
            draft = replace(draft, role=Role(args.role))
        if args.name is not None:
            draft = replace(draft, name=args.name)
        if args.is_active is not None:
            draft = replace(draft, is_active=args.is_active)
        if draft == draft_of(user) and not args.password_stdin:
            raise WrongUseError("Nada a mudar: dê ao menos uma opção com um valor novo.")
        _show(args, core, core.access.users.edit(user, draft, _password(args), actor=computer_user()))
    return Exit.DONE


def sessions(args: Namespace) -> Exit:
    """List where a person is signed in; with ``--revoke`` end that and show what is left."""
    with closing(open_mailcore()) as core:
        user = core.access.users.get(args.email, actor=computer_user())
        if args.revoke:
            ended = core.access.users.end_sessions(user, actor=computer_user())
            say(f"Sessões encerradas: {ended}.")
        found = core.access.users.sessions(user, actor=computer_user())
        zone = core.settings.zone
    output.show(args, [login_document(each, zone) for each in found], lambda: _logins(found, zone))
    return Exit.DONE


def link(args: Namespace) -> Exit:
    """Make a link of one use with which a person sets their password."""
    with closing(open_mailcore()) as core:
        user = core.access.users.get(args.email, actor=computer_user())
        path = LINK_PATH + core.access.users.make_link(user, actor=computer_user())
    output.show(args, {"path": path, "hours": LINK_HOURS}, lambda: path)
    say(f"Junte ao endereço do programa. Vale por {LINK_HOURS} h e uma só vez.")
    return Exit.DONE


def remove(args: Namespace) -> Exit:
    """Remove a person, after asking."""
    with closing(open_mailcore()) as core:
        user = core.access.users.get(args.email, actor=computer_user())
        if not args.yes and not output.confirmed(f"Apagar o usuário {user.email}?"):
            raise WrongUseError("Nada foi apagado.")
        core.access.users.remove(user, actor=computer_user())
    output.show(args, {"removed": user.email}, lambda: f"Usuário {user.email} apagado.")
    return Exit.DONE


def _password(args: Namespace) -> SecretStr | None:
    return output.secret_from_stdin("Senha") if args.password_stdin else None


def _show(args: Namespace, core: Mailcore, user: User) -> None:
    zone = core.settings.zone
    output.show(args, user_document(user, zone), lambda: _table([user], zone))


def _say_link(core: Mailcore, user: User) -> None:
    token = core.access.users.make_link(user, actor=computer_user())
    say(f"Para criar a senha, uma só vez e em até {LINK_HOURS} h: {LINK_PATH}{token} (junte ao endereço do programa)")


def _table(users: Sequence[User], zone: ZoneInfo) -> str:
    if not users:
        return "Nenhum usuário."
    rows = [
        [
            str(user.id),
            user.name,
            user.email,
            ROLE_LABELS[user.role],
            "sim" if user.is_active else "não",
            "sim" if user.password_hash else "não",
            _when(user.last_seen_at, zone),
        ]
        for user in users
    ]
    return as_text.table([["ID", "Nome", "E-mail", "Papel", "Ativo", "Tem senha", "Último acesso"], *rows])


def _logins(logins: Sequence[LoginSession], zone: ZoneInfo) -> str:
    if not logins:
        return "Nenhuma sessão."
    rows = [
        [
            str(each.id),
            each.door,
            _when(each.created_at, zone),
            _when(each.last_seen_at, zone),
            each.address,
            each.user_agent,
        ]
        for each in logins
    ]
    return as_text.table([["ID", "Porta", "Desde", "Último uso", "De onde", "Navegador"], *rows])


def _when(moment: datetime | None, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%d/%m/%Y %H:%M") if moment else "nunca"
