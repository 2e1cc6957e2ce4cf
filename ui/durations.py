"""Streamlit's text fields without pandas.

For ``live="200ms"`` Streamlit 1.67 loads pandas and numpy to read the text (``streamlit/time_util.py``), and takes
nothing but a text. On the list of servers that would be three quarters of a second before the first row and a third
of the program's memory, for a number that is known.
"""

from __future__ import annotations

import re
from typing import Any

from streamlit import time_util
from streamlit.elements.widgets import text_widgets

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_SECONDS = {"ms": 0.001, "s": 1.0}


def time_to_seconds(duration: Any, **options: Any) -> Any:
    """Return seconds; what is not written as "200ms" or "1.5s" is left to Streamlit."""
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    return float(found[1]) * _SECONDS[found[2]] if found else time_util.time_to_seconds(duration, **options)


def read_durations_here() -> None:
    """Have text fields ask :func:`time_to_seconds`; call it before the first of them is drawn."""
    text_widgets.time_to_seconds = time_to_seconds  # type: ignore[attr-defined, assignment]
