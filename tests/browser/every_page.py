"""A house full of hostile text, and what to look for on any page: words of English, what text turned into, axe."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axe_playwright_python.base import AXE_SCRIPT
from pydantic import SecretStr

from mailcore.access.users import UserDraft
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.messages.compose import compose
from mailcore.oauth.apps import AppDraft
from mailcore.quota.external_use import Entry
from mailcore.registry.drafts import ServerDraft
from mailcore.rights import Role
from mailcore.vocabulary import Kind, Security
from tests.actors import ME
from tests.browser.door_client import ANA, PASSWORD
from tests.peers.smtp_server import Say, SmtpPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailcore import Mailcore
    from tests.peers.elastic_server import ElasticPeer

NASTY = (
    "**fo** _it_ `co` ~~ri~~ [li](http://mau.example) ![im](http://mau.example/i.png) <b>ht</b> <img src=x onerror=x> "
    ":red[ve] $x^2$ :smile: :material/home: www.mau.example z@mau.example https://mau.example -> &amp; =1+1 {{7*7}}"
)
"""Of all that Streamlit, a browser or a spreadsheet makes something of; no word of it is English."""
BAD_LINK = "mau.example"

ENGLISH = frozenset((Path(__file__).parent / "english.txt").read_text("utf-8").split())
"""What Streamlit, Vega, React Aria and browsers say; without what is Portuguese too, or a name."""
_WORD = re.compile(r"[\w-]+")

LOOK = """() => {
  const said = new Set();
  const attributes = ["aria-label", "title", "alt", "placeholder", "aria-description", "aria-roledescription",
                      "aria-valuetext", "aria-placeholder"];
  const data = "pre, code, tbody, script, style, noscript"; // what people and servers wrote
  const icon = '[translate="no"]'; // letters that a font makes a picture of
  const words = (el) => {
    const copy = el.cloneNode(true);
    copy.querySelectorAll(`${icon}, code`).forEach((drawn) => drawn.remove());
    return copy.textContent.trim();
  };
  for (const el of document.body.querySelectorAll("*")) {
    if (el.closest(data) || !el.checkVisibility()) continue;
    if (!el.closest('[aria-hidden="true"]'))
      for (const name of attributes) if (el.getAttribute(name)?.trim()) said.add(`${name}: ${el.getAttribute(name)}`);
    if (!el.matches(icon) && [...el.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()))
      said.add(words(el.closest("p, li, h1, h2, h3, h4") ?? el));
  }
  return {
    said: [...said],
    title: document.title,
    whole: document.body.textContent.replace(/\\s+/g, " "),
    made: [...document.body.querySelectorAll(
      'a[href*="mau.example"], img[src*="mau.example"], img[src="x"], .katex, [href^="mailto:"], b, del')]
      .map((el) => el.outerHTML.slice(0, 200)),
    marked: [...document.body.querySelectorAll("strong, em, code, span, p, a, label, button")]
      .filter((el) => ["fo", "it", "co", "ri", "ve", "ht", "x^2", "home"].includes(el.textContent.trim()))
      .map((el) => el.outerHTML.slice(0, 200)),
  };
}"""
_THEMED = """(before) => getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor !== before &&
  document.getAnimations().every((moving) => moving.playState !== "running")"""


def turn(page: Any) -> None:
    """Turn from light colours to dark ones or back, until they are there whole."""
    before, is_dark = page.evaluate(
        "[getComputedStyle(document.querySelector('[data-testid=\"stApp\"]')).backgroundColor,"
        " matchMedia('(prefers-color-scheme: dark)').matches]"
    )
    page.emulate_media(color_scheme="light" if is_dark else "dark")
    page.wait_for_function(_THEMED, arg=before)


def in_the_dark(page: Any, look: Callable[[], None]) -> None:
    """Look at what is on screen in dark colours, once they are there whole."""
    turn(page)
    look()
    turn(page)


def english_in(said: list[str]) -> list[str]:
    """Return what of it has a word of English."""
    return sorted({line for line in said if ENGLISH & {word.lower() for word in _WORD.findall(line)}})


_CONTRAST = "color-contrast"
"""The rule that costs three times as much as all others together: some 5 ms an element."""

_REPORTED = ["serious", "critical"]
"""The impacts that are a fault. Rules of others, as "region", are not asked: they take a third of the rest."""

_KINDS = r"""(root) => {
  const isRead = (el) => [...el.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const grounds = new Map();
  const ground = (el) => {
    if (!el) return "";
    if (!grounds.has(el)) {
      const style = getComputedStyle(el);
      const own = [style.backgroundColor, style.backgroundImage, style.opacity].join();
      grounds.set(el, style.backgroundColor.startsWith("rgb(") ? own : own + ground(el.parentElement));
    }
    return grounds.get(el);
  };
  const kinds = new Map();
  for (const el of root.querySelectorAll("*")) {
    if (!(isRead(el) || el.matches("input, select, textarea")) || !el.checkVisibility()) continue;
    const style = getComputedStyle(el);
    const kind = [
      el.localName, el.className, el.parentElement.className, el.disabled, style.color, style.fontSize,
      style.fontWeight, style.textShadow, ground(el),
    ].join();
    if (!kinds.has(kind)) kinds.set(kind, el);
  }
  return kinds;
}"""
"""What is to be read, one element of each kind: those of a kind have the same styles and stand on the same ground."""

_RUN_AXE = f"""async ([inside, options, known]) => {{
  const root = inside ? document.querySelector(inside) : document;
  const kinds = ({_KINDS})(root);
  const fresh = [...kinds].filter(([kind]) => !known.includes(kind)).map(([, el]) => el);
  for (const el of fresh) el.dataset.isFresh = "";
  const mild = axe._audit.rules.filter(({{ impact }}) => impact && !{_REPORTED}.includes(impact)).map(({{ id }}) => id);
  axe.configure({{ rules: [{{ id: "{_CONTRAST}", selector: "[data-is-fresh]" }}] }});
  const rules = Object.fromEntries(mild.map((id) => [id, {{ enabled: false }}]));
  const {{ violations }} = await axe.run(root, {{ ...options, rules }});
  for (const el of fresh) delete el.dataset.isFresh;
  return [violations, [...kinds.keys()]];
}}"""


class Axe:
    """axe-core on page after page. It measures the contrast of one element of each kind, once in the same colours."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._known: set[str] = set()
        self._turned: set[str] = set()

    def look(self, inside: str = "") -> list[str]:
        """Return what is serious or critical, in the whole page or ``inside`` an element of it."""
        return self._run(inside, {})[0]

    def look_in_both_colours(self, inside: str = "") -> list[str]:
        """The same, in the other colours too where a kind of text was not yet seen in both; they stay then."""
        faults, kinds = self._run(inside, {})
        if kinds <= self._turned:
            return faults
        # What other colours change is the contrast alone.
        turn(self._page)
        more, others = self._run(inside, {"runOnly": [_CONTRAST]})
        self._turned |= kinds | others
        return [*faults, *(f"in other colours: {each}" for each in more)]

    def _run(self, inside: str, options: dict[str, Any]) -> tuple[list[str], set[str]]:
        if not self._page.evaluate("'axe' in window"):
            self._page.evaluate(AXE_SCRIPT)
        # Style sheets are fetched and parsed for rules that are off.
        options |= {"resultTypes": ["violations"], "preload": {"assets": ["media"]}}
        violations, kinds = self._page.evaluate(_RUN_AXE, [inside, options, list(self._known)])
        self._known.update(kinds)
        faults = [
            f"{fault['id']} ({fault['impact']}): {node['target']} {node['html'][:160]}"
            for fault in violations
            if fault["impact"] in _REPORTED
            for node in fault["nodes"]
        ]
        return faults, set(kinds)


def fill(core: Mailcore, smtp: SmtpPeer, elastic: ElasticPeer) -> None:
    """Everything a page can show, with :data:`NASTY` in every place that takes it."""
    core.access.users.add(UserDraft(ANA, Role.ADMINISTRATOR, "Ana"), SecretStr(PASSWORD), actor=ME)
    core.access.users.add(UserDraft("bia@exemplo.com.br", Role.SUPPORT, NASTY[:200]), actor=ME)
    smtp.script["RCPT"] = [Say(f"550 5.1.1 {NASTY}"), Say(f"550 5.4.5 cota diária de envio atingida {NASTY}")]
    plain = {
        "host": "127.0.0.1", "port": smtp.port, "security": Security.NONE, "requires_auth": False,
        "from_address": "ana@exemplo.com.br", "from_name": NASTY[:200], "notes": NASTY, "daily_limit": 10,
    }  # fmt: skip
    server = core.servers.create(ServerDraft(name=f"1 {NASTY}"[:200], **plain), actor=ME).server
    core.servers.update(server, ServerDraft(name=f"1 {NASTY}"[:200], **(plain | {"notes": f"{NASTY} 2"})), actor=ME)
    message = compose(from_address=server.from_address, to=["z_*y*_@mau.example"], subject=NASTY, text=NASTY)
    core.send(server, message, idempotency_key="1", actor=ME)
    held = core.servers.create(
        ServerDraft(name=f"3 {NASTY}"[:200], **(plain | {"from_address": "b@b.example"})), actor=ME
    )
    core.send(held.server, message, idempotency_key="2", actor=ME)
    now = datetime.now(UTC)
    core.record_external_use([Entry(server, now - timedelta(hours=hours), 1) for hours in range(1, 10)], actor=ME)
    core.servers.apps.add(AppDraft(NASTY[:200], "google", NASTY[:200]), SecretStr("segredo"), actor=ME)
    core.suppressions.add("y@mau.example", reason=NASTY[:200], actor=ME)
    elastic.account["statusformatted"] = NASTY
    service = ServerDraft(name=f"2 {NASTY}"[:200], kind=Kind.ELASTIC_EMAIL, from_address="news@exemplo.com.br")
    core.servers.create(service, SecretStr(next(iter(elastic.keys))), actor=ME)
    lines = [["nome", "e-mail", NASTY], [NASTY, "z1@exemplo.com.br", "x"], ["Bia", "z2@exemplo.com.br", NASTY]]
    listed = StringIO()
    csv.writer(listed, delimiter=";").writerows(lines)
    batch = NewBatch(
        server_id=held.server.id,
        recipients=RecipientsFile(listed.getvalue().encode(), "lista.csv"),
        subject="{{nome}}",
        text="{{nome}}",
        html="<p>{{nome}}</p>",
        name=NASTY[:200],
    )
    core.batches.create(batch, actor=ME)
    # Under way, and stopped by what its account was told.
    core.batches.create(batch, start=True, actor=ME)
    core.suppressions.add("z3@mau.example", reason=NASTY, actor=ME)
