"""Chromium, with a stopwatch on the page's own WebSocket."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Notes when each frame passes, in the page itself, so that no time of the test driver is counted in.
_STOPWATCH = """
window.__frames = [];
const Native = window.WebSocket;
window.WebSocket = class extends Native {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({ data }) =>
      window.__frames.push({ at: performance.now(), sent: false, bytes: data.size ?? data.byteLength ?? data.length })
    );
  }
  send(data) {
    window.__frames.push({ at: performance.now(), sent: true, bytes: data.size ?? data.byteLength ?? data.length });
    super.send(data);
  }
};
"""

# Notes the moment of the person's next key or click, and the moment when what they wait for has been painted. It
# survives the page: Django answers with a new one.
_WAIT = """
(() => {
  const KEY = "mailcore-bench-wait";
  const now = () => performance.timeOrigin + performance.now();
  const read = () => { try { return JSON.parse(sessionStorage.getItem(KEY)); } catch { return null; } };
  const write = (wait) => sessionStorage.setItem(KEY, JSON.stringify(wait));
  const pressed = (event) => {
    const wait = read();
    if (wait && !wait.begun) write({ ...wait, begun: performance.timeOrigin + event.timeStamp });
  };
  for (const type of ["click", "keydown", "input"]) addEventListener(type, pressed, { capture: true });
  const painted = new MessageChannel();
  painted.port1.onmessage = () => {
    const wait = read();
    if (wait && !wait.ended) write({ ...wait, ended: now() });
  };
  const look = () => {
    const wait = read();
    if (wait?.begun && !wait.ended && new Function("value", `return ${wait.until}`)(wait.value)) {
      painted.port2.postMessage(0);  // heard after this frame is on the screen
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  window.__wait = (until, value) => write({ until, value });
  window.__waited = () => { const wait = read(); return wait?.ended ? wait.ended - wait.begun : null; };
})();
"""

_IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What passed over the WebSocket since :func:`forget_traffic`, or since the page was opened."""

    received_bytes: int
    received_frames: int
    milliseconds: float
    """From the first frame sent to the last one received: how long the server and the wire took."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the system's own where there is one, else Playwright's."""
    own = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=own, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def fresh_page(browser: Browser) -> Iterator[Page]:
    """A page with nothing in its cache, as on a first visit."""
    context = browser.new_context(locale="pt-BR", viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.add_init_script(_STOPWATCH)
        page.add_init_script(_WAIT)
        yield page
    finally:
        context.close()


def waited(page: Page, press: Callable[[], None], until: str, value: str = "") -> float:
    """Return how many seconds a person waits: from their key or click to the frame that shows what they wait for.

    Both ends are noted in the browser itself, so that no time of the test driver is counted in.

    Args:
        press: the one press; what is to be typed before it is put in before.
        until: a JavaScript expression over ``document`` and ``value``.
    """
    page.evaluate("([until, value]) => window.__wait(until, value)", [until, value])
    press()
    page.wait_for_function("() => window.__waited?.()")
    milliseconds: float = page.evaluate("window.__waited()")
    return milliseconds / 1_000


def settle(page: Page) -> None:
    """Wait until the script has run to its end and nothing has come over the wire for 300 ms."""
    seen = -1
    while True:
        page.locator(_IDLE).wait_for()
        frames: int = page.evaluate("window.__frames.length")
        if frames == seen:
            return
        seen = frames
        page.wait_for_timeout(300)


def forget_traffic(page: Page) -> None:
    """Begin to count anew."""
    page.evaluate("window.__frames.length = 0")


def traffic(page: Page) -> Traffic:
    """Return what passed since counting began."""
    frames: list[dict[str, float]] = page.evaluate("window.__frames")
    received = [frame for frame in frames if not frame["sent"]]
    sent = [frame["at"] for frame in frames if frame["sent"]]
    duration = received[-1]["at"] - sent[0] if received and sent else 0.0
    return Traffic(int(sum(frame["bytes"] for frame in received)), len(received), duration)
