"""The plain text of an HTML message, for readers that show no HTML (RFC 2046 §5.1.4).

It works on a template's source: merge tags pass through as they stand, in text, links and picture descriptions.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# Private characters around a number stand for a merge tag while HTML is read, for "<" and quotes may be in one.
_MARK = re.compile("\ue000([0-9]+)\ue001")
_BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "figure"),
        *("footer", "form", "header", "main", "nav", "ol", "pre", "section", "table", "tr", "ul"),
    }
)
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6"})
_UNSEEN = frozenset({"head", "script", "style", "template", "title"})


def text_of(html: str) -> str:
    """Return what a reader of the HTML sees, a line for each block, with the addresses of links behind their text."""
    tags: list[str] = []

    def marked(match: re.Match[str]) -> str:
        tags.append(match[0])
        return f"\ue000{len(tags) - 1}\ue001"

    reader = _Reader()
    reader.feed(_TAG.sub(marked, html.replace("\ue000", "").replace("\ue001", "")))
    reader.close()
    return _MARK.sub(lambda match: tags[int(match[1])], reader.text())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._unseen = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "br":
            self._pieces.append("\n")
        elif tag in ("hr", *_PARAGRAPHS):
            self._pieces.append("\n\n")
        elif tag in _BLOCKS:
            self._pieces.append("\n")
        elif tag == "li":
            self._pieces.append("\n* ")
        elif tag == "a":
            self._links.append((given.get("href", ""), len(self._pieces)))
        elif tag == "img" and given.get("alt"):
            self._pieces.append(given["alt"])

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _PARAGRAPHS:
            self._pieces.append("\n\n")
        elif tag in _BLOCKS:
            self._pieces.append("\n")
        elif tag in ("td", "th"):
            self._pieces.append(" ")
        elif tag == "a" and self._links:
            self._end_link(*self._links.pop())

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._pieces.append(re.sub(r"\s+", " ", data))

    def _end_link(self, address: str, begins: int) -> None:
        shown = "".join(self._pieces[begins:]).strip()
        target = address.removeprefix("mailto:")
        if target and target != shown and not target.startswith("#"):
            self._pieces.append(f" ({target})" if shown else target)

    def text(self) -> str:
        lines = [re.sub(r" {2,}", " ", line).strip() for line in "".join(self._pieces).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
