"""An account as it is stored: its hold, and the refused logins in a row. What changes it is in ``holds``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from mailcore.storage.tables import Account


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as stored; whether it is on hold now is for :meth:`is_held` to say."""

    held_since: datetime | None = None
    held_until: datetime | None = None
    held_code: str = ""
    held_reply: str = ""
    auth_failures: int = 0

    def is_held(self, now: datetime) -> bool:
        """Whether nothing may be tried through it at this moment."""
        return self.held_since is not None and (self.held_until is None or now < self.held_until)


def state_of(account: Account | None) -> AccountState:
    """Return what a row of the table says; no row means nothing ever happened."""
    if account is None:
        return AccountState()
    return AccountState(
        account.held_since, account.held_until, account.held_code, account.held_reply, account.auth_failures
    )
