"""Passwords hashed for next to nothing: a real hash takes 46 MiB and a tenth of a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher

from mailcore.access import passwords

CHEAP_HASHES = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_real = passwords._hasher


@contextmanager
def cheap_hashes() -> Iterator[None]:
    """In the block passwords cost next to nothing; nothing made there is met by a test of what the real ones cost."""
    yield from _hashed_by(lambda: CHEAP_HASHES)


@contextmanager
def real_hashes() -> Iterator[None]:
    """In the block, which stands in one of the other, passwords cost what they cost everybody."""
    yield from _hashed_by(_real)


def _hashed_by(hasher: Callable[[], PasswordHasher]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", hasher)
        passwords._nobodys.cache_clear()
        yield
    passwords._nobodys.cache_clear()
