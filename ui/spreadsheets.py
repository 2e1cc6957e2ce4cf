"""DataFrames as files for a spreadsheet."""

from __future__ import annotations

import csv
from datetime import date, datetime
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from mailcore.csv_cells import cell

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 200
"""Rows whose texts say how wide a column is."""
_WIDEST = 60
_MOMENT, _DAY = "%d/%m/%Y %H:%M", "%d/%m/%Y"


def to_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV (RFC 4180), the way a Brazilian Excel opens it with a double click."""
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(table.columns)
    columns = [[cell(_shown(value)) for value in _values(table[name])] for name in table.columns]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode("utf-8-sig")


def to_excel(table: pd.DataFrame, sheet_name: str) -> bytes:
    """Return a table as an .xlsx file, numbers as numbers and times, which have no zone there, as times."""
    from xlsxwriter import Workbook

    file = BytesIO()
    # A text that begins with "=" stays a text.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(file, options) as book:
        sheet = book.add_worksheet(sheet_name)
        heading, moment = book.add_format({"bold": True}), book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.write_row(0, 0, table.columns, heading)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(table), max(len(table.columns) - 1, 0))
        for column, name in enumerate(table.columns):
            values = _values(table[name])
            sheet.set_column(column, column, _width(name, values))
            for line, value in enumerate(values, start=1):
                if isinstance(value, datetime):
                    sheet.write_datetime(line, column, value.replace(microsecond=0), moment)
                elif isinstance(value, date):
                    sheet.write_datetime(line, column, value, day)
                elif value is not None:
                    sheet.write(line, column, value)
    return file.getvalue()


def _width(heading: str, values: list[Any]) -> int:
    """Characters that show a column's heading, with the filter's arrow, and most of its values."""
    looked_at = [len(str(_shown(value))) for value in values[:_LOOKED_AT] if value is not None]
    return min(max([len(heading) + 3, *looked_at]) + 1, _WIDEST)


def _values(column: pd.Series) -> list[Any]:
    """The values of a column, None for what is missing."""
    return [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime(_MOMENT)
    if isinstance(value, date):
        return value.strftime(_DAY)
    # A whole number in a column with gaps comes as a float; a fraction has a comma in Brazil.
    return str(value).replace(".", ",") if isinstance(value, float) and not value.is_integer() else value
