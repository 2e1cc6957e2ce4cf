"""Elastic Email over its HTTP API: v4 to send, v2 for the account's state.

Source: the published API description of v4 and the help pages of elasticemail.com (2026-11). The official
texts disagree in places (which status a wrong key gets, whether sends are idempotent), so answers are read
leniently and the ``Idempotency-Key`` is sent always and relied on never.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mailcore.deadline import Deadline
from mailcore.messages.compose import OutgoingMessage
from mailcore.transports.base import (
    CHECK_SECONDS,
    FIGURES_SECONDS,
    Connection,
    Delivery,
    FailedRecipient,
    Findings,
    Receipt,
    StepListener,
    Transport,
    TransportError,
    ignore_steps,
)
from mailcore.transports.elastic_answers import cause_of, count, outcome_of, says_try_again, unreadable_cause
from mailcore.transports.elastic_bulk import ElasticBulkLine
from mailcore.transports.elastic_client import Answer, ElasticEmailClient, Limits
from mailcore.transports.elastic_payload import payload
from mailcore.transports.steps import Running, StepLog
from mailcore.vocabulary import Outcome, StepState

if TYPE_CHECKING:
    from mailcore.messages.merge import MergeMessage
    from mailcore.transports.bulk import BulkLine

_ACCOUNT_FIGURES = {
    "daily_limit": ("actualdailysendlimit", "dailysendlimit"),  # where both are given, the actual one is in force
    "credits": ("emailcredits", "credit"),
    "reputation": ("reputation",),
    "status": ("statusformatted", "statusnumber"),
}
_STATISTICS = {"sent": ("emailtotal",), "delivered": ("delivered",)}
"""Our name for a figure → the service's, the best first."""
MAX_RECIPIENTS = 50
"""Of one transactional message; more are answered with 413."""


_MOST_ID, _LONGEST_ADDRESS = 255, 320
MOST_RETRIES = 5
"""How often a request is made once more where the service says that it did not look at it."""


@dataclass(frozen=True, slots=True, repr=False)
class PreparedMessage(OutgoingMessage):
    """A message with the request that hands it over."""

    body: bytes = b""


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
        steps = StepLog(on_step)
        # Two requests, so each gets half the time.
        limits = self._client.limits
        self._client.limits = replace(limits, whole=min(limits.whole, seconds / 2))
        self._client.require_key("account")
        with steps.step("http") as http:
            answer = self._client.get("/v2/account/load")
            http.detail = f"HTTP {answer.status}"
            if not answer.is_of_the_service:
                raise self._failure("http", unreadable_cause(answer), answer)
        with steps.step("account") as account:
            self._read_account(answer, account)
        with steps.step("domain") as domain:
            self._read_domain(domain)
        return Findings(steps.ended)

    def _read_account(self, answer: Answer, step: Running) -> None:
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

    def _read_domain(self, step: Running) -> None:
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
            step.detail = f"O domínio {name} não está cadastrado na Elastic Email."
            return
        missing = [label for key, label in (("Spf", "SPF"), ("Dkim", "DKIM")) if found.get(key) is False]
        if missing:
            step.detail = f"O domínio {name} está sem {' e '.join(missing)} confirmado na Elastic Email."
            return
        step.state, step.detail = StepState.OK, name

    # ------------------------------------------------------------------ send

    def prepare(self, message: OutgoingMessage) -> PreparedMessage:
        """Write the request's body; see :func:`~mailcore.transports.elastic_payload.payload` for what is refused."""
        if len(message.recipients) > MAX_RECIPIENTS:
            raise TransportError(phase="message", cause="too_many_recipients", outcome=Outcome.REFUSED)
        self._client.require_key("message")
        body = json.dumps(payload(message)).encode()
        return PreparedMessage(**{each.name: getattr(message, each.name) for each in fields(message)}, body=body)

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
        steps = StepLog(on_step)
        prepared = message if isinstance(message, PreparedMessage) else self.prepare(message)
        with steps.step("http") as http:
            answer = self._post_message(
                "/v4/emails/transactional", prepared.body, _as_key(idempotency_key or message.message_id)
            )
            http.detail = f"HTTP {answer.status}"
        with steps.step("message") as step:
            step.reply = answer.text
            return self._receipt(answer)

    def bulk(self, merge: MergeMessage) -> BulkLine:
        """Return a line for calls of up to 1,000 recipients, each of whom gets a copy of its own."""

        def post(body: bytes, key: str) -> Receipt:
            self._client.require_key("message")
            return self._receipt(self._post_message("/v4/emails", body, key))

        return ElasticBulkLine(post, merge)

    def _post_message(self, path: str, content: bytes, key: str) -> Answer:
        deadline = Deadline(self._client.limits.retry)
        for tries_left in range(MOST_RETRIES, -1, -1):
            answer = self._client.request("POST", path, content=content, headers={"Idempotency-Key": key})
            pause = answer.retry_after or 0
            if not says_try_again(answer) or not tries_left or pause >= deadline.left():
                break
            time.sleep(pause)
        return answer

    def _receipt(self, answer: Answer) -> Receipt:
        transaction, message_id = answer.get("TransactionID"), answer.get("MessageID")
        if answer.status < 300 and not answer.is_error and (transaction or message_id):
            return Receipt(answer.text, _identifier(transaction or message_id))
        raise self._failure("message", cause_of(answer), answer, outcome_of(answer))

    # ------------------------------------------------------------------ afterwards

    def delivery(self, provider_id: str) -> Delivery:
        """Ask what became of a message the service took."""
        self._client.require_key("account")
        answer = self._client.get(
            f"/v4/emails/{quote(provider_id, safe='')}/status?showFailed=true&showErrors=true&showMessageIDs=true"
            "&showUnsubscribed=true&showAbuse=true"
        )
        if answer.is_error:
            raise self._failure("http", "not_found_at_service" if answer.status == 404 else "", answer)
        if not isinstance(answer.get("Status"), str):
            raise self._failure("http", unreadable_cause(answer), answer)
        failed = answer.get("Failed")
        return Delivery(
            state=answer.get("Status").lower(),
            recipients=count(answer.get("RecipientsCount")),
            delivered=count(answer.get("DeliveredCount")),
            pending=count(answer.get("PendingCount")),
            failed=tuple(self._failed(entry) for entry in failed if isinstance(entry, dict))
            if isinstance(failed, list)
            else (),
            unsubscribed=_addresses(answer.get("Unsubscribed")),
            complained=_addresses(answer.get("AbuseReports")),
        )

    def account_data(self, *, seconds: float = FIGURES_SECONDS) -> dict[str, Any]:
        """Ask for ``/v2/account/load``: limits, credits, reputation, status."""
        self._hurry(seconds)
        answer = self._client.get("/v2/account/load")
        data = answer.get("data")
        if answer.is_error or not isinstance(data, dict):
            raise self._failure("account", "" if answer.is_error else unreadable_cause(answer), answer)
        # The answer repeats the key: only what is a figure or a short word goes on.
        found = _named(data, _ACCOUNT_FIGURES)
        return {name: self._client.scrub(value) if isinstance(value, str) else value for name, value in found.items()}

    def statistics(self, since: datetime, *, seconds: float = FIGURES_SECONDS) -> dict[str, Any]:
        """Ask for ``/v4/statistics``; needs the access level ViewReports."""
        self._hurry(seconds)
        # UTC without a zone, as the API description has it.
        begins = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        answer = self._client.get(f"/v4/statistics?from={quote(begins, safe='')}")
        if answer.is_error or not isinstance(answer.body, dict):
            raise self._failure("account", "" if answer.is_error else unreadable_cause(answer), answer)
        return _named(answer.body, _STATISTICS)

    def _hurry(self, seconds: float) -> None:
        self._client.require_key("account")
        self._client.limits = replace(self._client.limits, whole=min(self._client.limits.whole, seconds))

    def _failed(self, entry: dict[str, Any]) -> FailedRecipient:
        words = {name.lower(): value for name, value in entry.items()}
        return FailedRecipient(
            address=str(words.get("address") or ""),
            category=str(words.get("category") or ""),
            code=count(words.get("errorcode")),
            reply=self._client.scrub(str(words.get("error") or ""))[:500],
        )

    def _failure(self, phase: str, cause: str, answer: Answer, outcome: Outcome = Outcome.FAILED) -> TransportError:
        return TransportError(phase=phase, cause=cause, code=answer.status, reply=answer.words[:2_000], outcome=outcome)


def _named(answer: dict[str, Any], names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the figures an answer has, under our names."""
    given = {
        name.lower(): value
        for name, value in answer.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool) and value != "" and _is_sane(value)
    }
    return {
        ours: next(given[name] for name in theirs if name in given)
        for ours, theirs in names.items()
        if any(name in given for name in theirs)
    }


def _addresses(given: object) -> tuple[str, ...]:
    entries = given if isinstance(given, list) else []
    return tuple(each for each in entries if isinstance(each, str) and "@" in each and len(each) <= _LONGEST_ADDRESS)


def _is_sane(value: float | str) -> bool:
    """Whether a figure is one that anybody can work with: finite, and not of hundreds of digits."""
    return isinstance(value, str) or abs(value) < 2**53


def _identifier(given: object) -> str:
    """Return the service's id of a message as it can be kept: no line feed, no NUL, and no novel."""
    return "".join(char for char in str(given) if char.isprintable())[:_MOST_ID]


def _as_key(given: str) -> str:
    """Return a key as a header can carry it: one that cannot be written there becomes its digest."""
    if len(given) <= 255 and given.isascii() and given.isprintable() and given.strip() == given:
        return given
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
