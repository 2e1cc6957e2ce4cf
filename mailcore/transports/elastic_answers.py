"""What an answer of Elastic Email means for the message or the question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailcore.vocabulary import Outcome

if TYPE_CHECKING:
    from mailcore.transports.elastic_client import Answer


def outcome_of(answer: Answer) -> Outcome:
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
        return Outcome.REFUSED if says_try_again(answer) else Outcome.UNCERTAIN
    if answer.status >= 400 or (answer.status < 300 and answer.is_error):
        return Outcome.REFUSED
    if answer.status >= 300:
        return Outcome.UNCERTAIN if answer.status == 303 else Outcome.FAILED
    return Outcome.UNCERTAIN


def cause_of(answer: Answer) -> str:
    """Return which of the causes a message that was not taken has; empty where the words must tell."""
    if answer.status == 422 and "idempoten" in answer.text.lower():
        return "idempotency_mismatch"
    if 300 <= answer.status < 400:
        return "redirected"
    return "" if answer.is_of_the_service else "unreadable_answer"


def says_try_again(answer: Answer) -> bool:
    """Whether the service did not look at the request and says when it will."""
    # In the service's own form: a proxy's 503 with Retry-After says nothing of the message.
    return answer.status == 503 and answer.retry_after is not None and bool(answer.get("Error"))


def count(value: Any) -> int:
    """Return a figure of an answer; 0 for what is none, or none that a database could keep."""
    is_figure = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
    return value if is_figure else 0


def unreadable_cause(answer: Answer) -> str:
    """Return which of the causes an answer has that does not say what was asked for."""
    if 300 <= answer.status < 400:
        return "redirected"
    return "service_trouble" if answer.status >= 500 else "unreadable_answer"
