"""A double click is one act, whatever the button, at every speed of a hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .driver import expect, settled

GAPS = [80, 130, 200, 400, 600]
"""Milliseconds between the two clicks."""


def twice(page: Any, button: Any, gap: int) -> None:
    """Click twice in the place where the button stands now, whatever stands there by the second click."""
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_timeout(gap)
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    settled(page)


@pytest.fixture(scope="module")
def small_app(module_streamlit_server: Callable[..., Any]) -> Any:
    return module_streamlit_server("tests/browser/apps/presses_app.py")


class TestTheGuard:
    """The one mechanism, on a small page."""

    @pytest.fixture
    def at(self, page: Any, small_app: Any) -> Any:
        page.goto(small_app.url)
        page.wait_for_function("window.mailcorePresses")
        expect(page.get_by_text("Apertos: 0")).to_be_visible()
        settled(page)
        return page

    @pytest.mark.parametrize("gap", GAPS)
    @pytest.mark.parametrize("name", ["Igual", "Outro"])
    def test_two_clicks_are_one_press(self, at: Any, name: str, gap: int) -> None:
        twice(at, at.get_by_role("button", name=name), gap)
        expect(at.get_by_text("Apertos: 1")).to_be_visible()

    def test_also_with_the_keyboard(self, at: Any) -> None:
        at.get_by_role("button", name="Igual").focus()
        at.keyboard.press("Enter")
        at.keyboard.press("Enter")
        settled(at)
        expect(at.get_by_text("Apertos: 1")).to_be_visible()

    @pytest.mark.parametrize("gap", [80, 400])
    def test_in_a_dialog_too(self, at: Any, gap: int) -> None:
        at.get_by_role("button", name="Abrir").click()
        ok = at.get_by_role("dialog").get_by_role("button", name="OK")
        expect(ok).to_be_visible()
        settled(at)
        twice(at, ok, gap)
        expect(at.get_by_text("Apertos: 1")).to_be_visible()

    def test_a_second_press_that_is_meant_counts(self, at: Any) -> None:
        same = at.get_by_role("button", name="Igual")
        same.click()
        at.get_by_label("Texto").press_sequentially("a")
        same.click()
        expect(at.get_by_text("Apertos: 2")).to_be_visible()
        at.get_by_role("button", name="Outro").click()
        expect(at.get_by_text("Apertos: 3")).to_be_visible()
        settled(at)
        same.click()
        expect(at.get_by_text("Apertos: 4")).to_be_visible()
