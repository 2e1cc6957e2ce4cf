"""What inputs are made of."""

from __future__ import annotations

import random

PIECES = [
    "id", "name", "host", "from_address", "server_id", "at", "units", ";", ",", "\t", '"', "\r\n", "\n", "'", "=1+1",
    "[", "]", "{", "}", ":", "\\", "\\ud800", "\\u0000", "9" * 400, "1e999", "NaN", "true", "550", "550-", "5.1.1",
    " said: ", "user unknown", "AUTH LOGIN ", "é", "😀", "\u202e", "\ud800", "\0", "a@b.example", "(", ")", "**", "=\n",
    "1", "2026-01-02T10:00", "\ufeff", "%", "_", "<b>", "$x$", "\x1b[31m",
]  # fmt: skip


def text(random_: random.Random) -> str:
    """A few pieces, one after the other."""
    return "".join(random_.choice(PIECES) for _ in range(random_.randint(0, 40)))


def mutated(random_: random.Random, data: bytes, pieces: tuple[bytes, ...]) -> bytes:
    """``data`` with pieces, or any bytes, put in, put over it, and cut out."""
    changed = bytearray(data)
    for _ in range(random_.randint(1, 6)):
        place = random_.randint(0, len(changed))
        put = random_.choice(pieces) if random_.random() < 0.7 else random_.randbytes(random_.randint(1, 6))
        changed[place : place + random_.choice((0, 1, 1, 5))] = put
    return bytes(changed)
