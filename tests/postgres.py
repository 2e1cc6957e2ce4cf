"""A throw-away PostgreSQL cluster for the tests, reached by a socket in a folder of its own.

Needs an installed PostgreSQL; without one its tests are skipped, or fail where ``MAILCORE_REQUIRE_POSTGRES=1``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from tests.scratch import scratch


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
    with own_cluster() as (url, _):
        yield url


@contextmanager
def own_cluster() -> Iterator[tuple[str, Callable[[], None]]]:
    """The same, and what restarts it as after a crash: every connection ends, nothing is finished first."""
    folder = Path(tempfile.mkdtemp(prefix="mailcore-pg-", dir=scratch()))
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
        # Nothing of it has to survive a power cut, and nothing grows old enough to be tidied.
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c full_page_writes=off -c shared_buffers=32MB"
        options += " -c autovacuum=off -c jit=off"
        log = ("-w", "-l", str(folder / "log"))
        run("pg_ctl", *log, "-o", f"{options} -c max_connections=400", "start")
        # Not over the loopback network, which has the kernel do more for each statement.
        url = f"postgresql://mailcore@/postgres?host={quote(str(folder))}&port={port}"
        yield url, lambda: run("pg_ctl", *log, "-m", "immediate", "restart")
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def create_database(cluster: str, name: str, template: str = "template1") -> str:
    """Create a database, by copying another that nobody is connected to, and return its URL."""
    with psycopg.connect(cluster, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return _url_of(cluster, name)


@contextmanager
def fresh_database(cluster: str, name: str, template: str = "template1") -> Iterator[str]:
    """Yield the URL of a copy of ``template``, dropped at the end."""
    yield create_database(cluster, name, template)
    with psycopg.connect(cluster, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class SharedDatabase:
    """A database of this version that test after test has to itself, emptied in between.

    To copy one takes a hundred times as long as to empty it, for every table and index is a file or two. Each test
    comes in by a name of its own, which lets nobody in after it: what is left over from a test finds nothing of the
    next. One whose tables were altered is dropped.
    """

    def __init__(self, cluster: str, template: str) -> None:
        """Copy ``template`` when a test first asks."""
        self._cluster = cluster
        self._template = template
        self._database = ""
        self._user = ""
        self._restore = ""
        self._kept: psycopg.Connection[tuple[object, ...]] | None = None
        """Kept open: a new one would have to read first what every table and index is like."""

    def take(self, name: str) -> str:
        """Return the URL, under this user name, of a database that is as the template was."""
        if self._database and not self._is_restored():
            self._drop()
        if not self._database:
            self._copy(name)
        self._user = name
        self._run(f'CREATE ROLE "{name}" LOGIN SUPERUSER')
        return _url_of(self._cluster, self._database).replace("//mailcore@", f"//{name}@", 1)

    def _is_restored(self) -> bool:
        """Let nobody in any more, and bring the rows back as they were; False where the tables are not what they were.

        Nobody is asked for a foreign key.
        """
        self._run(f'ALTER ROLE "{self._user}" NOLOGIN')
        self._run(_END_OTHERS)
        if self._run("SELECT FROM testing.alteration LIMIT 1").rowcount:
            return False
        self._run(f"BEGIN; SET LOCAL session_replication_role = replica; {self._restore}; COMMIT")
        return True

    def _run(self, statement: str) -> psycopg.Cursor[tuple[object, ...]]:
        if self._kept is None or self._kept.closed:
            self._kept = psycopg.connect(_url_of(self._cluster, self._database), autocommit=True)
        try:
            return self._kept.execute(statement)
        except psycopg.OperationalError:  # a test ended every connection
            if not self._kept.closed:
                raise
            return self._run(statement)

    def _copy(self, name: str) -> None:
        url = create_database(self._cluster, name, self._template)
        with psycopg.connect(url, autocommit=True) as connection:
            self._restore = _statements_that_restore(connection)
            connection.execute(_NOTE_ALTERATIONS)
        self._database = name

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
        with psycopg.connect(self._cluster, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE "{self._database}" WITH (FORCE)')
        self._database = ""


_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_NOTE_ALTERATIONS = """
CREATE TABLE testing.alteration (command text);
CREATE FUNCTION testing.note() RETURNS event_trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO testing.alteration VALUES (tg_tag); END$$;
CREATE EVENT TRIGGER note_alterations ON ddl_command_end EXECUTE FUNCTION testing.note();
"""
_MOST_BYTES = 1_000_000
_TRUNCATE_LARGE = f"""
DO $$DECLARE found regclass; BEGIN
  FOR found IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND pg_relation_size(oid) > {_MOST_BYTES} LOOP EXECUTE format('TRUNCATE %s CASCADE', found); END LOOP;
END$$
"""


def _statements_that_restore(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """Return what brings back the rows that the database has now, which are copied aside."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    sequences = connection.execute(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
    ).fetchall()
    connection.execute("CREATE SCHEMA testing")
    names = ", ".join(f'public."{table}"' for (table,) in tables)
    # Whoever was told to end and is still writing is waited for here; PostgreSQL itself looks every 100 ms.
    statements = [f"LOCK TABLE {names} IN EXCLUSIVE MODE", _TRUNCATE_LARGE]
    for (table,) in tables:
        statements.append(f'DELETE FROM public."{table}"')
        if connection.execute(f'SELECT EXISTS (SELECT 1 FROM public."{table}")').fetchone() == (True,):
            connection.execute(f'CREATE TABLE testing."{table}" AS TABLE public."{table}"')
            statements.append(f'INSERT INTO public."{table}" TABLE testing."{table}"')
    for name, last in sequences:
        statements.append(f"SELECT setval('public.\"{name}\"', {last or 1}, {last is not None})")
    return ";\n".join(statements)


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


def _url_of(cluster: str, name: str) -> str:
    return urlsplit(cluster)._replace(path=f"/{name}").geturl()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
