"""What a person does in the app, in the words of the screen."""

from __future__ import annotations

from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong


TRAFFIC = """(() => {
  const traffic = (window.mailcoreTraffic = { sent: 0, got: 0, sockets: new WeakSet() });
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    traffic.sent = performance.now();
    if (!traffic.sockets.has(this)) {
      traffic.sockets.add(this);
      this.addEventListener("message", () => { traffic.got = performance.now(); });
    }
    return send.call(this, data);
  };
})()"""
"""Run in every document before its own scripts: when it last said something to the program, and heard of it."""

_SETTLED = """async () => {
  const app = document.querySelector('[data-testid="stApp"]');
  const traffic = window.mailcoreTraffic;
  const now = () => [app.dataset.testScriptState, traffic?.sent, traffic?.got].join();
  // After all else that the page has to do; an idle callback would come 2 seconds late after some clicks.
  const idle = () => scheduler.postTask(() => {}, { priority: "background" });
  const drawn = () => new Promise((done) => { requestAnimationFrame(done); setTimeout(done, 500); }); // or is hidden
  // Not everything that is said is answered; what starts a run is, at once.
  const isAnswered = () => traffic.got >= traffic.sent || performance.now() - traffic.sent > 1500;
  for (;;) {
    const before = now();
    await idle();
    await new Promise((done) => setTimeout(done, traffic ? 100 : 333));
    await drawn();
    await idle();
    if (app.dataset.testScriptState === "notRunning" && (!traffic || isAnswered()) && now() === before) return;
  }
}"""


def settled(page: Any) -> None:
    """Wait until no run of a page's script is under way nor asked for, and the page has drawn what came of it."""
    page.evaluate(_SETTLED)


_TURN = """(address) => {
  const here = new URL(document.location), there = new URL(address);
  if (here.origin !== there.origin || here.pathname === there.pathname) return false;
  if (!document.querySelector('[data-testid="stApp"]')) return false;
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate", { state: null }));
  return true;
}"""


def go(page: Any, address: str) -> None:
    """Go to a page of the app; where another one is open, as "back" does: to load it anew costs much more."""
    if page.url.startswith("http"):
        # Streamlit's front end goes blank where its page changes while a dialog that was just closed is run once more.
        page.evaluate(f"async () => {{ if (document.querySelector('[data-testid=\"stApp\"]')) await ({_SETTLED})(); }}")
        if page.evaluate(_TURN, address):
            settled(page)
            return
    page.goto(address)


def open_list(page: Any, url: str, query: str = "") -> None:
    go(page, f"{url}/{query}")
    expect(page.get_by_role("heading", name="Servidores de e-mail")).to_be_visible()
    expect(page.get_by_role("button", name="Novo")).to_be_visible()
    settled(page)


def open_form(page: Any, url: str, server_id: int | None = None) -> None:
    go(page, f"{url}/cadastro" + (f"?id={server_id}" if server_id else ""))
    expect(field(page, "Descrição")).to_be_visible()
    settled(page)


def field(page: Any, label: str) -> Any:
    return page.get_by_label(label, exact=True)


def tab(page: Any, name: str) -> None:
    """Turn to a tab, which may be the open one."""
    wanted = page.get_by_role("tab", name=name)
    if wanted.get_attribute("aria-selected") == "true":
        return
    wanted.click()
    expect(wanted).to_have_attribute("aria-selected", "true")
    settled(page)


def tick(page: Any, label: str, value: bool) -> None:
    box = page.get_by_role("checkbox", name=label, exact=True)
    if box.is_checked() != value:
        page.locator("label").filter(has=box).click()
    expect(box).to_be_checked(checked=value)
    settled(page)


_BRING_INTO_VIEW = """async (box) => {
  const { top, bottom } = box.getBoundingClientRect();
  if (top > 80 && bottom < innerHeight - 80) return;
  box.scrollIntoView({ block: "center", behavior: "instant" });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def choose(page: Any, label: str, option: str) -> None:
    box = page.get_by_role("combobox", name=label, exact=True)
    # A list of choices closes when the page scrolls, as it does to show the whole of what is clicked.
    box.evaluate(_BRING_INTO_VIEW)
    box.click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def press(page: Any, name: str) -> None:
    """Press a button, not so soon after the last press that it would be the second half of a double click."""
    page.wait_for_function("window.mailcorePresses?.counts() ?? true")
    page.get_by_role("button", name=name, exact=True).click()


def rows(page: Any) -> list[dict[str, str]]:
    """What the first table on screen says once the page is at rest, row by row: of two lines in a cell, the first."""
    settled(page)  # the news of a press come before the table that shows what it did
    table = page.locator(".mailcore-rows table").first
    cells = table.locator('tbody [role="row"] :is([role="gridcell"], [role="cell"])')
    expect(cells.first).to_be_attached()
    found: list[dict[str, str]] = table.evaluate(
        """(table) => {
          const text = (cell) => (cell.querySelector(".text") ?? cell).textContent;
          const headings = [...table.querySelectorAll('[role="columnheader"]')].map(text);
          return [...table.querySelectorAll('tbody [role="row"]')].map((row) =>
            Object.fromEntries([...row.cells].map((cell, index) => [headings[index], text(cell)])));
        }"""
    )
    return found


def list_rows(page: Any) -> Any:
    """The rows of the table, the one with the headings aside."""
    return page.locator('.mailcore-rows tbody [role="row"]')


def select_row(page: Any, row: int = 0) -> None:
    """Click a row of the list."""
    list_rows(page).nth(row).click()
    expect(list_rows(page).nth(row)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("button", name="Alterar", exact=True)).to_be_enabled()
    settled(page)


def fill_smtp(page: Any, name: str, host: str, port: int, *, sender: str, password: str, ca_pem: str = "") -> None:
    """Fill a new form for an SMTP account, leaving the tab Autenticação open."""
    field(page, "Descrição").fill(name)
    field(page, "Servidor").fill(host)
    field(page, "E-mail do remetente").fill(sender)
    tab(page, "Autenticação")
    field(page, "Usuário").fill(sender)
    field(page, "Senha").fill(password)
    field(page, "Porta envio").fill(str(port))
    if ca_pem:
        field(page, "Certificado da autoridade (PEM)").fill(ca_pem)


def is_whole_in_sight(page: Any, locator: Any) -> bool:
    """Whether nothing of it lies outside the window, or of a box that scrolls, or under something else."""
    seen: bool = locator.evaluate(
        """(el) => {
          const box = el.getBoundingClientRect();
          const inside = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
          const on = (x, y) => el.contains(document.elementFromPoint(x, y));
          const corners = on(box.left + 3, box.top + 3) && on(box.left + 3, box.bottom - 3);
          return inside && el.scrollHeight <= el.clientHeight + 1 && corners;
        }"""
    )
    return seen
