"""Batches: a million recipients read and stored, what acts on them cost, CPU a message, eight workers against one.

The wire is left out here (see the benchmark of the wire): a line takes every group at once, or after as long as the
fastest wire of that benchmark needs for one.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks.postgres import NoPostgres, postgres_url
from benchmarks.report import Figure
from mailcore import Mailcore, Security, ServerDraft, computer_user
from mailcore.batches import worker
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.settings import Settings
from mailcore.storage.tables import AccountPace, Batch
from mailcore.transports.bulk import BulkLine, Parcel, ParcelResult
from mailcore.vocabulary import SendStatus

MILLION, MEASURED, GROUP, WORKERS = 1_000_000, 20_000, 64, 8
TURN_SECONDS, SIDE_BY_SIDE = 0.19, 3_200
"""What 64 messages of 5 kB take with CHUNKING at 50 ms a round trip; and messages for each worker."""
TEXT = "Olá {{nome}}, de {{cidade}}.\n" + "Uma linha de texto como qualquer outra.\n" * 60
HTML = "<p>Olá {{nome}}, de {{cidade}}.</p>\n" + "<p>Uma linha de texto.</p>\n" * 100


class Line(BulkLine):
    """Takes everything, after the time of one turn of the wire."""

    group_size = GROUP

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def hand_over(self, parcels: list[Parcel]) -> list[ParcelResult]:
        if self._seconds:
            time.sleep(self._seconds)
        reply = "250 2.0.0 Ok: queued as 4YQ1Zk2bX8z"
        return [ParcelResult(parcel.number, SendStatus.ACCEPTED, reply, "4YQ1Zk2bX8z") for parcel in parcels]


def run() -> list[Figure]:
    """Measure on SQLite, and on PostgreSQL where there is one."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.batches"], capture_output=True, text=True, check=True)
    figures = [Figure(*each) for each in json.loads(done.stdout)]
    with tempfile.TemporaryDirectory() as folder:
        figures.append(_cpu(Settings(data_dir=Path(folder), keyring="database"), "SQLite"))
    try:
        with postgres_url() as url, tempfile.TemporaryDirectory() as folder:
            settings = Settings(database_url=url, data_dir=Path(folder), keyring="database")
            figures += [_cpu(settings, "PostgreSQL"), _side_by_side(settings)]
    except NoPostgres as error:
        figures.append(Figure(f"{WORKERS} workers against one", None, remark=str(error)))
    return figures


def million() -> list[list[Any]]:
    """Read, check and store a million recipients, and act on them; in a process of its own, for its memory."""
    data = _people(MILLION).encode()
    with tempfile.TemporaryDirectory() as folder, Mailcore(Settings(data_dir=Path(folder), keyring="database")) as core:
        ten = _batch(core, _people(10).encode())
        begun = time.perf_counter()
        all_of_them = _batch(core, data)
        seconds = time.perf_counter() - begun
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        few, many = _acts(core, ten, all_of_them)
    return [
        ["a million recipients read, checked and stored", seconds, "s", 60],
        ["memory of that process at its height", megabytes, "MB", 500],
        ["start, pause and list, of ten recipients", few, "ms", None],
        ["the same, of a million", many, "ms", None],
    ]


def _acts(core: Mailcore, *batches: Batch) -> list[float]:
    """Milliseconds of starting, pausing and listing each batch, the best of ten; in turn, for a disk has its moods."""
    best = [float("inf")] * len(batches)
    for number in [*range(len(batches))] * 10:
        batch = batches[number]
        begun = time.perf_counter()
        act = core.batches.resume if core.batches.get(batch.id).started_at else core.batches.start
        act(batch.id, actor=computer_user())
        core.batches.pause(batch.id, actor=computer_user())
        core.batches.find()
        best[number] = min(best[number], time.perf_counter() - begun)
    return [seconds * 1_000 for seconds in best]


def _cpu(settings: Settings, database: str) -> Figure:
    worker.transport_for = lambda _: _Transport(0)  # type: ignore[assignment,return-value]
    with Mailcore(settings) as core:
        batch = core.batches.start(_batch(core, _people(MEASURED).encode()).id, actor=computer_user())
        begun = time.process_time()
        core.batches._worker.work()
        seconds = time.process_time() - begun
        sent = core.batches.get(batch.id).sent
    remark = f"5 kB with template, bytes, quota and ledger; {GROUP} a group; without the wire and the database's server"
    return Figure(f"CPU a message, {database}", seconds / sent * 1e6, "µs", 150, remark)


def _side_by_side(settings: Settings) -> Figure:
    one, several = (_rate(settings, workers) for workers in (1, WORKERS))
    remark = f"PostgreSQL, {one:,.0f} and {several:,.0f} messages a second, {TURN_SECONDS * 1000:.0f} ms a group"
    return Figure(f"{WORKERS} workers against one", several / one, "times", 6, remark, at_least=True)


def _rate(settings: Settings, workers: int) -> float:
    """Messages a second of so many processes over one account."""
    with Mailcore(settings) as core:
        batch = core.batches.start(_batch(core, _people(SIDE_BY_SIDE * workers).encode()).id, actor=computer_user())
        with core.database.write() as session:
            session.merge(
                AccountPace(
                    account_key=batch.account_key,
                    connections=workers,
                    window_units=0,
                    grown=0,
                    failures=0,
                    learnt_at=batch.created_at,
                )
            )
    context = multiprocessing.get_context("fork")
    gate, opened = context.Event(), context.Semaphore(0)
    processes = [context.Process(target=_work, args=(settings, gate, opened)) for _ in range(workers)]
    for process in processes:
        process.start()
    for _ in processes:
        opened.acquire()
    begun = time.perf_counter()
    gate.set()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - begun
    with Mailcore(settings) as core:
        return core.batches.get(batch.id).sent / seconds


def _work(settings: Settings, gate: Any, opened: Any) -> None:
    worker.transport_for = lambda _: _Transport(TURN_SECONDS)  # type: ignore[assignment,return-value]
    with Mailcore(settings) as core:
        opened.release()
        gate.wait()
        core.batches._worker.work()


class _Transport:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def bulk(self, _: object) -> Line:
        return Line(self._seconds)


def _batch(core: Mailcore, data: bytes) -> Batch:
    server = core.servers.default()
    if server is None:
        at = {"host": "127.0.0.1", "port": 9, "security": Security.NONE, "security_auto": False}
        who = {"username": "ana@x.com.br", "from_address": "ana@x.com.br", "is_default": True}
        draft = ServerDraft(name="Loja", daily_limit=100_000_000, **at, **who)
        server = core.servers.create(draft, SecretStr("x"), actor=computer_user()).server
    new = NewBatch(server_id=server.id, recipients=RecipientsFile(data), subject="Olá {{nome}}", text=TEXT, html=HTML)
    return core.batches.create(new, actor=computer_user())


def _people(count: int) -> str:
    rows = (
        f"cliente{n}@exemplo{n % 1000}.com.br;Cliente Número {n};São Paulo;1.234,{n % 100:02}" for n in range(count)
    )
    return "email;nome;cidade;valor\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(json.dumps(million()))
