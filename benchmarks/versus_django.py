"""The same work in the app and in the Django admin: same 100,000 servers, same browser, in turn.

What counts is how long a person waits: from their key or click to the frame that shows the result, both noted in the
browser. Where a step takes several presses, their waits are added; how long it takes to make a press is nobody's.

==========  ==========================================  =====================================================
step        app                                         admin
==========  ==========================================  =====================================================
search      the last letter in `Buscar` → the row       Enter → the row
open        `Alterar` → the form                        the row's link → the form
save        `Salvar` → the list with the row            `Salvar` → the list with the row
delete      `Apagar` → the question, `OK` → gone        `Ir` → the question, `Sim` → gone
==========  ==========================================  =====================================================

A step begins when the one before has come to rest.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from benchmarks import list_page
from benchmarks.browser import chromium, fresh_page, settle, waited
from benchmarks.dataset import servers
from benchmarks.django_admin.__main__ import USER
from benchmarks.processes import APP, ROOT, free_port, serving, streamlit
from benchmarks.registries import data_dir
from benchmarks.report import Figure
from mailcore.vocabulary import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

COUNT = 100_000
STEPS = ("search", "open", "save", "delete")
_ROUNDS = 8
_THEIR_ROWS = "#result_list tbody tr"


_ROWS = "[...document.querySelectorAll('{rows}')]"
_HAS = f"{_ROWS}.some((row) => row.textContent.includes(value))"
_ALONE = f"{_ROWS}.length === 1 && {_HAS}"
_GONE = "{shown} && !" + _HAS
_FORM = "[...document.querySelectorAll('input')].some((field) => field.value === value)"
"""The form is there with the record in it."""


class Subject(Protocol):
    """One of the two, driven step by step; each returns the seconds that a person waited."""

    def reset(self) -> None:
        """Show the whole list."""

    def pause(self) -> None:
        """Wait until nothing is under way any more (not timed)."""

    def search(self, term: str, name: str) -> float:
        """Find the server called ``name``."""

    def open(self, name: str) -> float:
        """Open its form."""

    def save(self, notes: str, name: str) -> float:
        """Change a field, save, back to the list."""

    def delete(self, name: str) -> float:
        """Delete it, back to the list."""


class App:
    """The app's own pages."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url

    def reset(self) -> None:
        self._page.goto(self._url)
        list_page.wait_for_rows(self._page)

    def pause(self) -> None:
        settle(self._page)

    def search(self, term: str, name: str) -> float:
        return waited(self._page, lambda: list_page.search(self._page, term), _of(_ALONE, list_page.ROWS), name)

    def open(self, name: str) -> float:
        # The search left one record, which is selected already.
        return self._press("Alterar", _FORM, name)

    def save(self, notes: str, name: str) -> float:
        self._page.get_by_role("textbox", name="Observações").fill(notes)
        return self._press("Salvar", _of(_ALONE, list_page.ROWS), name)

    def delete(self, name: str) -> float:
        # The record that was saved is selected.
        asked = self._press("Apagar", "document.querySelector('[role=dialog] .st-key-delete_yes button')", name)
        ok = self._page.get_by_role("dialog").get_by_role("button", name="OK")
        gone = _of(_GONE, list_page.ROWS, "!document.querySelector('[role=dialog]')")
        return asked + waited(self._page, ok.click, gone, name)

    def _press(self, button: str, until: str, name: str) -> float:
        return waited(self._page, list_page.button(self._page, button).first.click, until, name)


class DjangoAdmin:
    """The admin's list and form."""

    def __init__(self, page: Page, url: str, password: str) -> None:
        self._page = page
        self._list = f"{url}/admin/django_admin/server/"
        page.goto(self._list)
        page.locator("#id_username").fill(USER)
        page.locator("#id_password").fill(password)
        page.locator("[type=submit]").click()
        page.locator("#result_list").wait_for()

    def reset(self) -> None:
        self._page.goto(self._list)
        self._page.locator("#result_list").wait_for()

    def pause(self) -> None:
        self._page.wait_for_load_state("load")

    def search(self, term: str, name: str) -> float:
        box = self._page.locator("#searchbar")
        box.fill(term)
        return waited(self._page, lambda: box.press("Enter"), _of(_ALONE, _THEIR_ROWS), name)

    def open(self, name: str) -> float:
        link = self._page.locator("#result_list th a").filter(has_text=name)
        return waited(self._page, link.click, _FORM, name)

    def save(self, notes: str, name: str) -> float:
        self._page.locator("#id_notes").fill(notes)
        return waited(self._page, self._page.locator("[name=_save]").click, _of(_HAS, _THEIR_ROWS), name)

    def delete(self, name: str) -> float:
        self._page.locator("#result_list .action-select").first.check()
        self._page.locator("select[name=action]").select_option("delete_selected")
        confirm = self._page.locator("#content form [type=submit]")
        go = self._page.locator("button[name=index]")
        asked = waited(self._page, go.click, "document.querySelector('#content form [type=submit]')", name)
        gone = _of(_GONE, _THEIR_ROWS, "document.querySelector('.messagelist .success')")
        return asked + waited(self._page, confirm.click, gone, name)


def _of(condition: str, rows: str, shown: str = "") -> str:
    return condition.replace("{rows}", rows).replace("{shown}", shown)


def run() -> list[Figure]:
    """Do each step in both, turn by turn, and compare the medians."""
    with (
        data_dir(COUNT) as data,
        streamlit(APP, data_dir=data) as app,
        django_admin(COUNT) as (admin_url, password),
        chromium() as browser,
        fresh_page(browser) as our_page,
        fresh_page(browser) as their_page,
    ):
        ours, theirs = App(our_page, app.url), DjangoAdmin(their_page, admin_url, password)
        times = {subject: {step: list[float]() for step in STEPS} for subject in (ours, theirs)}
        for number, name in enumerate(_targets()):
            for subject in (ours, theirs):
                _work(subject, name, times[subject] if number else None)  # the first round warms up
    return _figures(times[ours], times[theirs])


def _targets() -> list[str]:
    """Names of SMTP servers spread over the registry, one a round."""
    smtp = [row["name"] for row in servers(COUNT) if row["kind"] is Kind.SMTP]
    return [smtp[len(smtp) * (number + 1) // (_ROUNDS + 2)] for number in range(_ROUNDS + 1)]


def _work(subject: Subject, name: str, times: dict[str, list[float]] | None) -> None:
    # The number in the name is in the domain too, and nowhere else: it finds this record alone.
    term = next(word.strip(",") for word in name.split() if word.strip(",").isdigit())
    actions: dict[str, Callable[[], float]] = {
        "search": lambda: subject.search(f"-{term}.example", name),
        "open": lambda: subject.open(name),
        "save": lambda: subject.save(f"Conferido: {secrets.token_hex(4)}", name),
        "delete": lambda: subject.delete(name),
    }
    subject.reset()
    for step, action in actions.items():
        subject.pause()
        seconds = action()
        if times is not None:
            times[step].append(seconds)


def _figures(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> list[Figure]:
    figures = []
    for step in STEPS:
        app, admin = statistics.median(ours[step]), statistics.median(theirs[step])
        remark = f"app {app:.2f} s, admin {admin:.2f} s"
        figures.append(Figure(f"{step}: app : Django admin", app / admin, "×", 1.0, remark))
    return figures


@contextmanager
def django_admin(count: int) -> Iterator[tuple[str, str]]:
    """Serve the admin with ``count`` servers; yield its URL and the password of its one user."""
    password = secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="bench-django-") as folder:
        environment = os.environ | {
            "DJANGO_ADMIN_DATABASE": str(Path(folder, "admin.sqlite3")),
            "DJANGO_SUPERUSER_PASSWORD": password,
        }
        module = [sys.executable, "-m", "benchmarks.django_admin"]
        subprocess.run([*module, "prepare", str(count)], cwd=ROOT, env=environment, check=True)
        port = free_port()
        with serving([*module, "serve", str(port)], port, environment, "/admin/login/") as running:
            yield running.url, password
