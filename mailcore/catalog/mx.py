"""Who receives the mail of a domain: its MX records, asked for with a short time limit.

For a form that fills itself this is a convenience, so nothing that can go wrong is an error: off line, no such
domain, a name server that says nothing or nonsense, all mean "no hosts". Sources: RFC 5321 §5.1 (MX records),
RFC 7505 (a "." as the only host: the domain takes no mail), RFC 2308 (negative answers are kept more briefly).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from mailcore.catalog.index import canonical
from mailcore.deadline import Deadline, Lookups

if TYPE_CHECKING:
    from collections.abc import Callable

    from dns.resolver import Resolver

MX_SECONDS = 2.0
_KEEP_SECONDS = 3_600.0
_KEEP_NOTHING_SECONDS = 60.0
_KEPT_DOMAINS = 1_024
_TRIES = 3
"""UDP datagrams get lost: each try has its share of the time."""


def mx_hosts(domain: str, *, seconds: float = MX_SECONDS, resolver: Resolver | None = None) -> list[str]:
    """Return the MX hosts of a domain, lowest preference first; empty where none can be had.

    Never raises, and never takes longer than ``seconds``. Answers of the system's resolver are kept for an hour,
    empty ones for a minute.

    Args:
        resolver: ask this one, and keep nothing.
    """
    name = canonical(domain)
    if "." not in name or name.rpartition(".")[2].isdigit():
        return []  # a single label or an IP address has no MX
    if resolver is not None:
        return _ask(name, seconds, lambda: resolver)
    kept = _kept.get(name)
    if kept is not None:
        return kept
    hosts = _ask(name, seconds, lambda: _system_resolver(seconds))
    _kept.put(name, hosts)
    return hosts


class Kept:
    """Answers by domain, each for its time; the least recently used goes first. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, size: int = _KEPT_DOMAINS) -> None:
        self._clock = clock
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    def get(self, name: str) -> list[str] | None:
        """Return what was kept, or None where nothing is or its time is over."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            if self._clock() >= entry[0]:
                del self._entries[name]
                return None
            self._entries.move_to_end(name)
            return list(entry[1])

    def put(self, name: str, hosts: list[str]) -> None:
        """Keep an answer."""
        until = self._clock() + (_KEEP_SECONDS if hosts else _KEEP_NOTHING_SECONDS)
        with self._lock:
            self._entries[name] = (until, tuple(hosts))
            self._entries.move_to_end(name)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


_kept = Kept()
_lookups = Lookups()


def _ask(name: str, seconds: float, resolver: Callable[[], Resolver]) -> list[str]:
    deadline = Deadline(seconds)
    try:
        # The resolver's lifetime bounds its waiting, but neither the reading of the system's settings nor a
        # clock that is set back meanwhile; the thread bounds all of it.
        return _lookups.call(seconds, lambda: _resolve(name, deadline, resolver))
    except TimeoutError:
        return []


def _resolve(name: str, deadline: Deadline, resolver: Callable[[], Resolver]) -> list[str]:
    import dns.exception  # a sixth of a second, and only who looks a domain up needs it
    import dns.name

    try:
        answer = resolver().resolve(dns.name.from_text(name), "MX", lifetime=deadline.left())
        records = sorted((record.preference, record.exchange.to_text(omit_final_dot=True)) for record in answer)
    except (dns.exception.DNSException, OSError, ValueError):
        return []
    hosts = dict.fromkeys(host.lower() for _, host in records)
    return [host for host in hosts if host not in ("", ".", "@")]


def _system_resolver(seconds: float) -> Resolver:
    import dns.resolver

    resolver = dns.resolver.Resolver()
    resolver.timeout = seconds / _TRIES
    return resolver
