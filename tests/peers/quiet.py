"""Servers whose clients may hang up: that is part of the tests, and no traceback for another test's output."""

from __future__ import annotations

import socketserver
import sys
from http.server import ThreadingHTTPServer
from typing import Any


class Quiet(socketserver.BaseServer):
    """Says nothing of a connection that ended early; of anything else what the standard library says."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        # OSError: reset, broken pipe, TLS; ValueError: what was to be written to is closed by now.
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


class QuietHTTPServer(Quiet, ThreadingHTTPServer):
    """The HTTP server of the tests' peers."""
