"""What lists share: a period of whole days that a link reopens, and an order by value."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import streamlit as st

from ui.formats import percent
from ui.listview import period
from ui.listview.period import CHOOSE, EVERYTHING, Period
from ui.listview.table import in_order, take_choice, turned
from ui.session import Key, Selection

ZONE = ZoneInfo("America/Sao_Paulo")
WORD, BEGINS, ENDS = Key("p", ""), Key[date | None]("b", None), Key[date | None]("e", None)
PERIOD = Period(WORD, BEGINS, ENDS, ("Hoje", "Últimos 7 dias", EVERYTHING, CHOOSE), "Últimos 7 dias")


@pytest.fixture(autouse=True)
def late_in_the_evening(monkeypatch: pytest.MonkeyPatch) -> None:
    """22:30 in São Paulo, where it is tomorrow already by the clock of Greenwich; a session of its own."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime(2026, 11, 27, 1, 30, tzinfo=UTC).astimezone(tz)  # type: ignore[arg-type]

    monkeypatch.setattr(period, "datetime", Clock)
    monkeypatch.setattr(st, "session_state", {})


def test_a_usual_period_ends_today_in_the_configured_zone() -> None:
    PERIOD.begin({})
    span = PERIOD.span(ZONE)
    assert (span.label, span.first, span.last, span.days) == (
        "Últimos 7 dias",
        date(2026, 11, 20),
        date(2026, 11, 26),
        7,
    )
    assert [at and at.isoformat() for at in span.moments(ZONE)] == [
        "2026-11-20T00:00:00-03:00",
        "2026-11-27T00:00:00-03:00",
    ]
    assert PERIOD.asked() == {}


@pytest.mark.parametrize(("de", "ate"), [("2026-11-01", "2026-11-15"), ("2026-11-15", "2026-11-01")])
def test_any_two_days_are_a_period_and_a_link(de: str, ate: str) -> None:
    PERIOD.begin({"de": de, "ate": ate})
    span = PERIOD.span(ZONE)
    assert (span.label, span.days) == ("De 01/11/2026 a 15/11/2026", 15)
    assert PERIOD.asked() == {"de": de, "ate": ate}
    PERIOD.clear()
    assert PERIOD.asked() == {}


@pytest.mark.parametrize("address", [{"periodo": "Ontem"}, {"de": "ontem"}, {"ate": "1999-12-31"}, {"de": ""}])
def test_a_link_that_means_nothing_is_the_usual_period(address: dict[str, str]) -> None:
    PERIOD.begin(address)
    assert PERIOD.span(ZONE).label == "Últimos 7 dias"


def test_everything_has_no_beginning() -> None:
    PERIOD.begin({"periodo": EVERYTHING})
    assert PERIOD.span(ZONE).moments(ZONE)[0] is None


def test_no_table_is_a_canvas_whose_script_is_the_largest_of_all() -> None:
    drawn = {
        f"{path}: {node.attr}"
        for path in (*Path("ui").rglob("*.py"), *Path("pages").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"dataframe", "data_editor"}
    }
    assert drawn == set()


def test_numbers_are_sorted_as_numbers_and_what_is_missing_stands_last() -> None:
    rows = [SimpleNamespace(n=value) for value in (1_486, None, 131, 9)]
    value = lambda row, column: getattr(row, column)  # noqa: E731
    assert [row.n for row in in_order(rows, "n", value)] == [9, 131, 1_486, None]
    assert [row.n for row in in_order(rows, "-n", value)] == [1_486, 131, 9, None]
    assert (turned("", "n"), turned("n", "n"), turned("-n", "n"), turned("a", "n")) == ("n", "-n", "n", "n")


@pytest.mark.parametrize(("share", "text"), [(1.0, "100,0 %"), (0.99999, "99,9 %"), (0.987, "98,7 %"), (0.0, "0,0 %")])
def test_a_share_in_words(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("told", "taken"), [({"ids": [7], "serial": 3}, (7,)), ({"ids": [7], "serial": 2}, (4,)), (None, (4,))]
)
def test_a_choice_that_comes_in_one_message_with_a_press_counts_for_it(
    told: dict[str, object] | None, taken: tuple[int, ...]
) -> None:
    selection = Key("chosen", Selection())
    selection.set(Selection((4,), 2))
    if told is not None:
        st.session_state["rows"] = {"selection": told}
    take_choice("rows", selection)
    assert selection.get().ids == taken
