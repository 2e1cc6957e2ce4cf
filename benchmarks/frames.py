"""DataFrames over a million rows of the ledger: how long they take, and what a process holds at most."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.quotas import fill, register
from benchmarks.report import Figure
from mailcore import frames
from mailcore.installation import Mailcore
from mailcore.settings import KeyringChoice, Settings

ACCOUNTS = 100


def run() -> list[Figure]:
    """Measure each in a process of its own, for the most memory of a process never goes down."""
    with TemporaryDirectory() as folder:
        core = Mailcore(_settings(folder))
        servers = [register(core, f"Loja {number}", limit=10_000) for number in range(ACCOUNTS)]
        fill(core, servers, datetime.now(UTC), timedelta(days=30))
        core.close()
        return [figure for name in WHAT for figure in _measured(folder, name)]


WHAT: dict[str, Callable[[Mailcore], int]] = {
    "sends": lambda core: len(frames.sends(core)),
    "sends of a day": lambda core: len(frames.sends(core, since=timedelta(days=1))),
    "sends_in_chunks": lambda core: sum(len(part) for part in frames.sends_in_chunks(core)),
    "usage of 30 days": lambda core: len(frames.usage(core, days=30)),
    "quotas of 100 accounts": lambda core: len(frames.quotas(core)),
}


def _measured(folder: str, name: str) -> list[Figure]:
    command = [sys.executable, "-m", "benchmarks.frames", folder, name]
    seconds, megabytes, rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    remark = f"{rows:,} rows"
    return [
        Figure(f"frames: {name}", seconds * 1_000, "ms", remark=remark),
        Figure(f"frames: {name}, memory at most", megabytes, "MB", remark="above what the libraries take"),
    ]


def _settings(folder: str) -> Settings:
    return Settings(data_dir=Path(folder), keyring=KeyringChoice.DATABASE)


def _most_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main(folder: str, name: str) -> None:
    """Print seconds, megabytes at most above the start, and rows."""
    core = Mailcore(_settings(folder))
    frames.servers(core)  # with the libraries loaded
    before, begun = _most_megabytes(), time.perf_counter()
    rows = WHAT[name](core)
    print(json.dumps([time.perf_counter() - begun, _most_megabytes() - before, rows]))
    core.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
