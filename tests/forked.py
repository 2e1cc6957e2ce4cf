"""Processes of their own that are forked from one which has loaded Streamlit, pandas and the library.

To load them takes more of a processor than most tests do themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOADED = [
    "altair", "anyio._backends._asyncio", "argon2", "cryptography.x509", "dns.resolver", "huey.consumer",
    "itsdangerous", "keyring.backends.fail", "pandas", "PIL.Image", "PIL.ImageFile", "psycopg", "pyarrow",
    "pyarrow.pandas_compat", "pygments.lexers", "pygments.formatters.html", "sqlalchemy.dialects.sqlite",
    "sqlalchemy.ext.compiler", "sqlalchemy.orm", "starlette.applications", "starlette.middleware.sessions",
    "starlette.staticfiles", "uvicorn.lifespan.on", "uvicorn.loops.asyncio", "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto", "uvicorn.protocols.http.h11_impl", "uvicorn.protocols.websockets.auto",
    "websockets.legacy.server", "streamlit.components.v2.manifest_scanner", "streamlit.dataframe.lazy_df_adapters",
    "streamlit.emojis", "streamlit.material_icon_names", "streamlit.runtime.agent.mcp",
    "streamlit.runtime.agent.snapshot", "streamlit.runtime.scriptrunner.magic_funcs",
    "streamlit.watcher.polling_path_watcher", "streamlit.web.bootstrap", "streamlit.web.cli",
    "streamlit.web.server.app_discovery", "streamlit.web.server.starlette.starlette_agent_routes",
    "streamlit.web.skills",
    "mailcore.__main__", "mailcore.batches.huey_queue", "mailcore.cli.parser", "mailcore.frames", "mailcore.help",
    "mailcore.installation", "mailcore.secrets.database_keyring",
    # Not what registers a component: that asks for the running program.
    "ui.door.openid", "ui.door.start", "ui.enviar_teste", "ui.listview.filters", "ui.navigation", "ui.outcome",
    "ui.person",
    "tests.frozen",
]  # fmt: skip

_can_fork = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows: each start loads for itself
context = multiprocessing.get_context("forkserver" if _can_fork else "spawn")
if _can_fork:
    context.set_forkserver_preload(LOADED)

_main = sys.modules["__main__"]


def share() -> str:
    """Start the process that others are forked from; return the address at which :func:`join` reaches it.

    It ends with this process. Empty where Python's own server of forks is not the one known here.
    """
    server = forkserver._forkserver
    if not _can_fork or hasattr(server, "_forkserver_authkey"):
        return ""
    settings = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("MAILCORE_")}
    with open(os.devnull, "wb") as nowhere:  # it must not write over the report of the tests
        screen = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        server.ensure_running()
        os.dup2(screen, 2)
        os.close(screen)
    os.environ.update(settings)
    return str(server._forkserver_address)


def join(address: str) -> None:
    """Have what :func:`make` starts in this process forked from the one that another process shares."""
    server = forkserver._forkserver
    server._forkserver_address = address
    server._forkserver_alive_fd = os.open(os.devnull, os.O_RDONLY)  # not by this process is it kept alive
    server.ensure_running = resource_tracker.ensure_running


def make(target: Callable[..., None], args: Sequence[object], *, is_daemon: bool = False) -> BaseProcess:
    """Return a process, not started yet, forked from the one that has loaded everything.

    What an AppTest ran stays behind as "__main__", and a new process would run it as its own.
    """
    sys.modules["__main__"] = _main
    made: BaseProcess = context.Process(target=target, args=tuple(args), daemon=is_daemon)
    return made


def run_command(
    arguments: Sequence[object], *, env: Mapping[str, str], given: bytes = b"", seconds: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """Run ``python -m mailcore`` with exactly this environment; return its exit code and all it wrote.

    Raises:
        subprocess.TimeoutExpired: it took longer; it is gone.
    """
    command = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "0").write_bytes(given)
        process = make(_command, (command, dict(env), name))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, seconds)
        out, err = ((folder / stream).read_bytes() for stream in ("1", "2"))
        return subprocess.CompletedProcess(command, process.exitcode, out, err)


class Command:
    """A ``python -m mailcore`` under way, that is talked to while it runs."""

    def __init__(self, arguments: Sequence[object], *, env: Mapping[str, str], streams: Sequence[int] = ()) -> None:
        """Start it with exactly this environment.

        Args:
            streams: descriptors in place of the last of its three standard streams; it gets copies of them.
        """
        (told, given), (out, says_out), (err, says_err) = os.pipe(), os.pipe(), os.pipe()
        theirs = (told, says_out, says_err)
        taken = (*theirs[: 3 - len(streams)], *streams)
        self._process = make(_talking, ([str(each) for each in arguments], dict(env), *map(_Handed, taken)))
        self._process.start()
        for descriptor in theirs:
            os.close(descriptor)
        self.stdin = os.fdopen(given, "w", encoding="utf-8")
        self.stdout, self.stderr = (os.fdopen(each, encoding="utf-8") for each in (out, err))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self, seconds: float = 60) -> int:
        """Return its exit code.

        Raises:
            subprocess.TimeoutExpired: it took longer; it is gone.
        """
        self._process.join(seconds)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise subprocess.TimeoutExpired("mailcore", seconds)
        return self._process.exitcode

    def communicate(self, given: str = "", seconds: float = 60) -> tuple[str, str]:
        """Give it this, wait for its end, and return the rest of what it wrote.

        Raises:
            subprocess.TimeoutExpired: it took longer; it is gone.
        """
        with self.stdin, self.stdout, self.stderr:
            self.stdin.write(given)
            self.stdin.close()
            self.wait(seconds)  # a pipe holds far more than a command writes
            return self.stdout.read(), self.stderr.read()


class _Handed:
    """A descriptor that a process which is being started gets a copy of."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        from multiprocessing.reduction import DupFd  # which Windows has not

        return _taken, (DupFd(self._descriptor),)


def _taken(handed: Any) -> int:
    return int(handed.detach())


def redirect(stdin: str | Path, stdout: str | Path, stderr: str | Path) -> None:
    """Give this process, which was forked, standard streams of its own; what is written goes to a file's end."""
    for number, (path, flags) in enumerate(((stdin, os.O_RDONLY), *((path, _APPEND) for path in (stdout, stderr)))):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    _open_streams()


def _open_streams() -> None:
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def become(env: Mapping[str, str]) -> None:
    """Take on an environment, and the program's folder."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(ROOT)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT))


def _command(arguments: list[str], env: dict[str, str], folder: str) -> None:
    redirect(*(os.path.join(folder, stream) for stream in ("0", "1", "2")))
    _run(arguments, env)


def _talking(arguments: list[str], env: dict[str, str], *streams: int) -> None:
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in set(streams):
        os.close(stream)
    if os.isatty(0):
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    _open_streams()
    _run(arguments, env)


def _run(arguments: list[str], env: dict[str, str]) -> None:
    become(env)
    sys.argv = ["mailcore", *arguments]
    from mailcore.__main__ import run

    sys.exit(run())
