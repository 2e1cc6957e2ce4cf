"""The list of servers, as a person at the browser uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROWS = ".mailcore-rows tbody tr"

HEADING = "Servidores de e-mail"


def heading(page: Page) -> Locator:
    """The title: the first of the page that a person sees."""
    return page.get_by_role("heading", name=HEADING, level=1)


def rows(page: Page, text: str) -> Locator:
    """Rows of the table with this text."""
    return page.locator(ROWS).filter(has_text=text)


def wait_for_rows(page: Page) -> None:
    """Wait until the table is drawn with at least one row in it."""
    page.locator(ROWS).first.wait_for()


def search(page: Page, text: str) -> None:
    """Put ``text`` into `Buscar`, all at once, and leave the cursor there."""
    page.get_by_label("Buscar", exact=True).fill(text)


def count_line(page: Page, found: int) -> Locator:
    """The line under the table: "37 de 10.000 servidores"."""
    number = f"{found:,}".replace(",", ".")
    return page.get_by_text(re.compile(rf"^{re.escape(number)} de [\d.]+ servidor"))


def select_first_row(page: Page) -> None:
    """Click the first row."""
    page.locator(ROWS).first.click()


def button(page: Page, name: str) -> Locator:
    """A button by its label, whatever key is shown beside it."""
    return page.get_by_role("button", name=re.compile(rf"\b{re.escape(name)}\b"))
