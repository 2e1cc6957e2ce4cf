"""Why a send does not begin, or ended without an answer, as the ledger says it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailcore.diagnosis.replies import Diagnosis, diagnosis_for
from mailcore.quota import usage
from mailcore.quota.rules import Count, fits_at
from mailcore.vocabulary import LimitUnit, SendStatus

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from mailcore.quota.locked_account import LockedAccount
    from mailcore.quota.rules import QuotaRule


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing is reserved for a send, and so nothing sent."""

    diagnosis: Diagnosis
    status: SendStatus = SendStatus.REJECTED_BY_RULE
    """Or ``failed``, where no rule forbids it and it could not be made all the same."""
    frees_at: datetime | None = None
    """When it would fit; None where time alone does not help."""


def on_hold(account: LockedAccount, now: datetime) -> Stop | None:
    """Return why nothing goes through an account now, where it is on hold."""
    state = account.state
    if not state.is_held(now):
        return None
    if state.held_until is None:
        code = state.held_code if state.held_code.startswith("oauth_") else "account_paused"
        return Stop(diagnosis_for(code, reply=state.held_reply))
    diagnosis = diagnosis_for("account_on_hold", reply=state.held_reply)
    remedy = diagnosis.remedy.format(until=_clock(state.held_until, account.settings.zone))
    return Stop(replace(diagnosis, remedy=remedy), frees_at=state.held_until)


def over_limit(account: LockedAccount, rule: QuotaRule, recipients: int, now: datetime) -> Stop | None:
    """Return why a message does not fit, and when it will; None where all of it fits."""
    ceiling = rule.ceiling
    if ceiling is None:
        return None
    units, count = rule.units(1, recipients), usage.count(account, rule, now)
    if count.used + units <= ceiling:
        return None
    if units > ceiling:
        diagnosis = diagnosis_for("quota_message_too_large")
        return Stop(replace(diagnosis, cause=diagnosis.cause.format(units=units, limit=ceiling)))
    frees_at = fits_at(Count(rule, count.used, usage.freed(account, rule, now)), units, now)
    what = "mensagens" if rule.unit is LimitUnit.MESSAGES else "destinatários"
    when = _clock(frees_at, account.settings.zone) if frees_at else "quando a janela liberar"
    diagnosis = diagnosis_for("quota_full")
    cause = diagnosis.cause.format(used=count.used, limit=ceiling, units=units, what=what)
    return Stop(replace(diagnosis, cause=cause, remedy=diagnosis.remedy.format(when=when)), frees_at=frees_at)


def not_begun(sentence: str) -> Diagnosis:
    """Return the diagnosis of a send that could not begin, with the sentence that says why."""
    return replace(diagnosis_for("not_begun"), cause=sentence)


def program_fault(error: BaseException) -> Diagnosis:
    """Return the diagnosis of an exception that is none of ours, before the message began to leave."""
    diagnosis = diagnosis_for("program_fault")
    return replace(diagnosis, cause=diagnosis.cause.format(fault=where(error)))


def uncertain_after(error: BaseException) -> Diagnosis:
    """Return the diagnosis of an exception that is none of ours, after the message began to leave."""
    cause = f"O envio foi interrompido por um erro depois que a mensagem começou a sair: {where(error)}."
    return replace(diagnosis_for("uncertain"), cause=cause)


def where(error: BaseException) -> str:
    """Return what was raised and where; never its text, which may repeat a password or a message."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" em {frames[-1].name}, linha {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%d/%m às %H:%M")
