"""What the list page costs: a rerun, bytes on the wire, the first paint, a reload, memory.

The yardstick is a page of one line, served by the same command and seen in the same browser, in turn.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import list_page
from benchmarks.browser import Traffic, chromium, forget_traffic, fresh_page, settle, traffic
from benchmarks.processes import APP, ONE_LINE_PAGE, Running, streamlit, wait_until_healthy
from benchmarks.registries import data_dir
from benchmarks.report import Figure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Page

SIZES = (3, 10_000, 100_000)
RERUN_RATIO, RERUN_KB, PAINT_RATIO, RELOAD_RATIO, EMPTY_BROWSER_MB, MEMORY_RATIO = 1.2, 50.0, 1.2, 1.5, 3.0, 1.5

_RERUNS = 15
_COLD_STARTS = 7
_RELOADS = 3
_WARM_SESSIONS, _SESSIONS = 5, 15
_FIND_ALL = "example"  # stands in every record of the data set

_TRANSFERRED = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
.reduce((sum, { transferSize }) => sum + transferSize, 0)"""


def run() -> list[Figure]:
    """Measure all of them."""
    with chromium() as browser:
        return [*reruns_and_wire(browser), *visits(browser), *sessions(browser)]


def reruns_and_wire(browser: Browser) -> list[Figure]:
    """Open the list at each size, then search in them in turn: time and bytes of each rerun."""
    opened: dict[int, Traffic] = {}
    reruns: dict[int, list[Traffic]] = {size: [] for size in SIZES}
    with ExitStack() as stack:
        pages: dict[int, Page] = {}
        for size in SIZES:
            running = stack.enter_context(streamlit(APP, data_dir=stack.enter_context(data_dir(size))))
            page = pages[size] = stack.enter_context(fresh_page(browser))
            page.goto(running.url)
            list_page.wait_for_rows(page)
            settle(page)
            opened[size] = traffic(page)
        for number in range(_RERUNS + 1):
            for size, page in pages.items():
                forget_traffic(page)
                list_page.search(page, "" if number % 2 else _FIND_ALL)
                # `Buscar` waits a moment for more typing before it sends anything.
                page.wait_for_function("window.__frames.some((frame) => frame.sent)")
                settle(page)
                if number:
                    reruns[size].append(traffic(page))
    return _rerun_figures(reruns) + _wire_figures(opened, reruns)


def _rerun_figures(reruns: dict[int, list[Traffic]]) -> list[Figure]:
    times = {size: statistics.median(each.milliseconds for each in of) for size, of in reruns.items()}
    figures = [Figure(f"rerun of the list, {size:,} servers", ms, "ms") for size, ms in times.items()]
    smallest = times[SIZES[0]]
    return figures + [
        Figure(f"rerun, {size:,} : {SIZES[0]} servers", times[size] / smallest, "×", RERUN_RATIO) for size in SIZES[1:]
    ]


def _wire_figures(opened: dict[int, Traffic], reruns: dict[int, list[Traffic]]) -> list[Figure]:
    figures = []
    for size in SIZES:
        first = opened[size]
        again = statistics.median(each.received_bytes for each in reruns[size])
        remark = f"the first run {first.received_bytes / 1_000:.1f} kB in {first.received_frames} frames"
        figures.append(Figure(f"a rerun on the wire, {size:,} servers", again / 1_000, "kB", RERUN_KB, remark))
    return figures


@dataclass(slots=True)
class Visit:
    """One start of the program and the first browser that comes, its cache empty."""

    title: float
    """Seconds from the start of the process to the title."""
    rows: float
    """The same to the rows; of the one-line page to its title."""
    megabytes: float
    """Over HTTP, as they travelled."""
    reload: float
    """Seconds from a reload to the title, median."""
    reload_rows: float
    memory: float
    """Bytes that would come free if the program ended."""


def visits(browser: Browser) -> list[Figure]:
    """First paint, bytes, reload and memory at 100,000 servers, in turn with the one-line page."""
    found: dict[Path, list[Visit]] = {APP: [], ONE_LINE_PAGE: []}
    with data_dir(SIZES[-1]) as data:
        for number in range(_COLD_STARTS + 1):
            for script, of in found.items():
                visit = _visit(browser, script, data)
                if number:  # the first round reads the files into the system's cache
                    of.append(visit)
    ours, least = found[APP], found[ONE_LINE_PAGE]

    def median(name: str, of: list[Visit]) -> float:
        return statistics.median(getattr(visit, name) for visit in of)

    def ratio(what: str, name: str, target: float | None, beside: str, unit: str = "s", scale: float = 1.0) -> Figure:
        mine, yardstick = median(name, ours), median(beside, least)
        remark = f"app {mine / scale:.2f} {unit}, one-line page {yardstick / scale:.2f} {unit}"
        return Figure(f"{what}, app : one-line page", mine / yardstick, "×", target, remark)

    return [
        ratio("cold start to title", "title", PAINT_RATIO, "title"),
        ratio("cold start to rows", "rows", None, "title"),
        ratio("reload to title", "reload", RELOAD_RATIO, "reload"),
        ratio("reload to rows", "reload_rows", None, "reload"),
        Figure("to an empty browser", median("megabytes", ours), "MB", EMPTY_BROWSER_MB),
        ratio("memory with a page open", "memory", MEMORY_RATIO, "memory", "MB", 1e6),
    ]


def _visit(browser: Browser, script: Path, data: Path) -> Visit:
    def seen() -> tuple[float, float]:
        list_page.heading(page).wait_for()
        painted = time.perf_counter()
        if script == APP:
            list_page.wait_for_rows(page)
        return painted, time.perf_counter()

    with fresh_page(browser) as page:
        begun = time.perf_counter()
        with streamlit(script, data_dir=data, wait=False) as running:
            wait_until_healthy(running)
            page.goto(running.url, wait_until="commit")
            title, rows = (moment - begun for moment in seen())
            settle(page)
            transferred: float = page.evaluate(_TRANSFERRED)
            reloads = []
            for _ in range(_RELOADS):
                again = time.perf_counter()
                page.reload(wait_until="commit")
                reloads.append([moment - again for moment in seen()])
                settle(page)
            reload, reload_rows = (statistics.median(times) for times in zip(*reloads, strict=True))
            return Visit(title, rows, transferred / 1e6, reload, reload_rows, running.own_memory())


def sessions(browser: Browser) -> list[Figure]:
    """How much the process grows by each further session that is open."""
    with data_dir(SIZES[1]) as data:
        with streamlit(APP, data_dir=data) as running:
            ours = _growth(browser, running, list_page.wait_for_rows)
        with streamlit(ONE_LINE_PAGE) as running:
            yardstick = _growth(browser, running, lambda page: list_page.heading(page).wait_for())
    remark = f"growth of the process over {_SESSIONS} sessions, after {_WARM_SESSIONS}"
    return [
        Figure("memory for each open session", ours / 1_000, "kB", remark=remark),
        Figure("memory for each open session, one-line page", yardstick / 1_000, "kB"),
    ]


def _growth(browser: Browser, running: Running, shown: Callable[[Page], None]) -> float:
    with ExitStack() as stack:
        before = 0
        for number in range(_WARM_SESSIONS + _SESSIONS):
            if number == _WARM_SESSIONS:
                before = running.own_memory()
            page = stack.enter_context(fresh_page(browser))
            page.goto(running.url)
            shown(page)
            settle(page)
        return (running.own_memory() - before) / _SESSIONS
