"""Where tests write what nobody needs after them: in memory, where there is enough, so that no disk is waited for."""

from __future__ import annotations

import os
import tempfile

_MEMORY = "/dev/shm"
_ENOUGH = 4_000_000_000
"""Free bytes; a container often has 64 MB. The processes of the whole suite write less than a tenth of it."""


def scratch() -> str:
    """Return the folder for temporary files; ``$PYTEST_DEBUG_TEMPROOT``, or ``$TMPDIR``, where somebody chose one."""
    chosen = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    if chosen or "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return chosen or tempfile.gettempdir()
    found = os.statvfs(_MEMORY)
    # The programs of a virtual environment are made there too, and run.
    is_good = found.f_bavail * found.f_frsize >= _ENOUGH and not found.f_flag & os.ST_NOEXEC
    return _MEMORY if is_good else tempfile.gettempdir()
