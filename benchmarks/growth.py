"""What the app keeps: the list page run 500 times in one session, and 20 sessions that came and went."""

from __future__ import annotations

import time

import psutil

from benchmarks.door import run_of_a_page, socket_to
from benchmarks.processes import APP, Running, streamlit
from benchmarks.registries import data_dir
from benchmarks.report import Figure

_COUNT = 1_000
_WARM, _RUNS = 100, 500
_WARM_SESSIONS, _SESSIONS = 5, 20
_KEPT_SECONDS = 130
"""Streamlit keeps a session that was cut off for two minutes, in case its browser comes back."""


def run() -> list[Figure]:
    """Measure after the caches are warm, in one process."""
    with data_dir(_COUNT) as data, streamlit(APP, data_dir=data) as running:
        with socket_to(running, "") as socket:
            for _ in range(_WARM):
                run_of_a_page(socket)
            before, threads = running.own_memory(), _threads(running)
            for _ in range(_RUNS - _WARM):
                run_of_a_page(socket)
            grown, more = running.own_memory() - before, _threads(running) - threads
        _visits(running, _WARM_SESSIONS)
        time.sleep(_KEPT_SECONDS)
        before = running.own_memory()
        _visits(running, _SESSIONS)
        time.sleep(_KEPT_SECONDS)
        left = running.own_memory() - before
    remark = f"after {_WARM} runs, over {_RUNS - _WARM} more"
    return [
        Figure("growth in one session", grown / 1e6, "MB", 5.0, remark),
        Figure("threads more", more, "", 0, remark),
        Figure(f"growth after {_SESSIONS} sessions that ended", left / 1e6, "MB", 10.0),
    ]


def _visits(running: Running, count: int) -> None:
    for _ in range(count):
        with socket_to(running, "") as socket:
            for _ in range(3):
                run_of_a_page(socket)


def _threads(running: Running) -> int:
    return int(psutil.Process(running.process.pid).num_threads())
