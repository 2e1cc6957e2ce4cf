"""A table in one item is as strict as an item a row, and says as much."""

from __future__ import annotations

import pytest

from tests.tables import each_row


def test_every_row_that_fails_is_named_with_its_reason() -> None:
    seen = []

    @each_row("number, word", [(1, "um"), (2, "two"), (3, "três"), (4, "four")])
    @each_row("twice", [False, True])
    def is_portuguese(number: int, word: str, twice: bool) -> None:
        seen.append(number)
        assert word in ("um", "três"), "it is English"

    with pytest.raises(pytest.fail.Exception) as caught:
        is_portuguese()
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4]
    said = str(caught.value)
    assert said.startswith("2 of 4 rows:")
    for row in ("number=2, word='two'", "number=4, word='four'", "2 of 2 rows:", "twice=True"):
        assert row in said
    assert "it is English" in said
    assert "word='um'" not in said


@pytest.mark.parametrize("rows", [[], [(1, 2)]])
def test_a_table_of_nothing_holds_nothing(rows: list[object]) -> None:
    with pytest.raises(ValueError, match="has no row"):
        each_row("a, b, c", rows)


@each_row("number", [1, 2])
def test_fixtures_are_handed_on(number: int, request: pytest.FixtureRequest) -> None:
    assert request.node.name == "test_fixtures_are_handed_on"
    assert number in (1, 2)
