"""``providers.csv`` as objects: one row a provider, plan or region.

Facts stand there in our own words with where they were read. A figure nobody published is empty, never
guessed. Lists within a cell are parted by ``;``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

CONFIDENCE = ("official", "secondary", "unverified")
"""How far a figure can be trusted: the provider's own page, somebody quoting it, public source code only."""

KINDS = ("free", "paid", "hosting", "esp")
PASSWORD_LOGIN = ("works", "app_password", "retired", "ends", "")
NO_LIMIT = ("unpublished", "by_plan", "hourly", "not_read", "")
CODE_ONLY = "código público"
"""The source of what no page could be named for."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider or plan."""

    id: str
    name: str
    kind: str
    """``free``, ``paid``, ``hosting`` or ``esp`` (a sending service)."""
    domains: tuple[str, ...]
    """Address domains that are this provider's for certain; ``*`` stands for one label."""
    mx_suffixes: tuple[str, ...]
    """An MX host that is one of these, or stands below one, receives the mail of this provider's customers."""
    other_hosts: tuple[str, ...]
    """Submission hosts besides ``host``: other regions, older names. ``*`` stands for one label or more."""
    host: str
    """The submission host; empty where there is none or nobody can know it from here."""
    port: int | None
    security: str
    """``ssl_tls``, ``starttls``, or empty with ``host``."""
    alt_port: int | None
    alt_security: str
    auth: tuple[str, ...]
    """What it takes: ``password``, ``app_password``, ``api_key``, ``oauth2``."""
    user_form: str
    """The user name: ``address``, ``local_part`` (before the @), ``panel`` (made in the provider's panel), empty
    (unknown, or as the note says), or else the very word to type, such as ``apikey``."""
    password_login: str
    """Whether the account's password opens SMTP: ``works``, ``app_password`` (only one made for programs does),
    ``retired`` (none does), ``ends`` (off by default from ``password_ends_on``), or empty (unknown)."""
    password_ends_on: date | None
    app_password_page: str
    """Where the owner makes a password for programs, where certain."""
    daily_messages: int | None
    daily_recipients: int | None
    hourly: int | None
    per_minute: int | None
    recipients_per_message: int | None
    max_message_mb: int | None
    limit_unit: str
    """What to count against the daily limit, ``recipients`` or ``messages``; empty without one."""
    window: str
    """``rolling_24h``, ``calendar_day``, or empty where nobody says when the limit frees."""
    window_zone: str
    """The time zone whose midnight frees a ``calendar_day``."""
    no_limit: str
    """Why there is no daily figure: ``unpublished``, ``by_plan`` (each account has its own), ``hourly`` (counted
    by the hour), ``not_read`` (published at ``source``, but the text was not to be had); empty where there is."""
    no_probing: bool
    """Trying while the quota is used up lengthens the block, here by 24 h each time."""
    note_pt: str
    care_pt: str
    """What somebody who is about to use it has to see to first; empty where nothing."""
    source: str
    """Where the limits were read; the settings, where there is no limit."""
    read_on: date
    confidence: str
    """Of the limits, one of :data:`CONFIDENCE`; of the settings, where there is no limit."""
    other_confidence: tuple[tuple[str, str], ...]
    """Figures of this row that are better or worse known than the others: (attribute, confidence)."""
    settings_source: str
    settings_confidence: str
    """Of host, port, security and MX."""
    password_source: str
    """Where the state of the password login was read."""

    @property
    def daily_limit(self) -> int | None:
        """The figure to count against in a day, in ``limit_unit``; None where nobody published one."""
        return self.daily_recipients if self.limit_unit == "recipients" else self.daily_messages

    def confidence_of(self, figure: str) -> str:
        """Return how far one figure of the row, named by its attribute, can be trusted."""
        return dict(self.other_confidence).get(figure, self.confidence)


@cache
def providers() -> tuple[Provider, ...]:
    """Return every provider, in the order of the file: a plan's variants follow its first row."""
    text = resources.files("mailcore.catalog").joinpath("providers.csv").read_text(encoding="utf-8")
    return tuple(_provider(row) for row in csv.DictReader(text.splitlines()))


def _provider(row: dict[str, str]) -> Provider:
    return Provider(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        domains=_list(row["domains"]),
        mx_suffixes=_list(row["mx_suffixes"]),
        other_hosts=_list(row["other_hosts"]),
        host=row["host"],
        port=_number(row["port"]),
        security=row["security"],
        alt_port=_number(row["alt_port"]),
        alt_security=row["alt_security"],
        auth=_list(row["auth"]),
        user_form=row["user_form"],
        password_login=row["password_login"],
        password_ends_on=date.fromisoformat(row["password_ends_on"]) if row["password_ends_on"] else None,
        app_password_page=row["app_password_page"],
        daily_messages=_number(row["daily_messages"]),
        daily_recipients=_number(row["daily_recipients"]),
        hourly=_number(row["hourly"]),
        per_minute=_number(row["per_minute"]),
        recipients_per_message=_number(row["recipients_per_message"]),
        max_message_mb=_number(row["max_message_mb"]),
        limit_unit=row["limit_unit"],
        window=row["window"],
        window_zone=row["window_zone"],
        no_limit=row["no_limit"],
        no_probing=row["no_probing"] == "yes",
        note_pt=row["note_pt"],
        care_pt=row["care_pt"],
        source=row["source"],
        read_on=date.fromisoformat(row["read_on"]),
        confidence=row["confidence"],
        other_confidence=tuple(_pair(entry) for entry in _list(row["other_confidence"])),
        settings_source=row["settings_source"],
        settings_confidence=row["settings_confidence"],
        password_source=row["password_source"],
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(";")))


def _pair(text: str) -> tuple[str, str]:
    figure, _, confidence = text.partition(":")
    return figure, confidence


def _number(text: str) -> int | None:
    return int(text) if text else None
