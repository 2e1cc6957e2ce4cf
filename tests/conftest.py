"""What the tests of the library share: the same tests on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from mailcore import Mailcore
from mailcore.settings import Settings
from mailcore.storage import migrations
from mailcore.storage.database import make_data_dir
from tests import forked
from tests.compiled import compile_once
from tests.hashes import cheap_hashes, real_hashes
from tests.played import Played
from tests.scratch import scratch
from ui.door import tickets

if TYPE_CHECKING:
    from tests.postgres import SharedDatabase


def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto``, two more than there are processors.

    A test process waits a sixth of its time, for peers and for what is answered late on purpose: with as many as
    processors these idle. Each more costs what it starts for itself (PostgreSQL, a loaded Streamlit).
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return processors + 2


def pytest_configure(config: pytest.Config) -> None:
    """Give pytest's own folders their place; the processes of xdist get theirs from this one.

    And look for garbage less often: a test process makes much that stays, and leaves little in circles. Not too
    seldom, or what a test made is no longer in the processor's cache when it is looked through.
    """
    gc.set_threshold(2_000, 20, 20)
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", scratch())
    if address := getattr(config, "workerinput", {}).get("forks"):
        forked.join(address)


def pytest_configure_node(node: Any) -> None:
    """Have the processes of xdist fork theirs from one: to load what they need costs each two seconds."""
    node.workerinput["forks"] = forked.share()


_IN_ONE_PROCESS = {
    "a mail server or a door, started once": re.compile(r"/test_(real_mtas|door|door_openid|door_screen)\.py::"),
    "a process to fork from, or hundreds of records": re.compile(
        r"/test_(huge_files|order|processes|quota_race)\.py::"
    ),
    "services that are silent, waited for at the same time": re.compile(r"/test_quota_without_answer\.py::"),
    "a browser with a window, and the app of its keys": re.compile(
        r"/browser/(?:test_shortcuts_headed\.py::|\w+\.py::test_headed_)"
    ),
}
"""Tests that go to one test process together, for what they share costs more than they do."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For ``--dist loadgroup``: xdist itself finds no group in what pytest 9.2 calls a test.

    And up to two processes open no browser.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class Together(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            # One group a file of the first sort; of the second, one for all files.
            for name, pattern in _IN_ONE_PROCESS.items():
                if found := pattern.search(nodeid):
                    return found[1] if pattern.groups else name
            return nodeid

        def _assign_work_unit(self, node: Any) -> None:
            if self._is_without_browser(node) and (scope := self._next_without_browser()):
                self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)

        def _reschedule(self, node: Any) -> None:
            if self.workqueue and self._is_without_browser(node) and not self._next_without_browser():
                node.shutdown()
            super()._reschedule(node)

        def _is_without_browser(self, node: Any) -> bool:
            # To open one costs more than most tests: of three processes one does without, of more two.
            return node in self.nodes[2:][-2:]

        def _next_without_browser(self) -> str | None:
            return next((scope for scope, unit in self.workqueue.items() if "/browser/" not in next(iter(unit))), None)

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            super().mark_test_complete(node, item_index, duration)
            # xdist would count what is over again after every test.
            unit = self._split_scope(self.registered_collections[node][item_index])
            if all(self.assigned_work[node][unit].values()):
                del self.assigned_work[node][unit]

    return Together(config, log)


@pytest.fixture(scope="session", autouse=True)
def no_search_for_components() -> None:
    """Each ``AppTest`` would look for Streamlit components in every installed package; there are none."""
    if "streamlit" in sys.modules:
        from ui.first_run import spare_start

        spare_start()


def pytest_collection_finish() -> None:
    """What thousands of collected tests are made of need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Write half characters as escapes: xdist ends the whole run where a report cannot be written as UTF-8."""
    report: pytest.TestReport = yield  # type: ignore[misc]
    report.sections = [(title, _escaped(text)) for title, text in report.sections]
    if report.longrepr is not None and _escaped(str(report.longrepr)) != str(report.longrepr):
        report.longrepr = _escaped(str(report.longrepr))
    return report  # type: ignore[return-value]


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


_asked = socket.getaddrinfo


def _known_here(host: Any, *arguments: Any, **options: Any) -> Any:
    """Look a name up where that asks nobody else: a name server far away may take five seconds to say no."""
    name = host.decode() if isinstance(host, bytes) else host or ""
    if "." in name and not _is_address(name):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _asked(host, *arguments, **options)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@pytest.fixture(autouse=True)
def _a_machine_of_our_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting, no desktop keyring and no name server of this machine, and no door of another test in its process."""
    for name in list(os.environ):
        if name.startswith("MAILCORE_") and not name.startswith("MAILCORE_REQUIRE_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(tickets, "_standing", list(tickets._standing))
    monkeypatch.setattr(socket, "getaddrinfo", _known_here)
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture(scope="session", autouse=True)
def _statements_are_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        compile_once(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    with cheap_hashes():
        yield


@pytest.fixture(name="real_hashes")
def _real_hashes() -> Iterator[None]:
    """For tests of what the real hashes are: passwords cost what they cost everybody."""
    with real_hashes():
        yield


@contextmanager
def no_running_loop() -> Iterator[None]:
    """Let the test begin a loop of its own, whatever ran before it in this process.

    Playwright's loop stays in the thread for as long as its browser is open; asyncio takes that for a loop that is
    running, and begins no other.
    """
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(before)


@pytest.fixture(autouse=True)
def _no_loop_of_a_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    if "playwright_driver" in request.fixturenames:
        yield
        return
    with no_running_loop():
        yield


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """URL of a running PostgreSQL; one for each test process."""
    from tests.postgres import running_cluster

    with running_cluster() as url:
        yield url


@pytest.fixture(scope="session")
def _played() -> Played:
    return Played()


@pytest.fixture(autouse=True)
def _upgrades_of_nothing_are_played(_played: Played, starts_migrated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for tests of the upgrade itself, which ``empty_database`` marks."""
    if starts_migrated:
        monkeypatch.setattr(migrations, "_upgrade", _played)


@pytest.fixture(scope="session")
def opened_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SQLite file of this version, opened once, and nothing in it; to be copied."""
    folder = tmp_path_factory.mktemp("opened")
    Mailcore(Settings(database_url=f"sqlite:///{folder / 'mailcore.db'}", data_dir=folder, keyring="database")).close()
    return folder


@pytest.fixture
def data_dir(tmp_path: Path, starts_migrated: bool, request: pytest.FixtureRequest) -> Path:
    """Folder for an installation on SQLite, with a database of this version and nothing in it."""
    folder = tmp_path / "data"
    if starts_migrated:
        copy_database(request.getfixturevalue("opened_folder"), folder)
    return folder


def copy_database(source: Path, folder: Path) -> None:
    """Copy the database of a folder into another, with the marks that say it belongs there, but not its key."""
    make_data_dir(folder)
    for path in source.glob("mailcore.db*"):
        shutil.copyfile(path, folder / path.name)


@pytest.fixture(scope="session")
def shared_postgres(postgres_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> SharedDatabase:
    """A PostgreSQL database of this version, opened once, with nothing in it, for one test at a time."""
    from tests.postgres import SharedDatabase, create_database

    url = create_database(postgres_cluster, "opened")
    Mailcore(Settings(database_url=url, data_dir=tmp_path_factory.mktemp("opened"), keyring="database")).close()
    return SharedDatabase(postgres_cluster, "opened")


@pytest.fixture(scope="session")
def postgres_of_modules(postgres_cluster: str, shared_postgres: SharedDatabase) -> SharedDatabase:
    """As ``shared_postgres``, beside it: for one module at a time."""
    from tests.postgres import SharedDatabase

    return SharedDatabase(postgres_cluster, "opened")


@pytest.fixture
def starts_migrated(request: pytest.FixtureRequest) -> bool:
    """Whether a test's database has its tables from the start: not where ``empty_database`` marks it."""
    return request.node.get_closest_marker("empty_database") is None


@pytest.fixture
def postgres_url(postgres_cluster: str, starts_migrated: bool, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a PostgreSQL database of this test's own, without a record."""
    from tests.postgres import fresh_database

    name = f"test_{uuid4().hex[:12]}"
    if starts_migrated:
        yield request.getfixturevalue("shared_postgres").take(name)
    else:
        with fresh_database(postgres_cluster, name) as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without a record: every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('data_dir') / 'mailcore.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an installation of this test's own, secrets in its database."""
    return Settings(database_url=database_url, data_dir=tmp_path / "data", keyring="database")


@pytest.fixture
def open_core(settings: Settings) -> Iterator[Callable[[], Mailcore]]:
    """Open the installation, again and again as one likes: each is a "start of the program"."""
    opened: list[Mailcore] = []

    def start() -> Mailcore:
        opened.append(Mailcore(settings))
        return opened[-1]

    yield start
    for core in opened:
        core.close()


@pytest.fixture
def core(open_core: Callable[[], Mailcore]) -> Mailcore:
    """The opened installation."""
    return open_core()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_core(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailcore]:
    """An installation that the tests of a module share: for those that only read it, or leave it as they found it."""
    folder = tmp_path_factory.mktemp("shared")
    if request.param == "sqlite":
        copy_database(request.getfixturevalue("opened_folder"), folder)
        url = f"sqlite:///{folder / 'mailcore.db'}"
    else:
        url = request.getfixturevalue("postgres_of_modules").take(f"module_{uuid4().hex[:12]}")
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    core = Mailcore(Settings(database_url=url, data_dir=folder, keyring="database"))
    keyring.set_keyring(before)
    yield core
    core.close()
