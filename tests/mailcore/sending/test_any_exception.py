"""Invariant 12: whatever is raised while a message is sent, its row gets an outcome, and the right one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from mailcore import Mailcore
from mailcore.errors import ConfigurationError, SecretError
from mailcore.messages.compose import OutgoingMessage, compose
from mailcore.quota import holds
from mailcore.registry.drafts import ServerDraft
from mailcore.storage.database import Database
from mailcore.storage.tables import MailServer, Send
from mailcore.transports.base import (
    CHECK_SECONDS,
    Connection,
    Findings,
    Receipt,
    Step,
    StepListener,
    Transport,
    TransportError,
    ignore_steps,
)
from mailcore.transports.smtp_session import SmtpSession
from mailcore.vocabulary import Outcome, SendStatus, StepState
from tests.actors import ME
from tests.peers.certificates import authority_pem, server_context
from tests.peers.smtp_server import SmtpPeer

SECRET = "Segredo-Único-4471"
USER = "ana@exemplo.com.br"
BEFORE = ("resolve", "connect", "greeting", "tls", "ehlo", "auth", "sender", "recipients")
FAULTS: list[BaseException] = [
    ValueError(SECRET),
    KeyError("x"),
    RuntimeError("x"),
    OSError(5, "x"),
    MemoryError(),
    RecursionError(),
    AssertionError(),
    StopIteration(),
    UnicodeEncodeError("ascii", SECRET, 0, 1, "x"),
    TimeoutError(),
    SecretError("A senha não pôde ser lida."),
    ConfigurationError("O endereço está errado."),
    ExceptionGroup("x", [ValueError()]),
]
ENDS: list[BaseException] = [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()]

ON_BOTH = (ValueError, SecretError, ExceptionGroup, KeyboardInterrupt, asyncio.CancelledError)
"""What stands on PostgreSQL for all of them: which fault it is decides nothing that a database sees."""

PLACES = (*(f"before {name}" for name in BEFORE), *BEFORE, "before data", "data", "handed over", "taken")
FEW_PLACES = ("before resolve", "auth", "before data", "data", "handed over", "taken")
"""For a fault that is not among those of :data:`ON_BOTH`, or another database: where decides nothing more."""


def on_each_database(faults: list[BaseException]) -> pytest.MarkDecorator:
    """Every fault on SQLite, some of each kind on PostgreSQL."""
    pairs = [("sqlite", fault) for fault in faults]
    pairs += [("postgresql", fault) for fault in faults if isinstance(fault, ON_BOTH)]
    names = [f"{database}-{type(fault).__name__}" for database, fault in pairs]
    return pytest.mark.parametrize(("database_url", "fault"), pairs, indirect=["database_url"], ids=names)


class FaultyTransport(Transport):
    """Goes through the steps of SMTP and raises ``fault`` in the one it is told to."""

    stages = BEFORE
    hand_over_step = "data"

    def __init__(self, at: str, fault: BaseException | None) -> None:
        super().__init__(Connection(kind="smtp"))  # type: ignore[arg-type]
        self.at, self.fault = at, fault
        self.handed_over = 0

    def _pass(self, place: str) -> None:
        if place == self.at and self.fault is not None:
            raise self.fault

    def check(
        self, on_step: StepListener = ignore_steps, *, recipient: str = "", seconds: float = CHECK_SECONDS
    ) -> Findings:
        raise NotImplementedError

    def prepare(self, message: OutgoingMessage) -> OutgoingMessage:
        self._pass("prepare")
        return message

    def send(
        self, message: OutgoingMessage, *, idempotency_key: str = "", on_step: StepListener = ignore_steps
    ) -> Receipt:
        for name in (*BEFORE, "data"):
            self._pass(f"before {name}")
            on_step(Step(name, StepState.RUNNING))
            self._pass(name)
            if name == "data":
                self.handed_over += 1
                self._pass("handed over")
            on_step(Step(name, StepState.OK))
        self._pass("taken")
        return Receipt("250 2.0.0 Ok: queued as 4F1")


@pytest.fixture
def server(core: Mailcore) -> MailServer:
    draft = ServerDraft(name="Uma", host="smtp.exemplo.com.br", username=USER, from_address=USER)
    return core.servers.create(draft, SecretStr(SECRET), actor=ME).server


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Transport], None]:
    """Have messages go out by this transport."""
    return lambda transport: monkeypatch.setattr("mailcore.sending.send.transport_for", lambda _: transport)


def message() -> OutgoingMessage:
    return compose(from_address=USER, to=["bia@outro.example", "caio@outro.example"], subject="Nota", text="Olá")


def the_row(core: Mailcore) -> Send:
    with core.database.read() as session:
        return session.scalars(select(Send)).one()


def used(core: Mailcore, server: MailServer) -> int:
    return core.quotas(server_id=server.id)[0].used


def is_plain(row: Send) -> None:
    """The row says why, and repeats nothing of what an exception had in it."""
    diagnosis = json.loads(row.diagnosis)
    assert diagnosis["title"]
    assert diagnosis["cause"]
    assert "{" not in diagnosis["cause"]
    assert SECRET not in row.diagnosis + row.reply


@on_each_database([*FAULTS, *ENDS])
def test_before_the_message_leaves_it_is_failed_and_after_that_uncertain(
    core: Mailcore, server: MailServer, use: Callable[[Transport], None], fault: BaseException
) -> None:
    each_place = core.database.is_sqlite and isinstance(fault, ON_BOTH)
    uncertain = 0
    for number, place in enumerate(PLACES if each_place else FEW_PLACES):
        transport = FaultyTransport(place, fault)
        use(transport)
        key = f"nota-{number}"
        if isinstance(fault, Exception):
            status = core.send(server, message(), idempotency_key=key).status
        else:
            with pytest.raises(type(fault)):
                core.send(server, message(), idempotency_key=key)
            status = None
        with core.database.read() as session:
            row = session.scalars(select(Send).where(Send.idempotency_key == key)).one()
        has_left = place in ("data", "handed over", "taken")
        uncertain += has_left
        assert row.status is (SendStatus.UNCERTAIN if has_left else SendStatus.FAILED), place
        assert status in (None, row.status)
        assert row.counted == (2 if has_left else 0)
        assert used(core, server) == 2 * uncertain
        is_plain(row)
        # The key of a failed one is not burnt; that of an uncertain one is never used again on its own.
        again = FaultyTransport("", None)
        use(again)
        if has_left:
            assert core.send(server, message(), idempotency_key=key).status is SendStatus.UNCERTAIN
            assert again.handed_over == 0


@on_each_database(FAULTS)
def test_a_message_that_cannot_be_prepared_reserves_nothing_and_burns_no_key(
    core: Mailcore, server: MailServer, use: Callable[[Transport], None], fault: Exception
) -> None:
    transport = FaultyTransport("prepare", fault)
    use(transport)
    # What the caller must set right is raised as well; a fault of the program is in the row.
    with suppress(SecretError, ConfigurationError):
        core.send(server, message(), idempotency_key="nota-1")
        assert not isinstance(fault, SecretError | ConfigurationError)
    row = the_row(core)
    assert (row.status, row.counted, transport.handed_over) == (SendStatus.FAILED, 0, 0)
    assert used(core, server) == 0
    is_plain(row)
    use(FaultyTransport("", None))
    sent = core.send(server, message(), idempotency_key="nota-1")
    assert (sent.id, sent.status, used(core, server)) == (row.id, SendStatus.ACCEPTED, 2)


def test_what_a_transport_says_cannot_be_written_is_failed_with_its_cause(
    core: Mailcore, server: MailServer, use: Callable[[Transport], None]
) -> None:
    use(FaultyTransport("prepare", TransportError(phase="data", cause="message_too_big", outcome=Outcome.FAILED)))
    row = core.send(server, message(), idempotency_key="nota-1")
    assert (row.status, row.counted) == (SendStatus.FAILED, 0)
    assert json.loads(row.diagnosis)["code"] == "message_too_big"
    assert used(core, server) == 0


@pytest.mark.parametrize("fault", ENDS, ids=lambda fault: type(fault).__name__)
def test_what_ends_the_program_before_anything_was_reserved_leaves_no_row(
    core: Mailcore, server: MailServer, use: Callable[[Transport], None], fault: BaseException
) -> None:
    use(FaultyTransport("prepare", fault))
    with pytest.raises(type(fault)):
        core.send(server, message())
    with core.database.read() as session:
        assert session.scalars(select(Send)).all() == []


def test_a_kind_that_does_not_say_when_the_message_leaves_is_uncertain_from_the_start(
    core: Mailcore, server: MailServer, use: Callable[[Transport], None]
) -> None:
    class Silent(FaultyTransport):
        hand_over_step = ""

    use(Silent("resolve", RuntimeError()))
    assert core.send(server, message()).status is SendStatus.UNCERTAIN


@pytest.mark.parametrize("fault", [RuntimeError(), KeyboardInterrupt()], ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("step", ["auth", "data"])
@pytest.mark.parametrize("state", [StepState.RUNNING, StepState.OK])
def test_a_listener_that_fails_never_hides_what_the_server_said(
    core: Mailcore,
    server: MailServer,
    use: Callable[[Transport], None],
    fault: BaseException,
    step: str,
    state: StepState,
) -> None:
    def listen(told: Step) -> None:
        if (told.name, told.state) == (step, state):
            raise fault

    transport = FaultyTransport("", None)
    use(transport)
    if isinstance(fault, Exception):
        core.send(server, message(), on_step=listen)
    else:
        with pytest.raises(KeyboardInterrupt):
            core.send(server, message(), on_step=listen)
    # The end of "data" is told after the message left: the listener's failure comes too late to matter.
    left = (step, state) == ("data", StepState.OK)
    assert transport.handed_over == left
    assert the_row(core).status is (SendStatus.ACCEPTED if left else SendStatus.FAILED)


def test_an_interruption_while_the_outcome_is_written_does_not_lose_it(
    core: Mailcore, server: MailServer, use: Callable[[Transport], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(FaultyTransport("", None))
    once = iter([KeyboardInterrupt()])
    note = holds.note_result

    def interrupted(*arguments: Any) -> None:
        for end in once:
            raise end
        note(*arguments)

    monkeypatch.setattr(holds, "note_result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        core.send(server, message())
    assert the_row(core).status is SendStatus.ACCEPTED


def test_an_interruption_just_after_the_reservation_gives_it_up(
    core: Mailcore, server: MailServer, use: Callable[[Transport], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = FaultyTransport("", None)
    use(transport)
    once = iter([KeyboardInterrupt()])
    write = Database.fast_write

    @contextmanager
    def interrupted(database: Database) -> Iterator[Any]:
        with write(database) as cursor:
            yield cursor
        for end in once:  # committed, and not returned yet
            raise end

    monkeypatch.setattr(Database, "fast_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        core.send(server, message())
    assert (the_row(core).status, transport.handed_over) == (SendStatus.FAILED, 0)
    assert used(core, server) == 0


@pytest.mark.parametrize(
    ("step", "status", "arrives"),
    [("resolve", "failed", 0), ("login", "failed", 0), ("recipients", "failed", 0), ("quit", "uncertain", 1)],
)
def test_a_fault_in_the_real_conversation(
    core: Mailcore, monkeypatch: pytest.MonkeyPatch, step: str, status: str, arrives: int
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    with SmtpPeer(security="starttls", tls=server_context(), users={USER: SECRET}) as peer:
        draft = ServerDraft(
            name="Uma",
            host=peer.host,
            port=peer.port,
            username=USER,
            from_address=USER,
            ca_pem=authority_pem(),
        )
        server = core.servers.create(draft, SecretStr(SECRET), actor=ME).server
        monkeypatch.setattr(SmtpSession, step, fault)
        row = core.send(server, message())
        assert (row.status.value, len(peer.inbox)) == (status, arrives)
        is_plain(row)
