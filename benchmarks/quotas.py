"""Reserving and settling, alone and from eight processes, and what the figures cost over a million rows."""

from __future__ import annotations

import gc
import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from sqlalchemy import insert, text

from benchmarks.postgres import NoPostgres, postgres_url
from benchmarks.report import Figure
from mailcore.actor import Actor
from mailcore.installation import Mailcore
from mailcore.quota.usage import SLOT_SECONDS
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import KeyringChoice, Settings
from mailcore.storage.tables import DailyUsage, MailServer, Send, Usage
from mailcore.vocabulary import Security, SendStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAIRS, _PROCESSES, _EACH = 3_000, 8, 500
_ROWS, _ACCOUNTS = 1_000_000, 1_000


def run() -> list[Figure]:
    """Measure all of it, on SQLite and then on PostgreSQL."""
    figures = []
    with TemporaryDirectory() as folder:
        figures += _reserving("SQLite", Settings(data_dir=Path(folder), keyring=KeyringChoice.DATABASE), targets=True)
    try:
        with TemporaryDirectory() as folder, postgres_url() as url:
            settings = Settings(data_dir=Path(folder), keyring=KeyringChoice.DATABASE, database_url=url)
            figures += _reserving("PostgreSQL", settings, targets=False)
    except NoPostgres as error:
        figures.append(Figure("PostgreSQL: reserve and settle", None, remark=str(error)))
    with TemporaryDirectory() as folder:
        figures += _reading(Settings(data_dir=Path(folder), keyring=KeyringChoice.DATABASE))
    return figures


def _reserving(name: str, settings: Settings, *, targets: bool) -> list[Figure]:
    core = Mailcore(settings)
    server = register(core, "Uma", limit=100_000_000)
    keys = count()

    def pair(units: int) -> None:
        row = core.reserve(server, units, idempotency_key=f"alone-{next(keys)}")
        core.settle(row, SendStatus.ACCEPTED)

    for _ in range(200):
        pair(1)
    alone = _seconds_each(lambda: pair(1), _PAIRS)
    batch = _seconds_each(lambda: pair(100), _PAIRS // 4) / 100
    figures = [
        Figure(f"{name}: reserve and settle one unit", alone * 1e6, "µs", 250 if targets else None, "one process"),
        Figure(f"{name}: a unit in a batch of 100", batch * 1e6, "µs", alone / 20 * 1e6, "target: a twentieth"),
    ]
    # One unit less than what the processes ask for: one of them is refused, and not one unit too many is taken.
    contested = register(core, "Disputada", limit=_PROCESSES * _EACH - 1)
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(_PROCESSES + 1), context.Queue()
    workers = [
        context.Process(target=_work, args=(settings, contested.id, number, start, out)) for number in range(_PROCESSES)
    ]
    for worker in workers:
        worker.start()
    start.wait()
    begun = time.perf_counter()
    taken = sum(out.get() for _ in workers)
    together = (time.perf_counter() - begun) / (_PROCESSES * _EACH)
    for worker in workers:
        worker.join()
    assert taken == _PROCESSES * _EACH - 1, taken
    core.close()
    note = f"{_PROCESSES} processes, one account, {taken} of {taken + 1} taken"
    return [
        *figures,
        Figure(f"{name}: the same from eight processes", together * 1e6, "µs", 500 if targets else None, note),
    ]


def _work(settings: Settings, server_id: int, number: int, start: Any, out: Any) -> None:
    core = Mailcore(settings)
    server = core.servers.get(server_id)
    start.wait()
    taken = 0
    for each in range(_EACH):
        row = core.reserve(server, 1, idempotency_key=f"{number}-{each}")
        if row.status is SendStatus.STARTED:
            core.settle(row, SendStatus.ACCEPTED)
            taken += 1
    out.put(taken)
    core.close()


def _reading(settings: Settings) -> list[Figure]:
    """A million rows in one account's window; then a million over 1,000 accounts and 30 days."""
    core = Mailcore(settings)
    now = datetime.now(UTC)
    busy = register(core, "Movimentada", limit=2_000_000)
    fill(core, [busy], now, timedelta(hours=24))
    one = _seconds_each(lambda: core.quotas(server_id=busy.id, every_slot=True), 30)
    with core.database.write_connection() as connection:
        for table in ("send", "usage", "daily_usage"):
            connection.execute(text(f"DELETE FROM {table}"))
    servers = [register(core, f"Conta {number}", limit=1_000) for number in range(_ACCOUNTS)]
    fill(core, servers, now, timedelta(days=30))

    def page() -> None:
        core.quotas()
        core.days()
        core.hours()

    # As in the app, whose pages put what they have loaded out of the collector's sight (see ui/context.py).
    page()
    gc.collect()
    gc.freeze()
    whole = _seconds_each(page, 10)
    core.close()
    return [
        Figure("quota of one account, a million rows in its window", one * 1e3, "ms", 5, "every slot that frees"),
        Figure("figures of Cotas, 1,000 accounts, a million rows", whole * 1e3, "ms", 200, "table, 30 days, heat map"),
    ]


def fill(core: Mailcore, servers: list[MailServer], now: datetime, span: timedelta) -> None:
    """Ledger rows evenly over the span, and the sums that they would have left."""
    step = span / _ROWS
    sums: dict[tuple[str, int, int], list[Any]] = {}
    by_day: dict[tuple[Any, str, int], int] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(_ROWS):
            server, at = servers[number % len(servers)], now - step * number
            slot = sums.setdefault(
                (server.account_key, int(at.timestamp()) // SLOT_SECONDS * SLOT_SECONDS, server.id), [0, at]
            )
            slot[0] += 1
            day = (at.astimezone(core.settings.zone).date(), server.account_key, server.id)
            by_day[day] = by_day.get(day, 0) + 1
            yield {
                "idempotency_key": f"{len(servers)}-{number}",
                "server_id": server.id,
                "server_name": server.name,
                "status": SendStatus.ACCEPTED,
                "units": 1,
                "recipients": "bia@exemplo.org",
                "message_id": f"<{number}@exemplo.org>",
                "at": at,
                "account_key": server.account_key,
                "counted": 1,
            }

    made = rows()
    with core.database.write_connection() as connection:
        while piece := [row for row, _ in zip(made, range(20_000), strict=False)]:
            connection.execute(insert(Send), piece)
        connection.execute(
            insert(Usage),
            [
                {"account_key": key, "slot": slot, "server_id": server, "last_at": last}
                | {"messages": many, "recipients": many, "external": 0}
                for (key, slot, server), (many, last) in sums.items()
            ],
        )
        connection.execute(
            insert(DailyUsage),
            [
                {
                    "day": day,
                    "account_key": key,
                    "server_id": server,
                    "messages": many,
                    "recipients": many,
                    "external": 0,
                }
                for (day, key, server), many in by_day.items()
            ],
        )


def _seconds_each(work: Any, times: int) -> float:
    work()
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times


def register(core: Mailcore, name: str, *, limit: int) -> MailServer:
    draft = ServerDraft(
        name=name,
        host="smtp.exemplo.com.br",
        security=Security.STARTTLS,
        username=f"{name}@exemplo.com.br".replace(" ", ""),
        from_address="a@exemplo.com.br",
        daily_limit=limit,
    )
    return core.servers.create(draft, SecretStr("senha"), actor=Actor("benchmark")).server
