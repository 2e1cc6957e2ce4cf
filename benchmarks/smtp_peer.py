"""``python -m benchmarks.smtp_peer COUNT DELAY``: SMTP servers that take their time, in a process of their own.

Prints their ports and the authority to trust as one JSON line, then serves until its standard input ends.
Each answers every command after DELAY seconds, offers STARTTLS and AUTH PLAIN, and throws every message away.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Peers:
    """Servers that run."""

    ports: list[int]
    ca_pem: str


@contextmanager
def smtp_peers(count: int, delay: float) -> Iterator[Peers]:
    """Run ``count`` servers on free ports of 127.0.0.1 and stop them at the end."""
    command = [sys.executable, "-m", "benchmarks.smtp_peer", str(count), str(delay)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Peers(**json.loads(process.stdout.readline()))
        finally:
            process.terminate()


def _context() -> tuple[ssl.SSLContext, str]:
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, authority.cert_pem.bytes().decode()


async def _serve(count: int, delay: float) -> None:
    tls, ca_pem = _context()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            await _converse(reader, writer, tls, delay)
        writer.close()

    servers = [await asyncio.start_server(converse, "127.0.0.1", 0, backlog=512) for _ in range(count)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps({"ports": ports, "ca_pem": ca_pem}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext, delay: float
) -> None:
    async def say(words: bytes) -> None:
        await asyncio.sleep(delay)
        writer.write(words + b"\r\n")
        await writer.drain()

    await say(b"220 peer ESMTP")
    encrypted = False
    while line := await reader.readline():
        verb = line[:4].upper()
        if verb == b"EHLO":
            await say(b"250-peer\r\n250-SIZE 50000000\r\n" + (b"250 AUTH PLAIN" if encrypted else b"250 STARTTLS"))
        elif verb == b"STAR":
            await say(b"220 go")
            await writer.start_tls(tls)
            encrypted = True
        elif verb == b"AUTH":
            await say(b"235 2.7.0 welcome")
        elif verb == b"DATA":
            await say(b"354 go")
            while await reader.readline() not in (b".\r\n", b""):
                pass
            await say(b"250 2.0.0 Ok: queued as 4F1")
        elif verb == b"QUIT":
            await say(b"221 bye")
            return
        else:
            await say(b"250 2.1.0 Ok")


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
