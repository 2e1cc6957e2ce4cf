"""When how many messages of a batch will go, as far as the quota of its account tells."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailcore.quota.rules import FreedUnits, together

if TYPE_CHECKING:
    from mailcore.quota.rules import Quota

_MOST_STEPS = 400
"""Moments looked at; a batch that takes longer than those is told as far as they go."""
_MOST_SHOWN = 30


def forecast(
    quota: Quota, pending: int, *, ahead: int = 0, begins: datetime | None = None, now: datetime | None = None
) -> list[FreedUnits]:
    """Return when how many messages go, soonest first; with no limit in the way all go at once.

    What others send through the account meanwhile is not known. A hold that a person has to lift leaves nothing to
    foresee.

    Args:
        quota: of the account, with every slot that frees.
        ahead: messages of batches that are served before this one.
        begins: not before this moment.
        now: aware; the present where it is not given.
    """
    moment = max(now or datetime.now(UTC), begins or datetime.min.replace(tzinfo=UTC))
    if not pending:
        return []
    if quota.hold is not None:
        if quota.hold.held_until is None:
            return []
        moment = max(moment, quota.hold.held_until)
    limit = quota.limit
    if limit is None:
        return [FreedUnits(moment, pending)]
    if not limit:
        return []
    freed = deque(quota.frees)
    free, left, first = limit - quota.used, ahead + pending, ahead
    goes: list[FreedUnits] = []
    for _ in range(_MOST_STEPS):
        while freed and freed[0].at <= moment:
            free += freed.popleft().units
        if (sent := min(max(free, 0), left)) > 0:
            free, left = free - sent, left - sent
            ours = max(0, sent - first)
            first = max(0, first - sent)
            if ours:
                goes.append(FreedUnits(moment, ours))
            # What goes now frees in its turn, after all that was used before it.
            freed.append(FreedUnits(quota.rule.frees(moment), sent))
        if not left or not freed:
            break
        moment = max(moment, freed[0].at)
    return list(together(goes))[:_MOST_SHOWN]
