"""Cells and files of comma-separated values: harmless in a spreadsheet, and read however somebody saved them."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.csv_cells import cell, read_cell

FORMULAS = tuple("=+-@")
_DANGEROUS = st.lists(
    st.sampled_from([*"=+-@;,\t|'\"\\ \n\r", "1+1", "x", "HYPERLINK(", "\uff1d", "Loja"]), max_size=12
).map("".join)


def cells_of(text: str, delimiter: str) -> list[str]:
    """Every cell a spreadsheet makes of a text under another delimiter, however it takes stray quotes."""
    found = []
    for line in text.replace("\r", "\n").split("\n"):
        found += line.split(delimiter)
        found += [each for row in csv.reader(StringIO(line), delimiter=delimiter) for each in row]
    return found


def is_harmless(text: str) -> bool:
    """Whatever of the quotes and blanks before it a spreadsheet takes away, an apostrophe before a sign remains."""
    return not text.lstrip(' "').startswith(FORMULAS)


@given(_DANGEROUS)
def test_a_cell_comes_back_as_it_was(value: str) -> None:
    assert read_cell(cell(value)) == value


@given(_DANGEROUS, _DANGEROUS)
@pytest.mark.parametrize("written_with", [",", ";"])
def test_no_separator_makes_a_formula_of_a_cell(written_with: str, first: str, second: str) -> None:
    text = StringIO(newline="")
    csv.writer(text, delimiter=written_with).writerow(["1", cell(first), cell(second), "fim"])
    for row in csv.reader(StringIO(text.getvalue(), newline=""), delimiter=written_with):
        assert not any(each.startswith(FORMULAS) for each in row)
    for delimiter in {",", ";", "\t", "|"} - {written_with}:
        for each in cells_of(text.getvalue(), delimiter):
            assert is_harmless(each), (text.getvalue(), delimiter, each)


def test_the_cell_of_the_report() -> None:
    assert cell("Loja;=1+1;x") == "Loja;'=1+1;x"
    assert cell("Loja; x, y") == "Loja; x, y"
    assert cell("a@b.com; +55 11") == "a@b.com;' +55 11"
