"""Web servers as processes of their own, on this machine's loopback and a free port, stopped at the end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
APP = ROOT / "app.py"
ONE_LINE_PAGE = Path(__file__).parent / "one_line_page.py"

_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """A web server that answers."""

    url: str
    process: subprocess.Popen[bytes]

    def own_memory(self) -> int:
        """Return the bytes that would come free if it ended (USS), child processes included."""
        root = psutil.Process(self.process.pid)
        family = [root, *root.children(recursive=True)]
        return sum(process.memory_full_info().uss for process in family)


@contextmanager
def streamlit(script: Path, *, data_dir: Path | None = None, wait: bool = True) -> Iterator[Running]:
    """Serve a script as ``make run`` does; ``data_dir`` is where the app finds its database."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true"]
    command += ["--browser.gatherUsageStats", "false"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILCORE_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or only the program would be compiled at each start
    environment["MAILCORE_KEYRING"] = "database"
    if data_dir is not None:
        environment["MAILCORE_DATA_DIR"] = str(data_dir)
    with serving(command, port, environment, "/_stcore/health", wait=wait) as running:
        yield running


@contextmanager
def serving(
    command: list[str], port: int, environment: dict[str, str], health: str, *, wait: bool = True
) -> Iterator[Running]:
    """Start a command that listens on ``port``; stop it at the end, by force where it must be."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    running = Running(f"http://127.0.0.1:{port}", process)
    try:
        if wait:
            wait_until_healthy(running, health)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_healthy(running: Running, path: str = "/_stcore/health") -> None:
    """Return as soon as the server answers.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            raise RuntimeError(f"{running.process.args!r} ended with {running.process.returncode}")
        try:
            with urllib.request.urlopen(running.url + path, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.01)
    raise RuntimeError(f"{running.process.args!r} did not answer in {_PATIENCE_SECONDS} s")


def free_port() -> int:
    """Return a port nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
