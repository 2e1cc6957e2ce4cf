"""What the tests share does not let one of them depend on those before it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mailcore.storage.database import Database
from tests.conftest import no_running_loop, pytest_xdist_make_scheduler
from tests.played import Played


def test_a_loop_left_in_the_thread_is_in_nobodys_way() -> None:
    async def nothing() -> str:
        return "ran"

    left = asyncio.new_event_loop()
    asyncio._set_running_loop(left)  # as Playwright's synchronous interface leaves it
    try:
        with no_running_loop():
            assert asyncio.run(nothing()) == "ran"
        assert asyncio._get_running_loop() is left
    finally:
        asyncio._set_running_loop(None)
        left.close()


class Node:
    """A test process, as xdist's scheduler sees it."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduler_of(nodes: list[Node], tests: list[str]) -> Any:
    options = {"dist": "loadgroup", "tx": ["popen"] * len(nodes)}
    config: Any = SimpleNamespace(
        getoption=options.get, getvalue=options.get, option=SimpleNamespace(loadscopereorder=False)
    )
    scheduler = pytest_xdist_make_scheduler(config, None)
    for node in nodes:
        scheduler.add_node(node)
    for node in nodes:
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    return scheduler


def test_what_is_over_is_forgotten_and_of_a_process_that_dies_the_rest_is_done() -> None:
    tests = [f"tests/test_a.py::test_{number}" for number in range(9)]
    node, other = Node(), Node()
    scheduler = scheduler_of([node], tests)
    for number in range(4):
        assert number in node.given
        scheduler.mark_test_complete(node, number)
        assert tests[number] not in scheduler.assigned_work[node]
    scheduler.add_node(other)
    scheduler.add_node_collection(other, tests)
    assert scheduler.remove_node(node) == tests[4], "the one that was running"
    assert not set(tests[:4]) & (set(scheduler.workqueue) | set(scheduler.assigned_work[other]))
    assert set(tests[4:]) == set(scheduler.workqueue) | set(scheduler.assigned_work[other])


def test_of_four_processes_two_open_no_browser_and_every_test_is_done() -> None:
    tests = [f"tests/browser/test_a.py::test_{number}" for number in range(9)]
    tests += [f"tests/ui/test_b.py::test_{number}" for number in range(9)]
    nodes = [Node() for _ in range(4)]
    scheduler = scheduler_of(nodes, tests)
    done: dict[Node, int] = dict.fromkeys(nodes, 0)
    while not all(node.shutting_down for node in nodes):
        for node in nodes:
            if done[node] < len(node.given) - (not node.shutting_down):
                scheduler.mark_test_complete(node, node.given[done[node]])
                done[node] += 1
    assert sorted(index for node in nodes for index in node.given) == list(range(len(tests)))
    assert all(node.given for node in nodes)
    assert not any("/browser/" in tests[index] for node in nodes[2:] for index in node.given)


def test_what_is_played_is_what_the_upgrade_makes(tmp_path: Path) -> None:
    played, made = Played(), []
    for name in ("run", "played"):
        database = Database(f"sqlite:///{tmp_path / name}")
        with database.write_connection() as connection:
            played(connection)
        with database.read() as session:
            made.append([*session.connection().connection.iterdump()])
        database.dispose()
    assert made[0] == made[1]
    assert any('INSERT INTO "alembic_version"' in line for line in made[1])
