"""``explain``, ``servers suggest``, ``secrets rotate`` and ``doctor``."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from mailcore.actor import computer_user
from mailcore.catalog import providers
from mailcore.catalog.lookup import suggest as look_up
from mailcore.cli import as_text, output
from mailcore.cli.as_json import explained_document, suggestion_document
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.cli.output import say
from mailcore.diagnosis.explain import explain as explain_text
from mailcore.health.doctor import examine

if TYPE_CHECKING:
    from argparse import Namespace


def rotate_secrets(args: Namespace) -> Exit:
    """Encrypt every secret of the database keyring anew under the first key, all or none."""
    with closing(open_mailcore(args)) as core:
        rotated = core.secrets.database_keyring.rotate(actor=computer_user())
    output.show(args, {"rotated": rotated}, lambda: f"Senhas cifradas de novo com a primeira chave: {rotated}.")
    return Exit.DONE


def explain(args: Namespace) -> Exit:
    """Say what the replies in a pasted text mean; nothing is stored and nobody contacted."""
    if args.provider and args.provider not in {provider.id for provider in providers()}:
        raise WrongUseError(
            f"--provider: o catálogo não tem “{args.provider}”. servers suggest mostra como ele se chama."
        )
    found = explain_text(_text(args), phase=args.phase or "", provider=args.provider or "")
    documents = [explained_document(reply.diagnosis) for reply in found]
    output.show(args, documents, lambda: as_text.explained(found))
    return Exit.DONE


def _text(args: Namespace) -> str:
    if args.text != "-":
        # Bytes of the command line that are no UTF-8 arrive as halves of characters.
        typed: str = args.text
        return typed.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if sys.stdin is None:
        raise WrongUseError("A entrada padrão está fechada; dê o texto como argumento.")
    return sys.stdin.read()


def suggest(args: Namespace) -> Exit:
    """Say what the catalogue knows of an address or a host."""
    found = look_up(args.text)
    output.show(args, suggestion_document(found) if found else None, lambda: as_text.suggestion_lines(found))
    for warning in found.warnings if found else ():
        say(f"Atenção: {warning}")
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
