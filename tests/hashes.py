"""Passwords hashed for next to nothing: a real hash takes 46 MiB and a tenth of a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher

from mailcore.access import passwords

CHEAP_HASHES = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@contextmanager
def cheap_hashes() -> Iterator[None]:
    """In the block passwords cost next to nothing; nothing made there is met by a test of what the real ones cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: CHEAP_HASHES)
        passwords._nobodys.cache_clear()
        yield
    passwords._nobodys.cache_clear()
