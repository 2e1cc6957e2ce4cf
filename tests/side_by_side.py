"""Tests that do nothing but wait, all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Case = TypeVar("Case")
Result = TypeVar("Result")


def side_by_side(act: Callable[[Case], Result], cases: Collection[Case]) -> list[Result]:
    """Do ``act`` with each of the cases at the same time; return what came of each, in their order.

    Raises:
        Exception: that of the first case that raised one, when all have ended.
    """
    with ThreadPoolExecutor(len(cases)) as pool:
        return list(pool.map(act, cases))
