"""Cheap hashes for tests that try hundreds of passwords; ``real_hashes`` marks those of what the real ones are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hashes import cheap_hashes


@pytest.fixture(autouse=True)
def _cheap_hashes(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("real_hashes"):
        yield
        return
    with cheap_hashes():
        yield
