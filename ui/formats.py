"""Numbers and times as people in Brazil write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mailcore.text import as_text

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


_MARKUP = re.compile(r"[\\`*_{}\[\]()#+\-.!|<>~$:&=]")
_LINES = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_APART = ":small[]"
"""Nothing to see in Streamlit's Markdown, but two pieces of text where there was one."""
_MADE_LATER = re.compile(
    r"(?<=:)(?=[\w+-]+:|//|material/)"  # :smile:, https://, :material/home:
    r"|(?<=[-.\w+])(?=@[-\w])"  # a@b.example
    r"|(?<=\bwww)(?=\.)"
    r"|(?<=[<>~-])(?=[->=])",  # ->, <=, ~= and the like become arrows and signs
    re.IGNORECASE,
)
"""Where Streamlit 1.67 makes links, pictures and signs of text that has been read as Markdown already, so that a
backslash keeps nothing off: it looks at one piece of text at a time."""


def plain(text: str) -> str:
    """Text that may hold anything (a description, a server's words), as Markdown that shows it letter for letter.

    The one way from outside onto the screen, wherever Streamlit takes Markdown: no link, colour, picture, sign or
    formula comes of it. Line ends become single ones.
    """
    pieces = _MADE_LATER.split(_LINES.sub("\n", as_text(text).strip()))
    return _APART.join(_MARKUP.sub(r"\\\g<0>", piece) for piece in pieces)
