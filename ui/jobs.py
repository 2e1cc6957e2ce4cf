"""Work that talks to a server, away from the script of the page.

A rerun (a double click, a reconnect) stops a page's script wherever it stands. A check or a send must not
be stopped half-way, so it runs in a thread of its own; the page only watches. Asking again under the same
key watches the same work instead of starting it a second time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import streamlit as st

from mailcore.transports.base import Step, StepListener
from mailcore.vocabulary import StepState
from ui.formats import milliseconds, plain
from ui.words import step_label

T = TypeVar("T")

_KEPT = 200
"""Finished jobs that can still be asked for, so that a late double click gets the first outcome."""

_ICONS = {
    StepState.OK: ":material/check_circle:",
    StepState.WARNING: ":material/warning:",
    StepState.FAILED: ":material/cancel:",
    StepState.SKIPPED: ":material/do_not_disturb_on:",
}


class Job(Generic[T]):
    """One piece of work, its steps so far, and its result."""

    def __init__(self, work: Callable[[StepListener], T], pool: ThreadPoolExecutor) -> None:
        self._steps: list[Step] = []
        self._news = threading.Condition()
        self._future: Future[T] = pool.submit(work, self._hear)
        self._future.add_done_callback(self._wake)

    def steps(self) -> Iterator[Step]:
        """Every step from the first on, as they happen, until the work is over."""
        seen = 0
        while not (self._future.done() and seen == len(self._steps)):
            with self._news:
                if seen == len(self._steps) and not self._future.done():
                    self._news.wait(timeout=1)
                news = self._steps[seen:]
            yield from news
            seen += len(news)

    def result(self) -> T:
        """Return what the work returned, or raise what it raised."""
        return self._future.result()

    def _hear(self, step: Step) -> None:
        with self._news:
            self._steps.append(step)
            self._news.notify_all()

    def _wake(self, _: Future[T]) -> None:
        with self._news:
            self._news.notify_all()


class _Jobs:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="mailcore-job")
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # type: ignore[type-arg]
        self._lock = threading.Lock()

    def get(self, key: str, work: Callable[[StepListener], T]) -> Job[T]:
        with self._lock:
            if key not in self._jobs:
                self._jobs[key] = Job(work, self._pool)
            while len(self._jobs) > _KEPT:
                self._jobs.popitem(last=False)
            return self._jobs[key]


@st.cache_resource(show_spinner=False)
def _jobs() -> _Jobs:
    return _Jobs()


def watch(key: str, title: str, work: Callable[[StepListener], T]) -> tuple[T, list[Step]]:
    """Run ``work`` (or join it, where this key was seen before) and show its steps as they happen.

    Returns what the work returned, and the finished steps.

    Raises:
        Exception: whatever the work raised.
    """
    job = _jobs().get(key, work)
    with st.status(title, expanded=True) as status:
        finished = []
        for step in job.steps():
            if step.state is StepState.RUNNING:
                status.update(label=f"{title} — {step_label(step.name)}…")
            else:
                finished.append(step)
                show_step(step)
        try:
            result = job.result()
        except Exception:
            status.update(label=f"{title} — não terminou", state="error", expanded=False)
            raise
    return result, finished


def show_step(step: Step) -> None:
    """One line for a finished step: how it went, how long it took, what is worth knowing, the server's words."""
    detail = f" — {plain(step.detail)}" if step.detail else ""
    took = f" · {milliseconds(step.milliseconds)}" if step.state is not StepState.SKIPPED else ""
    st.markdown(f"{_ICONS[step.state]} **{step_label(step.name)}**{took}{detail}")
    if step.reply and (words := step.reply.splitlines()):
        more = f" (+{len(words) - 1})" if len(words) > 1 else ""
        st.caption(f"{plain(words[0][:200])}{more}")
