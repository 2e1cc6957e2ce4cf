"""A short run of ``make fuzz``."""

from __future__ import annotations

from tests.fuzz import run


def test_a_short_run_finds_nothing() -> None:
    tried, failed = run(7, seconds=60, most=1_000)
    assert failed == []
    assert tried.total() > 100
