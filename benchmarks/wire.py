"""The wire: a batch with ledger and quota against nodemailer pooled, over one connection at 50 ms a round trip.

Both speak to the same Postfix with STARTTLS and a login, in one run; timings of a busy machine are noisy, ratios less
so. nodemailer is installed by npm into the benchmark's own folder where there is node and a registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from pydantic import SecretStr

from benchmarks.delayed import delayed
from benchmarks.report import Figure
from mailcore import Mailcore, Security, ServerDraft, computer_user
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.messages.compose import Recipient
from mailcore.messages.merge import Attachment, MergeMessage, MergeTemplate
from mailcore.settings import Settings
from mailcore.transports.base import Connection
from mailcore.transports.bulk import Parcel
from mailcore.transports.elastic_bulk import AT_ONCE
from mailcore.transports.elastic_email import ElasticEmailTransport
from mailcore.transports.smtp_session import SmtpSession
from mailcore.vocabulary import BatchState, Kind
from tests.peers.elastic_server import Answer, ElasticPeer
from tests.peers.mta import PASSWORD, USER, Mta
from tests.peers.mta.pems import authority_pem
from tests.peers.mta.postfix import running_postfix

ROUND_TRIP = 0.05
DEEP, PAIRED, SINGLE, THEIRS, NEAR = 3_000, 300, 60, 80, 3_000
CALLS, CALL_SECONDS = 100, 0.25
NODEMAILER = "nodemailer@10.6.1"
TEXT = "Olá {{nome}}\n" + "Uma linha de texto como qualquer outra.\n" * 120
_WITHOUT = {"deep": (), "paired": ("chunking",), "single": ("chunking", "pipelining")}


def run() -> list[Figure]:
    """Measure each way against nodemailer, and the CPU of a message without the distance."""
    with running_postfix() as mta, delayed(mta.ports["starttls"], ROUND_TRIP) as port:
        theirs, told = _nodemailer(port)
        deep, paired, single = (
            _rate(port, way, count) for way, count in (("deep", DEEP), ("paired", PAIRED), ("single", SINGLE))
        )
        cpu = _cpu(mta)
    figures = [
        Figure("nodemailer, pooled", theirs, "/s", remark=told),
        Figure("a batch, CHUNKING", deep, "/s", remark="5 kB, STARTTLS and AUTH, ledger and quota included"),
        Figure("a batch, PIPELINING", paired, "/s"),
        Figure("a batch, neither", single, "/s"),
        Figure("CPU a message at no distance", cpu, "µs", 150, "template, bytes, TLS, ledger, quota; SQLite"),
    ]
    figures.append(_elastic())
    if theirs:
        figures += [
            Figure("CHUNKING against nodemailer", deep / theirs, "times", 30, at_least=True),
            Figure("PIPELINING against nodemailer", paired / theirs, "times", 1.9, at_least=True),
        ]
    return figures


def _rate(port: int, way: str, count: int) -> float:
    """Messages a second of a batch over one connection, from the first group to the last outcome."""
    kept = SmtpSession.offers
    SmtpSession.offers = lambda self, name: name not in _WITHOUT[way] and kept(self, name)  # type: ignore[method-assign]
    try:
        return count / _batch_seconds(port, count)[0]
    finally:
        SmtpSession.offers = kept  # type: ignore[method-assign]


def _cpu(mta: Mta) -> float:
    return _batch_seconds(mta.ports["starttls"], NEAR)[1] / NEAR * 1e6


def _batch_seconds(port: int, count: int) -> tuple[float, float]:
    """Send a batch with one worker; return its seconds, and those of this process."""
    with tempfile.TemporaryDirectory() as folder, Mailcore(Settings(data_dir=Path(folder), keyring="database")) as core:
        draft = ServerDraft(
            name="Loja",
            host="127.0.0.1",
            port=port,
            security=Security.STARTTLS,
            security_auto=False,
            username=USER,
            from_address=USER,
            ca_pem=authority_pem(),
            daily_limit=10_000_000,
        )
        server = core.servers.create(draft, SecretStr(PASSWORD), actor=computer_user()).server
        people = "email;nome\n" + "\n".join(f"r{n}@exemplo.org;Cliente Número {n}" for n in range(count))
        new = NewBatch(
            server_id=server.id, recipients=RecipientsFile(people.encode()), subject="Olá, {{nome}}", text=TEXT
        )
        batch = core.batches.create(new, start=True, actor=computer_user())
        begun, cpu = time.perf_counter(), time.process_time()
        while core.batches.get(batch.id).state is BatchState.RUNNING:
            core.batches._worker.work()
        seconds = time.perf_counter() - begun, time.process_time() - cpu
        done = core.batches.get(batch.id)
        assert (done.state, done.sent) == (BatchState.DONE, count), (done.state, done.sent, done.reason)
    return seconds


def _elastic() -> Figure:
    """How near calls at a time come to what their number over the round trip allows."""
    merge = MergeMessage(MergeTemplate.parse(subject="Oi", text=TEXT, html=""), sender=Recipient(USER))
    file = Attachment("fatura.pdf", "application/pdf", b"x" * 1_000)
    # A file of one's own makes a call of one's own.
    parcels = [
        Parcel(number, f"r{number}@exemplo.org", f"<{number}@x>", fields={"nome": "Bia"}, attachments=[file])
        for number in range(CALLS)
    ]
    with ElasticPeer() as peer:
        peer.script["/v4/emails"] = Answer(200, {"TransactionID": "t", "MessageID": "m"}, delay=CALL_SECONDS)
        connection = Connection(Kind.ELASTIC_EMAIL, secret=SecretStr(next(iter(peer.keys))), base_url=peer.url)
        line = ElasticEmailTransport(connection).bulk(merge)
        line.hand_over(parcels[:AT_ONCE])
        begun = time.perf_counter()
        line.hand_over(parcels)
        seconds = time.perf_counter() - begun
    allowed = CALLS / AT_ONCE * CALL_SECONDS
    remark = f"{CALLS} calls, {AT_ONCE} at a time, {CALL_SECONDS * 1000:.0f} ms each"
    return Figure(
        "Elastic Email, of what calls at a time allow", 100 * allowed / seconds, "%", 90, remark, at_least=True
    )


def _nodemailer(port: int) -> tuple[float | None, str]:
    if not (shutil.which("node") and shutil.which("npm")):
        return None, "no node and npm here"
    script = Path(__file__).with_name("nodemailer_pool.js")
    with tempfile.TemporaryDirectory() as folder:
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, NODEMAILER]
        if subprocess.run(install, capture_output=True, check=False, timeout=120).returncode:
            return None, f"npm could not install {NODEMAILER}"
        authority = Path(folder, "ca.pem")
        authority.write_text(authority_pem())
        command = ["node", str(script), str(port), USER, PASSWORD, str(authority), str(THEIRS)]
        environment = os.environ | {"NODE_PATH": f"{folder}/node_modules"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
    rate, cpu = json.loads(done.stdout)
    return float(rate), f"{NODEMAILER}, one connection, {cpu:,.0f} µs of CPU a message with its build"
