"""Real processes send one batch side by side, some killed in the middle of a message (invariant 11)."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mailcore import Mailcore
from mailcore.storage.tables import AccountPace
from mailcore.vocabulary import BatchState
from tests.mailcore.batches.sending import (
    PASSWORD,
    SECONDS,
    SENDER,
    address,
    assert_accounted_for,
    at_peer,
    started,
    statuses,
)
from tests.mailcore.quota.test_quota_race import Workers
from tests.peers.smtp_server import SmtpPeer
from tests.peers.smtp_server import _Server as Server
from tests.properties import IS_THOROUGH

PROCESSES, KILLED, PEOPLE = (40, 13, 150) if IS_THOROUGH else (5, 2, 24)
"""Forty take a minute of a processor, most of it for opening the installation forty times."""


class GatePeer(SmtpPeer):
    """Takes every message, and keeps the reply to the first few back until it is told to let go."""

    def __init__(self, hold: int) -> None:
        super().__init__(users={SENDER: PASSWORD})
        self._left = hold
        self._all_here, self._gate = threading.Event(), asyncio.Event()

    def wait_until_held(self) -> set[str]:
        """Return the recipients of those kept back, once there are as many as were asked for."""
        assert self._all_here.wait(SECONDS), f"{self._left} more should have come"
        return {message.recipients[0] for message in self.inbox}

    def let_go(self) -> None:
        self._loop.call_soon_threadsafe(self._gate.set)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._connection, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _connection(self) -> Server:
        server = Server(self)
        take = server._handle_hooks["DATA"]

        async def take_and_wait(*args: Any) -> str:
            reply: str = await take(*args)
            if self._left:
                self._left -= 1
                if not self._left:
                    self._all_here.set()
                await self._gate.wait()
            return reply

        server._handle_hooks["DATA"] = take_and_wait
        return server


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    running = Workers()
    yield running
    running.close()


def test_killed_in_the_middle_of_a_message_and_the_others_go_on(core: Mailcore, workers: Workers) -> None:
    with GatePeer(PROCESSES) as peer:
        server = at_peer(core, peer)
        batch = started(core, server, PEOPLE)
        with core.database.write() as session:  # as if it had been learnt: a connection for each
            session.add(AccountPace(account_key=batch.account_key, connections=PROCESSES, learnt_at=batch.created_at))
        workers.start(core, server, job="batches", processes=PROCESSES)
        in_flight = peer.wait_until_held()
        workers.kill(*range(KILLED))
        peer.let_go()
        codes = workers.finish()
        delivered = [message.recipients[0] for message in peer.inbox]
    assert codes == [-9] * KILLED + [0] * (PROCESSES - KILLED)
    ended = core.batches.get(batch.id)
    assert (ended.state, ended.pending) == (BatchState.DONE, 0)
    # Each of the killed had one message on its way, and it did arrive: but nobody here can know.
    found = statuses(core, batch)
    assert Counter(found.values()) == {"accepted": PEOPLE - KILLED, "uncertain": KILLED}
    assert {to for to, status in found.items() if status == "uncertain"} <= in_flight
    assert sorted(delivered) == sorted(address(number) for number in range(PEOPLE))
    assert_accounted_for(core, batch.id, delivered)
