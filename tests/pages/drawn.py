"""Read what a page under ``AppTest`` drew: a table (``ui/listview/table.py``), a sentence."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest


def rows_of(app: AppTest) -> list[dict[str, str]]:
    """Return the rows of the one table on the page: heading → text, and what stands beneath it under "… below"."""
    (drawn,) = [part.proto for part in app.get("bidi_component") if part.proto.component_name == "mailcore_rows"]
    data = json.loads(drawn.bytes)
    headings = [column["label"] for column in data["columns"]]
    rows = []
    for row in data["rows"]:
        texts: dict[str, str] = {}
        for heading, cell in zip(headings, row[1:], strict=True):
            texts[heading] = cell if isinstance(cell, str) else cell.get("text", "")
            texts[f"{heading} below"] = "" if isinstance(cell, str) else cell.get("below", "")
        rows.append(texts)
    return rows


def as_shown(markdown: str) -> str:
    """What a person reads of Markdown that ``ui.formats.plain`` made."""
    return re.sub(r"\\(.)", r"\1", markdown.replace(":small[]", ""))
