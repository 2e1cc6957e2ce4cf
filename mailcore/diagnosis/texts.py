"""The texts of every diagnosis, read from ``diagnoses.toml``, and the :class:`Diagnosis` made of one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

CATEGORIES = (
    "auth",
    "quota",
    "throttled",
    "blocked",
    "recipient",
    "temporary",
    "config",
    "tls",
    "dns",
    "network",
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What happened, why, and what to do about it, in Portuguese."""

    category: str
    """One of :data:`CATEGORIES`."""
    code: str
    """The key of the text, stable for programs: ``gmail_app_password``, ``dns_not_found``, …"""
    title: str
    """What happened, one sentence."""
    cause: str
    """Why, as far as it is known."""
    remedy: str
    """What to do."""
    field: str | None
    """The form field to open: host, port, security, username, secret, from_address, daily_limit; or None."""
    reply: str
    """The server's own words, secrets removed; empty where it said nothing."""
    page: str = ""
    """The provider's own page about it; empty where none is known."""
    evidence: tuple[str, ...] = ()
    """The words and codes of the reply that decided, as written there; empty where none did."""

    def __repr__(self) -> str:
        reply = f" ({self.reply})" if self.reply else ""
        return f"<Diagnosis {self.category}/{self.code}: {self.title}{reply}>"

    @property
    def field_label(self) -> str:
        """What the screen calls the field, where that is another name than usual; empty otherwise."""
        return str(texts().get(self.code, {}).get("label", ""))

    @property
    def refuses_credentials(self) -> bool:
        """Whether it is evidence against the user name or the secret itself: only this counts towards a pause.

        A login that fails because encryption is missing, a server is down or an account may not send says nothing of
        the password.
        """
        return bool(texts().get(self.code, {}).get("refuses_credentials", False))

    @property
    def hold_minutes(self) -> int:
        """For how many minutes nothing more is taken, where that is less than a day's limit: 60 for an hourly one."""
        return int(texts().get(self.code, {}).get("hold_minutes", 0))


def diagnosis_for(code: str, *, reply: str = "", evidence: tuple[str, ...] = ()) -> Diagnosis:
    """Return the diagnosis of a known code, say of a rule of our own (``inactive``, ``same_address``).

    Raises:
        KeyError: there is no text for it.
    """
    text = texts()[code]
    return Diagnosis(
        category=text["category"],
        code=code,
        title=text["title"],
        cause=text["cause"],
        remedy=text["remedy"],
        field=text.get("field"),
        reply=reply,
        page=text.get("page", ""),
        evidence=evidence,
    )


def all_diagnoses() -> list[Diagnosis]:
    """Return every diagnosis there is, as they stand in the file: by subject.

    Those that speak of one send ("cabe a partir de 14:30") stand here as they are in general.
    """
    return [in_general(code) for code in texts()]


def in_general(code: str, *, reply: str = "", evidence: tuple[str, ...] = ()) -> Diagnosis:
    """Return the diagnosis of a code where nothing is known of the send: no place for a figure stays open."""
    return _with(diagnosis_for(code, reply=reply, evidence=evidence), "in_general")


def elsewhere(code: str, *, reply: str = "", evidence: tuple[str, ...] = ()) -> Diagnosis:
    """Return the diagnosis of what another program says of its own send: what became of that, nobody knows here."""
    return _with(diagnosis_for(code, reply=reply, evidence=evidence), "elsewhere")


def of_batch(diagnosis: Diagnosis) -> Diagnosis:
    """Return why a batch stops, in words about the batch: of its messages some may have left before."""
    return _with(diagnosis, "of_batch")


def _with(diagnosis: Diagnosis, where: str) -> Diagnosis:
    text = texts()[diagnosis.code]
    return replace(
        diagnosis,
        title=text.get(f"title_{where}", diagnosis.title),
        cause=text.get(f"cause_{where}", diagnosis.cause),
        remedy=text.get(f"remedy_{where}", diagnosis.remedy),
    )


@cache
def texts() -> dict[str, dict[str, Any]]:
    """Return every diagnosis' texts by its code, read once."""
    source = files("mailcore.diagnosis").joinpath("diagnoses.toml").read_text("utf-8")
    return tomllib.loads(source)
