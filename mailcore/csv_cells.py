"""Values as cells of a CSV file, and back.

A cell that a spreadsheet would take for a formula is written with an apostrophe before it, which reading takes
away again (OWASP, "CSV Injection": owasp.org/www-community/attacks/CSV_Injection). So is what would become such a
cell where the file is opened with another separator than it was written with: "Loja;=1+1;x" in a file with commas.
"""

from __future__ import annotations

import re

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four: full-width = + - @

# Where another separator, or a line end that another reading of the quotes makes one, begins a cell of its own.
_INNER = re.compile("([;,\t|\r\n])(?=[ \"']*[=+\\-@\uff1d\uff0b\uff0d\uff20])")
_INNER_WRITTEN = re.compile("([;,\t|\r\n])'(?=[ \"']*[=+\\-@\uff1d\uff0b\uff0d\uff20])")


def cell(value: object) -> str:
    """Return a value as text that no spreadsheet runs."""
    text = _INNER.sub(r"\1'", text_of(value))
    return f"'{text}" if _FORMULA.match(text) else text


def text_of(value: object) -> str:
    """Return a value as text: nothing for None, ``true`` and ``false``, no decimals for a whole number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def read_cell(text: str) -> str:
    """Undo :func:`cell`."""
    whole = text[1:] if text.startswith("'") and _FORMULA.match(text) else text
    return _INNER_WRITTEN.sub(r"\1", whole)
