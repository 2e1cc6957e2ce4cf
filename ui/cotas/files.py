"""The table of "Cotas" as CSV and as an Excel file."""

from __future__ import annotations

import csv
from datetime import datetime
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from mailcore.csv_cells import cell
from ui import words

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from mailcore.quota.rules import Quota

_HEADINGS = (
    *(
        "Conta",
        "Servidores",
        "Usado",
        "Por este programa",
        "Consumo externo",
        "Limite",
        "Resta",
        "Contar por",
        "Janela",
    ),
    *("Estado", "Bloqueada até", "Libera quanto", "Libera quando"),
)


def to_csv(quotas: list[Quota], zone: ZoneInfo) -> bytes:
    """Return the accounts as CSV, the way a Brazilian Excel opens it with a double click."""
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(_HEADINGS)
    for one in quotas:
        writer.writerow(
            [
                cell(value.strftime("%d/%m/%Y %H:%M") if isinstance(value, datetime) else value)
                for value in _row(one, zone)
            ]
        )
    return text.getvalue().encode("utf-8-sig")


def to_excel(quotas: list[Quota], zone: ZoneInfo) -> bytes:
    """Return the accounts as an .xlsx file, numbers as numbers and times as times."""
    from xlsxwriter import Workbook

    file = BytesIO()
    # A text that begins with "=" stays a text.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(file, options) as book:
        sheet = book.add_worksheet("Cotas")
        heading, moment = book.add_format({"bold": True}), book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        sheet.write_row(0, 0, _HEADINGS, heading)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, 1, 36)
        sheet.set_column(2, len(_HEADINGS) - 1, 18)
        for line, one in enumerate(quotas, start=1):
            for column, value in enumerate(_row(one, zone)):
                if isinstance(value, datetime):
                    sheet.write_datetime(line, column, value, moment)
                elif value is not None:
                    sheet.write(line, column, value)
    return file.getvalue()


def _row(one: Quota, zone: ZoneInfo) -> list[Any]:
    first = one.frees[0] if one.frees else None
    return [
        one.account_key,
        ", ".join(server.name for server in one.servers),
        one.used,
        one.sent_here,
        one.external,
        one.limit,
        one.remaining,
        words.UNIT[one.rule.unit],
        words.WINDOW[one.rule.window],
        words.QUOTA_STATE[one.state],
        _local(one.hold.held_until if one.hold else None, zone),
        first.units if first else None,
        _local(first.at if first else None, zone),
    ]


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """A moment as a spreadsheet keeps it: the local clock, without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None) if moment else None
