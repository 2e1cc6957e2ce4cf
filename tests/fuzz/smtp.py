"""A mail server that answers with any bytes at any moment."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.diagnosis.replies import diagnose
from mailcore.messages.compose import Recipient, compose
from mailcore.messages.merge import MergeMessage, MergeTemplate
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.ledger import diagnosis_of
from mailcore.storage.tables import MailServer
from mailcore.transports.base import BearerToken, Connection, Receipt, Step, TransportError
from mailcore.transports.bulk import Parcel
from mailcore.transports.smtp import SmtpTransport
from mailcore.transports.smtp_exchange import Limits
from mailcore.transports.smtp_session import SmtpSession
from mailcore.vocabulary import Kind, Outcome, Security, SendStatus
from tests.actors import ME
from tests.fuzz.pieces import mutated

LIMITS = Limits(resolve=5, connect=5, greeting=5, silence=5, tls=5, command=5, data=5, accept=5, quit=5)
"""Nobody waits for them: the server hangs up on whoever waits for the rest of a broken answer."""
_PATIENCE = 0.005
"""Seconds the server waits for a client that may be waiting for it."""

REPLIES = {
    "GREETING": b"220 peer.example ESMTP\r\n",
    "EHLO": b"250-peer.example\r\n250-SIZE 10000000\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN XOAUTH2\r\n250 X\r\n",
    "HELO": b"250 peer.example\r\n",
    "AUTH": b"235 2.7.0 ok\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go ahead\r\n",
    ".": b"250 2.0.0 queued as 3F8A21C0D4\r\n",
    "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n",
}
_PIECES = (
    b"\r\n", b"\n", b"\r", b"\0", b"-", b" ", b"250", b"250-", b"354 ", b"421 4.3.2 ", b"535 5.7.8 no\r\n", b"334 ",
    b"550 5.1.1 unknown user\r\n", b"9" * 5_000, b"SIZE ", b"SIZE " + b"9" * 5_000 + b"\r\n", b"\xff\xfe", b"\x1b[31m",
    b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n", b"334 eyJzdGF0dXMiOiJcdWQ4MDBcdTAwMDAifQ==\r\n", b"AUTH XOAUTH2\r\n",
    b"250 AUTH \xe9\0\r\n", "\u202e".encode(), b"x" * 9_000, b"250-x\r\n" * 3_000, b"5.7.", b"\x15\x03\x01\x00\x02",
)  # fmt: skip


@dataclass
class FuzzPeer:
    """A raw server for one client after the other."""

    random_: random.Random = field(default_factory=random.Random)
    share: float = 0.2
    """Of the replies that go wrong."""
    taken: list[str] = field(default_factory=list)
    """The recipient, the last one named, of each message that came whole."""
    extensions: tuple[bytes, ...] = ()
    """Offered besides: PIPELINING, CHUNKING."""

    def __post_init__(self) -> None:
        self._reads_text = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True, name="fuzz-peer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def begin(self, random_: random.Random, extensions: tuple[bytes, ...] = (), share: float = 0.2) -> None:
        """Have the next conversations go wrong in another way."""
        self.random_, self.taken, self.extensions, self.share = random_, [], extensions, share

    def wait(self) -> int:
        """Wait until the last conversation is over; return how many messages came whole."""
        # A connection of our own that has been served: so were those before it.
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while last.recv(65_536):
                    pass
        return len(self.taken)

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, suppress(OSError):
                self._converse(sock)

    def _converse(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = sock.makefile("rb")
        sock.settimeout(5)
        self._say(sock, "GREETING")
        recipient = ""
        while line := lines.readline():
            verb = line[:4].strip().upper().decode("latin-1")
            if verb == "RCPT":
                recipient = line.partition(b"<")[2].partition(b">")[0].decode("latin-1")
            if verb == "BDAT":
                size = int(line.split()[1])
                if len(lines.read(size)) < size:
                    return
            else:
                self._say(sock, verb if verb in REPLIES else "AUTH")
            if verb == "DATA" and self._reads_text:
                while (text := lines.readline()) not in (b".\r\n", b""):
                    pass
                if not text:
                    return
            elif verb == "QUIT":
                return
            elif verb != "BDAT":
                continue
            if verb == "BDAT" or self._reads_text:
                self.taken.append(recipient)
                self._say(sock, ".")

    def _say(self, sock: socket.socket, moment: str) -> None:
        reply = REPLIES[moment]
        if moment == "EHLO" and self.extensions:
            reply = (
                b"250-peer.example\r\n" + b"".join(b"250-%s\r\n" % each for each in self.extensions) + b"250 SIZE\r\n"
            )
        is_broken = self.random_.random() < self.share
        if is_broken:
            reply = mutated(self.random_, reply, _PIECES)
        self._reads_text = moment != "DATA" or re.match(rb"354[ \r\n]", reply) is not None
        sock.sendall(reply)
        if is_broken:
            sock.settimeout(_PATIENCE)  # the client may well wait for the rest


def connection(peer: FuzzPeer, random_: random.Random) -> Connection:
    """Log in by a password, by a token, or not at all."""
    made = Connection(
        kind=Kind.SMTP, host="127.0.0.1", port=peer.port, from_address="a@b.example", ehlo_name="x.example"
    )
    if random_.random() < 0.5:
        return made
    return Connection(
        kind=Kind.SMTP, host="127.0.0.1", port=peer.port, from_address="a@b.example", ehlo_name="x.example",
        username="ana", secret=SecretStr("çenha-8812"),
    )  # fmt: skip


def message() -> object:
    """What is sent."""
    return compose(from_address="a@b.example", to=["c@d.example", "e@f.example"], subject="Olá", text="Um teste.\n.\n")


def is_text(words: str) -> None:
    """What any database, terminal and screen takes."""
    words.encode()
    assert "\0" not in words
    assert len(words) <= 3_000


def sent(peer: FuzzPeer, random_: random.Random) -> None:
    """A send ends as what it was: never failed where the server has the message, never accepted where it has not."""
    peer.begin(random_)
    steps: list[Step] = []
    transport = SmtpTransport(connection(peer, random_), LIMITS)
    if random_.random() < 0.2:
        with suppress(TransportError):
            transport.check(steps.append, recipient="c@d.example", seconds=5)
        assert peer.wait() == 0
        return
    try:
        found: Receipt | TransportError = transport.send(message(), on_step=steps.append)  # type: ignore[arg-type]
    except TransportError as error:
        found = error
    taken = peer.wait()
    for step in steps:
        is_text(step.detail)
        is_text(step.reply)
    is_text(found.reply)
    if isinstance(found, Receipt):
        assert taken == 1
        is_text(json.dumps(found.refused_recipients, ensure_ascii=False))
        return
    assert taken == 0 or found.outcome is not Outcome.FAILED, "told failed, yet taken"
    diagnosis = diagnose(found, kind=Kind.SMTP)
    assert diagnosis.title
    is_text(diagnosis.cause + diagnosis.remedy)


def in_a_group(peer: FuzzPeer, random_: random.Random) -> None:
    """Each message of a group has the outcome that it had, however many are on their way at a time."""
    peer.begin(random_, random_.choice(((b"PIPELINING",), (b"PIPELINING", b"CHUNKING"), (b"HELP",))), share=0.02)
    merge = MergeMessage(MergeTemplate.parse(subject="x", text=".\nOlá\n", html=""), sender=Recipient("a@b.example"))
    group = []
    for number in range(random_.randint(1, 12)):
        address, message_id = f"r{number}@d.example", f"<{number}@b.example>"
        group.append(Parcel(number, address, message_id, merge.write(address, "", {}, message_id=message_id)))
    made = Connection(
        kind=Kind.SMTP, host="127.0.0.1", port=peer.port, from_address="a@b.example", ehlo_name="x.example"
    )
    with SmtpTransport(made, LIMITS).bulk(merge) as line:
        results = line.hand_over(group)
    peer.wait()
    assert [result.number for result in results] == [parcel.number for parcel in group]
    for parcel, result in zip(group, results, strict=True):
        is_text(result.reply)
        times = peer.taken.count(parcel.address)
        assert times <= 1, "sent twice"
        assert times == 1 or result.outcome is not SendStatus.ACCEPTED
        # By 421 a server says that it has not taken what comes after: this one says so and takes it.
        said_421 = result.error is not None and result.error.code == 421
        assert times == 0 or said_421 or result.outcome is not SendStatus.FAILED, "told failed, yet taken"
        assert (result.error is None) is (result.outcome is SendStatus.ACCEPTED)


def token_shown(peer: FuzzPeer, random_: random.Random) -> None:
    """A login by OAuth2, as if it were encrypted: it ends, and what the server says of a token is text."""
    peer.begin(random_)
    steps: list[Step] = []

    def source(_: float, is_new: bool) -> BearerToken:
        return BearerToken(SecretStr("t0k3n" * 200), datetime.now(UTC) + timedelta(hours=1), is_new)

    made = Connection(
        kind=Kind.SMTP, host="127.0.0.1", port=peer.port, from_address="a@b.example", ehlo_name="x.example",
        username="ana", token=source,
    )  # fmt: skip
    with suppress(TransportError), SmtpSession(made, LIMITS, steps.append) as session:
        session.reach()
        session._encrypted = True
        session.ehlo()
        session.login()
    peer.wait()
    for step in steps:
        is_text(step.detail)
        is_text(step.reply)
        assert "t0k3n" not in step.detail + step.reply


def registered(core: Mailcore, peer: FuzzPeer) -> MailServer:
    """A record of this server."""
    draft = ServerDraft(
        name="Fuzz", host="127.0.0.1", port=peer.port, security=Security.NONE, security_auto=False,
        from_address="a@b.example", username="ana", daily_limit=1_000_000,
    )  # fmt: skip
    return core.servers.create(draft, SecretStr("çenha-8812"), actor=ME).server


def through_the_ledger(core: Mailcore, server: MailServer, peer: FuzzPeer, random_: random.Random) -> None:
    """No row is left started; what counts is what was taken or may have been."""
    peer.begin(random_)
    row = core.send(server, message())  # type: ignore[arg-type]
    taken = peer.wait()
    stored = core.ledger.get(row.id)
    assert stored.status is row.status
    assert stored.status is not SendStatus.STARTED
    assert taken == 0 or stored.status is not SendStatus.FAILED
    assert bool(stored.counted) is (stored.status in (SendStatus.ACCEPTED, SendStatus.UNCERTAIN))
    assert (diagnosis_of(stored) is None) is (stored.status is SendStatus.ACCEPTED)
    account = core.quotas(server_id=server.id)[0]
    if account.hold is not None:  # a reply that spoke of quota, or of the password
        core.lift_hold(server, actor=ME)
