"""Time limits that hold against a peer that sends one byte now and then.

A socket's own timeout starts anew with every byte; a :class:`Deadline` does not.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_END_SECONDS = 5.0
"""For a thread whose work was ended from outside to notice."""


class Deadline:
    """A moment by which a step must be over; never later than that of the whole it is a part of."""

    def __init__(self, seconds: float, within: Deadline | None = None) -> None:
        self._end = time.monotonic() + (seconds if within is None else min(seconds, within.left()))

    def left(self) -> float:
        """Return the seconds left; 0 where none are."""
        return max(0.0, self._end - time.monotonic())

    def remaining(self) -> float:
        """Return the seconds left.

        Raises:
            TimeoutError: none are.
        """
        left = self.left()
        if left <= 0:
            raise TimeoutError("the step took too long")
        return left


class _Call(Generic[T]):
    """A call in a daemon thread, which keeps neither its caller nor the process when it never ends."""

    def __init__(self, function: Callable[[], T], ended: Callable[[], None] | None = None) -> None:
        self._function = function
        self._ended = ended
        self.results: list[T] = []
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, daemon=True, name="mailcore-bounded-call")

    def _run(self) -> None:
        try:
            self.results.append(self._function())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self.errors.append(error)
        finally:
            if self._ended is not None:
                self._ended()

    def result(self) -> T:
        if self.errors:
            raise self.errors[0]
        if not self.results:
            raise TimeoutError("the call took too long")
        return self.results[0]


def call_within(seconds: float, function: Callable[[], T], give_up: Callable[[], None]) -> T:
    """Return ``function()``, or end it from outside.

    Args:
        give_up: ends what the function does; its thread is waited for then, for it ends at once. What the function
            returns after all is returned.

    Raises:
        TimeoutError: it was not over in time.
    """
    call = _Call(function)
    call.thread.start()
    call.thread.join(seconds)
    if call.thread.is_alive():
        give_up()
        call.thread.join(_END_SECONDS)
        if call.errors:
            raise TimeoutError("the call took too long") from call.errors[0]
    return call.result()


class Lookups:
    """Questions of one kind that nobody can end from outside, such as the system's to its DNS: only waiting ends.

    Those that were given up run on until their answer comes. Only so many of them are left at a time; while they are,
    another is not even begun, for it would be asked in vain. So nothing that hands over a message may run here.
    """

    def __init__(self, most_left: int = 32) -> None:
        self._most_left = most_left
        self._lock = threading.Lock()
        self._left: set[_Call[Any]] = set()

    def __len__(self) -> int:
        """How many were given up and have not ended."""
        return len(self._left)

    def call(self, seconds: float, function: Callable[[], T]) -> T:
        """Return ``function()``.

        Raises:
            TimeoutError: it was not over in time and may still be running, or too many others are.
        """
        if len(self._left) >= self._most_left:
            raise TimeoutError("too many calls before it have not ended")
        call: _Call[T] = _Call(function, lambda: self._forget(call))
        call.thread.start()
        call.thread.join(seconds)
        with self._lock:
            if not call.results and not call.errors:
                self._left.add(call)
        return call.result()

    def _forget(self, call: _Call[Any]) -> None:
        with self._lock:
            self._left.discard(call)


_addresses = Lookups()


def resolve(host: str, port: int, seconds: float) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Return the addresses of a host, in the order the system prefers them.

    Raises:
        TimeoutError: the resolver did not answer in time.
        OSError: ``socket.gaierror``, as ``socket.getaddrinfo`` raises it.
    """
    # getaddrinfo has no time limit of its own; a dead resolver takes half a minute and more.
    found = _addresses.call(seconds, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    addresses = [(family, (str(address[0]), int(address[1]))) for family, _, _, _, address in found]
    return list(dict.fromkeys(addresses))
