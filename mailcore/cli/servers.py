"""``servers list | show | add | edit | delete``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.cli.output import say
from mailcore.cli.parser import option_of
from mailcore.errors import ValidationError
from mailcore.registry.document import server_document
from mailcore.registry.drafts import ServerDraft, draft_of, secret_label
from mailcore.registry.fields import FIELD, FIELDS, Field, fields_of, kinds_with
from mailcore.registry.search import PAGE_SIZE, ServerQuery
from mailcore.vocabulary import Auth, Kind

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from pydantic import SecretStr

    from mailcore import Mailcore
    from mailcore.registry.servers import Saved, Servers
    from mailcore.storage.tables import MailServer

_MOST_FILE_BYTES = 1_000_000


def list_servers(args: Namespace) -> Exit:
    """List the servers that match, in the order of their descriptions."""
    query = ServerQuery(text=args.search, kind=Kind(args.kind) if args.kind else None)
    with closing(open_mailcore(args)) as core:
        servers, matching = _first(core.servers, query, args.limit)
        zone = core.settings.zone
    output.show(
        args,
        [server_document(server, zone) for server in servers],
        lambda: as_text.servers_table(servers, zone),
    )
    if len(servers) < matching:
        say(f"Mostrados {len(servers)} de {matching}; peça mais com --limit.")
    return Exit.DONE


def show(args: Namespace) -> Exit:
    """Show one server."""
    with closing(open_mailcore(args)) as core:
        _show(args, core, core.servers.get(args.id))
    return Exit.DONE


def add(args: Namespace) -> Exit:
    """Register a server; what is not given is as in an empty form, with SSL on "Automático"."""
    draft = _changed(ServerDraft(requires_auth=False, security_auto=True), args)
    with closing(open_mailcore(args, fills=True)) as core:
        saved = _save(args, draft, lambda secret: core.servers.create(draft, secret, actor=computer_user()))
        _show(args, core, saved.server)
        if core.is_new:
            say(f"Registrado num banco novo, em {core.database.shown_address}.")
    return Exit.DONE


def edit(args: Namespace) -> Exit:
    """Change what is given of a server, and nothing else."""
    with closing(open_mailcore(args)) as core:
        opened = core.servers.get(args.id)
        draft = _changed(draft_of(opened), args)
        if draft == draft_of(opened) and not args.secret_stdin:
            raise WrongUseError("Nada a mudar: dê ao menos uma opção com um valor novo.")
        saved = _save(args, draft, lambda secret: core.servers.update(opened, draft, secret, actor=computer_user()))
        _show(args, core, saved.server)
    return Exit.DONE


def delete(args: Namespace) -> Exit:
    """Delete a server and its secret, after asking."""
    with closing(open_mailcore(args)) as core:
        server = core.servers.get(args.id)
        if not args.yes and not output.confirmed(f"Apagar o servidor {server.id} “{server.name}” e a senha dele?"):
            raise WrongUseError("Nada foi apagado.")
        deleted = core.servers.delete(server.id, actor=computer_user())
    output.show(args, {"deleted": server.id}, lambda: f"Servidor {server.id} “{server.name}” apagado.")
    if deleted.new_default is not None:
        say(f"O servidor padrão agora é {deleted.new_default.id} “{deleted.new_default.name}”.")
    return Exit.DONE


def _first(servers: Servers, query: ServerQuery, limit: int) -> tuple[list[MailServer], int]:
    """Return the first ``limit`` that match, fetched a page at a time, and how many match in all."""
    found: dict[int, MailServer] = {}  # by id: a record renamed meanwhile may stand on two pages
    number = 1
    while True:
        page = servers.search(replace(query, page=number, page_size=PAGE_SIZE))
        found |= {server.id: server for server in page.servers}
        if number * PAGE_SIZE >= min(limit, page.matching) or page.number != number:
            return list(found.values())[:limit], page.matching
        number += 1


def _show(args: Namespace, core: Mailcore, server: MailServer) -> None:
    zone = core.settings.zone
    output.show(args, server_document(server, zone), lambda: as_text.server_lines(server, zone))


def _changed(draft: ServerDraft, args: Namespace) -> ServerDraft:
    """Return ``draft`` with what the options give.

    Raises:
        WrongUseError: the certificate file cannot be read, or an option says nothing for this kind.
    """
    given = {row.name: (row, getattr(args, row.name)) for row in FIELDS if row.option and row.stored}
    values = {name: _given(row, value) for name, (row, value) in given.items() if value is not None}
    if "security" in values:
        values["security_auto"] = False
    if "username" in values:
        values["requires_auth"] = bool(values["username"].strip())
    if "auth" in values:
        values["requires_auth"] = values["auth"] is not Auth.NONE
        if values["auth"] is Auth.NONE:
            values["auth"] = Auth.PASSWORD  # what it begins with, should the login be wanted again
    if "oauth_app_id" in values and "auth" not in values:
        values |= {"auth": Auth.OAUTH2, "requires_auth": True}
    if args.secret_stdin:
        values["requires_auth"] = True  # a password with no user name: the rules ask for the name
    changed = replace(draft, **values)
    had = {row.name for row in fields_of(changed.kind)}
    useless = [FIELD[name] for name in given if name in values and name not in had]
    if useless:
        only = " ou ".join(dict.fromkeys(kind.id for row in useless for kind in kinds_with(row)))
        raise WrongUseError(f"{', '.join(option_of(row.name) for row in useless)}: só vale para um servidor {only}.")
    return changed


def _given(row: Field, value: Any) -> Any:
    """What an option says, as the value of its field."""
    if row.option and row.option.reads_file:
        return _file(value) if value else ""
    return row.choice(value) if row.choices and isinstance(value, str) else value


def _file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST_FILE_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: no text, or a NUL in the path
        raise WrongUseError(
            f"O certificado “{path}” não pôde ser lido. Confira o caminho e o formato (PEM)."
        ) from error


def _save(args: Namespace, draft: ServerDraft, store: Callable[[SecretStr | None], Saved]) -> Saved:
    """Store with the secret given; ask a person for it only where the rules want one."""
    label = secret_label(draft.kind)
    secret = output.secret_from_stdin(label) if args.secret_stdin else None
    try:
        saved = store(secret)
    except ValidationError as error:
        only_the_secret = {complaint.field for complaint in error.errors} == {"secret"}
        if secret is not None or not only_the_secret or not output.on_terminal():
            raise
        say(str(error))
        saved = store(output.ask_secret(label))
    for note in saved.notes:
        say(note)
    return saved
