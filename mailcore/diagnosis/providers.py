"""What a provider means by words and codes of its own, read from ``providers.toml``.

The same code means different things with different people: 5.1.8 is a ban at Microsoft and a sender's domain that does
not exist everywhere else. So a provider's own meaning holds only for its own servers, told by their host or by what
stands in the reply, or where the words are such as nobody else writes.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailcore.diagnosis.normalise import Reply


@dataclass(frozen=True, slots=True)
class Own:
    """One meaning of a provider's own."""

    code: str
    provider: str
    """Whose it is; empty for words that name nobody and are enough by themselves."""
    sure: tuple[str, ...]
    """Words, lower case, any of which is enough."""
    here: tuple[str, ...]
    """Words that count only where the provider is known."""
    pattern: re.Pattern[str] | None
    """Enough by itself, like ``sure``."""
    temporary: bool | None
    """True: only in a 4xx; False: only in what is none."""


def own_meaning(reply: Reply, provider: str) -> tuple[str, str] | None:
    """Return the diagnosis' code and the words by which a provider's reply is known, or None.

    Args:
        provider: the id of the server's provider in the catalogue; empty where it is not known.
    """
    raw = reply.raw
    ours = _own()
    found = [(place, words) for words, place in _sure() if words in raw]
    found += [(place, match[0]) for pattern, place in _patterns() if (match := pattern.search(raw))]
    known = providers_of(reply, provider)
    if known:
        found += [
            (place, words)
            for place, own in enumerate(ours)
            if own.provider in known
            for words in own.here
            if words in raw
        ]
    for place, words in sorted(found):
        if ours[place].temporary in (None, reply.is_temporary):
            return ours[place].code, words.strip()
    return None


def providers_of(reply: Reply, provider: str) -> frozenset[str]:
    """Return whose reply this is, by the server it came from and by the hosts and marks in it."""
    who = _who()
    known = {who.ids[provider]} if provider in who.ids else set()
    known.update(name for mark, name in who.marks if mark in reply.raw)
    for host in reply.hosts:
        labels = host.split(".")
        for first in range(len(labels) - 1):
            name = who.hosts.get(".".join(labels[first:]))
            if name:
                known.add(name)
    return frozenset(known)


def at_provider(code: str, provider: str) -> str:
    """Return what a general diagnosis becomes where the provider is known."""
    instead: str = _data()["instead"].get(code, {}).get(provider, code)
    return instead


def codes() -> frozenset[str]:
    """Return every diagnosis that may come out of here."""
    return frozenset(own.code for own in _own()) | {
        code for general, ours in _data()["instead"].items() for code in (general, *ours.values())
    }


def catalogue_ids() -> frozenset[str]:
    """Return every provider of the catalogue that is named here."""
    return frozenset(_who().ids) | {name for ours in _data()["instead"].values() for name in ours}


@dataclass(frozen=True, slots=True)
class _Who:
    ids: dict[str, str]
    hosts: dict[str, str]
    marks: tuple[tuple[str, str], ...]


@cache
def _who() -> _Who:
    providers: dict[str, dict[str, list[str]]] = _data()["provider"]
    return _Who(
        ids={entry: name for name, ours in providers.items() for entry in ours["ids"]},
        hosts={entry: name for name, ours in providers.items() for entry in ours["hosts"]},
        marks=tuple((entry, name) for name, ours in providers.items() for entry in ours["marks"]),
    )


@cache
def _own() -> tuple[Own, ...]:
    return tuple(
        Own(
            code=entry["code"],
            provider=entry.get("provider", ""),
            sure=tuple(entry.get("sure", ())),
            here=tuple(entry.get("here", ())),
            pattern=re.compile(entry["pattern"]) if "pattern" in entry else None,
            temporary=entry.get("temporary"),
        )
        for entry in _data()["own"]
    )


@cache
def _sure() -> tuple[tuple[str, int], ...]:
    return tuple((words, place) for place, own in enumerate(_own()) for words in own.sure)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], int], ...]:
    return tuple((own.pattern, place) for place, own in enumerate(_own()) if own.pattern is not None)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("mailcore.diagnosis").joinpath("providers.toml").read_text("utf-8"))
