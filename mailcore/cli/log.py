"""``log``: the ledger."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mailcore.cli import as_text, output
from mailcore.cli.as_json import send_document
from mailcore.cli.exits import Exit
from mailcore.cli.opening import open_mailcore
from mailcore.sending.ledger import LedgerQuery
from mailcore.vocabulary import SendStatus

if TYPE_CHECKING:
    from argparse import Namespace
    from zoneinfo import ZoneInfo


def log(args: Namespace) -> Exit:
    """Show rows of the ledger, newest first."""
    with closing(open_mailcore(args)) as core:
        zone = core.settings.zone
        query = LedgerQuery(
            server_id=args.server,
            since=aware(args.since, zone) if args.since else None,
            status=SendStatus(args.status) if args.status else None,
            page_size=args.limit,
        )
        sends = core.ledger.search(query).sends
    output.show(args, [send_document(send, zone) for send in sends], lambda: as_text.sends_table(sends, zone))
    return Exit.DONE


def aware(moment: datetime | timedelta, zone: ZoneInfo) -> datetime:
    """Return a typed moment with its offset; without one it is meant in ``zone``, and a duration counts back."""
    if isinstance(moment, timedelta):
        return datetime.now(UTC) - moment
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
