"""Time limits that hold against a peer that sends one byte now and then.

A socket's own timeout starts anew with every byte; a :class:`Deadline` does not.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

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


def call_within(seconds: float, function: Callable[[], T], give_up: Callable[[], None] | None = None) -> T:
    """Return ``function()``, which cannot be interrupted itself, or give up waiting for it.

    It runs in a daemon thread, so a call that never ends keeps neither the caller nor the process.

    Args:
        give_up: ends what the function does, from outside; its thread is waited for then, for it ends at once. What
            the function returns after all is returned.

    Raises:
        TimeoutError: it was not over in time; without ``give_up`` it may still be running.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="mailcore-bounded-call")
    thread.start()
    thread.join(seconds)
    if give_up is not None and thread.is_alive():
        give_up()
        thread.join(_END_SECONDS)
        if errors:
            raise TimeoutError("the call took too long") from errors[0]
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError("the call took too long")
    return results[0]


def resolve(host: str, port: int, seconds: float) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Return the addresses of a host, in the order the system prefers them.

    Raises:
        TimeoutError: the resolver did not answer in time.
        OSError: ``socket.gaierror``, as ``socket.getaddrinfo`` raises it.
    """
    # getaddrinfo has no time limit of its own; a dead resolver takes half a minute and more.
    found = call_within(seconds, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    addresses = [(family, (str(address[0]), int(address[1]))) for family, _, _, _, address in found]
    return list(dict.fromkeys(addresses))
