"""How long a search through ``mailcore.registry.servers`` takes: what the page waits for, page of rows included."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from benchmarks.dataset import fill
from benchmarks.postgres import NoPostgres, postgres_url
from benchmarks.registries import data_dir
from benchmarks.report import Figure
from mailcore.installation import Mailcore, open_mailcore
from mailcore.registry.search import ServerQuery
from mailcore.settings import KeyringChoice, Settings
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import CheckState, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZES = (10_000, 100_000)
TARGET_MS = 9.5
"""Single-digit milliseconds, asked of SQLite at 100,000 servers."""

_WARM_UP, _RUNS = 3, 40


def cases(count: int) -> dict[str, ServerQuery]:
    """Return the searches that are timed, in a registry of ``count`` servers."""
    return {
        "no text, first page": ServerQuery(),
        "no text, page in the middle": ServerQuery(page=count // 100),
        "selective word": ServerQuery(text=f"-{count // 2}.example"),
        "accents (conceicao são)": ServerQuery(text="conceicao são"),
        "broad word (smtp)": ServerQuery(text="smtp"),
        "every record (example)": ServerQuery(text="example"),
        "every record, page 20": ServerQuery(text="example", page=20),
        "two letters (pa)": ServerQuery(text="pa"),
        "one letter (z)": ServerQuery(text="z"),
        "nothing found": ServerQuery(text="qqqxyz"),
        "two filters": ServerQuery(kind=Kind.SMTP, is_active=False),
        "four filters": ServerQuery(
            kind=Kind.ELASTIC_EMAIL, is_active=False, is_paid=True, last_check=CheckState.FAILED
        ),
        "word and filters": ServerQuery(text="recife", kind=Kind.SMTP, last_check=CheckState.FAILED),
    }


def run() -> list[Figure]:
    """Time every case on SQLite, and on PostgreSQL where it can be started."""
    figures: list[Figure] = []
    for count in SIZES:
        with data_dir(count) as folder, _opened(folder) as core:
            figures += _time_all(core, f"SQLite {count:,}", TARGET_MS if count == SIZES[-1] else None)
    for count in SIZES:
        try:
            with postgres_url() as url, data_dir(0) as folder, _opened(folder, url) as core:
                fill(core.database, count)
                figures += _time_all(core, f"PostgreSQL {count:,}", None)
        except NoPostgres as reason:
            figures.append(Figure(f"PostgreSQL {count:,}", None, remark=str(reason)))
    return figures


@contextmanager
def _opened(folder: Path, url: str = "") -> Iterator[Mailcore]:
    core = open_mailcore(Settings(data_dir=folder, database_url=url, keyring=KeyringChoice.DATABASE))
    try:
        yield core
    finally:
        core.close()


def _time_all(core: Mailcore, database: str, target: float | None) -> list[Figure]:
    with core.database.read() as session:
        count = session.scalar(select(func.count()).select_from(MailServer)) or 0
    return [_figure(core, f"{database}: {name}", query, target) for name, query in cases(count).items()]


def _figure(core: Mailcore, name: str, query: ServerQuery, target: float | None) -> Figure:
    """Time a search of a registry as it stands; the remark tells what the first one after a write takes."""
    some = core.servers.get(1)
    first = []
    for _ in range(_WARM_UP):
        core.servers.record_check(some, some.last_check_state, some.last_check_category)
        first.append(_milliseconds(core, query))
    times = [_milliseconds(core, query) for _ in range(_RUNS)]
    next_page = _milliseconds(core, replace(query, page=query.page + 1))
    p95 = statistics.quantiles(times, n=20)[-1]
    found = core.servers.search(query).matching
    after = f"after a write {statistics.median(first):.1f} ms, next page {next_page:.1f} ms"
    return Figure(name, statistics.median(times), "ms", target, f"p95 {p95:.1f} ms, {after}, {found:,} found")


def _milliseconds(core: Mailcore, query: ServerQuery) -> float:
    begun = time.perf_counter()
    core.servers.search(query)
    return (time.perf_counter() - begun) * 1_000
