"""Runs of the list page and sessions leave no thread, no open file and hardly a byte behind."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailcore.registry.drafts import ServerDraft
from tests.actors import ME
from tests.browser.conftest import StartApp
from tests.browser.door_client import Visitor, env_of, open_core, run_page

MOST_KB = 8_000
"""Python's own heap grows by pages: of runs and sessions that kept what they made, more is left."""

_SESSIONS = 5
_FILES_A_SESSION = 3
"""Streamlit's own, an event loop's, until it forgets the session after two minutes; `make bench` waits for that."""
_FILES_OF_THE_POOL = 4
"""Two more connections of SQLite that may be kept."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_runs_and_sessions_leave_nothing(streamlit_server: StartApp, tmp_path: Path) -> None:
    with open_core(tmp_path / "data") as core:
        for number in range(60):
            draft = ServerDraft(
                name=f"Loja {number}", host="h.example", from_address="a@b.example", requires_auth=False
            )
            core.servers.create(draft, actor=ME)
    app = streamlit_server("app.py", env_of(tmp_path / "data"))
    process, visitor = Path(f"/proc/{app.pid}"), Visitor(app)

    def figure(name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", (process / "status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    def open_files() -> int:
        return len(list((process / "fd").iterdir()))

    def visit(runs: int) -> None:
        with visitor.page() as socket:
            for _ in range(runs):
                run_page(socket)

    for _ in range(3):
        visit(8)
    memory, threads, files = figure("VmRSS"), figure("Threads"), open_files()
    visit(30)
    for _ in range(_SESSIONS - 1):
        visit(3)
    until(lambda: figure("Threads") <= threads)
    assert open_files() <= files + _FILES_A_SESSION * _SESSIONS + _FILES_OF_THE_POOL
    assert figure("VmRSS") - memory < MOST_KB


def until(is_so: Callable[[], bool]) -> None:
    """Threads end a moment after the session."""
    ends = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends, "threads are left"
        time.sleep(0.05)
