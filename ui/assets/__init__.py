"""JavaScript and CSS of the screen: files that a linter sees, read once, shipped with the app."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """Return a script without indentation and whole-line comments: it travels to the browser with each page."""
    lines = (line.strip() for line in _text(name).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


@cache
def style(name: str) -> str:
    """Return a style sheet without comments, indentation and empty lines."""
    lines = (line.strip() for line in re.sub(r"/\*.*?\*/", "", _text(name), flags=re.DOTALL).splitlines())
    return "\n".join(line for line in lines if line)


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")
