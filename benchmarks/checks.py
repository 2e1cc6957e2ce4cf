"""Checks side by side, what a check costs on the wire, what a reply costs to classify, and the ledger's share."""

from __future__ import annotations

import statistics
import time
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic import SecretStr

from benchmarks.report import Figure
from benchmarks.smtp_peer import Peers, smtp_peers
from mailcore.actor import Actor
from mailcore.diagnosis.replies import classify
from mailcore.installation import Mailcore
from mailcore.messages.compose import compose
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.reservation import Reservations, SendOutcome, SendRequest
from mailcore.settings import KeyringChoice, Settings
from mailcore.vocabulary import Security, SendStatus

if TYPE_CHECKING:
    from mailcore.messages.compose import OutgoingMessage
    from mailcore.storage.tables import MailServer

_SERVERS, _ANSWER_SECONDS = 200, 0.2
_SENDS = 150
_USER = "ana@exemplo.com.br"
_REPLIES = (
    ("data", "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n550 5.4.5 sending limits"),
    ("auth", "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://x"),
    ("auth", "451 Authentication failed: Maximum credits exceeded"),
    ("recipients", "550 5.1.1 The email account that you tried to reach does not exist."),
    ("data", "554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; verdict is not None. RefuseQuota"),
    ("greeting", "554 5.7.1 Service unavailable; something nobody ever wrote down before"),
)


def run() -> list[Figure]:
    """Measure all of it."""
    figures = [_side_by_side(), _classification()]
    with smtp_peers(1, 0) as peers, TemporaryDirectory() as folder:
        core = _open(Path(folder))
        server = _register(core, peers, 0)
        figures += _ledger(core, server)
        core.close()
    return figures


def _side_by_side() -> Figure:
    with smtp_peers(_SERVERS, _ANSWER_SECONDS) as peers, TemporaryDirectory() as folder:
        core = _open(Path(folder))
        for number in range(_SERVERS):
            _register(core, peers, number)
        begun = time.perf_counter()
        checked = core.check_all()
        seconds = time.perf_counter() - begun
        core.close()
    assert all(each.ok for each in checked), next(each for each in checked if not each.ok)
    name = f"{_SERVERS} servers that answer in {_ANSWER_SECONDS * 1000:.0f} ms, side by side"
    return Figure(name, seconds, "s", 10, "STARTTLS, login, sender; results noted")


def _classification() -> Figure:
    rounds = 300
    for phase, reply in _REPLIES:
        classify(reply, phase=phase)
    begun = time.perf_counter()
    for _ in range(rounds):
        for phase, reply in _REPLIES:
            classify(reply, phase=phase)
    each = (time.perf_counter() - begun) / rounds / len(_REPLIES)
    return Figure("one reply classified", each * 1e6, "µs", 200, "mean of six kinds, one of them unknown")


def _ledger(core: Mailcore, server: MailServer) -> list[Figure]:
    """CPU of the row's two writes, against that of building a 5 kB message and sending it."""
    keys = count()

    def message() -> OutgoingMessage:
        return compose(
            from_address=_USER, to=["bia@exemplo.org"], subject="Nota fiscal", text="Linha de texto.\n" * 320
        )

    def whole() -> None:
        assert core.send(server, message()).status is SendStatus.ACCEPTED

    made = message()
    whole()
    all_of_it = _cpu(whole)

    reservations = Reservations(core.database, core.quota_settings)

    def row_alone() -> None:
        request = SendRequest(server, f"bench-{next(keys)}", made.recipients, message_id=made.message_id)
        row = reservations.reserve(request).send
        reservations.settle(row, SendOutcome(status=SendStatus.ACCEPTED, reply="250 2.0.0 Ok: queued as 4F1"))

    row = _cpu(row_alone)
    return [
        Figure(
            "CPU of one send, ledger included", all_of_it * 1e6, "µs", None, "build, TLS, login, message, two commits"
        ),
        Figure("CPU of its ledger row", row * 1e6, "µs", (all_of_it - row) / 10 * 1e6, "target: a tenth of the rest"),
    ]


def _cpu(work: object) -> float:
    times = []
    for _ in range(_SENDS):
        begun = time.process_time()
        work()  # type: ignore[operator]
        times.append(time.process_time() - begun)
    return statistics.median(times)


def _open(folder: Path) -> Mailcore:
    return Mailcore(Settings(data_dir=folder, keyring=KeyringChoice.DATABASE))


def _register(core: Mailcore, peers: Peers, number: int) -> MailServer:
    draft = ServerDraft(
        name=f"S{number}",
        host="127.0.0.1",
        port=peers.ports[number],
        security=Security.STARTTLS,
        ca_pem=peers.ca_pem,
        username=_USER,
        from_address=_USER,
    )
    return core.servers.create(draft, SecretStr("senha"), actor=Actor("benchmark")).server
