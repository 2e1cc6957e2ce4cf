"""What a paid service says of an account itself: limit, credits, reputation, status, and today's mail.

Each figure stands alone: a key whose access level lacks one says so of that one. Read in the background and kept a
minute, so that a page never waits for the service. What they say of the limit and of its use goes on to
:mod:`mailcore.quota.rules`, which decides what is shown.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from mailcore.deadline import Lookups
from mailcore.diagnosis.replies import diagnose
from mailcore.errors import MailcoreError
from mailcore.quota.rules import ServiceReading
from mailcore.transports import connection_for, kind_of, transport_for
from mailcore.transports.base import FIGURES_SECONDS, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.tables import MailServer

_log = logging.getLogger(__name__)

KEPT_SECONDS = 60.0
REQUEST_SECONDS = FIGURES_SECONDS
"""For one request: a figure is not worth the time that a message is."""
_GRACE_SECONDS = 2.0
"""A transport ends its request itself; one that does not is not waited for any longer than this."""
WAIT_SECONDS = 8.0
"""The longest that a command waits for all services together."""
_AT_ONCE = 64
"""Accounts read at once: one whose service does not answer must not keep the others waiting."""
_lookups = Lookups(2 * _AT_ONCE)
_NO_ANSWER = "O serviço não respondeu a tempo."
_MISSING = "O serviço não informou este dado."


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; without a value, why."""

    value: int | float | str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """What a service says of one account."""

    read_at: datetime
    daily_limit: Figure
    credits: Figure
    reputation: Figure
    status: Figure
    sent_today: Figure
    """E-mails since midnight of the configured zone; when the service's own day begins is not published."""
    delivered_today: Figure

    @property
    def left_today(self) -> int | None:
        """The service's limit less what it sent today; None where it told one of the two not."""
        limit, sent = _whole_number(self.daily_limit), _whole_number(self.sent_today)
        return None if limit is None or sent is None else max(0, limit - sent)

    def unavailable(self) -> list[tuple[str, str]]:
        """The figures that could not be read, each with its reason."""
        return [(name, getattr(self, name).reason) for name in _FIGURES if getattr(self, name).value is None]

    def reading(self) -> ServiceReading:
        """Return what the quotas need of it."""
        return ServiceReading(
            read_at=self.read_at,
            daily_limit=_whole_number(self.daily_limit),
            used_today=_whole_number(self.sent_today),
            unavailable=tuple(self.unavailable()),
        )


_FIGURES = ("daily_limit", "credits", "reputation", "status", "sent_today", "delivered_today")


def _whole_number(figure: Figure) -> int | None:
    return max(0, int(figure.value)) if isinstance(figure.value, int | float) else None


def has_figures(server: MailServer) -> bool:
    """Whether this kind of server has figures of its own."""
    return kind_of(server.kind).has_figures


def read(servers: Servers, server: MailServer, settings: Settings) -> ServiceFigures:
    """Ask the service now. Raises nothing: what cannot be read says why.

    Takes at most two times :data:`REQUEST_SECONDS`, and one where the service does not answer at all.
    """
    midnight = datetime.now(settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        transport = transport_for(connection_for(server, servers.secret(server), settings))
    except MailcoreError as error:
        account = statistics = _Answer({}, str(error))
    else:
        account = _asked(server, partial(transport.account_data, seconds=REQUEST_SECONDS))
        # A service that did not answer once is not waited for a second time.
        statistics = (
            account
            if account.is_silent
            else _asked(server, partial(transport.statistics, midnight, seconds=REQUEST_SECONDS))
        )
    return ServiceFigures(
        read_at=datetime.now(UTC),
        daily_limit=_figure(account, "daily_limit"),
        credits=_figure(account, "credits"),
        reputation=_figure(account, "reputation"),
        status=_figure(account, "status"),
        sent_today=_figure(statistics, "sent"),
        delivered_today=_figure(statistics, "delivered"),
    )


def _nothing_read(reason: str) -> ServiceFigures:
    return ServiceFigures(datetime.now(UTC), **{name: Figure(None, reason) for name in _FIGURES})


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a service said to one question."""

    values: dict[str, Any]
    reason: str
    """Why a value is not there."""
    is_silent: bool = False
    """It did not answer in time."""


def _asked(server: MailServer, ask: Callable[[], dict[str, Any]]) -> _Answer:
    try:
        return _Answer(_lookups.call(REQUEST_SECONDS + _GRACE_SECONDS, ask), _MISSING)
    except TimeoutError:
        return _Answer({}, _NO_ANSWER, is_silent=True)
    except TransportError as error:
        if error.cause == "timeout":
            return _Answer({}, _NO_ANSWER, is_silent=True)
        return _Answer({}, diagnose(error, kind=server.kind).title, is_silent=error.code == 0)
    except Exception as error:  # noqa: BLE001 - one figure less, whatever the service did
        _log.error("reading figures failed: %s", type(error).__name__)  # its text may repeat the key
        return _Answer({}, "Não foi possível ler do serviço.")


def _figure(answer: _Answer, name: str) -> Figure:
    value = answer.values.get(name)
    return Figure(value) if value is not None else Figure(None, answer.reason)


class FiguresCache:
    """The figures of accounts, read in the background and kept a minute."""

    def __init__(self, servers: Servers, settings: Settings) -> None:
        self._servers = servers
        self._settings = settings
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[tuple[MailServer, Future[ServiceFigures]]] = SimpleQueue()
        self._readers = 0
        self._is_closed = False

    def latest(self, server: MailServer) -> ServiceFigures | None:
        """Return what was read last, or None while it is being read for the first time; waits for nobody."""
        return self._of(server).shown

    def now(self, servers: Sequence[MailServer], *, seconds: float = WAIT_SECONDS) -> dict[str, ServiceFigures]:
        """Return the figures of several accounts, by account, waiting for the services.

        Args:
            seconds: the longest to wait for all of them together; what has not answered by then says so.
        """
        kept = {server.account_key: self._of(server) for server in servers if has_figures(server)}
        wait([each.future for each in kept.values()], timeout=seconds)
        return {key: each.shown or _nothing_read(_NO_ANSWER) for key, each in kept.items()}

    def readings(self, servers: Sequence[MailServer], *, seconds: float = 0.0) -> dict[str, ServiceReading]:
        """Return what services say of limit and use, by account; without ``seconds``, only what is known already."""
        if seconds:
            return {key: figures.reading() for key, figures in self.now(servers, seconds=seconds).items()}
        known = {server.account_key: self.latest(server) for server in servers if has_figures(server)}
        return {key: figures.reading() for key, figures in known.items() if figures is not None}

    def accounts(self) -> list[str]:
        """Return the keys of the accounts that were asked about."""
        return list(self._kept)

    def close(self) -> None:
        """Begin nothing more."""
        self._is_closed = True

    def _of(self, server: MailServer) -> _Kept:
        """What is kept of an account; it is read anew where that is a minute old."""
        with self._lock:
            kept = self._kept.get(server.account_key)
            if kept is None or kept.is_old:
                kept = self._kept[server.account_key] = _Kept(Future(), time.monotonic(), kept.shown if kept else None)
                self._waiting.put((server, kept.future))
                self._add_reader()
            return kept

    def _add_reader(self) -> None:
        if self._readers < _AT_ONCE:  # those that run are busy, for one without work ends
            self._readers += 1
            # A daemon, unlike those of an executor: the program's end must not wait for a service.
            threading.Thread(target=self._read, name="mailcore-figures", daemon=True).start()

    def _read(self) -> None:
        while True:
            with self._lock:
                if self._is_closed or self._waiting.empty():
                    self._readers -= 1
                    return
                server, future = self._waiting.get()
            try:
                future.set_result(read(self._servers, server, self._settings))
            except Exception as error:  # noqa: BLE001 - whoever waits for it must not wait for ever
                _log.error("reading figures failed: %s", type(error).__name__)
                future.set_result(_nothing_read(_MISSING))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The reading of an account that is under way or done, and the one before it."""

    future: Future[ServiceFigures]
    begun: float
    before: ServiceFigures | None

    @property
    def is_old(self) -> bool:
        return self.future.done() and time.monotonic() - self.begun > KEPT_SECONDS

    @property
    def shown(self) -> ServiceFigures | None:
        """The newest there is: while it is read anew, the figures of before, with their time."""
        return self.future.result() if self.future.done() else self.before
