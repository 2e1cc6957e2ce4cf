"""``python -m mailcore``: see :mod:`mailcore.cli`."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from mailcore.cli import main


def run() -> int:
    """Run the command line in UTF-8 whatever the locale says (it is C in many containers)."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    return main()


if __name__ == "__main__":
    sys.exit(run())
