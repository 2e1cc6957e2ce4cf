"""``batch …``, ``suppressions …`` and ``worker``, as a person and a script use them."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailcore.cli import main
from tests.forked import Command
from tests.mailcore.batches.sending import PASSWORD, SECONDS, SENDER, address, people
from tests.peers.smtp_server import Received, Say, SmtpPeer

ROOT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, Any, str]]
KEYS = {
    "batch": "id name server_id kind state total pending sent refused failed uncertain suppressed waits_until reason "
    "forecast created_at started_at finished_at",
    "recipient": "row address status reply at message_id diagnosis",
}


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Iterator[SmtpPeer]:
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    with SmtpPeer(users={SENDER: PASSWORD}) as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; return its exit code, its document and what it said besides."""

    def run(*arguments: str, stdin: str = "") -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main([*arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


@pytest.fixture
def create(run: Run, peer: SmtpPeer, tmp_path: Path) -> Run:
    """Register a server at the peer; return what makes a batch through it."""
    code, server, said = run(
        *("servers", "add", "--name", "Loja", "--kind", "smtp", "--host", peer.host, "--port", str(peer.port)),
        *("--security", "none", "--from", SENDER, "--username", SENDER, "--secret-stdin"),
        stdin=PASSWORD,
    )
    assert code == 0, said
    (tmp_path / "texto.txt").write_text("Olá {{nome}}", encoding="utf-8")

    def create(table: str, *more: str, subject: str = "Oi {{nome}}") -> tuple[int, Any, str]:
        (tmp_path / "lista.csv").write_text(table, encoding="utf-8")
        return run(
            *("batch", "create", "--server", str(server["id"]), "--recipients", str(tmp_path / "lista.csv")),
            *("--subject", subject, "--text-file", str(tmp_path / "texto.txt"), *more),
        )

    return create


class SomeArrived(list[Received]):
    """What a peer took; says so once there are as many as were asked for."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self._many = many
        self.event = threading.Event()

    def append(self, message: Received) -> None:
        super().append(message)
        if len(self) >= self._many:
            self.event.set()


def test_a_worker_ends_after_what_is_in_flight_and_another_one_goes_on(run: Run, create: Run, peer: SmtpPeer) -> None:
    peer.inbox = arrived = SomeArrived(5)
    code, batch, said = create(people(200) + f"eu,{SENDER}\n")
    assert code == 0, said
    assert list(batch) == KEYS["batch"].split()
    assert (batch["state"], batch["total"], batch["pending"], batch["refused"]) == ("running", 201, 200, 1)
    assert [each["units"] for each in batch["forecast"]] == [200]
    first = Command(["worker", "--threads", "2"], env=os.environ)
    assert arrived.event.wait(SECONDS)
    first.signal(signal.SIGTERM)
    out, said = first.communicate(seconds=SECONDS)
    assert (first.wait(), out) == (0, "")
    assert "Enviando lotes por até 2 conexões" in said
    _, batch, _ = run("batch", "show", "1")
    assert (batch["state"], batch["sent"], batch["uncertain"]) == ("running", len(arrived), 0)
    assert batch["sent"] < 200
    code, _, said = run("worker", "--until-idle")
    assert code == 0
    assert "Lote 1 “Oi {{nome}}”: concluído, 201 de 201." in said
    _, recipients, _ = run("batch", "recipients", "1")
    assert list(recipients[0]) == KEYS["recipient"].split()
    assert {each["status"] for each in recipients} == {"accepted", "refused"}
    assert sorted(each.recipients[0] for each in arrived) == sorted(address(number) for number in range(200))
    _, own, _ = run("batch", "recipients", "1", "--status", "refused")
    assert [(each["row"], each["address"], each["diagnosis"]["code"]) for each in own] == [
        (202, SENDER, "batch_own_address")
    ]


def test_a_draft_is_looked_at_started_paused_and_cancelled(run: Run, create: Run, peer: SmtpPeer) -> None:
    assert create(people(3), "--draft", "--kind", "marketing", "--name", "Novidades")[1]["state"] == "draft"
    assert run("batch", "preview", "1", "--row", "3")[1] == {
        "subject": "Oi Fulano 1",
        "text": "Olá Fulano 1",
        "html": None,
        "to": address(1),
    }
    assert [run("batch", act, "1")[1]["state"] for act in ("start", "pause", "resume", "pause", "cancel")] == [
        *("running", "paused", "running", "paused", "cancelled"),
    ]
    code, nothing, said = run("batch", "resume", "1")
    assert (code, nothing) == (2, None)
    assert said == "Estado: não dá para retomar um lote cancelado. (ID)\n"
    assert [each["name"] for each in run("batch", "list")[1]] == ["Novidades"]
    assert run("batch", "show", "7")[0] == 2
    assert not peer.commands


def test_a_refused_recipient_is_suppressed_and_tried_again_on_a_persons_word(
    run: Run, create: Run, peer: SmtpPeer
) -> None:
    peer.script["RCPT"] = [Say("550 5.1.1 User unknown")]
    create(people(3))
    run("worker", "--until-idle", "--threads", "1")
    _, batch, _ = run("batch", "show", "1")
    assert (batch["state"], batch["sent"], batch["refused"]) == ("done", 2, 1)
    ((listed,), removed) = run("suppressions", "list")[1], run("suppressions", "remove", address(0))[1]
    assert (listed["address"], listed["source"], removed) == (address(0), "refusal", {"removed": address(0)})
    assert run("suppressions", "remove", address(0))[0] == 2
    assert run("suppressions", "add", "ruim")[0] == 2
    assert run("suppressions", "add", "x@y.com", "--reason", "pediu")[1]["reason"] == "pediu"
    assert run("batch", "retry", "1", "--uncertain")[1]["state"] == "done"
    assert run("batch", "retry", "1", "--failed")[1]["pending"] == 1
    run("worker", "--until-idle")
    assert run("batch", "show", "1")[1]["sent"] == 3


def test_bad_lines_and_files_are_named_and_nothing_is_made(run: Run, create: Run, tmp_path: Path) -> None:
    code, nothing, said = create("email,nome\nruim,a\nb@x.com,b\n,c\n")
    assert (code, nothing) == (2, None)
    assert said.splitlines() == [
        "Linha 2, email: em “ruim”, falta o domínio, a parte depois do @, como em nome@exemplo.com.br. (--recipients)",
        "Linha 4, email: falta o endereço. (--recipients)",
    ]
    assert "{{cidade}}" in create(people(1), subject="Em {{cidade}}")[2]
    assert create(people(1), "--attach", str(tmp_path / "nada.pdf"))[0] == 2
    assert create(people(1), "--start-at", "24h")[0] == 2
    assert create(people(1), "--email-column", "fone")[0] == 2
    assert run("batch", "list")[1] == []
