"""What runs beside the pages, from the start of the program to its end: batches are sent, authorisations kept alive."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from mailcore.errors import MailcoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailcore import Mailcore
    from mailcore.batches.queue import BatchConsumer

_log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0
"""How often it is tried again where the library cannot be opened: the database may come back."""
FIRST_PAGE_SECONDS = 5.0
"""How long the first page is waited for: it loads beside nothing else. A start by itself has nobody to hold up."""


class Background:
    """Begins as soon as the library can be opened, be that at once or later; one for each process."""

    def __init__(self, library: Callable[[], Mailcore]) -> None:
        """Keep the way to the opened library, which raises :class:`MailcoreError` where there is none now."""
        self._library = library
        self._first_page = threading.Event()
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._core: Mailcore | None = None
        self._consumer: BatchConsumer | None = None

    def start_after(self, first_page: threading.Event, then: Callable[[], None]) -> None:
        """Begin in a thread once the first page is drawn, which it would hold up, or nobody has come for one.

        Args:
            then: what else no page waits for.
        """

        def wait_and_start() -> None:
            first_page.wait(FIRST_PAGE_SECONDS)
            if not self._is_over.is_set():
                self.start()
                then()

        self._first_page = first_page
        self._run("background-first", wait_and_start)

    def start(self) -> None:
        """Begin; where that is not possible yet, say why in the log and go on trying in a thread."""
        fault = self._begin()
        if fault:
            _log.warning("%s", fault)
            self._run("background-start", self._begin_later)

    def stop(self) -> None:
        """End after the messages in flight, and close the library."""
        self._is_over.set()
        self._first_page.set()  # no longer waited for
        for thread in self._threads:  # also one that another of them begins now
            thread.join()  # a renewal under way is stored first
        if self._consumer is not None:
            self._consumer.stop()
        if self._core is not None:
            self._core.close()

    def _begin_later(self) -> None:
        told = ""
        while not self._is_over.wait(AGAIN_SECONDS):
            fault = self._begin()
            if not fault:
                _log.info("the library could be opened: batches are sent from now on")
                return
            if fault != told:
                told = fault
                _log.warning("%s", fault)

    def _begin(self) -> str:
        """Begin, or return why that is not possible; the pages say so too."""
        try:
            core = self._library()
            if core.settings.worker_threads:
                consumer = core.batches.consumer(core.settings.worker_threads)
                consumer.start()
                self._consumer = consumer
        except MailcoreError as error:
            return str(error)
        self._core = core
        self._run("oauth-keep-alive", core.servers.tokens.keep_alive_until, self._is_over)
        return ""

    def _run(self, name: str, what: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=what, args=args, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
