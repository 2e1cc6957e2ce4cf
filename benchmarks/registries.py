"""Data folders of the app with any number of servers in them."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dataset import fill
from mailcore.installation import open_mailcore
from mailcore.settings import KeyringChoice, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def data_dir(count: int) -> Iterator[Path]:
    """Yield a folder that may be changed; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{count}-") as folder:
        yield Path(shutil.copytree(_template(count).name, Path(folder, "data")))


@cache
def _template(count: int) -> tempfile.TemporaryDirectory[str]:
    """Fill one registry of this size a run: at 100,000 that takes longer than most of what is timed."""
    folder = tempfile.TemporaryDirectory(prefix=f"bench-template-{count}-")
    core = open_mailcore(Settings(data_dir=Path(folder.name), keyring=KeyringChoice.DATABASE))
    try:
        fill(core.database, count)
    finally:
        core.close()
    return folder
