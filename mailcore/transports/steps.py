"""The steps of a check or a send: reported as they begin and end, and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailcore.transports.base import Step, StepListener, TransportError
from mailcore.vocabulary import StepState


@dataclass(slots=True)
class Running:
    """A step under way, and what there will be to say of it."""

    state: StepState = StepState.OK
    detail: str = ""
    reply: str = ""
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return time.perf_counter() - self.began

    def ended(self, name: str, state: StepState, reply: str = "") -> Step:
        """Return the step as it ended."""
        return Step(name, state, self.seconds * 1_000, self.detail, reply or self.reply)


class StepLog:
    """Tells a listener of each step and keeps the ended ones."""

    def __init__(self, on_step: StepListener) -> None:
        self.ended: list[Step] = []
        self._on_step = on_step
        self._silent = False

    @contextmanager
    def step(self, name: str) -> Iterator[Running]:
        """One step: failed where a :class:`TransportError` leaves it, else what its ``state`` says by then."""
        if not self._silent:
            self._on_step(Step(name, StepState.RUNNING))
        running = Running()
        try:
            yield running
        except TransportError as error:
            self.add(running.ended(name, StepState.FAILED, error.reply))
            raise
        self.add(running.ended(name, running.state))

    @contextmanager
    def only_failures(self, name: str) -> Iterator[None]:
        """A step that is worth telling of only where it fails."""
        running = Running()
        try:
            yield
        except TransportError as error:
            self.add(running.ended(name, StepState.FAILED, error.reply))
            raise

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Tell nothing of the steps within: they were told of before, and are taken once more."""
        before, self._silent = self._silent, True
        try:
            yield
        finally:
            self._silent = before

    def skip(self, name: str, detail: str) -> None:
        """A step that does not apply, and why."""
        self.add(Step(name, StepState.SKIPPED, detail=detail))

    def add(self, step: Step) -> None:
        """A step that has ended."""
        if not self._silent:
            self.ended.append(step)
            self._on_step(step)
