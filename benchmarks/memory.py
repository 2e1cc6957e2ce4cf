"""What a process holds while threads search and send at once over 100,000 servers on SQLite: 30 threads against 3."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.registries import data_dir
from benchmarks.report import Figure
from benchmarks.search import cases
from mailcore.installation import Mailcore
from mailcore.settings import KeyringChoice, Settings
from mailcore.vocabulary import SendStatus

COUNT, FEW, MANY = 100_000, 3, 30


def run() -> list[Figure]:
    """Measure each number of threads in a process of its own, on a database of its own."""
    few, many = _measured(FEW), _measured(MANY)
    remark = f"{FEW} threads {few['memory']:.0f} MB, {MANY} threads {many['memory']:.0f} MB"
    return [
        Figure(f"memory of {MANY} threads, times that of {FEW}", many["memory"] / few["memory"], "×", 1.5, remark),
        Figure(f"a search while {MANY} threads are open", many["search_ms"], "ms", 9.5, "median of all kinds, alone"),
    ]


def _measured(threads: int) -> dict[str, float]:
    with data_dir(COUNT) as folder:
        command = [sys.executable, "-m", "benchmarks.memory", str(folder), str(threads)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _work(core: Mailcore, number: int, together: threading.Barrier) -> None:
    for query in cases(COUNT).values():
        # Pages of another size in each thread, so that not all of them live on what the first one found.
        core.servers.search(replace(query, page_size=40 + number))
    together.wait()
    server = core.servers.get(number + 2)
    core.settle(core.reserve(server, 1, idempotency_key=str(number)), SendStatus.ACCEPTED)
    together.wait()  # with what each thread keeps
    together.wait()


def _megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main(folder: str, threads: int) -> None:
    """Print what this process holds after its threads have worked, all of them still alive."""
    core = Mailcore(Settings(data_dir=Path(folder), keyring=KeyringChoice.DATABASE))
    together = threading.Barrier(threads + 1, timeout=300)
    workers = [threading.Thread(target=_work, args=(core, number, together)) for number in range(threads)]
    for worker in workers:
        worker.start()
    together.wait()
    together.wait()
    memory = _megabytes()
    times = []
    for query in [*cases(COUNT).values()] * 5:
        begun = time.perf_counter()
        core.servers.search(query)
        times.append((time.perf_counter() - begun) * 1_000)
    print(json.dumps({"memory": memory, "search_ms": statistics.median(times)}))
    together.wait()
    for worker in workers:
        worker.join()
    core.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
