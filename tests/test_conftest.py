"""What the tests share does not let one of them depend on those before it."""

from __future__ import annotations

import asyncio

from tests.conftest import no_running_loop


def test_a_loop_left_in_the_thread_is_in_nobodys_way() -> None:
    async def nothing() -> str:
        return "ran"

    left = asyncio.new_event_loop()
    asyncio._set_running_loop(left)  # as Playwright's synchronous interface leaves it
    try:
        with no_running_loop():
            assert asyncio.run(nothing()) == "ran"
        assert asyncio._get_running_loop() is left
    finally:
        asyncio._set_running_loop(None)
        left.close()
