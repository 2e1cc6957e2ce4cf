"""What the list page costs: a rerun, bytes on the wire, the first paint, memory for each open session.

The yardstick is a page of one line, served by the same command and seen in the same browser, in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import list_page
from benchmarks.browser import Traffic, chromium, forget_traffic, fresh_page, settle, traffic
from benchmarks.processes import APP, ONE_LINE_PAGE, Running, streamlit, wait_until_healthy
from benchmarks.registries import data_dir
from benchmarks.report import Figure

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = (3, 10_000, 100_000)
RERUN_RATIO, WIRE_KB, PAINT_RATIO, MEMORY_RATIO = 1.2, 50.0, 1.2, 1.5

_RERUNS = 15
_COLD_STARTS = 7
_WARM_SESSIONS, _SESSIONS = 5, 15
_FIND_ALL = "example"  # stands in every record of the data set

Visit = Callable[["Page"], None]


def run() -> list[Figure]:
    """Measure all four."""
    with chromium() as browser:
        return [*reruns_and_wire(browser), *first_paint(browser), *memory(browser)]


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
        remark = f"{first.received_frames} frames; a rerun {again / 1_000:.1f} kB"
        name = f"list page on the wire, {size:,} servers"
        figures.append(Figure(name, first.received_bytes / 1_000, "kB", WIRE_KB, remark))
    return figures


def first_paint(browser: Browser) -> list[Figure]:
    """From the start of the process to the title in a browser with an empty cache, in turn."""
    title: dict[Path, list[float]] = {APP: [], ONE_LINE_PAGE: []}
    rows: list[float] = []
    with data_dir(SIZES[0]) as data:
        for number in range(_COLD_STARTS + 1):
            for script, times in title.items():
                painted, complete = _cold_start(browser, script, data)
                if number:  # the first round reads the files into the system's cache
                    times.append(painted)
                    if script == APP:
                        rows.append(complete)
    ours, yardstick = statistics.median(title[APP]), statistics.median(title[ONE_LINE_PAGE])
    return [
        Figure("cold start to first paint", ours, "s"),
        Figure("cold start to first paint, one-line page", yardstick, "s"),
        Figure("cold start, app : one-line page", ours / yardstick, "×", PAINT_RATIO, _spread(title[APP])),
        Figure("cold start to rows drawn", statistics.median(rows), "s"),
    ]


def _cold_start(browser: Browser, script: Path, data: Path) -> tuple[float, float]:
    with fresh_page(browser) as page:
        begun = time.perf_counter()
        with streamlit(script, data_dir=data, wait=False) as running:
            wait_until_healthy(running)
            page.goto(running.url, wait_until="commit")
            list_page.heading(page).wait_for()
            painted = time.perf_counter() - begun
            if script == APP:
                list_page.wait_for_rows(page)
            return painted, time.perf_counter() - begun


def _spread(times: list[float]) -> str:
    return f"{min(times):.2f} to {max(times):.2f} s in {len(times)} starts"


def memory(browser: Browser) -> list[Figure]:
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
        Figure("memory, app : one-line page", ours / yardstick, "×", MEMORY_RATIO),
    ]


def _growth(browser: Browser, running: Running, shown: Visit) -> float:
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
