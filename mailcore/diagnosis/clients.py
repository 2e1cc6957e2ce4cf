"""What programs say when they never reached a server, by the words of their systems and libraries.

Outlook, Thunderbird, Delphi's Indy, Java, .NET, PHP, Python, Go, Node.js, OpenSSL and Windows each have their own words
for the same few troubles; they stand in ``clients.toml``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mailcore.diagnosis.normalise import folded


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a program speaks of."""

    code: str
    words: str
    """Those it was known by, lower case."""
    is_vague: bool
    """It says only which command failed; the server's reason may stand beside."""


def cause_of(text: str) -> Trouble | None:
    """Return the trouble a program speaks of, or None."""
    line = folded(text)
    for code, words, needed, is_vague in _clients():
        known_by = next((each for each in words if each in line), "")
        if known_by and (not needed or any(each in line for each in needed)):
            return Trouble(code, known_by, is_vague)
    return None


def codes() -> frozenset[str]:
    """Return every diagnosis that may come out of here."""
    return frozenset(code for code, *_ in _clients())


@cache
def _clients() -> tuple[tuple[str, tuple[str, ...], tuple[str, ...], bool], ...]:
    source = files("mailcore.diagnosis").joinpath("clients.toml").read_text("utf-8")
    return tuple(
        (entry["code"], tuple(entry["words"]), tuple(entry.get("with", ())), entry.get("vague", False))
        for entry in tomllib.loads(source)["client"]
    )
