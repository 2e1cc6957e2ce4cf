"""Seeded bad input for whatever reads files and pasted text: ``make fuzz``; prints what was tried and what failed.

Of each input only the seed is kept: the same seed makes the same input again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.registry.exchange import plan_import
from mailcore.registry.search import ServerQuery
from mailcore.settings import Settings

PIECES = [
    "id", "name", "host", "from_address", "server_id", "at", "units", ";", ",", "\t", '"', "\r\n", "\n", "'", "=1+1",
    "[", "]", "{", "}", ":", "\\", "\\ud800", "\\u0000", "9" * 400, "1e999", "NaN", "true", "550", "550-", "5.1.1",
    " said: ", "user unknown", "AUTH LOGIN ", "é", "😀", "\u202e", "\ud800", "\0", "a@b.example", "(", ")", "**", "=\n",
    "1", "2026-01-02T10:00", "\ufeff", "%", "_", "<b>", "$x$", "\x1b[31m",
]  # fmt: skip


def text(random_: random.Random) -> str:
    return "".join(random_.choice(PIECES) for _ in range(random_.randint(0, 40)))


def data(random_: random.Random) -> bytes:
    made = text(random_).encode("utf-8", "surrogatepass")
    head = random_.choice((b"", b"id;name;host\n", b"server_id,at,units\n", b'[{"name":', b"\xff\xfe", b"\xef\xbb\xbf"))
    return head + made + random_.randbytes(random_.choice((0, 0, 3)))


def targets(core: Mailcore) -> dict[str, Callable[[random.Random], None]]:
    def imported(random_: random.Random) -> None:
        plan = plan_import(core.database, data(random_))
        for remark in (*plan.errors, *plan.warnings):
            assert remark.message.strip()

    def external(random_: random.Random) -> None:
        with suppress(ValidationError):
            core.read_external_use(data(random_))

    def explained(random_: random.Random) -> None:
        for reply in core.explain(text(random_)):
            reply.found.diagnosis.reply.encode()

    def searched(random_: random.Random) -> None:
        core.servers.search(ServerQuery(text=text(random_)))

    return {"import": imported, "external use": external, "explain": explained, "search": searched}


def run(seed: int, *, seconds: float, most: int) -> tuple[Counter[str], list[str]]:
    """Try until the time is over or so many were tried; return what was tried and each failure with its seed."""
    tried: Counter[str] = Counter()
    failed = []
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        core = Mailcore(Settings(data_dir=Path(folder), keyring="database"))
        try:
            every = list(targets(core).items())
            while time.monotonic() < ends and tried.total() < most:
                number = seed * 1_000_000_000 + tried.total()
                name, target = every[tried.total() % len(every)]
                tried[name] += 1
                try:
                    target(random.Random(number))
                except Exception:
                    failed.append(f"{name}, seed {number}: {traceback.format_exc(limit=-2)}")
        finally:
            core.close()
    return tried, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tried, failed = run(options.seed, seconds=options.seconds, most=options.most)
    for failure in failed[:20]:
        print(failure)
    print(f"tried {tried.total()} ({dict(tried)}), failed {len(failed)}, seed {options.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
