"""Proving that a server works without sending anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mailcore.replies import Diagnosis, diagnose
from mailcore.transports import transport_for
from mailcore.transports.base import Connection, Step, StepListener, StepState, TransportError, ignore_steps


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found: the finished steps in order, and why it failed, if it did."""

    ok: bool
    steps: list[Step]
    diagnosis: Diagnosis | None
    at: datetime


def check(connection: Connection, on_step: StepListener = ignore_steps) -> CheckResult:
    """Connect and log in; send nothing. A failure is a result, not an exception."""
    finished: list[Step] = []

    def listen(step: Step) -> None:
        if step.state is not StepState.RUNNING:
            finished.append(step)
        on_step(step)

    diagnosis = None
    try:
        transport_for(connection).check(listen)
    except TransportError as error:
        diagnosis = diagnose(error, kind=connection.kind)
    return CheckResult(diagnosis is None, finished, diagnosis, datetime.now(UTC))
