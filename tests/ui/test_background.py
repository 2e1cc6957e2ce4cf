"""What runs beside the pages begins when the database can be reached, not only when it could at the start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailcore import Mailcore
from mailcore.settings import Settings
from mailcore.vocabulary import BatchState
from tests.faults import server_away
from tests.mailcore.batches.sending import PASSWORD, SECONDS, SENDER, assert_accounted_for, at_peer, started
from tests.peers.smtp_server import Received, SmtpPeer
from ui import context
from ui.door import background


class Inbox(list[Received]):
    """What a peer took; says so once all of a batch is there."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self.is_full = threading.Event()

    def append(self, message: Received) -> None:
        super().append(message)
        if len(self) == self._size:
            self.is_full.set()


@contextmanager
def away(core: Mailcore) -> Iterator[None]:
    """The database cannot be reached: its server takes nobody, or its folder is not mounted yet."""
    folder = core.settings.data_dir
    if core.database.is_sqlite:
        folder.rename(elsewhere := folder.with_name("elsewhere"))
        folder.touch()
        yield
        folder.unlink()
        elsewhere.rename(folder)
    else:
        with server_away(core.database):
            yield


def test_batches_are_sent_once_the_database_is_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "AGAIN_SECONDS", 0.02)
    tries, tried_again = 0, threading.Event()

    def library() -> Mailcore:
        nonlocal tries
        tries += 1
        if tries == 3:
            tried_again.set()
        return Mailcore(settings)

    with SmtpPeer(users={SENDER: PASSWORD}) as peer:
        peer.inbox = inbox = Inbox(4)
        with Mailcore(settings) as core:
            batch = started(core, at_peer(core, peer), 4)
        beside = background.Background(library)
        with away(core):
            beside.start()
            assert tried_again.wait(SECONDS)
        assert inbox.is_full.wait(SECONDS)
        beside.stop()
        told = [record.message for record in caplog.records if record.name == background.__name__]
        assert told, "nobody is told why"
        assert all(each.startswith(("O banco de dados", "A pasta")) for each in told)
        assert len(told) <= 3  # not each time it is tried
        with Mailcore(settings) as core:
            assert core.batches.get(batch.id).state is BatchState.DONE
            assert_accounted_for(core, batch.id, [message.recipients[0] for message in inbox])


def test_it_ends_also_where_the_database_never_came(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with Mailcore(settings) as core:
        pass
    with away(core):
        beside = background.Background(lambda: Mailcore(settings))
        beside.start()
        beside.stop()


def test_it_begins_after_the_first_page(settings: Settings) -> None:
    opened, began = threading.Event(), threading.Event()

    def library() -> Mailcore:
        opened.set()
        return Mailcore(settings)

    first_page = threading.Event()
    beside = background.Background(library)
    beside.start_after(first_page, began.set)
    assert not opened.is_set()
    first_page.set()
    assert began.wait(SECONDS)
    assert opened.is_set()
    beside.stop()


def test_it_begins_without_a_page_and_ends_without_having_begun(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    never, began = background.Background(lambda: Mailcore(settings)), threading.Event()
    never.start_after(threading.Event(), began.set)
    never.stop()
    assert not began.is_set()
    monkeypatch.setattr(background, "FIRST_PAGE_SECONDS", 0.0)
    alone = background.Background(lambda: Mailcore(settings))
    alone.start_after(threading.Event(), began.set)
    assert began.wait(SECONDS)
    alone.stop()


def test_a_page_that_was_drawn_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = threading.Event()
    monkeypatch.setattr(context, "first_page", drawn)
    with context.page_faults("a page"):
        assert not drawn.is_set()
    assert drawn.is_set()
