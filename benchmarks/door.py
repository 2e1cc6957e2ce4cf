"""What the door costs: a request and a message of an open page through the gate, a sign-in, and a run of a page.

With MAILCORE_DATABASE_URL gate and sign-in are measured on that database.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import psutil
import requests
from pydantic import SecretStr

from benchmarks.processes import APP, Running, streamlit
from benchmarks.report import Figure
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
RUNS, TURNS = 60, 3
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


def run_of_a_page(socket: Any) -> float:
    """Run the list page once and return the seconds until it has ended."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    asked = BackMsg()
    asked.rerun_script.page_name = ""
    begun = perf_counter()
    socket.send(asked.SerializeToString())
    while True:
        message = ForwardMsg()
        message.ParseFromString(socket.recv(timeout=60))
        if message.WhichOneof("type") == "script_finished" and message.script_finished == 0:
            return perf_counter() - begun


def socket_to(running: Running, cookie: str) -> Any:
    """Open a session, as a browser does."""
    from websockets.sync.client import connect

    address = f"ws://{urlsplit(running.url).netloc}/_stcore/stream"
    headers = {"Cookie": cookie} if cookie else {}
    return connect(address, origin=running.url, subprotocols=["streamlit"], additional_headers=headers, max_size=None)


def _signed_in(running: Running) -> str:
    with requests.Session() as session:
        form = {"email": EMAIL, "password": PASSWORD.get_secret_value()}
        session.post(f"{running.url}/entrar", form, headers={"Origin": running.url}, timeout=20)
        return f"mailcore_session={session.cookies['mailcore_session']}"


def _processor(running: Running) -> float:
    return float(sum(psutil.Process(running.process.pid).cpu_times()[:2]))


def _runs_of_a_page() -> list[Figure]:
    """Runs of the list page in turn, in an app without a login and in one with somebody signed in; on SQLite."""
    times: dict[str, list[float]] = {"without a login": [], "signed in": []}
    processor = dict.fromkeys(times, 0.0)
    with tempfile.TemporaryDirectory() as open_house, tempfile.TemporaryDirectory() as behind_door:
        for folder in (open_house, behind_door):
            settings = load_settings().model_copy(
                update={"data_dir": Path(folder), "database_url": f"sqlite:///{folder}/mailcore.db"}
            )
            with Mailcore(settings) as core:
                if folder == behind_door:
                    core.access.users.add(UserDraft(EMAIL, Role.ADMINISTRATOR), PASSWORD, actor=computer_user())
        with (
            streamlit(APP, data_dir=Path(open_house)) as one,
            streamlit(APP, data_dir=Path(behind_door)) as other,
            socket_to(one, "") as first,
            socket_to(other, _signed_in(other)) as second,
        ):
            pages = {"without a login": (one, first), "signed in": (other, second)}
            for _, socket in pages.values():
                for _ in range(10):
                    run_of_a_page(socket)
            for _ in range(TURNS):
                for name, (running, socket) in pages.items():
                    before = _processor(running)
                    times[name] += [run_of_a_page(socket) for _ in range(RUNS)]
                    processor[name] += _processor(running) - before
    medians = {name: median(each) * 1e3 for name, each in times.items()}
    used = {name: processor[name] / len(times[name]) * 1e3 for name in times}
    figures = [
        Figure(f"a run of the list, {name}", medians[name], "ms", remark=f"processor {used[name]:.1f} ms")
        for name in times
    ]
    more = medians["signed in"] - medians["without a login"]
    remark = f"processor {used['signed in'] - used['without a login']:.1f} ms more"
    return [*figures, Figure("more for a login", more, "ms", 2.0, remark)]


def run() -> list[Figure]:
    """Measure all of it."""
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
    return [
        Figure("a request through the gate", (through - bare) * 1e3, "ms", 0.2),
        Figure("a message of an open page", message * 1e3, "ms", 0.2),
        Figure("a sign-in, slowest of 8", max(spent) * 1e3, "ms", 500.0, f"median {median(spent) * 1e3:.0f} ms"),
        *_runs_of_a_page(),
    ]
