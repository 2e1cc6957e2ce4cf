"""The gate on a real server: what it writes is sent at once."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from websockets.sync.client import connect

from mailcore import Mailcore
from mailcore.settings import Settings
from ui.door import tickets
from ui.door.gate import Gate
from ui.door.keeper import Keeper


def test_answers_of_several_parts_do_not_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket made as Streamlit makes its own (no protocol named) gets no TCP_NODELAY from asyncio."""
    monkeypatch.setattr(tickets, "_standing", [])  # the tests after this one have no door in their process
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["connection"].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with Mailcore(Settings(data_dir=tmp_path, keyring="database")) as core, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        gate = Gate(app, Keeper(lambda: core, is_local=True))

        async def served(scope: Any, receive: Any, send: Any) -> None:
            scope["connection"] = receive.__self__.transport.get_extra_info("socket")
            await gate(scope, receive, send)

        server = uvicorn.Server(uvicorn.Config(served, log_level="error", lifespan="off"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        running.start()
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=20).status_code == 204
        with connect(f"ws://127.0.0.1:{port}/_stcore/stream", open_timeout=20):
            pass
        server.should_exit = True
        running.join(20)
    assert [bool(value) for value in seen] == [True, True]
