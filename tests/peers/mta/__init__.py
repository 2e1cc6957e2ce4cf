"""The real Postfix and Exim of Debian, run unprivileged-port and throw-away for the tests.

    with running_exim() as exim:
        check(exim.connection("starttls"))
        content = exim.wait_for(message.message_id)

Each server has one port for every :data:`DOORS`; all listen on 127.0.0.1 and none sends mail anywhere. The
programs are looked for in ``postfix`` and ``exim4`` below ``.mta``, or ``$MAILCORE_MTA_DIR``, where ``.ci/run``
unpacks Debian's packages (the two exclude each other, and installing one starts a mail server on port 25), then
among the installed ones. What is missing skips the tests, or fails them where ``MAILCORE_REQUIRE_MTA=1``.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import SecretStr

from mailcore.transports.base import Connection
from mailcore.vocabulary import Kind, Security
from tests.peers.mta.pems import EXPIRED, GOOD, SELF_SIGNED, WRONG_NAME, authority_pem

USER, PASSWORD = "ana@exemplo.com.br", "çenha-Segr3da-9f41"
DOMAIN = "exemplo.org"
"""The domain the servers take mail for; they refuse every other."""
SMALL = 3_000
"""Bytes the door ``small`` takes."""

_START_SECONDS = 20
# Read when this is imported: a running test finds no setting of ours in its environment.
_MTA_DIR = Path(os.environ.get("MAILCORE_MTA_DIR") or Path(__file__).parents[3] / ".mta").absolute()


@dataclass(frozen=True)
class Door:
    """One port of a server and how it behaves there."""

    security: Security = Security.STARTTLS
    """``NONE`` knows no TLS; behind the other two AUTH is offered once the connection is encrypted, not before."""
    certificate: str = GOOD
    login: bool = True
    tls_required: bool = False
    """Refuse mail in plain text; only Postfix has an option for it."""
    size_limit: int = 10_000_000


DOORS = {
    "starttls": Door(),
    "direct": Door(Security.SSL_TLS),
    "open": Door(Security.NONE, login=False),
    "tls_without_login": Door(login=False),
    "tls_required": Door(tls_required=True),
    "small": Door(size_limit=SMALL),
    **{f"starttls_{which}": Door(certificate=which) for which in (EXPIRED, SELF_SIGNED, WRONG_NAME)},
    **{f"direct_{which}": Door(Security.SSL_TLS, certificate=which) for which in (EXPIRED, SELF_SIGNED, WRONG_NAME)},
}


@dataclass(frozen=True)
class Mta:
    """A running server."""

    name: str
    folder: Path
    """All it reads and writes."""
    ports: dict[str, int] = field(default_factory=lambda: dict(zip(DOORS, _free_ports(len(DOORS)), strict=True)))

    @property
    def maildir(self) -> Path:
        return self.folder / "maildir"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    def connection(self, door: str, **changes: object) -> Connection:
        """The settings that are right for this door, but for ``changes``."""
        kind = DOORS[door]
        right = Connection(
            kind=Kind.SMTP,
            host="127.0.0.1",
            port=self.ports[door],
            security=kind.security,
            ca_pem="" if kind.security is Security.NONE else authority_pem(),
            username=USER if kind.login else "",
            secret=SecretStr(PASSWORD) if kind.login else None,
            from_address=USER,
        )
        return replace(right, **changes)  # type: ignore[arg-type]

    def log(self) -> str:
        """Everything the server logged so far."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.logs.rglob("*")) if path.is_file())

    def traces(self) -> str:
        """All files the server wrote: logs, queue and mailboxes; not those it was given the password in."""
        given = {"password", "users.db"}
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name not in given]
        return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files if path.parent.name != "lib")

    def wait_for(self, message_id: str, seconds: float = 10) -> bytes:
        """Return the message with this Message-ID as it lies in the recipient's Maildir."""
        header = f"\nMessage-ID: {message_id}\n".encode()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for path in (self.maildir / "new").glob("*"):
                content = path.read_bytes()
                if header in content:
                    return content
            time.sleep(0.05)
        pytest.fail(f"{self.name} delivered no {message_id}:\n{self.log()}")


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where the servers are required."""
    if os.environ.get("MAILCORE_REQUIRE_MTA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def unpacked(package: str) -> Path | None:
    """The root that the package was unpacked to, if it was."""
    root = _MTA_DIR / package
    return root if root.is_dir() else None


def library_dirs(root: Path) -> list[Path]:
    """Where below a root Debian puts shared libraries; some packages still name /lib, which is /usr/lib by now."""
    return [path for place in ("usr/lib", "lib") for path in sorted(root.glob(f"{place}/*-linux-gnu*"))]


def forms_of(secret: str) -> list[str]:
    """How a secret may stand in a text: as it is, escaped, and in base64 wherever in the encoded text it begins."""
    raw = secret.encode()
    encoded = [base64.b64encode(bytes(before) + raw).decode() for before in range(3)]
    # Without the characters that the neighbours have a part in.
    cores = [text[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6] for before, text in enumerate(encoded)]
    return [secret, ascii(secret)[1:-1], repr(raw)[2:-1], *cores]


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Yield a folder that the account a server runs as can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix=f"mailcore-{name}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(server: Mta, command: list[str], *, environment: dict[str, str], user: int | None = None) -> Iterator[Mta]:
    """Start a server that stays in the foreground, wait for its doors, and end it and its children."""
    output = server.folder / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            user=user,
            group=None if user is None else user,
            extra_groups=None if user is None else [],
            cwd=server.folder,
            env={"PATH": f"{os.defpath}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for_doors(server, process, output)
        yield server
    finally:
        _end(process)


def _wait_for_doors(server: Mta, process: subprocess.Popen[bytes], output: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    waiting = list(server.ports.values())
    while waiting:
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{server.name} did not start:\n{output.read_text('utf-8', 'replace')}\n{server.log()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", waiting[0])) == 0:
                waiting.pop(0)
            else:
                time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole session: neither server takes its children along when it is killed."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
        except ProcessLookupError:
            break
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            continue
    process.wait(3)


def _free_ports(count: int) -> list[int]:
    """Ports that were free at once, so that no two are the same."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
