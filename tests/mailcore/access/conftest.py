"""Cheap hashes for tests that try hundreds of passwords; what the real ones cost has tests of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailcore.access import passwords


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from argon2 import PasswordHasher

    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()
