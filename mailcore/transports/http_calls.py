"""HTTP sessions whose requests can be ended from outside: the socket closed, and nothing sent afterwards.

``requests`` sets no limit to a request as a whole, and a thread that waits in one cannot be interrupted. A
:class:`Call` knows the connection that its thread uses, so that giving up ends the exchange and does not only stop
waiting for it.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONNECTIONS = 20  # at once per account, by the service's own rule


class Call:
    """One request, from the thread that makes it to whoever gives it up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._is_over = False

    def __enter__(self) -> Call:
        _here.call = self
        return self

    def __exit__(self, *_: object) -> None:
        _here.call = None
        with self._lock:
            self._connection = None

    def uses(self, connection: HTTPConnection) -> None:
        """Note the connection of this request; nothing is said over it once the request was given up.

        Raises:
            TimeoutError: it was.
        """
        with self._lock:
            self._connection = connection
            is_over = self._is_over
        if is_over:
            connection.close()
            raise TimeoutError("the request was given up")

    def give_up(self) -> None:
        """End the exchange: whatever its thread waits for on the socket fails at once."""
        with self._lock:
            self._is_over = True
            sock = getattr(self._connection, "sock", None)
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                # Not SSLSocket's own, which takes its state away from under the other thread.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Here(threading.local):
    call: Call | None = None


_here = _Here()


def _note(connection: HTTPConnection) -> None:
    if _here.call is not None:
        _here.call.uses(connection)


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _note(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _note(self)
        super().request(*args, **kwargs)


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS: what :class:`_Connection` calls is then :class:`HTTPSConnection`."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


class _Session(requests.Session):
    def resolve_redirects(self, *_: object, **__: object) -> Iterator[Any]:
        """Follow none, and do not read where it would lead: that may be no text at all."""
        return iter(())


def new_session(*, trust_env: bool) -> requests.Session:
    """Return a session that keeps connections, no cookies, and reads no .netrc.

    Args:
        trust_env: whether a proxy of the environment is used.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # An own (empty) authentication keeps requests from sending what a .netrc has for the host.
    session.auth = cast("Callable[..., requests.PreparedRequest]", lambda request: request)
    session.trust_env = trust_env
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(pool_maxsize=_CONNECTIONS, max_retries=0))
    return session
