"""Where tests write what nobody needs after them: in memory, where there is enough, so that no disk is waited for."""

from __future__ import annotations

import os
import shutil
import tempfile

_MEMORY = "/dev/shm"
_ENOUGH = 4_000_000_000
"""Free bytes; a container often has 64 MB. Two processes of the whole suite write less than a tenth of it."""


def scratch() -> str:
    """Return the folder for temporary files; ``$PYTEST_DEBUG_TEMPROOT``, or ``$TMPDIR``, where somebody chose one."""
    chosen = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    if chosen or "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return chosen or tempfile.gettempdir()
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ENOUGH else tempfile.gettempdir()
