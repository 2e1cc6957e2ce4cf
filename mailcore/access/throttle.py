"""Delays that grow with every failed try, for an account and for a network address.

A try is counted before the password is looked at and taken back when it was right, so that a thousand tries at once
are a thousand tries. Accounts that do not exist are delayed like those that do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import TYPE_CHECKING

from sqlalchemy import delete, text, update

from mailcore.errors import SignInRefusedError
from mailcore.storage.tables import SignInTries

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

FREE_TRIES_OF_ACCOUNT = 5
FREE_TRIES_OF_ADDRESS = 20
"""More, for many people may share one (an office behind one router)."""
LONGEST_WAIT = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(hours=1)

_NEW = text(
    "INSERT INTO sign_in_tries (key, failures, last_at, blocked_until) VALUES (:key, 0, :now, :now) "
    "ON CONFLICT (key) DO NOTHING"
)


def claim(session: Session, account: str, address: str, now: datetime) -> None:
    """Count a try that is about to be made.

    Args:
        account: the address typed, in lower case; empty where it is no e-mail address at all.

    Raises:
        SignInRefusedError: too many failed before; this one is not made, and not counted.
    """
    rows = []
    for key, free in sorted(((_account(account), FREE_TRIES_OF_ACCOUNT), (_address(address), FREE_TRIES_OF_ADDRESS))):
        session.execute(_NEW.bindparams(key=key, now=now.replace(tzinfo=None)))
        row = session.get_one(SignInTries, key, with_for_update=True)
        if now - row.last_at > FORGOTTEN_AFTER:
            row.failures, row.blocked_until = 0, now
        rows.append((row, free))
    wait = min(max(row.blocked_until for row, _ in rows) - now, LONGEST_WAIT)
    if wait > timedelta():
        seconds = ceil(wait.total_seconds())
        raise SignInRefusedError(
            f"Muitas tentativas. Espere {seconds} s e tente de novo.", "throttled", wait_seconds=seconds
        )
    for row, free in rows:
        row.failures += 1
        row.last_at = now
        row.blocked_until = now + _wait(row.failures - free)


def forgive(session: Session, account: str, address: str, now: datetime) -> None:
    """Take a try back that was right: the account begins anew, of the network's only this one goes.

    Whoever has an account of their own must not be able to wipe out the tries they made at others.
    """
    session.execute(delete(SignInTries).where(SignInTries.key == _account(account)))
    session.execute(
        update(SignInTries)
        .where(SignInTries.key == _address(address), SignInTries.failures > 0)
        .values(failures=SignInTries.failures - 1, blocked_until=now)
    )


def is_forgotten(now: datetime) -> ColumnElement[bool]:
    """Condition of the tries that would be forgotten at the next one anyway."""
    return SignInTries.last_at < now - FORGOTTEN_AFTER


def _wait(beyond: int) -> timedelta:
    """Nothing up to the free tries, then 1, 2, 4, 8 … seconds."""
    return timedelta() if beyond < 0 else min(timedelta(seconds=2 ** min(beyond, 20)), LONGEST_WAIT)


def _account(email: str) -> str:
    return f"account:{sha256(email.encode('utf-8', 'replace')).hexdigest()}"


def _address(address: str) -> str:
    """One address, or with IPv6 the network of 64 bits that a single customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"address:{sha256(address.encode('utf-8', 'replace')).hexdigest()}"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        parsed_network = ip_network((parsed, 64), strict=False)
        return f"address:{sha256(str(parsed_network).encode()).hexdigest()}"
    plain = getattr(parsed, "ipv4_mapped", None) or parsed
    return f"address:{sha256(str(plain).encode()).hexdigest()}"
