"""Sends from processes of their own: one that loads the library once, and forks as many as each round asks for.

    python -m tests.peers.quota_worker

A line of JSON comes in for each round (see :class:`Round`). Out go ``{"pids": [...]}`` when every process of the
round has opened the installation, and ``{"codes": [...]}`` when every one of them is gone and reaped: 0 where it came
to its end, minus the signal where it was killed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import threading
import traceback
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

from mailcore import Mailcore, computer_user
from mailcore.batches import queue
from mailcore.messages.compose import compose
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.vocabulary import SendStatus
from tests.compiled import compile_once

SENDER = "ana@exemplo.com.br"


@dataclass(frozen=True)
class Round:
    """What the processes of one round do."""

    database_url: str
    data_dir: str
    server_id: int
    job: str
    """``send``: one message each; ``reserve``: reserve and settle until nothing more fits; ``batches``: do the work of
    batches until nothing can be done now."""
    processes: int
    name: str
    """Unique: what the idempotency keys begin with."""


def recipient(number: int) -> str:
    """Return the address the process of this number writes to: so the server can tell them apart."""
    return f"p{number}@outro.example"


def main() -> None:
    """Work off the rounds that come in."""
    compile_once(pytest.MonkeyPatch())
    _warm_up()
    gc.freeze()  # nor copies what the garbage collector would only look at
    for line in sys.stdin:
        work = Round(**json.loads(line))
        Mailcore(_settings(work)).close()  # whose statements none of them has to compile
        gate, opened = os.pipe()
        ready, report = os.pipe()
        pids = [_fork(work, number, gate, opened, report) for number in range(work.processes)]
        os.close(gate)
        os.close(report)
        told = 0
        while told < work.processes and (news := os.read(ready, work.processes)):
            told += len(news)
        os.close(ready)
        print(json.dumps({"pids": pids}), flush=True)
        os.close(opened)  # and they are off
        for pid in pids:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # none is reaped while another may still be killed
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps({"codes": codes}), flush=True)


def _warm_up() -> None:
    """Load here once what every process of every round would load and build for itself at its first use."""
    create_engine("postgresql+psycopg://").dispose()
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(data_dir=Path(name), keyring="database")  # type: ignore[arg-type]
        with closing(Mailcore(settings)) as core:
            draft = ServerDraft(name="Aquece", host="127.0.0.1", username=SENDER, from_address=SENDER)
            server = core.servers.create(draft, SecretStr("x"), actor=computer_user()).server
            core.settle(core.reserve(server, 1), SendStatus.ACCEPTED)
            core.check(server, probe=False, actor=computer_user())  # port 587 of this machine: nobody answers


def _settings(work: Round) -> Settings:
    return Settings(database_url=work.database_url, data_dir=Path(work.data_dir), keyring="database")  # type: ignore[arg-type]


def _fork(work: Round, number: int, gate: int, opened: int, report: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(opened)
        core = Mailcore(_settings(work))
        os.write(report, b".")
        os.close(report)
        os.read(gate, 1)
        {"send": _send, "reserve": _reserve, "batches": _batches}[work.job](core, work, number)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _send(core: Mailcore, work: Round, number: int) -> None:
    message = compose(from_address=SENDER, to=[recipient(number)], subject=f"{number}", text="Olá")
    core.send(core.servers.get(work.server_id), message, idempotency_key=f"{work.name}-{number}")


def _reserve(core: Mailcore, work: Round, number: int) -> None:
    server, turn = core.servers.get(work.server_id), 0
    while True:
        row = core.reserve(server, 1, idempotency_key=f"{work.name}-{number}-{turn}")
        if row.status is SendStatus.REJECTED_BY_RULE:
            return
        # Some come to nothing, and what they freed is fought for again.
        core.settle(row, SendStatus.FAILED if turn % 3 == 2 else SendStatus.ACCEPTED)
        turn += 1


def _batches(core: Mailcore, work: Round, number: int) -> None:
    queue.LOOK_SECONDS = 0.25
    consumer = core.batches.consumer(1)
    consumer.start()
    consumer.wait(until_idle=True, is_over=threading.Event())
    consumer.stop()


if __name__ == "__main__":
    main()
