"""The ledger as a CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailcore import Mailcore
    from mailcore.sending.ledger import LedgerQuery

MOST_EXPORTED = 100_000
"""Rows of one file: more than a spreadsheet is comfortable with, and little enough to be made at once."""

COLUMNS = (
    *("id", "at", "server_id", "server_name", "status", "units", "recipients", "message_id", "provider_id", "reply"),
    *("warnings", "diagnosis_code", "diagnosis_title", "follow_state", "follow_failures", "who"),
)


def to_csv(core: Mailcore, query: LedgerQuery) -> bytes:
    """Return the rows that match, newest first, at most :data:`MOST_EXPORTED`; its columns are a promise.

    Raises:
        StorageError: the database could not be read.
    """
    from mailcore import frames
    from ui import spreadsheets

    table = frames.sends(core, query=query, most=MOST_EXPORTED)[list(COLUMNS)]
    table["at"] = [moment.isoformat(timespec="seconds") for moment in table["at"]]
    for name in ("reply", "warnings"):  # of several lines
        table[name] = [" ".join(text.split()) for text in table[name]]
    return spreadsheets.to_csv(table)
