"""What a batch costs does not grow with what is behind it: each statement goes by the index of statuses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql

from mailcore import Mailcore
from mailcore.batches import groups, reading, recovery, reserving
from mailcore.storage.tables import Batch
from mailcore.vocabulary import RecipientStatus

STATEMENTS = (reserving._NEXT, reserving._DUE, reserving._FIRST_DUE, recovery._UNCERTAIN, groups._IN_FLIGHT)
MANY, LAST = 10_000, 9_980
PEOPLE = f"""
INSERT INTO batch_recipient
(batch_id, row, address, address_key, fields, status, tries, repeat, message_id, owner, reply, provider_id, diagnosis)
SELECT 1, n, 'a' || n, 'a' || n, '[]', 'pending', 0, 0, '', '', '', '', '' FROM generate_series(1, {MANY}) AS n
"""


def values_of(statement: str) -> dict[str, Any]:
    moments = dict.fromkeys(("now", "latest"), "2026-01-01")
    return {name: moments.get(name, 1) for name in re.findall(r":(\w+)", statement)} | {"owner": "", "diagnosis": ""}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_next_group_costs_the_same_however_many_are_done(core: Mailcore) -> None:
    with core.database.fast_read() as cursor:
        for statement in STATEMENTS:
            plan = [row[3] for row in cursor.rows(f"EXPLAIN QUERY PLAN {statement}", values_of(statement))]
            assert any("COVERING INDEX ix_batch_recipient_status (batch_id=? AND status" in step for step in plan)
            assert not [step for step in plan if "(batch_id=?)" in step or "SCAN" in step], "it walks all that is done"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("has_statistics", [False, True])
def test_postgresql_does_not_look_at_what_is_done_either(core: Mailcore, *, has_statistics: bool) -> None:
    page = reading._in_order(Batch(id=1), RecipientStatus.FAILED)
    for_page = str(page.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    with core.database.fast_write() as cursor:
        cursor.execute(PEOPLE)
        if has_statistics:
            cursor.execute("ANALYZE batch_recipient")  # of the moment when all were still to come
        cursor.execute("UPDATE batch_recipient SET status = 'accepted' WHERE row <= :last", {"last": LAST})
        for statement in (*STATEMENTS, f"{for_page} LIMIT 50"):
            told = cursor.row(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values_of(statement))
            assert told is not None
            seen = json.dumps(told[0])
            walked = [int(each) for each in re.findall(r'"Rows Removed by [^"]*": (\d+)', seen)]
            assert sum(walked) < MANY - LAST + 1, (statement, seen)
