"""An account on hold: nothing is tried through it until the provider takes mail again, or a person lifts it.

A refusal for quota, whatever its code, holds the account until its window frees; one for an hourly limit, for an
hour. Refused logins in a row hold it until somebody looks: a provider that sees a wrong password again and again
blocks the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from mailcore.actor import Actor, needs
from mailcore.audit import note_lifted
from mailcore.catalog import for_host
from mailcore.errors import HeldError
from mailcore.quota import usage
from mailcore.quota.account_state import AccountState, state_of
from mailcore.quota.rules import NEAR
from mailcore.rights import Right
from mailcore.storage.tables import Account
from mailcore.vocabulary import LimitWindow, SendStatus

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from mailcore.diagnosis.replies import Diagnosis
    from mailcore.quota.locked_account import LockedAccount
    from mailcore.storage.database import Database
    from mailcore.storage.tables import MailServer

MOST_AUTH_FAILURES = 3
"""Refused logins in a row that put an account on hold. Providers publish no figure; Microsoft's smart lockout
begins at ten (learn.microsoft.com, "smart lockout"), others are stricter."""

SHORTEST_HOLD = timedelta(hours=1)
WHOLE_WINDOW = timedelta(hours=24)

_HOLD = """
UPDATE account SET held_since = :since, held_until = :until, held_code = :code, held_reply = :reply WHERE key = :key
"""
_CLEAR = """
UPDATE account SET held_since = NULL, held_until = NULL, held_code = '', held_reply = '', auth_failures = 0
WHERE key = :key
"""
_FAILED = "UPDATE account SET auth_failures = :failures WHERE key = :key"


@dataclass(frozen=True, slots=True)
class SendResult:
    """What an account is held, or forgiven, for: what became of one send through it."""

    status: SendStatus
    reason: Diagnosis | None
    """Why it was refused, in whole or for some recipients."""
    begun_at: datetime
    host: str
    """The server's, for the catalogue's rule about holds."""


def note_result(account: LockedAccount, result: SendResult, now: datetime) -> None:
    """Hold the account, or forgive it, after what became of a send."""
    state, reason = account.state, result.reason
    waits_for_person = state.held_since is not None and state.held_until is None
    if reason is not None and reason.category == "quota":
        if not waits_for_person:
            _hold(account, reason, now, _end_of_hold(account, result.host, now))
    elif reason is not None and reason.hold_minutes:
        until = now + timedelta(minutes=reason.hold_minutes)
        if not waits_for_person and (state.held_until is None or state.held_until < until):
            _hold(account, reason, now, until)
    elif result.status is SendStatus.ACCEPTED:
        # One begun before the hold says nothing of whether the provider takes mail again.
        is_news = state.held_since is None or result.begun_at > state.held_since
        if is_news and (state.auth_failures or state.held_since is not None):
            account.cursor.execute(_CLEAR, {"key": account.key})
    elif reason is not None and reason.refuses_credentials:
        failures = state.auth_failures + 1
        account.cursor.execute(_FAILED, {"key": account.key, "failures": failures})
        if failures >= MOST_AUTH_FAILURES:
            _hold(account, reason, now, None)


def _hold(account: LockedAccount, diagnosis: Diagnosis, now: datetime, until: datetime | None) -> None:
    account.cursor.execute(
        _HOLD,
        {
            "key": account.key,
            "since": account.database.stored(now),
            "until": account.database.stored(until) if until else None,
            "code": diagnosis.code,
            "reply": diagnosis.reply[:2_000],
        },
    )


def _end_of_hold(account: LockedAccount, host: str, now: datetime) -> datetime:
    """When an account that was refused for quota just now may be tried again, as far as our own count tells."""
    rule = account.rule()
    if rule is None:
        return end_of_hold(host, now, None, is_explained=False)
    if rule.window is LimitWindow.CALENDAR_DAY:
        return end_of_hold(host, now, rule.frees(now), is_explained=True)
    used = usage.count(account, rule, now).used
    frees = usage.freed(account, rule, now)
    is_explained = used >= (rule.limit or 0) * NEAR
    return end_of_hold(host, now, frees[0].at if frees else None, is_explained=is_explained)


def end_of_hold(host: str, now: datetime, window_frees: datetime | None, *, is_explained: bool) -> datetime:
    """Return when an account refused for quota may be tried again.

    Args:
        host: the server's, for the catalogue's rule: at Yandex every try while blocked adds 24 hours
            (yandex.ru/support/yandex-360, "limits"), so a whole day passes first.
        window_frees: when the window frees something by our own count; None where it holds nothing.
        is_explained: our own count is near the limit, so it knows what the provider counted; else most of the use
            was made elsewhere, and only a whole window is safe.
    """
    provider = for_host(host)
    if (provider is not None and provider.no_probing) or not is_explained or window_frees is None:
        return now + WHOLE_WINDOW
    return max(window_frees, now + SHORTEST_HOLD)


def state_in(database: Database, key: str) -> AccountState:
    """Return the state of an account.

    Raises:
        StorageError: the database could not be read.
    """
    with database.read() as session:
        return state_of(session.get(Account, key))


def refuse_probing(state: AccountState, host: str, zone: ZoneInfo) -> None:
    """Refuse to contact a server whose provider lengthens a block with every try, while the account is on hold.

    Raises:
        HeldError: it is such a server, and on hold.
    """
    provider = for_host(host)
    if provider is None or not provider.no_probing or not state.is_held(datetime.now(UTC)) or not state.held_until:
        return
    until = state.held_until.astimezone(zone).strftime("%d/%m às %H:%M")
    raise HeldError(
        f"A conta está bloqueada pelo provedor até {until}, e ali cada tentativa aumenta o bloqueio em um dia. "
        "Nada foi tentado: teste depois disso."
    )


def refuse_pause(state: AccountState) -> None:
    """Refuse to try a login again that was refused several times in a row.

    Raises:
        HeldError: it was.
    """
    if state.held_since is not None and state.held_until is None:
        if state.held_code.startswith("oauth_"):
            raise HeldError(
                "A conta está em pausa, porque a autorização dela não vale mais. Abra o cadastro e "
                "clique em “Autorizar”."
            )
        raise HeldError(
            "A conta está em pausa, porque o login foi recusado várias vezes seguidas. Corrija a senha no cadastro, ou "
            "teste só este servidor."
        )


@needs(Right.OPERATE)
def lift(database: Database, server: MailServer, *, actor: Actor) -> None:
    """Let an account be used again because a person says so; the trail keeps who.

    Raises:
        StorageError: the database could not be written.
    """
    with database.write() as session:
        state = state_of(session.get(Account, server.account_key, with_for_update=True))
        if state.held_since is not None:
            note_lifted(session, server, state.held_code, actor=actor)
        session.execute(update(Account).where(Account.key == server.account_key).values(**_FREE))


def pause(session: Session, key: str, code: str, reply: str) -> None:
    """Put an account on hold until a person acts, for a reason other than refused passwords."""
    account = session.get(Account, key, with_for_update=True)
    if account is None:
        account = Account(key=key, auth_failures=0)
        session.add(account)
    account.held_since, account.held_until = datetime.now(UTC), None
    account.held_code, account.held_reply = code, reply[:2_000]


def forgive_logins(session: Session, key: str) -> None:
    """Forget refused logins, and the hold they led to: there is a new password to try."""
    waits_for_person = Account.held_since.is_not(None) & Account.held_until.is_(None)
    session.execute(update(Account).where(Account.key == key).values(auth_failures=0))
    session.execute(update(Account).where(Account.key == key, waits_for_person).values(**_FREE))


_FREE: dict[str, Any] = {
    "held_since": None,
    "held_until": None,
    "held_code": "",
    "held_reply": "",
    "auth_failures": 0,
}
