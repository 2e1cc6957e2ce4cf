"""JavaScript and CSS of the screen: files that a linter sees, read once, shipped with the app.

The scripts of all components travel together, in one message that never changes: a browser gets it once, and with
every further run of a page only its number (Streamlit keeps messages from 10 kB on, ``forward_msg_cache.py``).
A component itself is a line that waits for its script. ``connect.js`` alone stands in the page (:mod:`ui.shell`).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTS = ("chrome", "drafts", "message", "open_page", "presses", "rows", "session_end", "shortcuts")
"""The components with a script."""

_READY = "(window.mailcoreParts ??= Promise.withResolvers())"


@cache
def script(name: str) -> str:
    """Return a script without indentation and whole-line comments."""
    lines = (line.strip() for line in _text(name).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


@cache
def style(name: str) -> str:
    """Return a style sheet without comments, indentation and empty lines."""
    lines = (line.strip() for line in re.sub(r"/\*.*?\*/", "", _text(name), flags=re.DOTALL).splitlines())
    return "\n".join(line for line in lines if line)


def all_parts(own: str) -> str:
    """Return the script that brings every component's, each with names of its own, and is the component ``own``."""
    wrapped = (f"parts.{name} = (() => {{\n{_as_value(script(f'{name}.js'))}\n}})();" for name in PARTS)
    return "\n".join(("const parts = {};", *wrapped, f"{_READY}.resolve(parts);", f"export default parts.{own};"))


def part(name: str) -> str:
    """Return what is the component ``name`` once its script has come; in lines, or Streamlit takes it for a path."""
    return (
        f"export default ({{ data, ...rest }}) =>\n{_READY}.promise.then((parts) => "
        f"parts.{name}({{ ...rest, data: Array.isArray(data) ? data[0] : data }}));"
    )


def packed(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a component gets as ``data``; :func:`part` unpacks it.

    In a bare mapping Streamlit looks for DataFrames, and loads pandas and numpy to know them (1.67): a third of the
    program's memory, on pages that show none.
    """
    return [data]


def _as_value(source: str) -> str:
    before, exported, function = source.partition("export default ")
    if not exported:
        raise ValueError("a script ends with what it exports")
    return f"{before}return {function}"


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")
