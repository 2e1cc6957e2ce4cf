"""A short run of ``make fuzz``."""

from __future__ import annotations

from mailcore.settings import Settings
from tests.fuzz.run import run


def test_a_short_run_finds_nothing() -> None:
    tried, failed = run(7, seconds=60, most=400)
    assert failed == []
    assert len(tried) == 14
    assert min(tried.values()) >= 5


def test_whatever_a_mail_server_says_no_row_is_left_started(settings: Settings) -> None:
    most = 120 if settings.database_url.startswith("sqlite") else 40
    tried, failed = run(8, seconds=60, most=most, settings=settings, only="ledger")
    assert failed == []
    assert tried.total() >= 20
