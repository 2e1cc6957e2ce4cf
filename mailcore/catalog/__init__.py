"""Known providers, as data: settings, published limits, and where each figure was read.

``providers.csv`` holds one row a provider or plan. An empty figure was not published anywhere we could read;
``confidence`` says how far the others can be trusted: ``official`` (the provider's own page), ``secondary``
(somebody quoting it) or ``unverified`` (seen in public source code only).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider or plan."""

    id: str
    name: str
    kind: str
    """``free``, ``paid``, ``hosting`` or ``esp`` (a sending service)."""
    domains: tuple[str, ...]
    """Address domains that are this provider's for certain."""
    host: str
    port: int | None
    security: str
    auth: tuple[str, ...]
    """What it takes: ``password``, ``app_password``, ``api_key``, ``oauth2``."""
    daily_messages: int | None
    daily_recipients: int | None
    hourly: int | None
    window: str
    """``rolling_24h``, or empty where nobody says when the limit frees."""
    note_pt: str
    source: str
    read_on: date
    confidence: str


@cache
def providers() -> tuple[Provider, ...]:
    """Return every provider, in the order of the file: the common ones first."""
    text = resources.files(__name__).joinpath("providers.csv").read_text(encoding="utf-8")
    return tuple(_provider(row) for row in csv.DictReader(text.splitlines()))


def for_domain(domain: str) -> Provider | None:
    """Return the provider of an address domain ("gmail.com"), or None where it is nobody's for certain."""
    wanted = domain.strip().rstrip(".").casefold()
    return next((provider for provider in providers() if wanted in provider.domains), None)


def for_host(host: str) -> Provider | None:
    """Return the provider whose submission server this is, or None."""
    wanted = host.strip().rstrip(".").casefold()
    return next((provider for provider in providers() if provider.host and provider.host == wanted), None)


def _provider(row: dict[str, str]) -> Provider:
    return Provider(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        domains=tuple(filter(None, row["domains"].split(";"))),
        host=row["host"],
        port=_number(row["port"]),
        security=row["security"],
        auth=tuple(filter(None, row["auth"].split(";"))),
        daily_messages=_number(row["daily_messages"]),
        daily_recipients=_number(row["daily_recipients"]),
        hourly=_number(row["hourly"]),
        window=row["window"],
        note_pt=row["note_pt"],
        source=row["source"],
        read_on=date.fromisoformat(row["read_on"]),
        confidence=row["confidence"],
    )


def _number(text: str) -> int | None:
    return int(text) if text else None
