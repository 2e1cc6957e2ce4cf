"""``secrets rotate`` and ``doctor``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from mailcore import open_mailcore
from mailcore.cli import as_text, output
from mailcore.cli.exits import Exit
from mailcore.cli.output import say
from mailcore.doctor import examine

if TYPE_CHECKING:
    from argparse import Namespace


def rotate_secrets(args: Namespace) -> Exit:
    """Encrypt every secret of the database keyring anew under the first key, all or none."""
    with closing(open_mailcore()) as core:
        rotated = core.secrets.database_keyring.rotate()
    output.show(args, {"rotated": rotated}, lambda: f"Senhas cifradas de novo com a primeira chave: {rotated}.")
    return Exit.DONE


def doctor(args: Namespace) -> Exit:
    """Show what is in force and what is not in order; change nothing."""
    report = examine()
    output.show(args, {"ok": report.ok, **asdict(report)}, lambda: as_text.report_lines(report))
    for sentence in report.faults:
        say(f"Problema: {sentence}")
    for sentence in report.notices:
        say(f"Aviso: {sentence}")
    return Exit.DONE if report.ok else Exit.NOT_DONE
