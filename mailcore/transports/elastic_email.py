"""Elastic Email over its HTTP API: v4 to send, v2 for the account's state.

Source: the published API description of v4 and the help pages of elasticemail.com (2026-11). The official
texts disagree in places (which status a wrong key gets, whether sends are idempotent), so answers are read
leniently and the ``Idempotency-Key`` is sent always and relied on never.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mailcore.deadline import Deadline
from mailcore.transports.base import (
    CHECK_SECONDS,
    Connection,
    Delivery,
    FailedRecipient,
    Findings,
    Receipt,
    Step,
    StepListener,
    Transport,
    TransportError,
    ignore_steps,
)
from mailcore.transports.elastic_client import Answer, ElasticEmailClient, Limits
from mailcore.transports.elastic_payload import payload
from mailcore.vocabulary import Outcome, StepState

if TYPE_CHECKING:
    from mailcore.messages.compose import OutgoingMessage

_ACCOUNT_FIGURES = frozenset(
    {
        "dailysendlimit",
        "actualdailysendlimit",
        "emailcredits",
        "credit",
        "reputation",
        "statusnumber",
        "statusformatted",
    }
)
_FIGURES_SECONDS = 15
MAX_RECIPIENTS = 50
"""Of one transactional message; more are answered with 413."""


class ElasticEmailTransport(Transport):
    """One Elastic Email account, known by its API key."""

    stages = ("http", "account", "domain")
    hand_over_step = "http"

    def __init__(self, connection: Connection, limits: Limits | None = None) -> None:
        """Take the connection's ``base_url`` (empty for the service's own) and key; contact nobody.

        Raises:
            ConfigurationError: the address is not https, and not plain http to this machine either.
        """
        super().__init__(connection)
        key = connection.secret.get_secret_value() if connection.secret else ""
        self._client = ElasticEmailClient(connection.base_url, key, limits or Limits())

    # ------------------------------------------------------------------ check

    def check(
        self, on_step: StepListener = ignore_steps, *, recipient: str = "", seconds: float = CHECK_SECONDS
    ) -> Findings:
        """Ask for the account's state and the sender's domain; nothing is sent and no recipient asked for."""
        steps = _Steps(on_step)
        # Two requests, so each gets half the time.
        limits = self._client.limits
        self._client.limits = replace(limits, whole=min(limits.whole, seconds / 2))
        self._client.require_key("account")
        with steps.step("http") as http:
            answer = self._client.get("/v2/account/load")
            http.detail = f"HTTP {answer.status}"
            if not answer.is_of_the_service:
                raise self._failure("http", _unreadable_cause(answer), answer)
        with steps.step("account") as account:
            self._read_account(answer, account)
        with steps.step("domain") as domain:
            self._read_domain(domain)
        return Findings(steps.finished)

    def _read_account(self, answer: Answer, step: _Running) -> None:
        if answer.is_error:
            if "access denied" in answer.text.lower():
                step.state = StepState.WARNING
                step.detail = "A chave não dá acesso aos dados da conta; para enviar, isto não faz falta."
                step.reply = answer.words
                return
            raise self._failure("account", "", answer, Outcome.REFUSED)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise self._failure("account", "unreadable_answer", answer)
        if str(data.get("statusnumber", 1)) != "1":
            # Its own word for the state, not the whole answer: that has the account's data in it.
            status = replace(answer, text=self._client.scrub(str(data.get("statusformatted") or "")))
            raise self._failure("account", "account_not_active", status, Outcome.REFUSED)
        step.detail = f"Conta {data.get('statusformatted') or 'ativa'}"

    def _read_domain(self, step: _Running) -> None:
        """Look for the sender's domain. Not seeing it proves nothing: a single address can be confirmed too."""
        name = self.connection.from_address.rpartition("@")[2].lower()
        step.state = StepState.WARNING
        try:
            answer = self._client.get("/v4/domains")
        except TransportError as error:
            step.detail, step.reply = "Não foi possível consultar os domínios.", error.reply
            return
        if answer.is_error or not isinstance(answer.body, list):
            step.detail, step.reply = "A chave não dá acesso à lista de domínios.", answer.words
            return
        domains = [entry for entry in answer.body if isinstance(entry, dict)]
        found = next((entry for entry in domains if str(entry.get("Domain", "")).lower() == name), None)
        if found is None:
            step.detail = f"O domínio {name} não está cadastrado no Elastic Email."
            return
        missing = [label for key, label in (("Spf", "SPF"), ("Dkim", "DKIM")) if found.get(key) is False]
        if missing:
            step.detail = f"O domínio {name} está sem {' e '.join(missing)} confirmado no Elastic Email."
            return
        step.state, step.detail = StepState.OK, name

    # ------------------------------------------------------------------ send

    def send(
        self,
        message: OutgoingMessage,
        *,
        idempotency_key: str = "",
        on_step: StepListener = ignore_steps,
    ) -> Receipt:
        """Hand the message over once.

        Within this one call the same request, under the same ``Idempotency-Key``, is tried again only on
        503 with ``Retry-After``, which the service gives before it looks at the message.
        """
        steps = _Steps(on_step)
        if len(message.recipients) > MAX_RECIPIENTS:
            raise TransportError(phase="message", cause="too_many_recipients", outcome=Outcome.REFUSED)
        self._client.require_key("message")
        content = json.dumps(payload(message)).encode()
        key = idempotency_key[:255] or message.message_id[:255]
        with steps.step("http") as http:
            answer = self._post_message(content, key)
            http.detail = f"HTTP {answer.status}"
        with steps.step("message") as step:
            step.reply = answer.text
            return self._receipt(answer)

    def _post_message(self, content: bytes, key: str) -> Answer:
        deadline = Deadline(self._client.limits.retry)
        while True:
            answer = self._client.request(
                "POST", "/v4/emails/transactional", content=content, headers={"Idempotency-Key": key}
            )
            if not _says_try_again(answer):
                return answer
            with suppress(TimeoutError):
                pause = answer.retry_after or 0
                if pause < deadline.remaining():
                    time.sleep(pause)
                    continue
            return answer

    def _receipt(self, answer: Answer) -> Receipt:
        transaction, message_id = answer.get("TransactionID"), answer.get("MessageID")
        if answer.status < 300 and not answer.is_error and (transaction or message_id):
            return Receipt(answer.text, str(transaction or message_id))
        outcome = _outcome(answer)
        raise self._failure("message", _cause(answer), answer, outcome)

    # ------------------------------------------------------------------ afterwards

    def delivery(self, provider_id: str) -> Delivery:
        """Ask what became of a message the service took."""
        self._client.require_key("account")
        answer = self._client.get(
            f"/v4/emails/{quote(provider_id, safe='')}/status?showFailed=true&showErrors=true&showMessageIDs=true"
        )
        if answer.is_error:
            raise self._failure("http", "not_found_at_service" if answer.status == 404 else "", answer)
        if not isinstance(answer.get("Status"), str):
            raise self._failure("http", _unreadable_cause(answer), answer)
        failed = answer.get("Failed")
        return Delivery(
            state=answer.get("Status").lower(),
            recipients=_count(answer.get("RecipientsCount")),
            delivered=_count(answer.get("DeliveredCount")),
            pending=_count(answer.get("PendingCount")),
            failed=tuple(self._failed(one) for one in failed if isinstance(one, dict))
            if isinstance(failed, list)
            else (),
        )

    def account_data(self) -> dict[str, Any]:
        """Ask for ``/v2/account/load``: limits, credits, reputation, status."""
        self._hurry()
        answer = self._client.get("/v2/account/load")
        data = answer.get("data")
        if answer.is_error or not isinstance(data, dict):
            raise self._failure("account", "" if answer.is_error else _unreadable_cause(answer), answer)
        # The answer repeats the key: only what is a figure or a short word goes on.
        return {
            name.lower(): self._client.scrub(value) if isinstance(value, str) else value
            for name, value in data.items()
            if name.lower() in _ACCOUNT_FIGURES
        }

    def statistics(self, since: datetime) -> dict[str, Any]:
        """Ask for ``/v4/statistics``; needs the access level ViewReports."""
        self._hurry()
        # UTC without a zone, as the API description has it.
        begins = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        answer = self._client.get(f"/v4/statistics?from={quote(begins, safe='')}")
        if answer.is_error or not isinstance(answer.body, dict):
            raise self._failure("account", "" if answer.is_error else _unreadable_cause(answer), answer)
        return {name.lower(): value for name, value in answer.body.items() if isinstance(value, int | float)}

    def _hurry(self) -> None:
        """A figure is not worth the time that a message is."""
        self._client.require_key("account")
        self._client.limits = replace(self._client.limits, whole=min(self._client.limits.whole, _FIGURES_SECONDS))

    def _failed(self, one: dict[str, Any]) -> FailedRecipient:
        words = {name.lower(): value for name, value in one.items()}
        return FailedRecipient(
            address=str(words.get("address") or ""),
            category=str(words.get("category") or ""),
            code=_count(words.get("errorcode")),
            reply=self._client.scrub(str(words.get("error") or ""))[:500],
        )

    def _failure(self, phase: str, cause: str, answer: Answer, outcome: Outcome = Outcome.FAILED) -> TransportError:
        return TransportError(phase=phase, cause=cause, code=answer.status, reply=answer.words[:2_000], outcome=outcome)


# ---------------------------------------------------------------------- what an answer means


def _outcome(answer: Answer) -> Outcome:
    """Return what became of a message whose answer is no acceptance.

    - 4xx, or an error in words: the service says that it did not take the message. Only 409 says that an
      earlier request under this key is still being worked on, and that one may be taken.
    - 503 with ``Retry-After`` in the service's own form: the key could not be checked, the message was not
      looked at. Any other 5xx may have come after the message was queued.
    - 3xx: nobody took it, save for 303, which sends one to the result of what was done (RFC 9110 §15.4.4).
    - 2xx that cannot be read: somebody took something.
    """
    if answer.status == 409:
        return Outcome.UNCERTAIN
    if answer.status >= 500:
        return Outcome.REFUSED if _says_try_again(answer) else Outcome.UNCERTAIN
    if answer.status >= 400 or (answer.status < 300 and answer.is_error):
        return Outcome.REFUSED
    if answer.status >= 300:
        return Outcome.UNCERTAIN if answer.status == 303 else Outcome.FAILED
    return Outcome.UNCERTAIN


def _cause(answer: Answer) -> str:
    if answer.status == 422 and "idempoten" in answer.text.lower():
        return "idempotency_mismatch"
    if 300 <= answer.status < 400:
        return "redirected"
    return "" if answer.is_of_the_service else "unreadable_answer"


def _says_try_again(answer: Answer) -> bool:
    # In the service's own form: a proxy's 503 with Retry-After says nothing of the message.
    return answer.status == 503 and answer.retry_after is not None and bool(answer.get("Error"))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _unreadable_cause(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return "redirected"
    return "service_trouble" if answer.status >= 500 else "unreadable_answer"


# ---------------------------------------------------------------------- steps


@dataclass(slots=True)
class _Running:
    state: StepState = StepState.OK
    detail: str = ""
    reply: str = ""
    began: float = field(default_factory=time.perf_counter)


class _Steps:
    """Reports steps as they begin and end, and keeps the ended ones."""

    def __init__(self, on_step: StepListener) -> None:
        self.finished: list[Step] = []
        self._on_step = on_step

    @contextmanager
    def step(self, name: str) -> Iterator[_Running]:
        self._on_step(Step(name, StepState.RUNNING))
        running = _Running()
        try:
            yield running
        except TransportError as error:
            self._end(name, StepState.FAILED, running, error.reply)
            raise
        self._end(name, running.state, running, running.reply)

    def _end(self, name: str, state: StepState, running: _Running, reply: str) -> None:
        milliseconds = (time.perf_counter() - running.began) * 1_000
        step = Step(name, state, milliseconds, running.detail, reply)
        self.finished.append(step)
        self._on_step(step)
