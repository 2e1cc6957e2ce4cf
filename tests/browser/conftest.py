"""A real Streamlit server and a real Chromium for the browser tests.

Chromium, and Xvfb for the headed tests, come from the system. Where one is missing its tests are skipped with
the reason; with ``MAILCORE_REQUIRE_BROWSER=1``, as in CI, they fail instead.
"""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.browser import warm

sync_api = pytest.importorskip("playwright.sync_api")

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM_ARGS = [
    # No sandbox: inside a container there is no user namespace for it; the tests open nothing but 127.0.0.1.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60
STOP_SECONDS = 10


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where browsers are required."""
    if os.environ.get("MAILCORE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def chromium_path() -> str:
    """The path of an installed Chromium or Chrome; skips (or fails) the test when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    unavailable("no Chromium found: install chromium (Debian: apt install chromium)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class RunningApp:
    """One ``streamlit run`` as a process of its own, with all it printed kept for scans."""

    script: Path
    env: Mapping[str, str]
    log_path: Path
    args: tuple[str, ...] = ()
    port: int = 0
    _process: Any = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Address of the app without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the app is not running"
        pid: int = self._process.pid
        return pid

    def start(self) -> None:
        """Start and wait until it answers; on a port taken meanwhile try another, unless one was given."""
        fixed = self.port != 0
        for attempt in range(3):
            self.port = self.port if fixed else free_port()
            arguments = [f"--server.port={self.port}", "--server.headless=true", *self.args]
            self._process = warm.start(self.script, arguments, self.env, self.log_path)
            if self._healthy():
                return
            self.stop()
            if fixed or attempt == 2:
                break
        raise RuntimeError(f"Streamlit did not start:\n{self.output()}")

    def _healthy(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.is_alive():
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                    # A process that took the port before ours would answer too: ours must be alive.
                    return answer.status == 200 and self._process.is_alive()
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        return False

    def output(self) -> str:
        """Everything the process wrote so far, over restarts too."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def stop(self) -> None:
        """Terminate, then kill; quiet when it is not running."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(STOP_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(STOP_SECONDS)
            self._process = None

    def restart(self) -> None:
        """Stop and start again on the same port, so that open pages find it again."""
        self.stop()
        self.start()


StartApp = Callable[..., RunningApp]


def _app_factory(folder: Path) -> tuple[StartApp, list[RunningApp]]:
    started: list[RunningApp] = []

    def start(script: str | Path, env: Mapping[str, str] | None = None, *args: str) -> RunningApp:
        """Start ``script`` (relative to the repository) with ``env`` over a clean copy of the environment."""
        base = {k: v for k, v in os.environ.items() if not k.startswith(("MAILCORE_", "STREAMLIT_"))}
        log = folder / f"streamlit-{len(started)}.log"
        app = RunningApp(REPOSITORY / script, base | dict(env or {}), log, args)
        started.append(app)
        app.start()
        return app

    return start, started


@pytest.fixture
def streamlit_server(tmp_path: Path) -> Iterator[StartApp]:
    """Factory of running apps: ``streamlit_server("app.py", {"MAILCORE_DATA_DIR": ...}) -> RunningApp``."""
    start, started = _app_factory(tmp_path)
    yield start
    for app in started:
        app.stop()


@pytest.fixture(scope="module")
def module_streamlit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApp]:
    """The same for a whole module, where a start per test would cost seconds."""
    start, started = _app_factory(tmp_path_factory.mktemp("apps"))
    yield start
    for app in started:
        app.stop()


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def playwright_browser(playwright_driver: Any) -> Iterator[Any]:
    """A headless Chromium shared by the session; each test has a context of its own."""
    browser = playwright_driver.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X display of our own (":99"), on the first number Xvfb finds free."""
    if not (xvfb := shutil.which("Xvfb")):
        unavailable("no Xvfb found: install it (Debian: apt install xvfb)")
    read, write = os.pipe()
    process = subprocess.Popen(
        [xvfb, "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as ready:
        # Xvfb writes the number it took when it is ready, or the pipe ends when it cannot start.
        number = ready.readline().strip()
    try:
        if not number:
            unavailable("Xvfb did not start")
        yield f":{number}"
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


@pytest.fixture(scope="session")
def headed_browser(playwright_driver: Any, display: str) -> Iterator[Any]:
    """A Chromium with a window, on a display nobody sees."""
    env = os.environ | {"DISPLAY": display}
    launch = playwright_driver.chromium.launch
    browser = launch(executable_path=chromium_path(), args=CHROMIUM_ARGS, headless=False, env=env)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def press_real_key(display: str) -> Callable[..., None]:
    """Press a key as a keyboard does: ``press_real_key(headed_page, "F5")``, named as in X.

    Playwright's own keys never reach the browser's commands (its F5 does not reload), so they cannot show
    that a command was suppressed. These come from the X server (XTEST), through the window. With
    ``refocus=False`` the focus stays where the key before has put it, as in the browser's find bar.
    """
    if not (xdotool := shutil.which("xdotool")):
        unavailable("no xdotool found: install it (Debian: apt install xdotool)")
    env = os.environ | {"DISPLAY": display}

    def run(*command: str) -> str:
        return subprocess.check_output([xdotool, *command], env=env, text=True, timeout=15)

    def press(page: Any, key: str, refocus: bool = True) -> None:
        if refocus:
            page.bring_to_front()
            # The window is found by the page's title, and there is no window manager that would focus it.
            found = run("search", "--sync", "--onlyvisible", "--name", re.escape(page.title()))
            run("windowfocus", "--sync", found.split()[-1])
        run("key", "--clearmodifiers", key)

    return press


@pytest.fixture
def page_frames() -> list[bytes]:
    """Every websocket frame the test's pages received, in order: for scans for secrets."""
    return []


@pytest.fixture
def console_errors() -> list[str]:
    """Errors of the browser's console and uncaught exceptions of the test's pages."""
    return []


def _open_page(browser: Any, frames: list[bytes], errors: list[str], **options: Any) -> Iterator[Any]:
    context = browser.new_context(locale="pt-BR", viewport={"width": 1280, "height": 900}, **options)
    context.set_default_timeout(15_000)

    def keep(payload: str | bytes) -> None:
        frames.append(payload.encode() if isinstance(payload, str) else payload)

    def watch_socket(socket_: Any) -> None:
        socket_.on("framereceived", keep)

    def watch(page: Any) -> None:
        page.on("websocket", watch_socket)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    # On the context, so that a tab opened by the page is watched from its first frame.
    context.on("page", watch)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(playwright_browser: Any, page_frames: list[bytes], console_errors: list[str]) -> Iterator[Any]:
    """A page in a fresh headless context (pt-BR, 1280 by 900)."""
    yield from _open_page(playwright_browser, page_frames, console_errors)


@pytest.fixture
def headed_page(headed_browser: Any, page_frames: list[bytes], console_errors: list[str]) -> Iterator[Any]:
    """The same with a window, for what headless browsers do not have: reload by F5, the find bar of F3."""
    yield from _open_page(headed_browser, page_frames, console_errors)
