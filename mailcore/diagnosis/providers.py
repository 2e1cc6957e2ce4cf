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
    from collections.abc import Collection

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

    def words_in(self, reply: Reply, known: Collection[str]) -> str:
        """Return the words by which a reply is known as this, or nothing."""
        if self.temporary is not None and self.temporary != reply.is_temporary:
            return ""
        raw = reply.raw
        for words in self.sure:
            if words in raw:
                return words.strip()
        if self.pattern is not None and (match := self.pattern.search(raw)):
            return match[0]
        if self.provider in known:
            return next((words.strip() for words in self.here if words in raw), "")
        return ""


def own_meaning(reply: Reply, provider: str) -> tuple[str, str] | None:
    """Return the diagnosis' code and the words by which a provider's reply is known, or None.

    Args:
        provider: the id of the server's provider in the catalogue; empty where it is not known.
    """
    known = providers_of(reply, provider)
    for own in _own():
        words = own.words_in(reply, known)
        if words:
            return own.code, words
    return None


def providers_of(reply: Reply, provider: str) -> frozenset[str]:
    """Return whose reply this is, by the server it came from and by the hosts and marks in it."""
    known = {name for name, one in _providers().items() if provider and provider in one["ids"]}
    for name, one in _providers().items():
        if any(mark in reply.raw for mark in one["marks"]) or any(
            host == own or host.endswith(f".{own}") for host in reply.hosts for own in one["hosts"]
        ):
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
    return frozenset(name for one in _providers().values() for name in one["ids"]) | {
        name for ours in _data()["instead"].values() for name in ours
    }


def _providers() -> dict[str, dict[str, list[str]]]:
    ours: dict[str, dict[str, list[str]]] = _data()["provider"]
    return ours


@cache
def _own() -> tuple[Own, ...]:
    return tuple(
        Own(
            code=one["code"],
            provider=one.get("provider", ""),
            sure=tuple(one.get("sure", ())),
            here=tuple(one.get("here", ())),
            pattern=re.compile(one["pattern"]) if "pattern" in one else None,
            temporary=one.get("temporary"),
        )
        for one in _data()["own"]
    )


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("mailcore.diagnosis").joinpath("providers.toml").read_text("utf-8"))
