"""What the tests of the library share: the same tests on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from mailcore import Mailcore
from mailcore.settings import Settings

sys.dont_write_bytecode = True


@pytest.fixture(autouse=True)
def _a_machine_of_our_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting and no desktop keyring of the machine the tests run on."""
    import os

    for name in list(os.environ):
        if name.startswith("MAILCORE_") and not name.startswith("MAILCORE_REQUIRE_"):
            monkeypatch.delenv(name)
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """URL of a running PostgreSQL; one for each test process."""
    from tests.postgres import running_cluster

    with running_cluster() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_cluster: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    from tests.postgres import fresh_database

    with fresh_database(postgres_cluster, f"test_{uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database: every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'mailcore.db'}"
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
