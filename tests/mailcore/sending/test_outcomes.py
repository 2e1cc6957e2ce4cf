"""What became of messages, counted by server, domain, cause and week: equal to a count over the raw rows."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select

from mailcore import ArgumentError, LedgerQuery, Mailcore, SendStatus, ServerDraft, frames
from mailcore.diagnosis.replies import diagnosis_for
from mailcore.sending.ledger import as_json
from mailcore.sending.outcomes import Tally
from mailcore.storage.tables import Send
from tests.actors import ME

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
CODES = {
    SendStatus.REFUSED: ("recipient_unknown", "quota_day"),
    SendStatus.FAILED: ("connect_refused",),
    SendStatus.UNCERTAIN: ("uncertain",),
    SendStatus.REJECTED_BY_RULE: ("quota_full", "same_address"),
    SendStatus.STARTED: ("",),
    SendStatus.ACCEPTED: ("",),
}
DOMAINS = ("gmail.example", "Outro.example", "SÃO-joão.example")


def filled(core: Mailcore) -> list[Send]:
    """Three hundred rows of three months, by three servers, one of which is gone."""
    chance = random.Random(7)
    draft = ServerDraft(name="Padaria nova", host="h.example", requires_auth=False, from_address="a@a.example")
    server = core.servers.create(draft, actor=ME).server
    rows: list[dict[str, Any]] = []
    for number in range(300):
        status = chance.choice([*SendStatus, *[SendStatus.ACCEPTED] * 8])
        code = chance.choice(CODES[status])
        addresses = [f"c{at}@{chance.choice(DOMAINS)}" for at in range(chance.choice((1, 1, 1, 4)))]
        server_id = server.id + chance.randrange(3)
        rows.append(
            {
                "idempotency_key": f"k{number}",
                "server_id": server_id,
                "server_name": "Padaria" if server_id == server.id else f"Servidor {server_id}",
                "status": status,
                "units": len(addresses),
                "recipients": "\n".join(addresses) if number else "",
                "message_id": f"<{number}@a.example>",
                "diagnosis": as_json(diagnosis_for(code)) if code else "",
                "at": NOW - timedelta(hours=chance.uniform(0, 24 * 80)),
                "account_key": f"smtp:h.example/{server_id}",
            }
        )
    with core.database.write() as session:
        session.execute(insert(Send), rows)
        return list(session.scalars(select(Send)))


def told(tallies: list[Tally]) -> dict[str, dict[SendStatus, int]]:
    return {tally.key: {status: count for status, count in tally.counts.items() if count} for tally in tallies}


def test_every_count_is_that_of_the_raw_rows(core: Mailcore) -> None:
    rows = filled(core)
    query = LedgerQuery(since=NOW - timedelta(days=30), until=NOW - timedelta(days=2))
    assert query.since
    assert query.until
    within = [row for row in rows if query.since <= row.at < query.until]
    by_server: dict[str, Counter[SendStatus]] = defaultdict(Counter)
    by_domain: dict[str, Counter[SendStatus]] = defaultdict(Counter)
    by_cause: dict[str, Counter[SendStatus]] = defaultdict(Counter)
    by_week: dict[str, Counter[SendStatus]] = defaultdict(Counter)
    for row in within:
        by_server[str(row.server_id)][row.status] += 1
        for address in row.recipients.split("\n"):
            by_domain[address.rpartition("@")[2].lower()][row.status] += 1
        if row.status is not SendStatus.ACCEPTED:
            code = row.diagnosis.partition('"code": "')[2].partition('"')[0]
            by_cause[code][row.status] += 1
    mondays = [date(2026, 11, 23) - timedelta(weeks=back) for back in range(8)]
    for row in rows:
        day = row.at.astimezone(ZONE).date()
        monday = day - timedelta(days=day.weekday())
        if monday in mondays:
            by_week[monday.isoformat()][row.status] += 1

    servers = core.outcomes.by_server(query)
    assert told(servers) == by_server
    assert {tally.label for tally in servers} == {"Padaria nova", *(f"Servidor {row.server_id}" for row in within)} - {
        f"Servidor {min(row.server_id for row in rows)}"
    }
    assert sum(sum(tally.counts.values()) for tally in servers) == len(within) == core.ledger.search(query).matching
    domains = core.outcomes.by_domain(query)
    assert told(domains) == by_domain
    assert [sum(tally.counts.values()) for tally in domains] == sorted(
        (sum(counts.values()) for counts in by_domain.values()), reverse=True
    )
    causes = core.outcomes.by_cause(query)
    assert told(causes) == by_cause
    assert {tally.label for tally in causes if tally.key} == {diagnosis_for(key).title for key in by_cause if key}
    weeks = core.outcomes.by_week(query, now=NOW)
    assert told(weeks) == {day.isoformat(): by_week[day.isoformat()] for day in mondays}

    one = LedgerQuery(account_key=rows[0].account_key)
    assert [tally.key for tally in core.outcomes.by_server(one)] == [str(rows[0].server_id)]
    frame = frames.outcomes(core, "server", query)
    assert dict(zip(frame["key"], frame["accepted"], strict=True)) == {tally.key: tally.accepted for tally in servers}
    assert [frame[name].dtype.kind for name in ("tried", "refused", "failed", "uncertain", "barred")] == ["i"] * 5


def test_the_share_of_the_accepted_leaves_out_what_a_rule_barred() -> None:
    tally = Tally("k", "l")
    assert tally.acceptance is None
    tally.counts |= {SendStatus.ACCEPTED: 3, SendStatus.REFUSED: 1, SendStatus.REJECTED_BY_RULE: 96}
    assert (tally.tried, tally.acceptance, tally.barred) == (4, 0.75, 96)


def test_a_ledger_without_rows_has_weeks_without_any(core: Mailcore) -> None:
    everything = LedgerQuery()
    outcomes = core.outcomes
    assert outcomes.by_server(everything) == outcomes.by_domain(everything) == outcomes.by_cause(everything) == []
    assert [tally.tried for tally in outcomes.by_week(everything, weeks=3)] == [0, 0, 0]
    with pytest.raises(ArgumentError, match=r"^weeks: "):
        outcomes.by_week(everything, weeks=0)
    with pytest.raises(ArgumentError, match=r"^by: "):
        frames.outcomes(core, "month")
    assert list(frames.outcomes(core, "cause").columns) == list(frames.outcomes(core, "week").columns)
