"""What a batch costs does not grow with what is behind it: SQLite goes by its indexes, PostgreSQL by its statistics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailcore import Mailcore
from mailcore.batches import recovery, reserving


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'data' / 'mailcore.db'}"


def test_the_next_group_costs_the_same_however_many_are_done(core: Mailcore) -> None:
    with core.database.fast_read() as cursor:
        for statement in (reserving._NEXT, reserving._DUE, recovery._UNCERTAIN):
            names = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
            plan = [row[3] for row in cursor.rows(f"EXPLAIN QUERY PLAN {statement}", names)]
            assert any("COVERING INDEX ix_batch_recipient_status (batch_id=? AND status=?)" in step for step in plan)
            assert not [step for step in plan if "(batch_id=?)" in step or "SCAN" in step], "it walks all that is done"
