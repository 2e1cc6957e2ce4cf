"""``python -m mailcore``: see :mod:`mailcore.cli`."""

from __future__ import annotations

import gc
import sys
from io import TextIOWrapper

from mailcore.cli import main


def run() -> int:
    """Run the command line in UTF-8 whatever the locale says (it is C in many containers)."""
    # Loading makes hundreds of thousands of objects and no garbage; to look for some cost a short command an eighth.
    gc.set_threshold(100_000)
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    return main()


if __name__ == "__main__":
    sys.exit(run())
