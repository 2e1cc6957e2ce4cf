"""What a paid service says of an account itself: limit, credits, reputation, status, and today's mail.

Each figure stands alone: a key whose access level lacks one says so of that one. Read in the background and kept a
minute, so that a page never waits for the service.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailcore.diagnosis.replies import diagnose
from mailcore.errors import MailcoreError
from mailcore.transports import connection_for, kind_of, transport_for
from mailcore.transports.base import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailcore.registry.servers import Servers
    from mailcore.settings import Settings
    from mailcore.storage.tables import MailServer

_log = logging.getLogger(__name__)

KEPT_SECONDS = 60.0
_AT_ONCE = 8
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
        limit, sent = self.daily_limit.value, self.sent_today.value
        if not isinstance(limit, int | float) or not isinstance(sent, int | float):
            return None
        return max(0, int(limit) - int(sent))

    def unavailable(self) -> list[tuple[str, str]]:
        """The figures that could not be read, each with its reason."""
        names = ("daily_limit", "credits", "reputation", "status", "sent_today", "delivered_today")
        return [(name, getattr(self, name).reason) for name in names if getattr(self, name).value is None]


def has_figures(server: MailServer) -> bool:
    """Whether this kind of server has figures of its own."""
    return kind_of(server.kind).has_figures


def read(servers: Servers, server: MailServer, settings: Settings) -> ServiceFigures:
    """Ask the service now. Raises nothing: what cannot be read says why."""
    midnight = datetime.now(settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    account: tuple[dict[str, Any], str]
    statistics: tuple[dict[str, Any], str]
    try:
        transport = transport_for(connection_for(server, servers.secret(server), settings))
    except MailcoreError as error:
        account = statistics = ({}, str(error))
    else:
        account = _asked(server, transport.account_data)
        statistics = _asked(server, lambda: transport.statistics(midnight))
    return ServiceFigures(
        read_at=datetime.now(UTC),
        # Where both are given, the actual one is in force.
        daily_limit=_figure(account, "actualdailysendlimit", "dailysendlimit"),
        credits=_figure(account, "emailcredits", "credit"),
        reputation=_figure(account, "reputation"),
        status=_figure(account, "statusformatted", "statusnumber"),
        sent_today=_figure(statistics, "emailtotal"),
        delivered_today=_figure(statistics, "delivered"),
    )


def _asked(server: MailServer, ask: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], str]:
    try:
        return ask(), _MISSING
    except TransportError as error:
        return {}, diagnose(error, kind=server.kind).title
    except Exception:  # noqa: BLE001 - one figure less, whatever the service did
        _log.exception("reading figures failed")
        return {}, "Não foi possível ler do serviço."


def _figure(answer: tuple[dict[str, Any], str], *names: str) -> Figure:
    values, reason = answer
    for name in names:
        if isinstance(values.get(name), int | float | str) and values[name] != "":
            return Figure(values[name])
    return Figure(None, reason)


class FiguresCache:
    """The figures of accounts, read in the background and kept a minute."""

    def __init__(self, servers: Servers, settings: Settings) -> None:
        self._servers = servers
        self._settings = settings
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mailcore-figures")
        self._kept: dict[str, tuple[float, Future[ServiceFigures]]] = {}
        self._lock = threading.RLock()  # a callback may run where it is added

    def latest(self, server: MailServer) -> ServiceFigures | None:
        """Return what was read last, or None while it is being read for the first time; waits for nobody."""
        future = self._future(server)
        return future.result() if future.done() else None

    def now(self, servers: Sequence[MailServer]) -> dict[str, ServiceFigures]:
        """Return the figures of several accounts, by account, waiting for the services."""
        futures = {server.account_key: self._future(server) for server in servers if has_figures(server)}
        return {key: future.result() for key, future in futures.items()}

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _future(self, server: MailServer) -> Future[ServiceFigures]:
        with self._lock:
            since, future = self._kept.get(server.account_key, (0.0, None))
            if future is None or (future.done() and time.monotonic() - since > KEPT_SECONDS):
                fresh = self._pool.submit(read, self._servers, server, self._settings)
                # While it is read again, the figures of before are shown, with their time.
                if future is None:
                    self._kept[server.account_key] = (time.monotonic(), fresh)
                    return fresh
                self._kept[server.account_key] = (time.monotonic(), future)
                fresh.add_done_callback(lambda done: self._keep(server.account_key, done))
            return future

    def _keep(self, key: str, future: Future[ServiceFigures]) -> None:
        if not future.cancelled():
            with self._lock:
                self._kept[key] = (time.monotonic(), future)
