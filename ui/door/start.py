"""What ``app.py`` puts together: the routes, the gate, the beginning and the end."""

from __future__ import annotations

import logging
import threading
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

import anyio
from starlette.middleware import Middleware
from streamlit import config

from mailcore.access.doors import is_local_address, refusal_to_start
from mailcore.access.passwords import prepare
from mailcore.errors import ConfigurationError, MailcoreError
from mailcore.settings import load_settings
from ui.context import library
from ui.door.gate import Gate
from ui.door.keeper import Keeper
from ui.door.routes import Routes
from ui.lean import Lean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import BaseRoute

    from mailcore import Mailcore
    from mailcore.batches.queue import BatchConsumer

_log = logging.getLogger(__name__)


def routes() -> list[BaseRoute]:
    """The door's own addresses."""
    return Routes(_keeper()).all()


def middleware() -> list[Middleware]:
    """What every request and every message passes before Streamlit."""
    return [Middleware(Gate, keeper=_keeper()), Middleware(Lean)]


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Open the library before the first page asks for it, and send batches meanwhile; end both at the end.

    What no page waits for begins beside the first page: it would keep it waiting for a tenth of a second.
    """
    core, beginning, besides = None, None, _Besides()
    try:
        core = await anyio.to_thread.run_sync(library)
        beginning = threading.Thread(target=besides.begin, args=(core,), name="mailcore-beginning")
        beginning.start()
    except MailcoreError as error:
        # The page says so too, and tries again: the database may come back.
        _log.warning("%s", error)
    yield
    if core is not None and beginning is not None:
        await anyio.to_thread.run_sync(beginning.join)
        await anyio.to_thread.run_sync(besides.end)
        core.close()


class _Besides:
    """What runs beside the pages."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._keeping: threading.Thread | None = None
        self._consumer: BatchConsumer | None = None

    def begin(self, core: Mailcore) -> None:
        """Make ready to check passwords, send batches, keep what was authorised from running out."""
        prepare()
        try:
            if core.settings.worker_threads:
                self._consumer = core.batches.consumer(core.settings.worker_threads)
                self._consumer.start()
            keep_alive = core.servers.tokens.keep_alive_until
            self._keeping = threading.Thread(
                target=keep_alive, args=(self._is_over,), name="oauth-keep-alive", daemon=True
            )
            self._keeping.start()
        except MailcoreError as error:
            _log.warning("%s", error)

    def end(self) -> None:
        """Stop all of it; a renewal under way is stored first."""
        self._is_over.set()
        if self._keeping is not None:
            self._keeping.join()
        if self._consumer is not None:
            self._consumer.stop()


def refuse_open_house() -> None:
    """End the program where it would let in whoever reaches it: no login, and not only this computer listened to.

    Raises:
        SystemExit: with a sentence that says what to do.
    """
    address = str(config.get_option("server.address") or "")
    if is_local_address(address):
        return
    try:
        settings = load_settings()
        sentence = refusal_to_start(settings, address, has_users=not library().access.users.is_empty())
    except ConfigurationError as error:
        sentence = str(error)
    except MailcoreError as error:
        sentence = f"{error} Sem o banco não sei quem pode entrar, e fora desta máquina o programa não começa."
    if sentence:
        raise SystemExit(sentence)


@cache
def _keeper() -> Keeper:
    return Keeper(library, is_local=is_local_address(str(config.get_option("server.address") or "")))
