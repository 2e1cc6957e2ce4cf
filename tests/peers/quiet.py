"""Servers whose clients may hang up, and which end when they are told to.

A hang-up is part of the tests, and no traceback for another test's output. The standard library's servers look only
from time to time whether they are to end; a hundred tests would wait for that.
"""

from __future__ import annotations

import selectors
import socket
import socketserver
import sys
import threading
from http.server import ThreadingHTTPServer
from typing import Any


class Quiet(socketserver.BaseServer):
    """Says nothing of a connection that ended early; of anything else what the standard library says."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._ended = threading.Event()
        self._told, self._tell = socket.socketpair()
        super().__init__(*arguments, **options)

    def serve_forever(self, poll_interval: float = 0) -> None:
        """Serve until :meth:`shutdown`; nothing is polled."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self, selectors.EVENT_READ)
            waiting.register(self._told, selectors.EVENT_READ)
            while self._told not in [key.fileobj for key, _ in waiting.select()]:
                self._handle_request_noblock()  # type: ignore[attr-defined]
        self._ended.set()

    def shutdown(self) -> None:
        """End :meth:`serve_forever`, and wait for that."""
        self._tell.close()
        self._ended.wait()

    def server_close(self) -> None:
        super().server_close()
        self._told.close()
        self._tell.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # OSError: reset, broken pipe, TLS; ValueError: what was to be written to is closed by now.
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


class QuietHTTPServer(Quiet, ThreadingHTTPServer):
    """The HTTP server of the tests' peers."""
