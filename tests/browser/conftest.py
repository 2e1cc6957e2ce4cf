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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any, NoReturn

import pytest

from mailcore import Mailcore
from mailcore.settings import Settings
from mailcore.storage.tables import Base
from tests.browser import warm
from tests.browser.driver import TRAFFIC
from tests.peers.oauth_server import settings_at

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
    # Drawing what moves costs more than all else on the screen.
    "--force-prefers-reduced-motion",
    # A page is gone before its optimised code has paid for its compiling: a fifth of the renderer's CPU. The plain
    # compiler pays at once, and so does room for what is short-lived: together a sixth.
    "--js-flags=--no-maglev --no-turbofan --always-sparkplug --single-threaded-gc --min-semi-space-size=32",
]
START_SECONDS = 60
STOP_SECONDS = 10


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where browsers are required."""
    if os.environ.get("MAILCORE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def chromium_path(*, headless: bool) -> str:
    """The path of an installed Chromium or Chrome; skips (or fails) the test when there is none.

    Without a window Debian's build for that alone is taken where it is installed: a page costs it a fifth less.
    """
    shell = ("chromium-headless-shell",) if headless else ()
    for name in (*shell, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    unavailable("no Chromium found: install chromium (Debian: apt install chromium)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_to_come_back_to() -> int:
    """A free port below those that systems hand out to whoever wants any, so that it is still free later."""
    while True:
        port = SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


_ports_in_use: set[int] = set()
_usual: list[int] = []


def _usual_port() -> int:
    """The same ports again and again where they are free: the browser then knows the scripts that come from them."""
    for port in _usual:
        if port not in _ports_in_use:
            return port
    _usual.append(port_to_come_back_to())
    return _usual[-1]


@dataclass
class RunningApp:
    """One ``streamlit run`` as a process of its own, with all it printed kept for scans."""

    script: Path
    env: Mapping[str, str]
    log_path: Path
    args: tuple[str, ...] = ()
    port: int = 0
    _started: Any = field(default=None, repr=False)
    _told: int = 0

    @property
    def url(self) -> str:
        """Address of the app without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def _process(self) -> Any:
        return None if self._started is None else self._started.process

    @property
    def pid(self) -> int:
        assert self._process is not None, "the app is not running"
        pid: int = self._process.pid
        return pid

    def begin_anew(self) -> None:
        """For another test: running, with nothing kept of what the library said, and nothing printed yet."""
        if self._process is None or not self._process.is_alive():
            self.restart()
        self._started.forget()
        self._told = self.log_path.stat().st_size

    def start(self) -> None:
        """Start and wait until it answers; on a port taken meanwhile try another, unless one was given."""
        fixed = self.port != 0
        for attempt in range(3):
            self.port = self.port if fixed else _usual_port() if attempt == 0 else free_port()
            _ports_in_use.add(self.port)
            arguments = [f"--server.port={self.port}", "--server.headless=true", *self.args]
            self._started = warm.start(self.script, arguments, self.env, self.log_path)
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
        """Everything the process wrote in the time of this test, over restarts too."""
        return self.log_path.read_bytes()[self._told :].decode("utf-8", "replace") if self.log_path.exists() else ""

    def stop(self) -> None:
        """Terminate, then kill; quiet when it is not running."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(STOP_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(STOP_SECONDS)
            self._started = None
            _ports_in_use.discard(self.port)

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
def page_frames() -> Iterator[list[bytes]]:
    """Every websocket frame the test's pages received, in order: for scans for secrets."""
    frames: list[bytes] = []
    yield frames
    assert frames, "the test looked through frames, and none came"


@pytest.fixture
def console_errors() -> list[str]:
    """Errors of the browser's console and uncaught exceptions of the test's pages."""
    return []


class Tab:
    """One tab that test after test has to itself.

    A new tab is a new process, and a new context begins with nothing in its cache: to load Streamlit's scripts into
    those costs more than most tests. So the tab stays, and everything that a test or the app could leave in it goes.
    """

    def __init__(self, context: Any) -> None:
        context.set_default_timeout(15_000)
        context.add_init_script(TRAFFIC)
        self.frames: list[bytes] | None = None
        self.errors: list[str] = []
        self._context = context
        # On the context, so that a tab opened by the page is watched from its first frame.
        context.on("page", self._watch)
        self._page: Any = None

    def _watch(self, page: Any) -> None:
        page.on("websocket", self._listen)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def _listen(self, socket: Any) -> None:
        # Only for whoever asks: to be told of a frame costs two processes work.
        if (frames := self.frames) is not None:
            socket.on("framereceived", lambda it: frames.append(it.encode() if isinstance(it, str) else it))

    @contextmanager
    def lent(self, frames: list[bytes] | None, errors: list[str]) -> Iterator[Any]:
        """Lend the tab to one test, which gets the errors, and where it asks for them the frames, of its own time."""
        if self._page is None or self._page.is_closed():
            self._page = self._context.new_page()
        page, listening = self._page, []
        self.frames, self.errors = frames, errors

        def on(event: str, handler: Callable[..., Any]) -> None:
            listening.append((event, handler))
            type(page).on(page, event, handler)

        page.on = on
        try:
            yield page
        finally:
            del page.on
            for event, handler in listening:
                page.remove_listener(event, handler)
            self._leave(page)
            self.frames, self.errors = None, []

    def _leave(self, page: Any) -> None:
        for other in self._context.pages:
            if other is not page:
                other.close()
        self._context.set_offline(False)
        if page.is_closed():
            return
        page.unroute_all(behavior="ignoreErrors")
        page.on("dialog", _accept)  # "unsaved": leave all the same
        try:
            page.evaluate(_FORGET)
            page.goto("about:blank")
        except sync_api.Error:
            page.close()
            return
        finally:
            page.remove_listener("dialog", _accept)
        self._context.clear_cookies()
        page.emulate_media(color_scheme="null", media="null", reduced_motion="null", forced_colors="null")
        page.set_viewport_size(_VIEWPORT)
        page.mouse.move(0, 0)


_VIEWPORT = {"width": 1280, "height": 900}
# Also what the page would still write while it is left.
_FORGET = """() => {
  if (location.protocol !== "http:") return;
  sessionStorage.clear();
  localStorage.clear();
  Storage.prototype.setItem = () => {};
}"""


def _accept(dialog: Any) -> None:
    dialog.accept()


def _tab_of(driver: Any, folder: Path, *, headless: bool = True, env: Mapping[str, str] | None = None) -> Iterator[Tab]:
    # With a profile, which keeps the scripts it has compiled.
    context = driver.chromium.launch_persistent_context(
        folder,
        executable_path=chromium_path(headless=headless),
        args=CHROMIUM_ARGS,
        headless=headless,
        env=env,
        locale="pt-BR",
        viewport=_VIEWPORT,
    )
    yield Tab(context)
    context.close()


@pytest.fixture(scope="session")
def headless_tab(playwright_driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    yield from _tab_of(playwright_driver, tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="session")
def headed_tab(playwright_driver: Any, display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    env = os.environ | {"DISPLAY": display}
    yield from _tab_of(playwright_driver, tmp_path_factory.mktemp("profile"), headless=False, env=env)


def _frames_for(request: pytest.FixtureRequest) -> list[bytes] | None:
    """Return the list of a test that asks for the frames."""
    asked = "page_frames" in request.fixturenames
    frames: list[bytes] | None = request.getfixturevalue("page_frames") if asked else None
    return frames


@pytest.fixture
def page(headless_tab: Tab, request: pytest.FixtureRequest, console_errors: list[str]) -> Iterator[Any]:
    """A page as in a browser just begun (pt-BR, 1280 by 900), without a window."""
    with headless_tab.lent(_frames_for(request), console_errors) as page:
        yield page


@pytest.fixture
def first_visit(page: Any) -> Iterator[Any]:
    """The same where nothing is known of what was fetched before."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    yield page
    network.detach()  # and the cache is back


@pytest.fixture
def headed_page(headed_tab: Tab, request: pytest.FixtureRequest, console_errors: list[str]) -> Iterator[Any]:
    """The same with a window, for what headless browsers do not have: reload by F5, the find bar of F3."""
    with headed_tab.lent(_frames_for(request), console_errors) as page:
        yield page


@dataclass(frozen=True)
class Standing:
    """An installation and its app, which test after test has to itself, empty."""

    core: Mailcore
    app: RunningApp

    def empty(self) -> None:
        """Take out every record; numbers of records go on, so that nobody takes one for one of before."""
        # A test that has read the database's files has dropped SQLite's locks on them, which are of the process.
        self.core.database.dispose()
        with self.core.database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if table.name != "installation":
                    session.execute(table.delete())
        self.app.begin_anew()


@pytest.fixture(scope="session")
def elastic_port() -> int:
    """Where the app of :func:`app` looks for Elastic Email; a test that needs it starts ``ElasticPeer(port=…)``."""
    return port_to_come_back_to()


@pytest.fixture(scope="session")
def oauth_port() -> int:
    """Where it sends people for an authorisation; a test that needs one starts ``OAuthPeer(oauth_port)``."""
    return port_to_come_back_to()


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory, elastic_port: int, oauth_port: int) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("standing")
    services = {
        "elastic_email_url": f"http://127.0.0.1:{elastic_port}",
        **settings_at(f"http://127.0.0.1:{oauth_port}"),
    }
    core = Mailcore(Settings(data_dir=folder / "data", keyring="database", **services))
    start, _ = _app_factory(folder)
    env = {"MAILCORE_DATA_DIR": str(folder / "data"), "MAILCORE_KEYRING": "database"}
    env |= {f"MAILCORE_{name.upper()}": url for name, url in services.items()}
    app = start("app.py", env)
    yield Standing(core, app)
    app.stop()
    core.close()


@pytest.fixture
def core(standing: Standing) -> Mailcore:
    """The installation that :func:`app` shows, without a record, for looking and preparing from outside the browser."""
    standing.empty()
    return standing.core


@pytest.fixture
def app(standing: Standing, core: Mailcore) -> RunningApp:
    """The app over :func:`core`; a file whose app needs other settings has an ``app`` of its own."""
    return standing.app
