"""When how many of a batch will go, against the quota played out message by message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st

from mailcore.batches.forecast import forecast
from mailcore.quota.holds import AccountState
from mailcore.quota.rules import Count, FreedUnits, Quota, QuotaRule
from mailcore.vocabulary import LimitUnit, LimitWindow
from tests.properties import examples

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULE = QuotaRule(10, LimitUnit.RECIPIENTS, LimitWindow.ROLLING_24H, ZoneInfo("America/Sao_Paulo"))


def quota(limit: int | None, frees: list[tuple[int, int]], hold: AccountState | None = None) -> Quota:
    rule = QuotaRule(limit, RULE.unit, RULE.window, RULE.zone)
    freed = tuple(FreedUnits(NOW + hours * HOUR, units) for hours, units in frees)
    return Quota("k", (), Count(rule, sum(units for _, units in frees), freed), hold=hold)


def told(found: list[FreedUnits]) -> list[tuple[timedelta, int]]:
    return [(freed.at - NOW, freed.units) for freed in found]


@given(
    limit=st.integers(1, 12),
    frees=st.lists(st.tuples(st.integers(1, 23), st.integers(1, 5)), max_size=4),
    pending=st.integers(1, 40),
    ahead=st.integers(0, 15),
)
@configured(max_examples=examples(60), deadline=None, derandomize=True)
def test_as_the_quota_played_out(limit: int, frees: list[tuple[int, int]], pending: int, ahead: int) -> None:
    frees = sorted(dict(frees).items())
    counted = [(NOW + hours * HOUR, units) for hours, units in frees]  # (stops counting at, units)
    expected: dict[timedelta, int] = {}
    moment, waiting = NOW, [False] * ahead + [True] * pending
    while waiting and moment < NOW + 60 * DAY:
        used = sum(units for ends, units in counted if ends > moment)
        room = max(0, limit - used)
        gone, waiting = waiting[:room], waiting[room:]
        if gone:
            counted.append((moment + DAY, len(gone)))
        if sum(gone):
            expected[moment - NOW] = sum(gone)
        moment += HOUR
    found = told(forecast(quota(limit, frees), pending, ahead=ahead, now=NOW))
    assert found == sorted(expected.items())[: len(found)]
    assert len(found) == min(len(expected), 30)


def test_without_a_limit_on_hold_and_for_later() -> None:
    assert told(forecast(quota(None, []), 7, now=NOW)) == [(timedelta(0), 7)]
    assert forecast(quota(10, []), 0, now=NOW) == []
    assert told(forecast(quota(10, []), 4, begins=NOW + 3 * HOUR, now=NOW)) == [(3 * HOUR, 4)]
    until = AccountState(NOW, NOW + 2 * HOUR, "quota_day")
    assert told(forecast(quota(10, [(1, 8)], until), 12, now=NOW)) == [(2 * HOUR, 10), (26 * HOUR, 2)]
    assert forecast(quota(10, [], AccountState(NOW, None, "login_refused")), 5, now=NOW) == []
