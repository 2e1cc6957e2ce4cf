"""Proving that a server works without sending anything: each stage, what it found, and what would work.

The stages are the transport's own. Where the failure looks like a wrong guess in the form, the neighbouring
guesses are tried too (``probing.py``), and the whole is over within :data:`CHECK_SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailcore.catalog import provider_id
from mailcore.deadline import Deadline
from mailcore.diagnosis.replies import Diagnosis, diagnose
from mailcore.health.probing import Suggestion, suggestions_for
from mailcore.transports import transport_for
from mailcore.transports.base import (
    CHECK_SECONDS,
    Certificate,
    Connection,
    Step,
    StepListener,
    TransportError,
    ignore_steps,
)
from mailcore.vocabulary import StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAST_SECONDS = 1.0
"""Kept back of the whole, so that a check that times out still ends in time."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found."""

    ok: bool
    steps: list[Step]
    """Every stage of this kind of server; those that a failure left out are skipped ones."""
    diagnosis: Diagnosis | None
    """Why it failed; None where it did not."""
    at: datetime
    certificate: Certificate | None = None
    """The server's, where it showed one, be it refused."""
    suggestions: tuple[Suggestion, ...] = ()
    """What was tried and works, the best first."""

    def __repr__(self) -> str:
        steps = " ".join(f"{step.name}={step.state.value}" for step in self.steps)
        why = f", {self.diagnosis!r}" if self.diagnosis else ""
        return f"CheckResult(ok={self.ok}, at={self.at.isoformat(timespec='seconds')}, {steps}{why})"


def check(
    connection: Connection,
    on_step: StepListener = ignore_steps,
    *,
    recipient: str = "",
    probe: bool = True,
    seconds: float = CHECK_SECONDS,
) -> CheckResult:
    """Connect, log in and name the sender; send nothing. A failure is a result, not an exception.

    Args:
        recipient: an address the server is asked for too (RCPT TO); only one that a person typed for this.
        probe: where it fails, try what a person would try next. That may be one more login, under another
            spelling of the user name.
        seconds: by then everything is over.

    Raises:
        ConfigurationError: the connection cannot be used as it stands.
    """
    finished: list[Step] = []

    def listen(step: Step) -> None:
        if step.state is not StepState.RUNNING:
            finished.append(step)
        on_step(step)

    whole = Deadline(seconds)
    transport = transport_for(connection)
    diagnosis: Diagnosis | None = None
    suggestions: tuple[Suggestion, ...] = ()
    try:
        certificate = transport.check(listen, recipient=recipient, seconds=max(seconds - _LAST_SECONDS, 1)).certificate
    except TransportError as error:
        certificate = error.certificate
        diagnosis = diagnose(error, kind=connection.kind, provider=provider_id(connection.host))
        if probe:
            suggestions = suggestions_for(connection, error, whole)
            diagnosis = _with_advice(diagnosis, suggestions)
    for left_out in _left_out(transport.stages, finished):
        listen(left_out)
    return CheckResult(diagnosis is None, finished, diagnosis, datetime.now(UTC), certificate, suggestions)


def _left_out(stages: Sequence[str], finished: list[Step]) -> list[Step]:
    done = {step.name for step in finished}
    failed = any(step.state is StepState.FAILED for step in finished)
    detail = "Não se chegou a esta etapa." if failed else ""
    return [Step(name, StepState.SKIPPED, detail=detail) for name in stages if name not in done]


def _with_advice(diagnosis: Diagnosis, suggestions: Sequence[Suggestion]) -> Diagnosis:
    """Put what was tried and works in place of the general advice, and point at the field it changes."""
    if not suggestions:
        return diagnosis
    best = suggestions[0]
    return replace(diagnosis, remedy=best.sentence, field=best.field)
