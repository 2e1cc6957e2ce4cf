"""The database fails while a message is sent: it is told as what it is, sent once, and settled later."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import delete, event, select, update
from sqlalchemy.engine import Engine

from mailcore import Mailcore
from mailcore.errors import StorageError
from mailcore.messages.compose import OutgoingMessage, compose
from mailcore.registry.drafts import ServerDraft
from mailcore.sending.unsettled import FOLDER, NOT_WRITTEN
from mailcore.storage.database import Database
from mailcore.storage.tables import Installation, MailServer, Send, SignInTries, Usage
from mailcore.transports.smtp_session import SmtpSession
from mailcore.vocabulary import Security, SendStatus
from tests.actors import ME
from tests.faults import full_disk, locked, server_away, standby, watched
from tests.peers.smtp_server import Say, SmtpPeer

USER = "ana@exemplo.com.br"


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    with SmtpPeer() as running:
        yield running


@pytest.fixture
def server(core: Mailcore, peer: SmtpPeer) -> MailServer:
    draft = ServerDraft(
        name="Uma", host="127.0.0.1", port=peer.port, security=Security.NONE, security_auto=False, requires_auth=False,
        from_address=USER, daily_limit=500,
    )  # fmt: skip
    return core.servers.create(draft, None, actor=ME).server


def message() -> OutgoingMessage:
    return compose(from_address=USER, to=["bia@outro.example"], subject="Nota", text="Olá")


def rows(core: Mailcore) -> dict[str, Send]:
    with core.database.read() as session:
        return {row.idempotency_key: row for row in session.scalars(select(Send))}


def used(core: Mailcore, server: MailServer) -> int:
    return core.quotas(server_id=server.id)[0].used


def test_at_every_moment_of_a_send(core: Mailcore, server: MailServer, peer: SmtpPeer) -> None:
    causes = (full_disk,) if core.database.is_sqlite else (server_away, standby)
    stopped = kept = 0
    for cause in causes:
        with watched(core.database) as moments:
            for number in count(1):
                key, before, told = f"{cause.__name__}-{number}", len(peer.inbox), None
                try:
                    with moments.breaking(number, cause):
                        sent = core.send(server, message(), idempotency_key=key)
                        if NOT_WRITTEN in sent.warnings:
                            kept += 1
                            again = core.send(server, message(), idempotency_key=key)
                            assert (again.status, again.id) == (SendStatus.ACCEPTED, sent.id)
                except StorageError as error:
                    told = str(error)
                if told is not None:
                    stopped += 1
                    assert told.endswith("tente de novo.")
                    assert len(peer.inbox) == before
                    sent = core.send(server, message(), idempotency_key=key)
                assert sent.status is SendStatus.ACCEPTED
                assert len(peer.inbox) == before + 1
                core.tidy()
                row = rows(core)[key]
                assert (row.status, row.warnings) == (SendStatus.ACCEPTED, "")
                assert "queued as" in row.reply
                assert used(core, server) == len(peer.inbox)
                if moments.passed < number:
                    break
    assert stopped >= 3
    assert kept >= 3
    assert list((core.settings.data_dir / FOLDER).glob("*")) == []


def test_what_was_refused_meanwhile_frees_its_units_and_holds_the_account(
    core: Mailcore, server: MailServer, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.script["."] = Say("552 5.2.2 Daily sending quota exceeded")
    with failing_settle(core, monkeypatch):
        sent = core.send(server, message(), idempotency_key="k")
    assert sent.status is SendStatus.REFUSED
    assert NOT_WRITTEN in sent.warnings
    assert used(core, server) == 1
    core.tidy()
    assert rows(core)["k"].status is SendStatus.REFUSED
    assert used(core, server) == 0
    assert core.quotas(server_id=server.id)[0].hold is not None


@contextmanager
def failing_settle(core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else takes the lock once the message is on its way."""
    with monkeypatch.context() as patched:
        patched.setattr("mailcore.storage.database.BUSY_TIMEOUT_SECONDS", 0.1)
        core.database.dispose()  # connections that know the shorter time
        handed_over = locked(core.database)
        data = SmtpSession.data

        def data_and_lock(session: SmtpSession, content: bytes) -> Any:
            try:
                return data(session, content)
            finally:
                handed_over.__enter__()

        patched.setattr(SmtpSession, "data", data_and_lock)
        yield
        handed_over.__exit__(None, None, None)
    core.database.dispose()


def test_a_process_that_ends_meanwhile_leaves_it_to_the_next_start(
    open_core: Callable[[], Mailcore], core: Mailcore, server: MailServer, peer: SmtpPeer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with failing_settle(core, monkeypatch):
        core.send(server, message(), idempotency_key="k")
    files = list((core.settings.data_dir / FOLDER).iterdir())
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600]
    half = files[0].with_name("half.json")
    half.write_text(files[0].read_text()[:40])  # of a disk that was full
    assert rows(core)["k"].status is SendStatus.STARTED
    again = open_core()
    assert (rows(again)["k"].status, rows(again)["k"].warnings) == (SendStatus.ACCEPTED, "")
    assert used(again, server) == 1
    assert list((core.settings.data_dir / FOLDER).iterdir()) == [half]
    old = (datetime.now(UTC) - timedelta(days=31)).timestamp()
    os.utime(half, (old, old))
    open_core()
    assert list((core.settings.data_dir / FOLDER).iterdir()) == []
    assert core.send(server, message(), idempotency_key="k").status is SendStatus.ACCEPTED
    assert len(peer.inbox) == 1


def test_a_file_of_another_ledger_does_no_harm(
    open_core: Callable[[], Mailcore], core: Mailcore, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_settle(core, monkeypatch):
        core.send(server, message(), idempotency_key="k")
    (file,) = (core.settings.data_dir / FOLDER).iterdir()
    core.tidy()
    document = json.loads(file.read_text()) if file.exists() else None
    assert document is None
    first = rows(core)["k"]
    for number, at in ((first.id + 1, first.at), (first.id, first.at - timedelta(days=1))):
        stranger = {
            "send": {
                "id": number, "idempotency_key": "outra", "server_id": 1, "server_name": "x", "units": 1, "counted": 1,
                "recipients": "x@y.example", "message_id": "", "account_key": "x", "who": "", "at": at.isoformat(),
            },
            "outcome": {
                "status": "refused", "reply": "", "provider_id": "", "warnings": [], "diagnosis": None,
                "hold_for": None, "taken": None, "host": "",
            },
            "answered_at": at.isoformat(),
        }  # fmt: skip
        file.write_text(json.dumps(stranger))
        again = open_core()
        assert {key: row.status for key, row in rows(again).items()} == {"k": SendStatus.ACCEPTED}
        assert not file.exists()


@pytest.mark.parametrize("lost", ["reserve", "settle"])
def test_the_answer_to_a_commit_is_lost(
    core: Mailcore, server: MailServer, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    driver: Any = core.database.engine.dialect.dbapi
    commits, fast_connection = [0], Database._fast_connection
    wanted = 1 if lost == "reserve" else 2

    class Lost:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

        def commit(self) -> None:
            self._connection.commit()
            commits[0] += 1
            if commits[0] == wanted:
                raise driver.OperationalError("server closed the connection unexpectedly")

    @contextmanager
    def lossy(database: Database) -> Iterator[Any]:
        with fast_connection(database) as connection:
            yield Lost(connection)

    monkeypatch.setattr(Database, "_fast_connection", lossy)
    if lost == "reserve":
        with pytest.raises(StorageError):
            core.send(server, message(), idempotency_key="k")
        assert (rows(core)["k"].status, len(peer.inbox)) == (SendStatus.STARTED, 0)
        core.tidy()
        assert (rows(core)["k"].status, used(core, server)) == (SendStatus.FAILED, 0)
    assert core.send(server, message(), idempotency_key="k").status is SendStatus.ACCEPTED
    core.tidy()
    assert (rows(core)["k"].status, rows(core)["k"].warnings) == (SendStatus.ACCEPTED, "")
    assert (used(core, server), len(peer.inbox)) == (1, 1)


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_a_day_while_a_message_is_on_its_way(
    core: Mailcore, server: MailServer, peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    from mailcore.sending import abandoned, housekeeping, reservation, unsettled

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=days)

    modules = (abandoned, housekeeping, reservation, unsettled)

    def jump(monkey: pytest.MonkeyPatch) -> None:
        for module in modules:
            monkey.setattr(module, "datetime", Jumped)

    def step(_: object) -> None:
        jump(monkeypatch)

    first = core.send(server, message(), idempotency_key="a", on_step=step)
    assert first.status is SendStatus.ACCEPTED
    second = core.send(server, message(), idempotency_key="b")
    core._housekeeping._tidied = 0.0
    core.tidy()
    assert {row.status for row in rows(core).values()} == {SendStatus.ACCEPTED}
    assert (second.status, len(peer.inbox)) == (SendStatus.ACCEPTED, 2)
    with core.database.read() as session:
        total = session.execute(select(Send.counted)).scalars().all()
    assert list(total) == [1, 1]


def test_a_start_that_finds_nothing_to_do_asks_little_and_writes_nothing(
    server: MailServer, open_core: Callable[[], Mailcore]
) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        core = open_core()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    looks = [statement for statement in asked if statement != "BEGIN"]
    assert {statement.split()[0] for statement in looks} <= {"SELECT", "PRAGMA"}
    assert len(looks) <= (7 if core.database.is_sqlite else 5)


def test_a_start_tidies_whatever_there_is_to_tidy(
    core: Mailcore, server: MailServer, open_core: Callable[[], Mailcore]
) -> None:
    """Authorisations that nobody saved too: a test of theirs."""
    old = datetime.now(UTC) - timedelta(days=500)
    core.settle(core.reserve(server, 1, idempotency_key="old"), SendStatus.ACCEPTED)
    core.reserve(server, 1, idempotency_key="dead")
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    every = {"server_id": server.id, "messages": 1, "recipients": 1, "external": 0, "last_at": old}
    with core.database.write() as session:
        for key, at in (("old", old), ("dead", an_hour_ago)):
            session.execute(update(Send).where(Send.idempotency_key == key).values(at=at))
        session.add(Usage(account_key="a", slot=int(old.timestamp()) // 3_600 * 3_600 + 300, **every))
        session.add(SignInTries(key="x", failures=9, last_at=old, blocked_until=old))
        session.execute(delete(Installation).where(Installation.name == "tidied_at"))
    open_core()
    assert {key: row.status for key, row in rows(core).items()} == {"dead": SendStatus.UNCERTAIN}
    with core.database.read() as session:
        assert session.scalars(select(Usage.slot).where(Usage.account_key == "a")).all() == []
        assert session.scalars(select(SignInTries)).all() == []


def test_where_nothing_waits_the_database_is_not_asked(core: Mailcore) -> None:
    with watched(core.database) as moments, moments.breaking(1_000_000, full_disk):
        core.tidy()
        assert moments.passed == 0, "a page runs this every time"
