"""What a search remembers is right whoever writes, and saves the work of counting and sorting."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, event, update

from mailcore import Mailcore
from mailcore.registry import remembered
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.remembered import Remembered
from mailcore.registry.search import ServerQuery, find
from mailcore.storage.tables import MailServer
from mailcore.vocabulary import CheckState
from tests.actors import ME

EVERY = [
    ServerQuery(),
    ServerQuery(text="z"),
    ServerQuery(text="example"),
    ServerQuery(text="loja são"),
    ServerQuery(text="xq"),
    ServerQuery(is_active=False),
    ServerQuery(text="loja", last_check=CheckState.FAILED, page_size=2, page=2),
]


def register(core: Mailcore, name: str, **changes: object) -> MailServer:
    values = {"host": "smtp.x.example", "requires_auth": False, "from_address": "a@x.example"}
    return core.servers.create(ServerDraft(name=name, **(values | changes)), actor=ME).server


@contextmanager
def statements(core: Mailcore) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(core.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(core.database.engine, "before_cursor_execute", note)


def test_nothing_is_counted_or_sorted_again_until_the_next_write(core: Mailcore) -> None:
    for number in range(5):
        register(core, f"Loja São {number}")
    for query in EVERY:
        first = core.servers.search(query)
        with statements(core) as seen:
            again = core.servers.search(query)
        assert not [statement for statement in seen if "count(" in statement or "ORDER BY" in statement]
        assert [server.id for server in again.servers] == [server.id for server in first.servers]
        assert (again.matching, again.total, again.number) == (first.matching, first.total, first.number)
    with statements(core) as seen:
        core.servers.search(ServerQuery(text="example", page=2, page_size=2))
    assert not [statement for statement in seen if "count(" in statement], "another page needs no count of its own"


def test_it_follows_every_write_of_every_process(open_core: Callable[[], Mailcore]) -> None:
    ours, other = open_core(), open_core()
    pick = random.Random(8)
    for step in range(15):
        writer = pick.choice((ours, other))
        servers = ours.servers.search(ServerQuery()).servers
        if len(servers) < 4 or pick.random() < 0.4:
            register(writer, f"{pick.choice(('Loja São', 'Zebra'))} {step}", is_active=pick.random() < 0.5)
        elif pick.random() < 0.3:
            writer.servers.delete(pick.choice(servers).id, actor=ME)
        elif pick.random() < 0.5:
            writer.servers.record_check(pick.choice(servers), pick.choice(list(CheckState)), None)
        else:  # past all of our code
            with writer.database.write() as session:
                session.execute(update(MailServer).values(is_active=~MailServer.is_active))
        for query in EVERY:
            with ours.database.read() as session:
                fresh = find(session, query, Remembered())
            for core in (ours, other):
                page = core.servers.search(query)
                assert (page.matching, page.total, page.number) == (fresh.matching, fresh.total, fresh.page)
                assert [server.id for server in page.servers] == list(fresh.ids)


def test_what_was_rolled_back_is_not_remembered(core: Mailcore) -> None:
    register(core, "Loja")

    def delete_all_and_fail() -> None:
        with core.database.write() as session:
            session.execute(delete(MailServer))
            assert find(session, ServerQuery(), core.servers._remembered).total == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        delete_all_and_fail()
    with core.database.write() as session:
        session.execute(update(MailServer).values(notes="x"))  # takes the number the other gave back
    assert core.servers.search(ServerQuery()).total == 1


def test_a_writer_still_at_work_is_not_missed(open_core: Callable[[], Mailcore]) -> None:
    ours, other = open_core(), open_core()
    register(ours, "Loja")
    with other.database.write() as session:
        session.execute(update(MailServer).values(is_active=False))
        assert ours.servers.search(ServerQuery(is_active=True)).matching == 1
    assert ours.servers.search(ServerQuery(is_active=True)).matching == 0


def test_it_keeps_no_more_than_it_may(core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST_NUMBERS", 1_000)
    register(core, "Loja")
    for number in range(100):
        core.servers.search(ServerQuery(text=f"loja {number}"))
    kept = core.servers._remembered
    assert kept._numbers == sum(size for _, size in kept._answers.values()) <= 1_000
    assert len(kept._answers) > 5
