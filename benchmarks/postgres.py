"""A PostgreSQL of its own in a temporary folder, where the machine has one installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class NoPostgres(Exception):  # noqa: N818 - a condition to report, not an error
    """PostgreSQL cannot be started here; the text says why."""


@contextmanager
def postgres_url() -> Iterator[str]:
    """Start PostgreSQL on a Unix socket and yield the URL of an empty database.

    Raises:
        NoPostgres: it is not installed, or refuses to start.
    """
    initdb = _program("initdb")
    # PostgreSQL refuses to run as root: there the account its package makes is used.
    user = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="bench-pg-") as folder:
        data = Path(folder, "data")
        if user:
            shutil.chown(folder, user)
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        pg_ctl = [str(initdb.with_name("pg_ctl")), "-D", str(data), "-w", "-s"]
        try:
            _run([str(initdb), "-D", str(data), "-U", "bench", "-A", "trust", "-E", "UTF8"], folder, user)
            _run([*pg_ctl, "-l", f"{folder}/log", "-o", options, "start"], folder, user)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NoPostgres(f"PostgreSQL did not start: {error}") from error
        try:
            yield f"postgresql+psycopg://bench@/postgres?host={folder}"
        finally:
            _run([*pg_ctl, "-m", "immediate", "stop"], folder, user)


def _program(name: str) -> Path:
    if found := shutil.which(name):
        return Path(found)
    # Debian keeps the server's programs off the path, one folder a version.
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not versions:
        raise NoPostgres("PostgreSQL is not installed")
    return versions[-1]


def _run(command: list[str], folder: str, user: str | None) -> None:
    subprocess.run(command, cwd=folder, user=user, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
