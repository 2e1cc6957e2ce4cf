"""What is given up: ended where it can be, and bounded where it cannot."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.deadline import Lookups, call_within
from mailcore.health import service_figures
from mailcore.messages.compose import compose
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.transports.base import Connection, TransportError
from mailcore.transports.smtp import SmtpTransport
from mailcore.transports.smtp_exchange import Limits
from mailcore.vocabulary import Kind, Outcome, Security, SendStatus
from tests.actors import ME
from tests.peers.elastic_server import ElasticPeer
from tests.peers.smtp_server import SmtpPeer


def bounded_calls() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "mailcore-bounded-call"}


def test_questions_that_nobody_answers_are_not_asked_without_end() -> None:
    lookups, answer, before = Lookups(most_left=3), threading.Event(), bounded_calls()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            lookups.call(0.01, answer.wait)
    asked: list[int] = []
    with pytest.raises(TimeoutError):
        lookups.call(5, lambda: asked.append(1))
    assert (asked, len(lookups)) == ([], 3), "not even begun"
    assert Lookups().call(5, lambda: "another kind of question") == "another kind of question"
    answer.set()
    for thread in bounded_calls() - before:
        thread.join(30)
    assert len(lookups) == 0
    assert lookups.call(5, lambda: 7) == 7


def test_an_answer_or_an_error_in_time_leaves_nothing() -> None:
    lookups = Lookups(most_left=1)
    for _ in range(5):
        with pytest.raises(KeyError):
            lookups.call(5, lambda: {}["x"])
        assert lookups.call(5, lambda: 1) == 1
    assert len(lookups) == 0


def test_what_is_given_up_is_over_before_that_is_said() -> None:
    ended, over = threading.Event(), []

    def work() -> None:
        ended.wait(30)
        over.append(True)
        raise OSError

    with pytest.raises(TimeoutError):
        call_within(0.01, work, ended.set)
    assert over == [True]
    ended.clear()
    assert call_within(0.01, lambda: ended.wait(30) and "an answer after all", ended.set) == "an answer after all"


def test_an_smtp_send_that_is_given_up_half_way_has_ended_for_the_server_too() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    text, given_up = [], threading.Event()

    def serve() -> None:
        sock, _ = listener.accept()
        with sock, sock.makefile("rb") as lines:
            sock.sendall(b"220 hi\r\n")
            for reply in (b"250 ok", b"250 ok", b"250 ok", b"354 go"):
                lines.readline()
                sock.sendall(reply + b"\r\n")
            given_up.wait(30)  # reads nothing, as over a dead uplink
            text.append(lines.read())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    connection = Connection(
        kind=Kind.SMTP, host="127.0.0.1", port=listener.getsockname()[1], from_address="a@b.example", ehlo_name="x.y"
    )
    large = compose(from_address="a@b.example", to=["c@d.example"], subject="x", text="uma linha\n" * 600_000)
    with listener, pytest.raises(TransportError) as caught:
        SmtpTransport(connection, Limits(data=-large_share(large.content), quit=0.1)).send(large)
    given_up.set()
    thread.join(30)
    assert not thread.is_alive(), "the connection is closed, so the server sees the end"
    assert caught.value.outcome is Outcome.FAILED
    assert not text[0].endswith(b"\r\n.\r\n")


def large_share(content: bytes) -> float:
    """What the time that a size takes has to be shortened by, to leave a moment."""
    return len(content) / 20_000 - 0.3


def open_sockets() -> int:
    """Not the database's files: its pool opens another when two threads happen to meet, and keeps it."""
    found = 0
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += os.readlink(file).startswith("socket:")
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_threads_and_sockets_are_back_where_they_began(tmp_path: Path) -> None:
    core = Mailcore(Settings(data_dir=tmp_path / "data", keyring="database"))
    peer, elastic = SmtpPeer().start(), ElasticPeer().start()
    core.settings = core.settings.model_copy(update={"elastic_email_url": elastic.url})
    core._sender._settings = core._checks._settings = core.settings
    smtp = core.servers.create(
        ServerDraft(
            name="a", host="127.0.0.1", port=peer.port, security=Security.NONE, requires_auth=False,
            from_address="a@b.example",
        ),
        actor=ME,
    ).server  # fmt: skip
    service = core.servers.create(
        ServerDraft(name="b", kind=Kind.ELASTIC_EMAIL, from_address="a@b.example"),
        SecretStr("CHAVE-DE-TESTE"),
        actor=ME,
    ).server
    closed = core.servers.create(
        ServerDraft(name="c", host="127.0.0.1", port=1, requires_auth=False, from_address="a@b.example"), actor=ME
    )
    message = compose(from_address="a@b.example", to=["c@d.example"], subject="x", text="x")

    def use(times: int) -> None:
        for _ in range(times):
            for server in (smtp, service):
                assert core.send(server, message).status is SendStatus.ACCEPTED
                core.check(server)
            core.check(closed.server)
            service_figures.read(core.servers, service, core.settings)
        core.check_all(servers=[smtp, closed.server])

    use(1)  # connections and caches that are kept
    threads, sockets = set(threading.enumerate()), open_sockets()
    use(4)
    # Not those of the peers, which have one for each connection.
    assert {each.name for each in set(threading.enumerate()) - threads if each.name.startswith("mailcore")} == set()
    wait_until(lambda: open_sockets() <= sockets)
    peer.stop()
    elastic.stop()
    core.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    """The peers close their ends in threads of their own."""
    pause = threading.Event()
    for _ in range(1_000):
        if is_so():
            return
        pause.wait(0.02)
    raise AssertionError(sorted(os.readlink(file) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()))
