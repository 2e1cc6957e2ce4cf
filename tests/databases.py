"""On which kinds of database a test runs that asks for one (``database_url``, ``core``): on both, but for these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what Python decides or a peer says, beside tests on both kinds that store and read by the same statements."""


def first_row_on_both(
    names: str | tuple[str, ...], rows: Sequence[Any], ids: Callable[[Any], str] | None = None
) -> pytest.MarkDecorator:
    """Run a test with every row on SQLite, and with the first on PostgreSQL too.

    For rows that Python tells apart, and that are stored and read by the same statements.
    """
    alone = isinstance(names, str)
    cases = []
    for number, row in enumerate(rows):
        values = (row,) if alone else row
        label = ids(row) if ids else "-".join(value for value in values if isinstance(value, str)) or str(number)
        for database in ("sqlite",) if number else ("sqlite", "postgresql"):
            cases.append(pytest.param(database, *values, id=f"{database}-{label}"))
    every = ("database_url", names) if alone else ("database_url", *names)
    return pytest.mark.parametrize(every, cases, indirect=["database_url"])
