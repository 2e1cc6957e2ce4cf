"""The list of servers, as a person at the browser uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# The grid is drawn on a canvas; its cells stand inside it as a table for screen readers.
GRID = "[data-testid=stDataFrame] canvas"
_HEADER_HEIGHT, _ROW_HEIGHT, _CHECKBOX_X = 35, 35, 20

HEADING = "Servidores de e-mail"


def heading(page: Page) -> Locator:
    """The title: the first of the page that a person sees."""
    return page.get_by_role("heading", name=HEADING, level=1)


def cells(page: Page, text: str | re.Pattern[str]) -> Locator:
    """Cells of the grid with this text."""
    return page.locator(f"{GRID} td").filter(has_text=text)


def wait_for_rows(page: Page) -> None:
    """Wait until the grid is drawn with at least one row in it."""
    page.locator(GRID).first.wait_for()
    page.locator(f"{GRID} tbody tr, {GRID} td").first.wait_for(state="attached")


def search(page: Page, text: str) -> None:
    """Put ``text`` into `Buscar`, all at once, and leave the cursor there."""
    page.get_by_label("Buscar", exact=True).fill(text)


def count_line(page: Page, found: int) -> Locator:
    """The line under the table: "37 de 10.000 servidores"."""
    number = f"{found:,}".replace(",", ".")
    return page.get_by_text(re.compile(rf"^{re.escape(number)} de [\d.]+ servidor"))


def select_first_row(page: Page) -> None:
    """Tick the first row."""
    # Above the canvas lies the grid's scroller, which takes the mouse.
    box = page.locator(GRID).first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + _CHECKBOX_X, box["y"] + _HEADER_HEIGHT + _ROW_HEIGHT / 2)


def untick(page: Page) -> None:
    """Take the tick off the first row, where the page kept it from an earlier visit."""
    if button(page, "Alterar").is_enabled():
        select_first_row(page)
        page.get_by_role("button", name="Alterar", disabled=True).wait_for()


def button(page: Page, name: str) -> Locator:
    """A button by its label, whatever key is shown beside it."""
    return page.get_by_role("button", name=re.compile(rf"\b{re.escape(name)}\b"))
