"""Open a page under ``AppTest``, press its buttons, and read what it drew: tables, sentences, links, bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from mailcore import Mailcore

SCREEN = str(Path(__file__).parents[2] / "screen.py")


def open_page(name: str, **query: str) -> AppTest:
    """Open a page by its address, as a link does; no fault is a traceback."""
    app = AppTest.from_file(SCREEN, default_timeout=60)
    return turn_to(app, name, **query)


def turn_to(app: AppTest, name: str, **query: str) -> AppTest:
    """Go to another page in the same session."""
    app.query_params.clear()
    app.query_params.update(query)
    return whole(app.switch_page(f"pages/{name}.py").run())


def press(app: AppTest, label: str) -> AppTest:
    """Press a button."""
    (button,) = [each for each in app.button if as_shown(each.label) == label]
    return whole(button.click().run())


def whole(app: AppTest) -> AppTest:
    """Hold that the page ran to its end."""
    assert not app.exception
    assert not [error for error in app.error if "Algo inesperado aconteceu" in error.value]
    return app


def of_table(app: AppTest, label: str = "") -> dict[str, Any]:
    """Return all that was sent of the one table on the page (``ui/listview/table.py``).

    Args:
        label: what a screen reader calls the table, where there are several.
    """
    drawn = [part.proto for part in app.get("bidi_component") if part.proto.component_name == "mailcore_rows"]
    tables: list[dict[str, Any]] = [json.loads(proto.bytes) for proto in drawn]
    (data,) = [each for each in tables if label in ("", each["label"])]
    return data


def rows_of(app: AppTest, label: str = "") -> list[dict[str, str]]:
    """Return the rows of a table: heading → text, and what stands beneath it under "… below"."""
    data = of_table(app, label)
    headings = [column["label"] for column in data["columns"]]
    rows = []
    for row in data["rows"]:
        texts: dict[str, str] = {}
        for heading, cell in zip(headings, row[1:], strict=True):
            texts[heading] = cell if isinstance(cell, str) else cell.get("text", "")
            texts[f"{heading} below"] = "" if isinstance(cell, str) else cell.get("below", "")
        rows.append(texts)
    return rows


def row_of(app: AppTest, label: str, text: str) -> dict[str, str]:
    """Return the one row of the table of this label that has a cell with this text."""
    (row,) = [row for row in rows_of(app, label) if text in row.values()]
    return row


def said(app: AppTest) -> str:
    """Return every sentence on the page, one a line, as a person reads it."""
    return "\n".join([*_lines(app.title, app.header, app.markdown, app.caption, app.code), alerts(app)])


def alerts(app: AppTest) -> str:
    """Return what the coloured boxes say, one a line."""
    return "\n".join(_lines(app.info, app.success, app.warning, app.error))


def _lines(*kinds: Iterable[Any]) -> list[str]:
    return [as_shown(each.value).replace("**", "") for kind in kinds for each in kind]


def cards(app: AppTest) -> dict[str, str]:
    """Return the figures in boxes, by name."""
    return {card.label: card.value for card in app.metric}


def links(app: AppTest) -> dict[str, str]:
    """Return the links to other pages: what each says → its query string."""
    return {as_shown(link.proto.label): link.proto.query_string for link in app.get("page_link")}


def labels(app: AppTest) -> set[str]:
    """Return what the buttons say."""
    return {as_shown(button.label) for button in app.button}


def sent_to_the_browser(app: AppTest) -> bytes:
    """Return everything that the last run sent, as bytes: to look for secrets in."""
    found = [
        node.proto.SerializeToString() for node in app._tree if hasattr(getattr(node, "proto", None), "DESCRIPTOR")
    ]
    assert found
    return b"\n".join(found)


def database_of(core: Mailcore) -> bytes:
    """Return the database's files as they are: to look for secrets in."""
    return b"".join(path.read_bytes() for path in core.settings.data_dir.glob("mailcore.db*"))


def give_file(app: AppTest, data: bytes, name: str = "arquivo.csv", at: int = 0) -> AppTest:
    """Put a file into a field for files."""
    uploader: Any = app.file_uploader[at]
    return whole(uploader.set_value((name, data, "text/csv")).run())


def as_shown(markdown: str) -> str:
    """What a person reads of Markdown that ``ui.formats.plain`` made."""
    return re.sub(r"\\(.)", r"\1", markdown.replace(":small[]", ""))
