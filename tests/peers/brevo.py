"""A third kind of server, as ``ADDING_A_TRANSPORT.md`` says to add one: this module, and ``register(BrevoKind())``.

A JSON API in the manner of Brevo's. It is not shipped: it proves that nothing outside this file asks which kind a
server is.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from mailcore.deadline import call_within
from mailcore.transports.base import (
    CHECK_SECONDS,
    FIGURES_SECONDS,
    Findings,
    Receipt,
    Step,
    StepListener,
    Transport,
    TransportError,
    ignore_steps,
)
from mailcore.transports.kind import ApiKeyKind
from mailcore.transports.scrub import scrubber
from mailcore.vocabulary import Kind, Outcome, StepState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mailcore.messages.compose import OutgoingMessage
    from mailcore.transports.base import Connection

BREVO_URL = "BREVO_URL"
"""The environment's name for the root above /v3."""
_SECONDS = 10


class BrevoKind(ApiKeyKind):
    """An account of the service, known by its key."""

    id = Kind("brevo")
    label = "Brevo"
    steps: ClassVar = {**ApiKeyKind.steps, "plan": "Plano da conta"}
    has_figures = True

    def transport(self) -> type[Transport]:
        return BrevoTransport

    def base_url(self, settings: Any) -> str:
        return os.environ.get(BREVO_URL, "https://api.brevo.com")

    def shown_host(self, record: Any) -> str:
        return "API da Brevo"


class BrevoTransport(Transport):
    """Requests under one key."""

    stages = ("http", "account", "plan")
    hand_over_step = "message"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._key = connection.secret.get_secret_value() if connection.secret else ""
        self._scrub = scrubber("", self._key)

    def check(
        self, on_step: StepListener = ignore_steps, *, recipient: str = "", seconds: float = CHECK_SECONDS
    ) -> Findings:
        finished: list[Step] = []
        with _step("http", on_step, finished):
            status, body = self._request("GET", "/v3/account", "http")
        with _step("account", on_step, finished):
            self._refuse_unless_ok("account", status, body)
        with _step("plan", on_step, finished) as detail:
            detail.append(f"{body['plan'][0]['credits']} envios restantes")
        return Findings(finished)

    def send(
        self, message: OutgoingMessage, *, idempotency_key: str = "", on_step: StepListener = ignore_steps
    ) -> Receipt:
        text = message.mime.get_body(("plain",))
        content = {
            "sender": {"email": message.envelope_from},
            **{name: [{"email": each} for each in getattr(message, name)] for name in ("to", "cc", "bcc")},
            "subject": str(message.mime["Subject"] or ""),
            "textContent": text.get_content() if text else "",
            "headers": {"Message-ID": message.message_id, "idempotencyKey": idempotency_key},
        }
        finished: list[Step] = []
        with _step("message", on_step, finished):
            status, body = self._request("POST", "/v3/smtp/email", "message", content)
            self._refuse_unless_ok("message", status, body)
        return Receipt(f"{status} {body['messageId']}", body["messageId"])

    def account_data(self, *, seconds: float = FIGURES_SECONDS) -> dict[str, Any]:
        status, body = self._request("GET", "/v3/account", "account", seconds=seconds)
        self._refuse_unless_ok("account", status, body)
        return {"credits": body["plan"][0]["credits"], "status": body["plan"][0]["type"]}

    def statistics(self, since: datetime, *, seconds: float = FIGURES_SECONDS) -> dict[str, Any]:
        return {}

    def _request(
        self, method: str, path: str, phase: str, content: Any = None, *, seconds: float = _SECONDS
    ) -> tuple[int, Any]:
        import requests  # a kind that is only described loads no HTTP library

        from mailcore.transports.http_calls import Call, new_session

        url, call = self.connection.base_url + path, Call()

        def exchange() -> tuple[int, Any]:
            with call, new_session(trust_env=False) as session:
                answer = session.request(method, url, json=content, headers={"api-key": self._key}, timeout=seconds)
                return answer.status_code, answer.json()

        try:
            return call_within(seconds, exchange, call.give_up)
        except requests.exceptions.ConnectionError as error:
            refused = "NewConnectionError" in repr(error)
            cause = "connect_refused" if refused else "disconnected"
        except (requests.RequestException, TimeoutError, ValueError):
            refused, cause = False, "unreadable_answer"
        # Once the whole request may have been taken, only an answer tells what became of the message.
        outcome = Outcome.UNCERTAIN if content is not None and not refused else Outcome.FAILED
        raise TransportError(phase=phase, cause=cause, outcome=outcome)

    def _refuse_unless_ok(self, phase: str, status: int, body: Any) -> None:
        if status >= 300:
            words = self._scrub(f"{status} {body.get('code')}: {body.get('message')}")
            raise TransportError(phase=phase, code=status, reply=words, outcome=Outcome.REFUSED)


@contextmanager
def _step(name: str, on_step: StepListener, finished: list[Step]) -> Iterator[list[str]]:
    on_step(Step(name, StepState.RUNNING))
    began, detail, state = time.perf_counter(), list[str](), StepState.FAILED
    try:
        yield detail
        state = StepState.OK
    finally:
        step = Step(name, state, (time.perf_counter() - began) * 1_000, " ".join(detail))
        finished.append(step)
        on_step(step)
