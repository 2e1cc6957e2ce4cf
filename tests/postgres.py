"""A throw-away PostgreSQL cluster for the tests, on a loopback port of its own.

Needs an installed PostgreSQL; without one its tests are skipped, or fail where ``MAILCORE_REQUIRE_POSTGRES=1``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where PostgreSQL is required."""
    if os.environ.get("MAILCORE_REQUIRE_POSTGRES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def binaries() -> Path:
    """The folder with initdb and pg_ctl; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if found:
        return found[0].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    unavailable("no PostgreSQL found: install it (Debian: apt install postgresql)")


@contextmanager
def running_cluster() -> Iterator[str]:
    """Start a cluster and yield the URL of its maintenance database, without a password."""
    folder = Path(tempfile.mkdtemp(prefix="mailcore-pg-"))
    owner = _owner(folder)
    data, bin_dir, port = folder / "data", binaries(), _free_port()

    def run(program: str, *args: str) -> None:
        done = subprocess.run(
            [str(bin_dir / program), "-D", str(data), *args],
            user=owner,
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=(folder / "output").open("ab"),
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{(folder / 'output').read_text()}")

    try:
        run("initdb", "-U", "mailcore", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions")
        # Nothing of it has to survive a power cut.
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c full_page_writes=off -c shared_buffers=32MB"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield f"postgresql://mailcore@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def create_database(cluster: str, name: str, template: str = "template1") -> str:
    """Create a database, by copying another that nobody is connected to, and return its URL."""
    with psycopg.connect(cluster, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return cluster.rsplit("/", 1)[0] + f"/{name}"


@contextmanager
def fresh_database(cluster: str, name: str, template: str = "template1") -> Iterator[str]:
    """Yield the URL of a copy of ``template``, dropped at the end."""
    yield create_database(cluster, name, template)
    with psycopg.connect(cluster, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _owner(folder: Path) -> int | None:
    """PostgreSQL refuses to run as root: then it runs as somebody else, who owns the folder."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            uid = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
        os.chown(folder, uid, -1)
        folder.chmod(0o700)
        return uid
    unavailable("PostgreSQL does not run as root, and there is no other account to run it as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
