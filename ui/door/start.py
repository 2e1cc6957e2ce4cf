"""What ``app.py`` puts together: the routes, the gate, the beginning and the end."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

import anyio
from starlette.middleware import Middleware
from streamlit import config

from mailcore.access.doors import is_local_address, refusal_to_start
from mailcore.access.passwords import prepare
from mailcore.errors import ConfigurationError, MailcoreError
from mailcore.settings import load_settings
from ui.context import first_page, library
from ui.door.background import Background
from ui.door.gate import Gate
from ui.door.keeper import Keeper
from ui.door.routes import Routes
from ui.lean import Lean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    """The door's own addresses."""
    return Routes(_keeper()).all()


def middleware() -> list[Middleware]:
    """What every request and every message passes before Streamlit."""
    return [Middleware(Gate, keeper=_keeper()), Middleware(Lean)]


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Open the library before the first page asks for it, and send batches meanwhile; end both at the end."""
    background = Background(library)
    with suppress(MailcoreError):  # the background says why, and goes on trying
        await anyio.to_thread.run_sync(library)
    background.start_after(first_page, prepare)
    yield
    await anyio.to_thread.run_sync(background.stop)


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
