"""F1, F2, F3 and F5 with the cursor in any field, in headless and in headed Chromium."""

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from .driver import settled

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

SCRIPT = "tests/browser/apps/shortcuts_app.py"
BUTTONS = {"F2": "save", "F3": "save_and_continue", "F5": "new"}


@pytest.fixture(scope="module")
def app(module_streamlit_server: Callable[..., Any]) -> Any:
    return module_streamlit_server(SCRIPT)


def open_form(page: Any, app: Any, query: str = "") -> None:
    page.goto(f"{app.url}/{query}")
    opened(page, has_keys="control" not in query)


def opened(page: Any, *, has_keys: bool = True) -> None:
    """Wait until the form is there whole, as after a reload."""
    page.wait_for_selector(".st-key-grid canvas")
    settled(page)
    # Lets a test tell this document from a reloaded one.
    page.evaluate("window.sameDocument = true")
    if has_keys:
        page.wait_for_function("window.mailcoreKeys?.off && !window.mailcoreKeys.off.signal.aborted")


def report(page: Any) -> dict[str, Any]:
    code = page.locator("[data-testid=stMain] [data-testid=stCode] code")
    values: dict[str, Any] = json.loads(code.inner_text())
    return values


def presses(page: Any, count: int) -> list[dict[str, Any]]:
    """The presses Python saw: exactly ``count``, once the page has come to rest."""
    page.wait_for_function(
        """(count) => (document.querySelector('[data-testid=stMain] [data-testid=stCode] code')
             ?.innerText.match(/"button"/g) ?? []).length >= count""",
        arg=count,
    )
    # The lock of the component ends with the run of its click: after it no press is still on its way.
    page.wait_for_function("window.mailcoreKeys.busy === false")
    settled(page)
    seen: list[dict[str, Any]] = report(page)["presses"]
    assert len(seen) == count
    return seen


def put_cursor(page: Any, place: str) -> tuple[str, Any] | None:
    """Put the cursor somewhere and type; the field and value Python must see, where there is one."""
    if place == "nothing":
        page.locator("body").evaluate("document.activeElement.blur()")
        return None
    if place == "grid":
        page.get_by_role("tab", name="Geral").click()
        settled(page)  # a run that was still asked for would draw the grid anew and take the cursor out
        grid = page.locator(".st-key-grid")
        # The grid is a canvas under a scroller, which is what takes a click. Drawn anew meanwhile, it loses one.
        for tries_left in (3, 2, 1, 0):
            # Each time another cell: a click on the one that was clicked before opens an editor over the grid.
            row = tries_left % 3
            grid.locator(".dvn-scroller").click(position={"x": 200, "y": 60 + 35 * row})
            try:
                page.wait_for_function("!!document.activeElement.closest('.st-key-grid')", timeout=5_000)
                break
            except sync_api.TimeoutError:
                assert tries_left, "the grid does not take the cursor"
        return None
    if place in ("password", "show_password"):
        page.get_by_role("tab", name="Autenticação").click()
        page.locator(".st-key-field_password input").click()
        page.locator(".st-key-field_password input").select_text()
        page.keyboard.type("s3nha é")
        if place == "show_password":
            # Tab lands on Streamlit's "Show password" button, where a field does not commit by itself.
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.tagName") == "BUTTON"
        return "password", "s3nha é"
    page.get_by_role("tab", name="Geral").click()
    if place == "kind":
        page.locator(".st-key-field_kind input").click()
        expect(page.get_by_role("option").first).to_be_visible()
        return "kind", "SMTP"
    if place == "active":
        page.locator(".st-key-field_active input").focus()
        return None
    text: dict[str, Any] = {
        "name": "Nome ção",
        "notes": "linha 1, ainda não enviada",
        "port": 2525,
    }
    value = text[place]
    field = page.locator(f".st-key-field_{place} :is(input, textarea)")
    field.click()
    field.select_text()
    page.keyboard.type(str(value))
    return place, value


PLACES = ["nothing", "name", "notes", "kind", "port", "active", "grid", "password", "show_password"]


def close_dialog(page: Any) -> None:
    """Close what F5 has asked."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="OK").click()
    expect(dialog).to_be_hidden()
    settled(page)


def test_each_key_presses_its_button_once_takes_the_typing_along_and_the_cursor_stays(
    page: Any, app: Any, console_errors: list[str]
) -> None:
    open_form(page, app)
    # What the key presses has nothing to do with the place: each key in a third of them, and in a field of each sort.
    for count, (place, key) in enumerate(zip(PLACES, itertools.cycle(BUTTONS)), 1):
        typed = put_cursor(page, place)
        page.keyboard.press(key)
        press = presses(page, count)[-1]
        assert press["button"] == BUTTONS[key], (place, key)
        if typed is not None:
            assert press[typed[0]] == typed[1], (place, key)
        assert page.evaluate("window.sameDocument"), (place, key)
        if key == "F5":
            close_dialog(page)

    # A held key and two quick presses are one.
    page.get_by_role("tab", name="Geral").click()
    page.locator(".st-key-field_name input").click()
    for _ in range(5):
        # Without a release in between Chromium marks the later ones as repeats.
        page.keyboard.down("F2")
    page.keyboard.up("F2")
    presses(page, count + 1)
    page.keyboard.press("F2")
    page.keyboard.press("F2")
    presses(page, count + 2)
    # The cursor goes once to the field asked for.
    page.keyboard.press("F3")
    presses(page, count + 3)
    expect(page.locator(".st-key-field_notes textarea")).to_be_focused()
    # Another run with the same token leaves the cursor where the person put it.
    runs = report(page)["runs"]
    page.locator(".st-key-field_active label").click()
    page.wait_for_function(
        "(runs) => JSON.parse(document.querySelector('[data-testid=stMain] code').innerText).runs > runs",
        arg=runs,
    )
    settled(page)
    expect(page.locator(".st-key-field_notes textarea")).not_to_be_focused()
    # And stays in its field after a save.
    put_cursor(page, "name")
    page.keyboard.press("F2")
    presses(page, count + 4)
    expect(page.locator(".st-key-field_name input")).to_be_focused()
    page.keyboard.type("!")
    page.keyboard.press("F2")
    assert presses(page, count + 5)[-1]["name"] == "Nome ção!"
    assert page.evaluate("document.documentElement.lang") == "pt-BR"
    page.get_by_role("tab", name="Autenticação").click()
    page.locator(".st-key-field_password input").click()
    page.keyboard.type("x")
    expect(page.locator('[data-testid="InputInstructions"]:visible')).to_have_count(0)
    page.get_by_role("button", name="Mostrar senha").click()
    expect(page.get_by_role("button", name="Ocultar senha")).to_be_visible()
    page.keyboard.press("F5")
    expect(page.get_by_role("dialog").get_by_role("button", name="Fechar")).to_be_visible()
    assert console_errors == []


def test_headed_real_keys_neither_reload_nor_find_and_modifiers_stay_with_the_browser(
    headed_page: Any, app: Any, press_real_key: Callable[..., None]
) -> None:
    page = headed_page
    open_form(page, app)
    page.evaluate("addEventListener('keydown', (e) => { window.lastKey = e.key })")
    for count, (place, key) in enumerate((("port", "F2"), ("notes", "F3"), ("show_password", "F5")), 1):
        typed = put_cursor(page, place)
        press_real_key(page, key)
        press = presses(page, count)[-1]
        assert press["button"] == BUTTONS[key], (place, key)
        assert typed is not None
        assert press[typed[0]] == typed[1], (place, key)
        assert page.evaluate("window.sameDocument"), (place, key)
        if key != "F5":
            # Keys still reach the page: no find bar has taken them.
            page.evaluate("window.lastKey = null")
            press_real_key(page, "z", refocus=False)
            page.wait_for_function("window.lastKey === 'z'")

    # With the dialog of F5 open keys do nothing, but stay suppressed.
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("textbox").click()
    runs = report(page)["runs"]
    page.evaluate("window.seen = []; addEventListener('keyup', (e) => window.seen.push(e.key), true)")
    for key in BUTTONS:
        press_real_key(page, key)
        page.wait_for_function("(key) => window.seen.includes(key)", arg=key)
    press_real_key(page, "z", refocus=False)
    # The z in the field says that the three keys before it are done with, and that no find bar took it.
    expect(dialog.get_by_role("textbox")).to_have_value("z")
    assert page.evaluate("window.sameDocument")
    expect(dialog).to_be_visible()
    assert report(page)["runs"] == runs
    assert len(report(page)["presses"]) == count
    assert page.evaluate("window.mailcoreKeys.busy") is False

    dialog.get_by_role("button", name="OK").click()
    expect(dialog).to_be_hidden()
    page.keyboard.press("F2")
    assert presses(page, count + 1)[-1]["button"] == "save"

    # F1 opens the paragraph of the field in another tab.
    put_cursor(page, "notes")
    tabs = len(page.context.pages)
    with page.context.expect_page() as help_page:
        press_real_key(page, "F1")
    expect(help_page.value).to_have_url(re.compile(r"/ajuda\?campo=notes$"))
    assert page.locator(".st-key-field_notes textarea").input_value() == "linha 1, ainda não enviada"
    page.bring_to_front()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("F1")
    # The same help tab again, now without a field.
    expect(help_page.value).to_have_url(re.compile(r"/ajuda$"))
    assert len(page.context.pages) == tabs + 1
    page.evaluate("window.mailcoreKeys.dirty = false")

    # Modifiers stay with the browser.
    for key in ("Control", "Alt", "Meta", "Shift"):
        assert not suppressed(page, f"{key}+F3")
    assert suppressed(page, "F3")
    with page.expect_navigation():
        press_real_key(page, "ctrl+F5")
    assert not page.evaluate("window.sameDocument === true")


def test_headed_browser_does_reload_and_find_without_the_component(
    headed_page: Any, app: Any, press_real_key: Callable[..., None]
) -> None:
    """The control: by the same means the browser's own commands work, so the test above can fail."""
    page = headed_page
    open_form(page, app, "?control=1")
    page.locator(".st-key-field_name input").click()
    page.evaluate("window.seen = []; addEventListener('keydown', (e) => window.seen.push(e.key), true)")
    press_real_key(page, "F3")
    page.wait_for_function("window.seen.includes('F3')")
    # The find bar opens a moment after the key, and takes what is typed from then on.
    for _ in range(50):
        before = page.evaluate("window.seen.length")
        press_real_key(page, "z", refocus=False)
        page.wait_for_timeout(100)
        if page.evaluate("window.seen.length") == before:
            break
    else:
        pytest.fail("the find bar never opened")
    with page.expect_navigation():
        press_real_key(page, "F5")
    assert not page.evaluate("window.sameDocument === true")


def suppressed(page: Any, key: str) -> bool:
    """Press a key; whether its default was prevented (asked after every listener had it)."""
    page.evaluate(
        """() => {
          const original = Event.prototype.preventDefault;
          window.prevented = [];
          KeyboardEvent.prototype.preventDefault = function () {
            window.prevented.push(this.key);
            original.call(this);
          };
        }"""
    )
    page.keyboard.press(key)
    return key.rpartition("+")[2] in page.evaluate("window.prevented")


def test_a_disabled_or_missing_button_leaves_the_key_suppressed(page: Any, app: Any) -> None:
    open_form(page, app, "?disabled=1")
    page.locator(".st-key-field_name input").click()
    assert suppressed(page, "F3")
    page.evaluate("document.querySelector('.st-key-new').remove()")
    assert suppressed(page, "F5")
    page.keyboard.press("F2")
    assert presses(page, 1)[0]["button"] == "save"
    assert page.evaluate("window.sameDocument")


_IS_GUARDED = """() => {
  const leaving = new Event("beforeunload", { cancelable: true });
  dispatchEvent(leaving);
  return leaving.defaultPrevented;
}"""
"""Whether the page would have the browser ask before it is left."""


def test_what_was_typed_is_guarded_until_saved_and_keys_of_a_page_left_are_gone(page: Any, app: Any) -> None:
    asked: list[str] = []
    answers: list[bool] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.message if dialog.type == "confirm" else dialog.type)
        if answers.pop():
            dialog.accept()
        else:
            dialog.dismiss()

    page.on("dialog", answer)
    open_form(page, app)

    def choose_with_the_mouse() -> None:
        page.locator(".st-key-field_kind input").click()
        page.get_by_role("option", name="Elastic Email").click()
        expect(page.locator(".st-key-field_kind input")).to_have_value("Elastic Email")

    def choose_by_keys() -> None:
        page.locator(".st-key-field_kind input").click()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        expect(page.locator(".st-key-field_kind input")).to_have_value("SMTP")

    for what, act in {
        "name": lambda: put_cursor(page, "name"),
        "port": lambda: put_cursor(page, "port"),
        "tick": page.locator(".st-key-field_active label").click,
        "mouse": choose_with_the_mouse,
        "keys": choose_by_keys,
        "notes": lambda: put_cursor(page, "notes"),
    }.items():
        assert not page.evaluate(_IS_GUARDED), what
        act()
        if what in ("tick", "mouse", "keys"):
            settled(page)
        assert page.evaluate(_IS_GUARDED), what
        if what != "notes":
            page.evaluate("window.mailcoreKeys.dirty = false")  # as after a save
    answers.append(False)  # stay
    with page.expect_event("dialog"):
        page.evaluate("() => void setTimeout(() => location.reload())")
    page.wait_for_function("window.sameDocument")
    assert asked == ["beforeunload"]
    asked.clear()
    page.keyboard.press("F2")
    presses(page, 1)
    assert not page.evaluate(_IS_GUARDED)

    # A link of the app asks, too.
    put_cursor(page, "notes")
    answers += [True, False]
    page.get_by_role("link", name="Outra").click()
    expect(page.locator(".st-key-field_notes textarea")).to_have_value("linha 1, ainda não enviada")
    page.get_by_role("link", name="Outra").click()
    page.wait_for_selector(".st-key-other_action button")
    assert len(asked) == 2
    assert "não foram salvos" in asked[0]

    # Back and away again: the keys of the form are gone with it.
    page.get_by_role("link", name="Formulário").click()
    opened(page)
    page.get_by_role("link", name="Outra").click()
    page.wait_for_selector(".st-key-other_action button")
    page.wait_for_selector(".st-key-grid canvas", state="detached")
    settled(page)
    page.locator(".st-key-search input").click()
    assert not suppressed(page, "F3")
    assert not suppressed(page, "F1")
    page.keyboard.press("F2")
    expect(page.locator("[data-testid=stMain] [data-testid=stCode] code")).to_have_text('{"other": 1}')
    page.wait_for_function("window.mailcoreKeys.busy === false")
    assert report(page) == {"other": 1}
