"""What a result means for one recipient, for the batch and for the account: sent, refused, again later, or stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mailcore.catalog import provider_id
from mailcore.diagnosis.replies import diagnose, diagnosis_for
from mailcore.sending.stops import not_begun
from mailcore.vocabulary import RecipientStatus, SendStatus

if TYPE_CHECKING:
    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.transports.base import TransportError
    from mailcore.transports.bulk import ParcelResult
    from mailcore.vocabulary import Kind

MOST_TRIES = 5
"""Of a recipient that a server refuses for now (a full mailbox, a greylist); after that it is refused."""
_FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=5), timedelta(minutes=30)
_FOR_EVERYBODY = frozenset({"auth", "tls", "config", "blocked"})
"""Categories that a person has to look at, where they come before any recipient was named."""
_BEFORE_RECIPIENTS = frozenset(
    {"resolve", "connect", "greeting", "tls", "ehlo", "auth", "sender", "http", "account", "domain"}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one recipient's message."""

    row: int
    status: RecipientStatus
    """``pending`` and ``deferred``: certainly not taken, and tried again."""
    reply: str = ""
    provider_id: str = ""
    diagnosis: Diagnosis | None = None
    delay: timedelta = timedelta(0)
    """Of a deferred one."""
    is_too_fast: bool = False
    """The provider wants less at a time."""
    pauses: bool = False
    """It wants nothing at all for a moment, whoever the recipient is."""
    is_unreachable: bool = False
    """There was no way to the server at all."""
    stops: bool = False
    """The whole batch stops, until a person has looked."""

    @property
    def ledger_status(self) -> SendStatus:
        """What its row of the ledger says."""
        if self.status in (RecipientStatus.PENDING, RecipientStatus.DEFERRED):
            return SendStatus.FAILED
        return SendStatus(self.status.value)


def verdict(result: ParcelResult, tries: int, *, kind: Kind, host: str) -> Verdict:
    """Return what a result means.

    Args:
        tries: how often this recipient was tried, this time included.
        kind: of the server.
        host: of the server, for what its provider means by its words.
    """
    if result.outcome is SendStatus.ACCEPTED:
        return Verdict(result.number, RecipientStatus.ACCEPTED, result.reply, result.provider_id)
    error = result.error
    if result.outcome is SendStatus.UNCERTAIN or error is None:
        return Verdict(
            result.number,
            RecipientStatus.UNCERTAIN,
            result.reply,
            diagnosis=diagnosis_for("uncertain", reply=result.reply),
        )
    diagnosis = diagnose(error, kind=kind, provider=provider_id(host))
    pauses = diagnosis.category == "throttled" or error.code == 421
    is_too_fast = pauses or error.code == 450 or error.enhanced.startswith("4.7.")
    if _stops(error, diagnosis):
        return Verdict(result.number, RecipientStatus.PENDING, result.reply, diagnosis=diagnosis, stops=True)
    if diagnosis.category == "quota" or (not result.begun and result.outcome is SendStatus.FAILED):
        is_unreachable = not result.begun and diagnosis.category != "quota"
        return Verdict(
            result.number,
            RecipientStatus.PENDING,
            result.reply,
            diagnosis=diagnosis,
            is_too_fast=is_too_fast,
            pauses=pauses,
            is_unreachable=is_unreachable and not is_too_fast,
        )
    if (_is_passing(error, result) or is_too_fast) and (tries < MOST_TRIES or diagnosis.category == "throttled"):
        delay = min(_FIRST_DELAY * 6 ** min(tries - 1, 5), LONGEST_DELAY)
        return Verdict(
            result.number,
            RecipientStatus.DEFERRED,
            result.reply,
            diagnosis=diagnosis,
            delay=delay,
            is_too_fast=is_too_fast,
            pauses=pauses,
        )
    return Verdict(result.number, RecipientStatus(result.outcome.value), result.reply, diagnosis=diagnosis)


def unwritable(row: int, sentence: str) -> Verdict:
    """Return the verdict of a message that could not be written."""
    return Verdict(row, RecipientStatus.FAILED, diagnosis=not_begun(sentence))


def _stops(error: TransportError, diagnosis: Diagnosis) -> bool:
    """Whether it is no use, or does harm, to go on: what is wrong is wrong for every recipient."""
    if diagnosis.refuses_credentials:
        return True
    is_final = not 400 <= error.code < 500 or error.phase in ("http", "account")
    return is_final and error.phase in _BEFORE_RECIPIENTS and diagnosis.category in _FOR_EVERYBODY


def _is_passing(error: TransportError, result: ParcelResult) -> bool:
    """Whether the same message may be taken another time: a 4xx of SMTP, a fault of a service, a lost connection."""
    if result.outcome is SendStatus.FAILED:
        return True
    if error.phase in ("http", "message", "account"):
        return error.code in (429, 503) or error.code >= 500
    return 400 <= error.code < 500
