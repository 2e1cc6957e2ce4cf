"""Real processes race for the units of one account, some killed: never one too many (invariant 4)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from mailcore.storage.tables import MailServer, Send, Usage
from mailcore.vocabulary import Security
from tests.actors import ME
from tests.peers.quota_worker import SENDER, Round
from tests.peers.smtp_server import SmtpPeer, Stall
from tests.peers.smtp_server import _Server as Server
from tests.properties import IS_THOROUGH, examples

LIMIT, PROCESSES = 25, 40
FEW_UNITS, FEW = (LIMIT, PROCESSES) if IS_THOROUGH else (10, 16)
"""For those some of whom are killed: what they leave is the same, whatever number runs beside them."""
PASSWORD = "Segredo-Único-4471"
SECONDS = 60
"""How long a test waits for something that takes a moment, before it fails."""


class HoldingPeer(SmtpPeer):
    """Takes every message, and keeps the reply to the first few back until it is told to go on."""

    def __init__(self, hold: int = 0, **options: Any) -> None:
        super().__init__(users={SENDER: PASSWORD}, **options)
        self.held: list[int] = []
        """The processes whose message is here and who wait for the reply, by number."""
        self._to_hold = hold
        self._all_held = threading.Event()

    def wait_until_held(self) -> list[int]:
        """Return the numbers of the processes kept waiting, once there are as many as were asked for."""
        assert self._all_held.wait(SECONDS), f"{len(self.held)} of {self._to_hold} came"
        return list(self.held)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._connection, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _connection(self) -> Server:
        server = Server(self)
        take = server._handle_hooks["DATA"]

        async def take_and_wait(*args: Any) -> str:
            reply: str = await take(*args)
            if len(self.held) < self._to_hold:
                self.held.append(_number(self.inbox[-1].recipients[0]))
                if len(self.held) == self._to_hold:
                    self._all_held.set()
                await asyncio.Event().wait()
            return reply

        server._handle_hooks["DATA"] = take_and_wait
        return server


class Workers:
    """The process that forks the racers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.peers.quota_worker"],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pids: list[int] = []

    def start(self, core: Mailcore, server: MailServer, *, job: str = "send", processes: int = PROCESSES) -> None:
        """Let them run; return when all are off."""
        work = Round(
            core.settings.database_url, str(core.settings.data_dir), server.id, job, processes, uuid4().hex[:8]
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(work)) + "\n")
        self._process.stdin.flush()
        self.pids = self._read()["pids"]

    def kill(self, *numbers: int) -> None:
        """Kill some of them, by number."""
        for number in numbers:
            os.kill(self.pids[number], signal.SIGKILL)

    def finish(self) -> list[int]:
        """Wait until all are gone; return how each ended."""
        codes: list[int] = self._read()["codes"]
        return codes

    def close(self) -> None:
        """End it; a round under way ends with its parent's gate."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(SECONDS)

    def _read(self) -> dict[str, list[int]]:
        assert self._process.stdout is not None
        answer: dict[str, list[int]] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    running = Workers()
    yield running
    running.close()


def register(core: Mailcore, peer: SmtpPeer, **changes: Any) -> MailServer:
    values = {"host": peer.host, "port": peer.port, "security": Security.NONE, "daily_limit": LIMIT}
    draft = ServerDraft(name="Corrida", username=SENDER, from_address=SENDER, **(values | changes))
    return core.servers.create(draft, SecretStr(PASSWORD), actor=ME).server


def _number(address: str) -> int:
    return int(address.partition("@")[0].removeprefix("p"))


def statuses(core: Mailcore) -> Counter[str]:
    with core.database.read() as session:
        return Counter(status.value for status in session.scalars(select(Send.status)))


def counted(core: Mailcore) -> tuple[int, int]:
    """What counts: by the raw rows, and by the sums that the limit is held with."""
    with core.database.read() as session:
        rows = session.scalar(select(func.sum(Send.counted))) or 0
        sums = session.scalar(select(func.sum(Usage.recipients))) or 0
    return int(rows), int(sums)


def senders(peer: SmtpPeer) -> list[int]:
    return [_number(message.recipients[0]) for message in peer.inbox]


@pytest.mark.parametrize("turn", range(examples(1)))
def test_forty_processes_and_twenty_five_units(core: Mailcore, workers: Workers, turn: int) -> None:
    with HoldingPeer() as peer:
        server = register(core, peer)
        workers.start(core, server)
        assert workers.finish() == [0] * PROCESSES
        assert len(peer.inbox) == len(set(senders(peer))) == LIMIT
        assert peer.connections == LIMIT, "who found no unit contacted nobody"
    assert statuses(core) == {"accepted": LIMIT, "rejected_by_rule": PROCESSES - LIMIT}
    assert counted(core) == (LIMIT, LIMIT)


@pytest.mark.parametrize("turn", range(examples(1)))
def test_who_is_killed_with_the_message_at_the_server_keeps_the_unit(
    open_core: Callable[[], Mailcore], workers: Workers, turn: int
) -> None:
    core, kills = open_core(), 4
    with HoldingPeer(hold=kills) as peer:
        server = register(core, peer, daily_limit=FEW_UNITS)
        workers.start(core, server, processes=FEW)
        killed = peer.wait_until_held()
        workers.kill(*killed)
        codes = workers.finish()
        assert [number for number, code in enumerate(codes) if code == -signal.SIGKILL] == sorted(killed)
        assert set(codes) == {0, -signal.SIGKILL}
        assert statuses(core)["started"] == kills
        again = open_core()
        assert statuses(again) == {
            "accepted": FEW_UNITS - kills,
            "uncertain": kills,
            "rejected_by_rule": FEW - FEW_UNITS,
        }
        assert sorted(senders(peer)) == sorted(set(senders(peer)))
        assert len(peer.inbox) == FEW_UNITS
        workers.start(again, server, processes=4)
        workers.finish()
        assert len(peer.inbox) == FEW_UNITS, "what is uncertain stays counted after the restart"
        assert counted(again) == (FEW_UNITS, FEW_UNITS)


def test_who_is_killed_before_the_message_left_keeps_the_unit_too(
    open_core: Callable[[], Mailcore], workers: Workers
) -> None:
    core, kills = open_core(), 4
    with HoldingPeer() as peer:
        peer.script["RCPT"] = [Stall() for _ in range(kills)]
        server = register(core, peer, daily_limit=FEW_UNITS)
        workers.start(core, server, processes=FEW)
        waiting = _wait_for(lambda: _stalled(peer, kills))
        workers.kill(*waiting)
        workers.finish()
        again = open_core()
        outcomes = statuses(again)
        assert outcomes["accepted"] + outcomes["uncertain"] == FEW_UNITS
        assert outcomes["uncertain"] == kills
        assert len(peer.inbox) == FEW_UNITS - kills
        assert counted(again) == (FEW_UNITS, FEW_UNITS)


def test_killed_in_the_middle_of_whatever_they_do(open_core: Callable[[], Mailcore], workers: Workers) -> None:
    """Reserving as fast as they can: a death inside a transaction leaves the sums equal to the rows."""
    core, kills, limit = open_core(), 5, 200
    with HoldingPeer() as peer:
        server = register(core, peer, daily_limit=limit)
    workers.start(core, server, job="reserve", processes=10)
    for number in range(kills):
        _wait_for(lambda enough=20 * (number + 1): _rows(core) >= enough)
        workers.kill(number)
    codes = workers.finish()
    assert codes[kills:] == [0] * (10 - kills)
    outcomes = statuses(open_core())
    assert outcomes["started"] == 0
    assert outcomes["accepted"] + outcomes["uncertain"] == limit
    assert counted(core) == (limit, limit)


def _rows(core: Mailcore) -> int:
    with core.database.read() as session:
        return session.scalar(select(func.count()).select_from(Send)) or 0


def _stalled(peer: SmtpPeer, expected: int) -> list[int]:
    """The processes kept waiting at RCPT, by number: those of whom nothing more came."""
    if peer.script["RCPT"]:
        return []
    named = [
        _number(argument.partition("<")[2].partition(">")[0]) for verb, argument in peer.commands if verb == "RCPT"
    ]
    return named[:expected]


def _wait_for(condition: Callable[[], Any]) -> Any:
    """Ask until the answer is yes, and return it."""
    tick = threading.Event()
    for _ in range(SECONDS * 100):
        if answer := condition():
            return answer
        tick.wait(0.01)
    raise AssertionError("it did not come to that")
