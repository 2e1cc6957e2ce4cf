"""``servers export | import``."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from mailcore.actor import computer_user
from mailcore.cli import output
from mailcore.cli.exits import Exit, WrongUseError
from mailcore.cli.opening import open_mailcore
from mailcore.cli.output import say
from mailcore.labels import inside
from mailcore.registry.exchange import apply_import, to_csv, to_json
from mailcore.registry.exchange_file import MAX_BYTES
from mailcore.registry.fields import FIELD
from mailcore.text import thousands

if TYPE_CHECKING:
    from argparse import Namespace

    from mailcore.errors import FieldChange
    from mailcore.registry.exchange import ImportPlan, Remark
    from mailcore.registry.fields import Field

_MOST_SHOWN = 60
"""Characters of a value in a line about a change: notes and certificates are long."""


def export(args: Namespace) -> Exit:
    """Write every server to standard output, without secrets."""
    with closing(open_mailcore(args)) as core:
        servers, zone = core.all_servers(), core.settings.zone
    _write(to_json(servers, zone) if args.json or args.format == "json" else to_csv(servers, zone))
    return Exit.DONE


def import_(args: Namespace) -> Exit:
    """Take in a CSV or JSON file, all of it or nothing; with ``--dry-run`` only say what it would do."""
    data = _read(args.file)
    with closing(open_mailcore(args)) as core:
        plan = core.plan_import(data)
        if plan.does_something and not args.dry_run:
            apply_import(core.servers, plan, actor=computer_user())
    counts = (0, 0) if plan.errors else (len(plan.created), len(plan.changed))
    document = {
        "created": counts[0],
        "changed": counts[1],
        "errors": [{"line": row.line, "column": row.column or None, "message": row.message} for row in plan.errors],
    }
    if plan.more_errors:
        document["more_errors"] = plan.error_count - len(plan.errors)
    if args.json or not plan.errors:
        output.show(args, document, lambda: _summary(plan, is_dry_run=args.dry_run))
    for remark in () if plan.errors else plan.warnings:
        say(f"Atenção: {_where(plan, remark)}: {remark.message}")
    if not plan.errors and plan.warning_count > len(plan.warnings):
        say(f"E mais {thousands(plan.warning_count - len(plan.warnings))} avisos, fora da lista.")
    for remark in plan.errors:
        say(f"{_where(plan, remark)}: {remark.message}")
    if plan.more_errors:
        say(plan.more_errors)
    if plan.errors:
        say("Nada do arquivo foi importado.")
    return Exit.WRONG_USE if plan.errors else Exit.DONE


def _read(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise WrongUseError(f"O arquivo “{path}” não pôde ser lido. Confira o caminho.") from error


def _write(text: str) -> None:
    """As bytes: a file must be UTF-8 with its own line feeds, whatever this terminal takes."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader has seen enough; see ``output.py``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _summary(plan: ImportPlan, *, is_dry_run: bool) -> str:
    lines = []
    if is_dry_run:
        lines += [f"{_at(plan, new.line)}: registra “{new.draft.name}”." for new in plan.created]
        lines += [
            f"{_at(plan, row.line)}: altera {row.server.id} “{row.server.name}”: "
            f"{'; '.join(_change(change) for change in row.changes)}."
            for row in plan.changed
        ]
    counted = f"novos: {len(plan.created)}; alterados: {len(plan.changed)}; sem mudança: {plan.unchanged}."
    lines.append(f"Nada foi gravado. Seriam {counted}" if is_dry_run else f"Importado. {counted.capitalize()}")
    return "\n".join(lines)


def _change(change: FieldChange) -> str:
    row = FIELD[change.field]
    return f"{row.label}, de {_shown(row, change.before)} para {_shown(row, change.after)}"


def _shown(row: Field, value: object) -> str:
    word = row.word(value)
    text = " ".join((inside(word) if row.is_choice else word).split()) or "(vazio)"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _where(plan: ImportPlan, remark: Remark) -> str:
    return f"{_at(plan, remark.line)}{f', coluna {remark.column}' if remark.column else ''}"


def _at(plan: ImportPlan, line: int) -> str:
    return f"Item {line}" if plan.is_json else f"Linha {line}"
