"""``suppressions list | add | remove``: who gets nothing from batches any more."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from mailcore import labels
from mailcore.actor import computer_user
from mailcore.cli import as_text, output
from mailcore.cli.as_json import suppression_document
from mailcore.cli.exits import Exit
from mailcore.cli.opening import open_mailcore
from mailcore.registry.document import moment
from mailcore.vocabulary import SuppressionScope

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from mailcore.storage.tables import Suppression

_MOST_LISTED = 1_000_000


def list_suppressions(args: Namespace) -> Exit:
    """List the addresses, newest first."""
    with closing(open_mailcore(args, fills=True)) as core:
        found = core.suppressions.search(page_size=_MOST_LISTED).suppressions
        zone = core.settings.zone
    output.show(args, [suppression_document(each, zone) for each in found], lambda: _table(found, zone))
    return Exit.DONE


def add(args: Namespace) -> Exit:
    """Put an address on the list."""
    with closing(open_mailcore(args, fills=True)) as core:
        found = core.suppressions.add(
            args.address, reason=args.reason, scope=SuppressionScope(args.scope), actor=computer_user()
        )
        zone = core.settings.zone
    output.show(args, suppression_document(found, zone), lambda: _table([found], zone))
    return Exit.DONE


def remove(args: Namespace) -> Exit:
    """Take an address off the list."""
    with closing(open_mailcore(args, fills=True)) as core:
        removed = core.suppressions.remove(args.address, actor=computer_user())
    output.show(args, {"removed": removed}, lambda: f"“{removed}” saiu da lista e volta a receber.")
    return Exit.DONE


def _table(found: Sequence[Suppression], zone: ZoneInfo) -> str:
    if not found:
        return "Nenhum endereço na lista."
    rows = [["Endereço", "Vale para", "Origem", "Motivo", "Desde", "Quem"]]
    for each in found:
        scope, source = labels.SUPPRESSION_SCOPE[each.scope], labels.SUPPRESSION_SOURCE[each.source]
        since = moment(each.since, zone) or ""
        rows.append([each.address, scope.lower(), source.lower(), each.reason[:80], since, each.who or "—"])
    return as_text.table(rows)
