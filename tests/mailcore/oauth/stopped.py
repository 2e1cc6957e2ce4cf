"""What a process does that is to be killed between the provider's answer and the storing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from mailcore import Mailcore
from mailcore.secrets.store import SecretStore
from mailcore.settings import Settings
from tests.actors import ME


def until_answered(settings: Settings, tells: Connection, act: Callable[[Mailcore, Any], None], given: Any) -> None:
    """Do ``act`` up to where the answer would be stored; say so, and wait there."""

    def stop(*_: object) -> None:
        tells.send("answered")
        threading.Event().wait()  # until it is killed

    SecretStore.put = stop  # type: ignore[assignment, method-assign]
    act(Mailcore(settings), given)


def renew(core: Mailcore, number: int) -> None:
    core.servers.tokens.source_for(core.servers.get(number))(20.0, False)


def come_back(core: Mailcore, back: str) -> None:
    core.servers.authorizing.come_back(back, actor=ME)
