"""What the door costs: a request and a message of an open page through the gate, and a sign-in.

Run with ``python -m benchmarks.door``; with MAILCORE_DATABASE_URL it measures that database.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.access.passwords import prepare
from mailcore.access.trail import Visitor
from mailcore.access.users import UserDraft
from mailcore.actor import computer_user
from mailcore.rights import Role
from mailcore.settings import load_settings
from ui.door.gate import Gate
from ui.door.keeper import Keeper

ROUNDS = 2_000
EMAIL, PASSWORD = "porta@exemplo.com.br", SecretStr("uma frase que ninguém mais diria")


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        for _ in range(ROUNDS):
            await receive()


async def _times(gate: Any, token: str) -> tuple[float, float, float]:
    headers = [(b"host", b"127.0.0.1"), (b"cookie", f"mailcore_session={token}".encode())] + [
        (b"x-%d" % n, b"v") for n in range(12)
    ]
    base = {"path": "/x", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "http"}

    async def receive() -> Any:
        return {"type": "websocket.receive", "bytes": b""}

    async def send(_: Any) -> None:
        return None

    async def requests(app: Any) -> float:
        spent = []
        for _ in range(ROUNDS):
            scope = {**base, "type": "http", "method": "GET"}
            begun = perf_counter()
            await app(scope, receive, send)
            spent.append(perf_counter() - begun)
        return median(spent)

    through, bare = await requests(gate), await requests(_nothing)
    begun = perf_counter()
    await gate({**base, "type": "websocket"}, receive, send)
    return through, bare, (perf_counter() - begun) / ROUNDS


def main() -> None:
    """Print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings().model_copy(update={"data_dir": Path(folder)})
        if settings.database_url.startswith("sqlite"):
            settings = settings.model_copy(update={"database_url": f"sqlite:///{folder}/mailcore.db"})
        with Mailcore(settings) as core:
            user = core.access.users.add(UserDraft(EMAIL, Role.ANALYST), PASSWORD, actor=computer_user())
            prepare()
            spent = []
            for number in range(8):
                begun = perf_counter()
                token = core.access.sign_in(EMAIL, PASSWORD, Visitor(f"192.0.2.{number}"))
                spent.append(perf_counter() - begun)
            gate = Gate(_nothing, Keeper(lambda: core, is_local=True))
            through, bare, message = asyncio.run(_times(gate, token))
            core.access.users.remove(user, actor=computer_user())
    print(f"a request through the gate   {through * 1e6:7.0f} µs (without it {bare * 1e6:.0f})")
    print(f"a message of an open page    {message * 1e6:7.0f} µs")
    print(f"a sign-in                    {median(spent) * 1e3:7.0f} ms (slowest {max(spent) * 1e3:.0f})")


if __name__ == "__main__":
    main()
