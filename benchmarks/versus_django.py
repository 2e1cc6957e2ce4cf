"""The same work in the app and in the Django admin: same 100,000 servers, same browser, in turn.

Each step is timed from the person's first press to the moment its result can be seen:

==========  ==========================================  =====================================================
step        app                                         admin
==========  ==========================================  =====================================================
search      type in `Buscar` → the row is there         type, Enter → the row is there
open        tick the row, `Alterar` → the form          press the row's link → the form
save        `Salvar` → the list with the row            `Salvar` → the list with the row
delete      tick the row, `Apagar`, `OK` → gone         tick the row, choose the action, `Ir`, confirm → gone
==========  ==========================================  =====================================================

What a person types is put in at once, so nobody's typing speed is measured. A step begins when the one
before has come to rest; within a step each press follows as soon as what it presses is there.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from benchmarks import list_page
from benchmarks.browser import chromium, fresh_page, settle
from benchmarks.dataset import servers
from benchmarks.django_admin.__main__ import USER
from benchmarks.processes import APP, ROOT, free_port, serving, streamlit
from benchmarks.registries import data_dir
from benchmarks.report import Figure
from mailcore.vocabulary import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

COUNT = 100_000
STEPS = ("search", "open", "save", "delete")
_ROUNDS = 8


class Subject(Protocol):
    """One of the two, driven step by step; each call returns when its result can be seen."""

    def reset(self) -> None:
        """Show the whole list."""

    def pause(self) -> None:
        """Wait until nothing is under way any more (not timed)."""

    def search(self, term: str, name: str) -> None:
        """Find the server called ``name``."""

    def open(self, name: str) -> None:
        """Open its form."""

    def prepare_save(self, notes: str) -> None:
        """Change a field (not timed)."""

    def save(self, name: str) -> None:
        """Save, back to the list."""

    def prepare_delete(self) -> None:
        """See to it that no row is ticked (not timed)."""

    def delete(self, name: str) -> None:
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

    def search(self, term: str, name: str) -> None:
        list_page.search(self._page, term)
        list_page.count_line(self._page, 1).wait_for()
        list_page.rows(self._page, name).wait_for()

    def open(self, name: str) -> None:
        # The search left one record, which is selected already.
        list_page.button(self._page, "Alterar").click()
        _wait_for_value(self._page, name)

    def prepare_save(self, notes: str) -> None:
        self._page.get_by_role("textbox", name="Observações").fill(notes)

    def save(self, name: str) -> None:
        list_page.button(self._page, "Salvar").first.click()
        list_page.count_line(self._page, 1).wait_for()

    def prepare_delete(self) -> None:
        settle(self._page)

    def delete(self, name: str) -> None:
        list_page.select_first_row(self._page)
        list_page.button(self._page, "Apagar").click()
        self._page.get_by_role("dialog").get_by_role("button", name="OK").click()
        list_page.rows(self._page, name).wait_for(state="detached")


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

    def search(self, term: str, name: str) -> None:
        self._page.locator("#searchbar").fill(term)
        self._page.locator("#searchbar").press("Enter")
        self._page.get_by_text("1 resultado").wait_for()
        self._row(name).wait_for()

    def open(self, name: str) -> None:
        self._row(name).click()
        self._page.locator("#id_name").wait_for()
        _wait_for_value(self._page, name)

    def prepare_save(self, notes: str) -> None:
        self._page.locator("#id_notes").fill(notes)

    def save(self, name: str) -> None:
        self._page.locator("[name=_save]").click()
        self._row(name).wait_for()

    def prepare_delete(self) -> None:
        """After a save the admin's list comes back with nothing ticked."""

    def delete(self, name: str) -> None:
        self._page.locator("#result_list .action-select").first.check()
        self._page.locator("select[name=action]").select_option("delete_selected")
        self._page.locator("button[name=index]").click()
        self._page.locator("#content form [type=submit]").click()
        self._page.locator(".messagelist .success").wait_for()
        self._row(name).wait_for(state="detached")

    def _row(self, name: str) -> Locator:
        return self._page.locator("#result_list th a").filter(has_text=name)


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
    actions: dict[str, Callable[[], None]] = {
        "search": lambda: subject.search(f"-{term}.example", name),
        "open": lambda: subject.open(name),
        "save": lambda: subject.save(name),
        "delete": lambda: subject.delete(name),
    }
    subject.reset()
    for step, action in actions.items():
        if step == "save":
            subject.prepare_save(f"Conferido: {secrets.token_hex(4)}")
        elif step == "delete":
            subject.prepare_delete()
        subject.pause()
        begun = time.perf_counter()
        action()
        if times is not None:
            times[step].append(time.perf_counter() - begun)


def _figures(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> list[Figure]:
    figures = []
    for step in STEPS:
        app, admin = statistics.median(ours[step]), statistics.median(theirs[step])
        remark = f"app {app:.2f} s, admin {admin:.2f} s"
        figures.append(Figure(f"{step}: app : Django admin", app / admin, "×", 1.0, remark))
    return figures


def _wait_for_value(page: Page, value: str) -> None:
    """Wait until a field holds ``value``: the form is there with the record in it."""
    page.wait_for_function(
        "value => [...document.querySelectorAll('input')].some((field) => field.value === value)", arg=value
    )


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
