"""What programs say when they never reached a server, by the words of their systems and libraries.

Outlook, Thunderbird, Delphi's Indy, Java, .NET, PHP, Python, Go, Node.js, OpenSSL and Windows each have their own words
for the same few troubles; they stand in ``clients.toml``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from mailcore.diagnosis.normalise import folded


def cause_of(text: str) -> tuple[str, str] | None:
    """Return the code of the trouble a program speaks of and the words it was known by, or None."""
    line = folded(text)
    for code, words, needed in _clients():
        known_by = next((each for each in words if each in line), "")
        if known_by and (not needed or any(each in line for each in needed)):
            return code, known_by
    return None


def codes() -> frozenset[str]:
    """Return every diagnosis that may come out of here."""
    return frozenset(code for code, _, _ in _clients())


@cache
def _clients() -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    source = files("mailcore.diagnosis").joinpath("clients.toml").read_text("utf-8")
    return tuple(
        (one["code"], tuple(one["words"]), tuple(one.get("with", ()))) for one in tomllib.loads(source)["client"]
    )
