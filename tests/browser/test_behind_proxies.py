"""The app behind a real nginx and a real Caddy, by the files in deploy/: with TLS, sign-in, a page and an upload.

Where a proxy is not installed its walk is skipped.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from select import select
from typing import Any

import pytest
import requests
import trustme
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect

from tests.actors import ME
from tests.browser.conftest import REPOSITORY, RunningApp, StartApp, free_port
from tests.browser.door_client import ANA, PASSWORD, env_of, open_core, receive, register, run_page

NAME = "correio.exemplo.com.br"
SECRET = "segredo-entre-proxy-e-programa"
PATIENCE_SECONDS = 20


@pytest.fixture
def app(tmp_path: Path, streamlit_server: StartApp) -> RunningApp:
    folder = tmp_path / "data"
    with open_core(folder) as core:
        register(core, ANA)
    return streamlit_server(
        "app.py", env_of(folder, MAILCORE_PROXY_SECRET=SECRET, STREAMLIT_SERVER_ALLOWED_HOSTS=f"localhost {NAME}")
    )


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    certificate = made.issue_cert(NAME, "localhost")
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(tmp_path / "fullchain.pem", append=number > 0)
    certificate.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    return made


def nginx(folder: Path, app: RunningApp, port: int) -> list[str]:
    """deploy/nginx.conf, with this test's certificate, ports and secret."""
    site = (REPOSITORY / "deploy/nginx.conf").read_text("utf-8")
    for old, new in (
        (f"/etc/letsencrypt/live/{NAME}", str(folder)),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("http://127.0.0.1:8501", app.url),
        ("CHANGE-ME-at-least-16-characters", SECRET),
    ):
        assert old in site
        site = site.replace(old, new)
    paths = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {paths}\n{site}\n}}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, app: RunningApp, port: int) -> list[str]:
    """deploy/Caddyfile, with this test's certificate and ports; the secret comes from the environment."""
    site = (REPOSITORY / "deploy/Caddyfile").read_text("utf-8")
    for old, new in (
        (
            f"{NAME} {{\n",
            f"https://{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {folder}/fullchain.pem {folder}/privkey.pem\n",
        ),
        ("127.0.0.1:8501", f"127.0.0.1:{app.port}"),
    ):
        assert old in site
        site = site.replace(old, new)
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@contextmanager
def serving(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """A proxy in the foreground, from when it listens."""
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin")
    if program is None:
        pytest.skip(f"no {command[0]} on this machine")
    env = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder), "MAILCORE_PROXY_SECRET": SECRET}
    output = (folder / "proxy.log").open("wb")
    with output, subprocess.Popen([program, *command[1:]], env=env, stdout=output, stderr=output) as process:
        try:
            _wait_until_it_listens(process, port, folder)
            yield
        finally:
            process.kill()  # asked to end, Caddy waits for every connection that is open


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    import socket
    import time

    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError((folder / "proxy.log").read_text())


@pytest.mark.parametrize("program", [nginx, caddy], ids=["nginx", "caddy"])
def test_the_walk_of_the_guide(
    app: RunningApp, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Any
) -> None:
    port = free_port()
    root = f"https://{NAME}:{port}"
    context = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    # In later ones more than data comes in: the client waits to read what is none, also past its own time to open,
    # and writes meanwhile. What is asked without a WebSocket uses them.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _resolve_here(monkeypatch)
    forged = {"X-Forwarded-For": "203.0.113.99", "X-Forwarded-Email": ANA, "X-Mailcore-Proxy": "chute"}
    with serving(program(tmp_path, app, port), tmp_path, port), requests.Session() as browser:
        browser.trust_env = False  # the machine may have authorities and proxies of its own
        browser.verify = str(tmp_path / "authority.pem")
        asked = browser.get(
            f"{root}/cotas", headers={"Accept": "text/html", **forged}, allow_redirects=False, timeout=20
        )
        assert (asked.status_code, asked.headers["location"]) == (303, "/entrar?next=/cotas")
        form = {"email": ANA, "password": PASSWORD, "next": "/cotas"}
        answer = browser.post(
            f"{root}/entrar", form, headers={"Origin": root, **forged}, allow_redirects=False, timeout=20
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/cotas")
        assert "Secure" in answer.headers["set-cookie"]
        cookie = f"mailcore_session={browser.cookies['mailcore_session']}"
        with connect(
            f"wss://{NAME}:{port}/_stcore/stream",
            ssl=context,
            origin=root,
            subprotocols=["streamlit"],
            additional_headers={"Cookie": cookie},
            max_size=None,
            open_timeout=30,
        ) as page:
            assert b"Cotas" in run_page(page, "cotas")
            browser.get(f"{root}/_stcore/health", timeout=20)  # brings the cookie against forged uploads
            token = {"X-Xsrftoken": browser.cookies["_streamlit_xsrf"]}
            file = {"file": b"nome;e-mail\n"}
            uploaded = browser.put(f"{root}{_place_to_upload(page)}", files=file, headers=token, timeout=20)
            assert uploaded.status_code in (200, 204)
            cookies = "; ".join(f"{each.name}={each.value}" for each in browser.cookies)
            headers = token | {"Cookie": cookies, "Origin": root}
            place = _place_to_upload(page)
            assert _answer_to_a_large_file(f"{NAME}:{port}", str(tmp_path / "authority.pem"), place, headers) == 413
    with open_core(tmp_path / "data") as core:
        (event, *_) = core.access.events(actor=ME).events
        # The real other end, whatever the browser wrote; and no word of a proxy signed anybody in.
        assert (event.event, event.door, event.address) == ("entered", "accounts", "127.0.0.1")


def _answer_to_a_large_file(address: str, authority: str, place: str, headers: dict[str, str]) -> int:
    """Send 22 MB, but no more once it is answered; return how.

    Who goes on is hung up on, and may lose the answer by that.
    """
    context = ssl.create_default_context(cafile=authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in later ones more than answers comes back
    connection = HTTPSConnection(address, context=context, timeout=60)
    connection.putrequest("PUT", place)
    kind = {"Content-Type": "multipart/form-data; boundary=limite", "Content-Length": "22000000"}
    for name, value in (headers | kind).items():
        connection.putheader(name, value)
    connection.endheaders(b'--limite\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n')
    for _ in range(1_300):
        # Sent only where there is room: nobody is hung up on while waiting to go on.
        if select([connection.sock], [connection.sock], [], 60)[0]:
            break
        connection.send(b"x" * 16_384)
    status = connection.getresponse().status
    connection.close()
    return status


def _place_to_upload(page: Any) -> str:
    """Ask as the browser does before it uploads; return the address."""
    asked = BackMsg()
    asked.rerun_script.page_name = "importar"
    page.send(asked.SerializeToString())
    session_id = ""
    while True:
        message = receive(page)[1]
        session_id = message.new_session.initialize.session_id or session_id
        if message.WhichOneof("type") == "script_finished":
            break
    asked = BackMsg()
    asked.file_urls_request.request_id = "um"
    asked.file_urls_request.session_id = session_id
    asked.file_urls_request.file_names.append("servidores.csv")
    page.send(asked.SerializeToString())
    while True:
        message = receive(page)[1]
        if message.WhichOneof("type") == "file_urls_response":
            return str(message.file_urls_response.file_urls[0].upload_url)


def _resolve_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the guide is this machine."""
    import socket

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1" if host == NAME else host, *rest, **more)
    )
