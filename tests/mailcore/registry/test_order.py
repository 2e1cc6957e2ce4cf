"""The list sorted by a heading: over every record that matches, on every page, however it was filtered."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from benchmarks.dataset import servers as made_up
from mailcore import Mailcore
from mailcore.registry.order import QUOTA, SORTABLE, Order
from mailcore.registry.search import ServerQuery
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.vocabulary import Kind, LimitUnit
from tests.actors import ME
from tests.tables import each_row

COUNT = 260


def filled(core: Mailcore) -> Mailcore:
    """Register some hundred servers, in no order."""
    rows = list(made_up(COUNT))
    pick = random.Random(7)
    for row in rows:
        row["account_key"] = f"account {row['id']}"
        row["port"] = row["port"] if row["kind"] is Kind.SMTP else None
        row["daily_limit"] = pick.choice((None, 50, 2_000, 300))
        row["is_default"] = row["id"] == 77
    pick.shuffle(rows)
    with core.database.write() as session:
        session.execute(insert(MailServer), rows)
    return core


@pytest.fixture(scope="module")
def registry(shared_core: Mailcore) -> Mailcore:
    """A registry of some hundred records, in no order, which nobody changes."""
    return filled(shared_core)


def listed(core: Mailcore, order: Order, shares: dict[str, float] | None = None, **filters: object) -> list[MailServer]:
    """Every record, page by page, as a person turns them."""
    found: list[MailServer] = []
    for number in range(1, 100):
        query = ServerQuery(order=order, page=number, page_size=37, **filters)
        page = core.servers.search(query, shares=shares)
        found += page.servers
        if len(found) >= page.matching:
            assert len(found) == page.matching
            return found
    raise AssertionError("no end")


KEYS = {
    "name": lambda one: one.name_key,
    "host": lambda one: one.host,
    "is_paid": lambda one: one.is_paid,
    "last_check": lambda one: one.last_check_state,
    "is_active": lambda one: one.is_active,
    "is_default": lambda one: one.is_default,
    "username": lambda one: (one.username == "", one.username.lower()),
    "daily_limit": lambda one: (one.daily_limit is None, one.daily_limit),
    "limit_unit": lambda one: {LimitUnit.RECIPIENTS: "destinatarios", LimitUnit.MESSAGES: "mensagens"}[one.limit_unit],
    "notes": lambda one: (one.notes == "", one.notes.lower()),
}


@each_row("by", KEYS)
@each_row("filters", [{}, {"is_paid": False}, {"text": "são"}])
def test_every_page_continues_the_order(registry: Mailcore, by: str, filters: dict[str, object]) -> None:
    up, down = (listed(registry, Order(by, is_descending), **filters) for is_descending in (False, True))
    assert {each.id for each in up} == {each.id for each in down}
    assert len({each.id for each in up}) == len(up) > 10
    keys = [KEYS[by](each) for each in up]
    if by == "notes" and not registry.database.is_sqlite:
        keys = [key[0] for key in keys]  # how PostgreSQL sorts letters is its own affair
    assert keys == sorted(keys)
    if by in ("username", "daily_limit", "notes"):  # what is empty stays at the end
        full = [each for each in down if not KEYS[by](each)[0]]
        assert down[: len(full)] == full
        if by == "daily_limit":
            assert [each.daily_limit for each in full] == sorted((each.daily_limit for each in full), reverse=True)
    elif by != "limit_unit":
        assert [KEYS[by](each) for each in down] == sorted(keys, reverse=True)
    for key in set(map(str, keys)):
        same = [each.name_key for each in up if str(KEYS[by](each)) == key]
        if by not in ("host", "last_check") and len(same) < len(up):
            assert same == sorted(same)


def test_whatever_the_screen_may_ask_for_can_be_sorted(registry: Mailcore) -> None:
    for by in SORTABLE:
        assert len(registry.servers.search(ServerQuery(order=Order(by))).servers) == 50
    with pytest.raises(ValueError, match="secret"):
        Order("secret")


@each_row("is_descending", [False, True])
@each_row("filters", [{}, {"is_paid": True}, {"text": "são"}])
def test_by_what_is_used_of_the_quota(registry: Mailcore, is_descending: bool, filters: dict[str, object]) -> None:
    pick = random.Random(3)
    shares = {f"account {number}": pick.choice((0.25, 0.5, 1.0, 1.2)) for number in range(1, COUNT, 4)}
    found = listed(registry, Order(QUOTA, is_descending), shares, **filters)
    share = [shares.get(each.account_key, 0.0) for each in found]
    used = [each for each in share if each]
    assert used == sorted(used, reverse=is_descending)
    assert len(used) > 3
    limited = [each.daily_limit is not None for each in found if each.account_key not in shares]
    assert limited == sorted(limited, reverse=True)  # without a limit last
    with_limit = [each for each in found if each.daily_limit is not None or each.account_key in shares]
    places = [shares.get(each.account_key, 0.0) for each in with_limit]
    assert places == sorted(places, reverse=is_descending)
    unused = [each.name_key for each in with_limit if each.account_key not in shares]
    assert unused == sorted(unused)


@each_row("by", ["name", "host", "daily_limit"])
@each_row("is_descending", [False, True])
def test_the_page_a_record_stands_on(registry: Mailcore, by: str, is_descending: bool) -> None:
    for filters in ({}, {"text": "são"}):
        query = ServerQuery(order=Order(by, is_descending), page_size=10, **filters)
        for place, server in list(enumerate(listed(registry, query.order, **filters)))[::17]:
            assert registry.servers.page_of(query, server) == place // 10 + 1
    out = next(each for each in listed(registry, Order()) if "sao" not in fold(each.search_text))
    assert registry.servers.page_of(ServerQuery(text="são"), out) is None


def test_those_that_match_among_some(core: Mailcore) -> None:
    registry = filled(core)
    everybody = listed(registry, Order())
    paid = [each for each in everybody if each.is_paid]
    asked = [each.id for each in (*paid[:3], *[each for each in everybody if not each.is_paid][:3])]
    found = registry.servers.that_match(ServerQuery(is_paid=True), [*reversed(asked), 99_999])
    assert [each.id for each in found] == [each.id for each in paid[:3]]
    registry.servers.delete(paid[0].id, actor=ME)
    assert [each.id for each in registry.servers.that_match(ServerQuery(), [paid[0].id, paid[1].id])] == [paid[1].id]


@pytest.mark.parametrize("by", ["name", "host", "is_paid", "last_check", "is_active", "is_default"])
def test_what_the_list_always_shows_is_never_sorted_by_the_database(tmp_path: Path, by: str) -> None:
    """SQLite tells its plan; PostgreSQL has the same indexes."""
    core = filled(Mailcore(Settings(data_dir=tmp_path, keyring="database")))
    with core.database.read() as session:
        for order in (Order(by), Order(by, is_descending=True)):
            keys = ", ".join(str(clause.compile(session.get_bind())) for clause in order.clauses())
            plan = session.execute(text(f"EXPLAIN QUERY PLAN SELECT id FROM mail_server ORDER BY {keys} LIMIT 50"))
            assert "TEMP B-TREE" not in str(plan.all())
    core.close()
