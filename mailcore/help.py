"""The help texts, in Portuguese, as data: ``mailcore/help.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from mailcore.text import fold


@dataclass(frozen=True, slots=True)
class Topic:
    """One paragraph of the help."""

    key: str
    """Name of the field or button, as in ``?campo=``."""
    section: str
    title: str
    """The question as a user would ask it."""
    short: str
    """One sentence for beside the field; empty where there is no such place."""
    text: str
    """Markdown."""


@cache
def topics() -> tuple[Topic, ...]:
    """Return every paragraph, in reading order."""
    text = resources.files("mailcore").joinpath("help.toml").read_text(encoding="utf-8")
    return tuple(
        Topic(entry["key"], section, entry["title"], entry.get("short", ""), entry["text"].strip())
        for section, entries in tomllib.loads(text).items()
        for entry in entries
    )


def field_help(name: str) -> str:
    """Return the sentence shown beside a field, with the way to its paragraph."""
    topic = next(topic for topic in topics() if topic.key == name)
    return f"{topic.short} [Saiba mais](/ajuda?campo={name})"


def find_topics(query: str) -> list[Topic]:
    """Return the paragraphs in which every word of ``query`` stands, accents and case aside."""
    words = fold(query).split()
    return [topic for topic in topics() if all(word in fold(f"{topic.title} {topic.text}") for word in words)]
