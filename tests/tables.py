"""A table that one rule is asked about: one test for all its rows, which names every row for which it does not hold.

To pytest each item of a parametrised test costs a few milliseconds, mostly in the process that hands the tests out;
a rule without input or output costs less than one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest


def each_row(names: str | Sequence[str], rows: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call the test once for each row, in one item; used as ``pytest.mark.parametrize`` is.

    For what no row changes: a fixture is made once, for all of them.

    Raises:
        pytest.fail.Exception: the test fails for some rows; it says for which, and why for each.
        ValueError: there is no row, or one has not as many cells as there are names.
    """
    columns = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = [tuple(row) if len(columns) > 1 else (row,) for row in rows]
    if not table or any(len(row) != len(columns) for row in table):
        raise ValueError(f"a table of {', '.join(columns)} has no row, or one of another length")

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def whole(**fixtures: Any) -> None:
            failed = []
            for row in table:
                values = dict(zip(columns, row, strict=True))
                try:
                    test(**fixtures, **values)
                except (Exception, pytest.fail.Exception) as error:
                    cells = ", ".join(f"{name}={value!r}" for name, value in values.items())
                    failed.append(f"{cells}\n{_why(error)}")
            if failed:
                pytest.fail(f"{len(failed)} of {len(table)} rows:\n\n" + "\n\n".join(failed), pytrace=False)

        signature = inspect.signature(test)
        left = [each for name, each in signature.parameters.items() if name not in columns]
        whole.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return whole

    return decorate


def _why(error: BaseException) -> str:
    if isinstance(error, pytest.fail.Exception) and not error.pytrace:  # the rows of a table within this one
        return str(error)
    # Without the call above.
    return str(
        pytest.ExceptionInfo.from_exception(error).getrepr(style="short", tbfilter=lambda info: info.traceback[1:])
    )
