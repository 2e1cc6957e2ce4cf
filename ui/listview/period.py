"""The period a list or a chart is about: a few usual ones, or any two days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from ui.session import Key

CHOOSE = "Escolher datas"
EVERYTHING = "Tudo"
_DAYS = {"Hoje": 1, "Últimos 7 dias": 7, "Últimos 30 dias": 30, "Últimos 90 dias": 90}
_EARLIEST = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days of the configured zone, both ends included."""

    label: str
    """As a heading: "Últimos 30 dias", "De 01/11/2026 a 15/11/2026"."""
    first: date | None
    """None: from the beginning on."""
    last: date

    @property
    def days(self) -> int:
        """How many they are; from the beginning on, more than there can be."""
        return (self.last - (self.first or _EARLIEST)).days + 1

    def moments(self, zone: ZoneInfo) -> tuple[datetime | None, datetime]:
        """Return the beginning of the first day, and the end of the last one, exclusive."""
        return _midnight(self.first, zone) if self.first else None, _midnight(self.last + timedelta(days=1), zone)


@dataclass(frozen=True, slots=True)
class Period:
    """The filter; of a list or of charts."""

    key: Key[str]
    begins: Key[date | None]
    ends: Key[date | None]
    options: tuple[str, ...]
    """Some of "Hoje", "Últimos 7 dias", "Últimos 30 dias", "Últimos 90 dias", :data:`EVERYTHING`, :data:`CHOOSE`."""
    standard: str

    def begin(self, address: Mapping[str, str], *, anew: bool = False) -> None:
        """Take what the address says, where nothing is chosen yet or ``anew``; a day is written 2026-11-23."""
        if self.key.is_set() and not anew:
            return
        first, last = _day(address.get("de", "")), _day(address.get("ate", ""))
        wanted = CHOOSE if first or last else address.get("periodo", "")
        self.key.set(wanted if wanted in self.options else self.standard)
        self.begins.set(first or last)
        self.ends.set(last or first)

    def draw(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Draw the choice, and the two days where days are to be chosen."""
        st.selectbox("Período", list(self.options), key=self.key.name, on_change=on_change, filter_mode=None, width=180)
        if self.key.get() != CHOOSE:
            return
        for label, key in (("De", self.begins), ("Até", self.ends)):
            # Drawn anew the field has lost its own memory: what was chosen before stands in ours.
            key.set(key.get())
            st.date_input(label, key=key.name, format="DD/MM/YYYY", min_value=_EARLIEST, on_change=on_change, width=150)

    def span(self, zone: ZoneInfo) -> Span:
        """Return the days that are chosen; two in the wrong order are taken the other way round."""
        today = datetime.now(zone).date()
        word = self.key.get() or self.standard
        if word == EVERYTHING:
            return Span(word, None, today)
        if word != CHOOSE:
            return Span(word, today - timedelta(days=_DAYS[word] - 1), today)
        first, last = sorted((self.begins.get() or today, self.ends.get() or today))
        return Span(f"De {first:%d/%m/%Y} a {last:%d/%m/%Y}", first, last)

    def asked(self) -> dict[str, str]:
        """Return what the address has to say."""
        word = self.key.get()
        if word == CHOOSE:
            days = {"de": self.begins.get(), "ate": self.ends.get()}
            return {name: day.isoformat() for name, day in days.items() if day}
        return {"periodo": word} if word and word != self.standard else {}

    def clear(self) -> None:
        """Go back to the usual period."""
        self.key.set(self.standard)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found >= _EARLIEST else None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
