"""Numbers and times as people in Brazil write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MOMENT = "%d/%m/%Y %H:%M"
"""A moment: "23/11/2026 14:05"."""


def number(value: int) -> str:
    """10000 → "10.000"."""
    return f"{value:,}".replace(",", ".")


def percent(share: float) -> str:
    """0.9873 → "98,7 %"; never "100,0 %" of what is less than all."""
    tenths = int(1000 * share + 1e-9) if share < 1 else 1000
    return f"{tenths // 10},{tenths % 10} %"


def date_time(value: datetime, zone: ZoneInfo) -> str:
    """A moment in the configured zone: "23/11/2026 14:05"."""
    return value.astimezone(zone).strftime(MOMENT)


def clock(value: datetime, now: datetime, zone: ZoneInfo) -> str:
    """A moment to come: "às 14:20" today, "amanhã às 08:00", else "em 25/11 às 08:00"."""
    local, today = value.astimezone(zone), now.astimezone(zone).date()
    time = f"às {local:%H:%M}"
    days = (local.date() - today).days
    return time if days == 0 else f"amanhã {time}" if days == 1 else f"em {local:%d/%m} {time}"


def ago(value: datetime, now: datetime | None = None) -> str:
    """How long ago, in one unit: "agora", "há 5 min", "há 3 h", "há 12 dias"."""
    minutes = int(((now or datetime.now(UTC)) - value).total_seconds() // 60)
    if minutes < 1:
        return "agora"
    if minutes < 60:
        return f"há {minutes} min"
    if minutes < 48 * 60:
        return f"há {minutes // 60} h"
    return f"há {number(minutes // (24 * 60))} dias"


def milliseconds(value: float) -> str:
    """87.3 → "87 ms"; from one second on "1,2 s"."""
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s".replace(".", ",")


def plain(text: str) -> str:
    """Text that may hold anything (a description, a server's words), safe inside Markdown."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:])", r"\\\1", text)
