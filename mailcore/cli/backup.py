"""``backup`` and ``restore``: a copy of the database, and an installation from one. The key is in neither."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mailcore.actor import computer_user
from mailcore.cli import output
from mailcore.cli.exits import Exit
from mailcore.cli.output import say
from mailcore.secrets.store import KEY_FILE
from mailcore.settings import load_settings
from mailcore.storage.backup import back_up, restore
from mailcore.storage.database import Database

if TYPE_CHECKING:
    from argparse import Namespace

    from mailcore.settings import Settings


def backup(args: Namespace) -> Exit:
    """Copy the database while the program runs."""
    settings = load_settings()
    size = back_up(_file(settings), Path(args.file), actor=computer_user())
    output.show(args, {"file": args.file, "bytes": size}, lambda: f"Cópia feita em “{args.file}”: {size} bytes.")
    say(
        "A chave das senhas não está na cópia, e sem ela nenhuma senha abre. Guarde à parte "
        + ("MAILCORE_SECRET_KEYS." if settings.secret_keys else f"“{settings.data_dir / KEY_FILE}”.")
    )
    return Exit.DONE


def restore_(args: Namespace) -> Exit:
    """Make the database from a copy, in a data folder that has none."""
    settings = load_settings()
    size = restore(Path(args.file), _file(settings), actor=computer_user())
    output.show(args, {"file": args.file, "bytes": size}, lambda: f"Restaurado de “{args.file}”: {size} bytes.")
    if not settings.secret_keys and not (settings.data_dir / KEY_FILE).exists():
        say(f"A chave das senhas não vem na cópia: ponha “{KEY_FILE}” em “{settings.data_dir}” antes de abrir.")
    say("O que foi enviado depois da cópia não consta aqui, e as cotas não o contam: confira-as no provedor.")
    return Exit.DONE


def _file(settings: Settings) -> Path | None:
    database = Database(settings.database_url)
    try:
        return database.file
    finally:
        database.dispose()
