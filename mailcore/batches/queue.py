"""Who does the work of batches: threads over a huey queue, inside the app or as programs of their own.

The queue says only *that* there is work; *what* there is stands in our tables, and so does who is at it. A
task is taken out of the queue before it runs, so a killed worker loses it: a watch in every consumer finds what has
nobody, and calls again.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailcore.batches.drafts import sweep_old, sweep_unfinished
from mailcore.batches.leases import RENEW_SECONDS, recover
from mailcore.batches.pausing import may_go_now, wake_due, wake_freed
from mailcore.errors import StorageError
from mailcore.sending.stops import where
from mailcore.storage.faults import StorageFaults
from mailcore.storage.tables import AccountLease, AccountPace, Batch
from mailcore.vocabulary import BatchState

if TYPE_CHECKING:
    from collections.abc import Callable

    from huey import Huey

    from mailcore.batches.following import Following
    from mailcore.batches.huey_queue import Threads
    from mailcore.batches.leases import Leases
    from mailcore.batches.worker import Worker
    from mailcore.quota.rules import QuotaSettings
    from mailcore.storage.database import Database

_log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How often a consumer looks for work that has nobody."""
_LOOK_CLOSELY_SECONDS = 30.0
"""How often it looks whether a batch may go on before its time."""
LONGEST_POLL = 1.0
_IDLE_POLL = 0.05
_STORAGE_PATIENCE = 60.0


class BatchQueue:
    """The queue of one installation. Safe to share between threads; nothing is opened before it is used."""

    def __init__(self, database: Database, worker: Worker, following: Following) -> None:
        self._database = database
        self._worker = worker
        self._following = following
        self._lock = threading.Lock()
        self._huey: Huey | None = None
        self._tasks: dict[str, Callable[[], object]] = {}
        self.busy = 0
        """Threads of this process that are sending."""

    def call(self, times: int = 1) -> None:
        """Say that there is work; where the queue does not take it, a watch finds it."""
        try:
            self.huey()
            for _ in range(times):
                self._tasks["serve"]()
        except Exception as error:  # noqa: BLE001 - whatever the queue's storage raises
            _log.warning("the queue of batches did not take a call: %s", where(error))

    def call_follow_up(self) -> None:
        """Say that services are to be asked what became of their messages.

        Raises:
            StorageError: the queue's storage does not answer.
        """
        self.huey()
        with self._faults():
            self._tasks["follow"]()

    def is_empty(self) -> bool:
        """Whether nobody is called just now.

        Raises:
            StorageError: the queue's storage does not answer.
        """
        huey = self.huey()
        with self._faults():
            return not huey.pending_count()

    def close(self) -> None:
        """Give back the queue's connections of this thread."""
        if self._huey is not None:
            self._huey.storage.close()

    def huey(self) -> Huey:
        """Return the queue, opened the first time.

        Raises:
            StorageError: its storage does not answer.
        """
        with self._lock:
            if self._huey is None:
                from mailcore.batches.huey_queue import opened  # only who starts or sends a batch waits for huey

                with self._faults():
                    self._huey = opened(self._database)
                for task in (self._serve, self._follow):
                    name = task.__name__.lstrip("_")
                    self._tasks[name] = self._huey.task(name=name)(task)
        return self._huey

    def _faults(self) -> StorageFaults:
        return StorageFaults(driver_errors=self._database.driver_errors)

    def _serve(self) -> None:
        with self._lock:
            self.busy += 1
        try:
            did_something = self._worker.work()
        except StorageError as error:
            _log.warning("%s", error)
            did_something = False
        finally:
            with self._lock:
                self.busy -= 1
        if did_something and not self._worker.stopping.is_set():
            self.call()

    def _follow(self) -> None:
        try:
            self._following.look()
        except StorageError as error:
            _log.warning("%s", error)


class BatchConsumer:
    """Threads that do the work, with a watch that finds it and a heart that keeps their leases alive."""

    def __init__(
        self,
        database: Database,
        settings: QuotaSettings,
        queue: BatchQueue,
        worker: Worker,
        leases: Leases,
        following: Following,
        threads: int,
        retention_days: int,
    ) -> None:
        """Prepare ``threads`` of them: so many connections to servers at most."""
        self._retention_days = retention_days
        self._database = database
        self._settings = settings
        self._queue = queue
        self._worker = worker
        self._leases = leases
        self._following = following
        self._threads = threads
        self._over = threading.Event()
        self._consumer: Threads | None = None
        self._own: list[threading.Thread] = []

    def start(self) -> None:
        """Begin. Signals are left to the program around it.

        Raises:
            StorageError: the queue's storage does not answer; nothing has begun.
        """
        self._worker.stopping.clear()
        self._over.clear()
        from mailcore.batches.huey_queue import Threads

        self._consumer = Threads(
            self._queue.huey(),
            workers=self._threads,
            periodic=False,
            scheduler_interval=60,  # nothing is ever scheduled
            initial_delay=0.05,
            max_delay=LONGEST_POLL,
        )
        self._own = [
            threading.Thread(target=self._beat, name="batches-heart", daemon=True),
            threading.Thread(target=self._watch, name="batches-watch", daemon=True),
        ]
        for thread in self._own:
            thread.start()
        self._consumer.start()

    def stop(self) -> None:
        """End after the messages in flight."""
        self._worker.stopping.set()
        if self._consumer is not None:
            self._consumer.stop(graceful=True)
            self._consumer = None
        self._over.set()
        for thread in self._own:
            thread.join()
        self._queue.close()

    def wait(self, *, until_idle: bool, is_over: threading.Event) -> None:
        """Return when told to, or, where that is wanted, when nothing can be done now.

        Raises:
            StorageError: the database does not answer for a minute.
        """
        if not until_idle:
            is_over.wait()
            return
        answered = monotonic()
        while not is_over.wait(_IDLE_POLL):
            try:
                if self._is_idle():
                    return
                answered = monotonic()
            except StorageError:
                if monotonic() - answered > _STORAGE_PATIENCE:
                    raise

    def look(self, *, closely: bool) -> None:
        """Take up what dead processes left, wake what may go on, and call for what has nobody.

        Raises:
            StorageError: the database could not be read or written.
        """
        recover(self._database, self._settings)
        wake_due(self._database)
        if closely:
            wake_freed(self._database, self._settings)
            sweep_unfinished(self._database)
            sweep_old(self._database, self._retention_days)
        if not self._queue.is_empty():
            return
        if self._following.is_due():
            self._queue.call_follow_up()
        self._queue.call(max(0, min(self._unused_connections(), self._threads - self._queue.busy)))

    def _unused_connections(self) -> int:
        """How many more connections could send now, by what each account takes."""
        pace = select(AccountPace.connections).where(AccountPace.account_key == Batch.account_key).scalar_subquery()
        leases = select(func.count()).select_from(AccountLease).where(AccountLease.account_key == Batch.account_key)
        free = func.coalesce(pace, 1) - leases.scalar_subquery()
        with self._database.read() as session:
            rows = session.execute(select(Batch.account_key, free).where(*may_go_now()).distinct())
            return sum(max(0, left) for _, left in rows)

    def _is_idle(self) -> bool:
        if self._queue.busy:
            return False
        running = select(Batch.id).where(Batch.state == BatchState.RUNNING, Batch.is_loaded).limit(1)
        with self._database.read() as session:
            return session.scalar(running) is None

    def _beat(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            self._quietly(self._leases.renew)

    def _watch(self) -> None:
        looked_closely = monotonic()
        while not self._over.wait(LOOK_SECONDS):
            is_time = monotonic() - looked_closely >= _LOOK_CLOSELY_SECONDS
            if is_time:
                looked_closely = monotonic()
            self._quietly(lambda: self.look(closely=is_time))  # noqa: B023 - called at once

    def _quietly(self, act: Callable[[], object]) -> None:
        """A database, or a queue, that does not answer now will later: the thread goes on."""
        try:
            act()
        except StorageError as error:
            _log.warning("%s", error)
        except Exception as error:  # noqa: BLE001 - the queue's own storage raises what it likes
            _log.error("the watch over batches failed: %s", where(error))
