"""What ``make audit`` makes of the service's answers: no answer is never "nothing known"."""

from __future__ import annotations

from tests.audit import PINS, judge, pins

PINNED = {"alpha": "1.0", "beta": "2.0"}
GOOD = {"name": "alpha", "version": "1.0", "vulns": []}
WEAK = {"name": "Beta", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "beta", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_a_weakness_is_told_with_the_version_that_mends_it() -> None:
    audit = judge([GOOD, WEAK], PINNED, {}, "2026-11-26")
    assert (audit.asked, audit.status, audit.weak) == (2, 1, ["beta 2.0: PYSEC-1 (mended in 2.1)"])


def test_who_was_not_asked_about_is_not_taken_for_sound() -> None:
    audit = judge([GOOD, SKIPPED], PINNED, {}, "2026-11-26")
    assert (audit.asked, audit.unknown, audit.status) == (1, ["beta 2.0"], 2)
    assert judge([], PINNED, {}, "2026-11-26").status == 2
    other = judge([GOOD, WEAK | {"version": "1.9"}], PINNED, {}, "2026-11-26")
    assert other.unknown == ["beta 2.0"]


def test_without_the_service_the_last_answer_counts_for_the_same_version() -> None:
    kept = judge([GOOD, WEAK], PINNED, {}, "2026-11-01").kept
    audit = judge([], PINNED, kept, "2026-11-26")
    assert (audit.remembered, audit.status) == (2, 1)
    assert audit.weak == ["beta 2.0: PYSEC-1 (mended in 2.1), as of 2026-11-01"]
    assert judge([], PINNED | {"beta": "2.1"}, kept, "2026-11-26").unknown == ["beta 2.1"]
    assert audit.kept == kept


def test_every_package_is_asked_about() -> None:
    found = pins(PINS.read_text("utf-8"))
    assert found["sqlalchemy"]
    assert found["pytest"]
    assert len(found) > 80
