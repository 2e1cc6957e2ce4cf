"""Cheap hashes for tests that try hundreds of passwords; ``real_hashes`` marks those of what the real ones are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailcore.access import passwords
from tests.actors import CHEAP_HASHES


@pytest.fixture(autouse=True)
def _cheap_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.node.get_closest_marker("real_hashes"):
        yield
        return
    monkeypatch.setattr(passwords, "_hasher", lambda: CHEAP_HASHES)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()
