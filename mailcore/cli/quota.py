"""``quota`` and ``quota add-external``: how accounts stand, and use made elsewhere."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.as_json import quota_document
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.log import aware
from mailcore.cli.opening import open_mailcore
from mailcore.health.service_figures import WAIT_SECONDS
from mailcore.quota.external_use import MAX_BYTES, Entry

if TYPE_CHECKING:
    from argparse import Namespace

    from mailcore import Mailcore
    from mailcore.quota.rules import Quota


def quota(args: Namespace) -> Exit:
    """Show how every account stands, or that of one server."""
    with closing(open_mailcore(args)) as core:
        if args.server is not None:
            core.servers.get(args.server)
        _show(args, core, core.quotas(server_id=args.server, every_slot=True, wait=WAIT_SECONDS), as_list=True)
    return Exit.DONE


def add_external(args: Namespace) -> Exit:
    """Count use made elsewhere, of one server or from a file, all lines or none."""
    if (args.file is None) == (args.server is None):
        raise WrongUseError("Diga --server e --units, ou --file, um dos dois.")
    with closing(open_mailcore(args)) as core:
        entries = _from_file(args, core) if args.file is not None else [_single(args, core)]
        core.record_external_use(entries, actor=computer_user())
        keys = list({entry.server.account_key for entry in entries})
        found = core.quotas(account_keys=keys, every_slot=True, wait=WAIT_SECONDS)
        _show(args, core, found, as_list=len(found) != 1)
    return Exit.DONE


def _single(args: Namespace, core: Mailcore) -> Entry:
    if args.units is None:
        raise WrongUseError("Falta --units: quantas unidades saíram por fora.")
    at = aware(args.at, core.settings.zone) if args.at is not None else datetime.now(UTC)
    return Entry(core.servers.get(args.server), at, args.units)


def _from_file(args: Namespace, core: Mailcore) -> list[Entry]:
    if args.units is not None or args.at is not None:
        raise WrongUseError("--units e --at não valem com --file: estão no arquivo.")
    try:
        with Path(args.file).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise WrongUseError(f"O arquivo “{args.file}” não pôde ser lido. Confira o caminho.") from error
    return core.read_external_use(data)


def _show(args: Namespace, core: Mailcore, found: list[Quota], *, as_list: bool) -> None:
    """A list of accounts, or one account alone."""
    zone = core.settings.zone
    documents = [quota_document(each, zone) for each in found]
    output.show(args, documents if as_list else documents[0], lambda: as_text.quotas_table(found, zone))
