"""Data folders with any number of servers in them."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dataset import fill
from mailcore.library import open_mailcore
from mailcore.settings import KeyringChoice, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def data_dir(count: int) -> Iterator[Path]:
    """A data folder of the app with ``count`` servers, removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{count}-") as folder:
        path = Path(folder, "data")
        core = open_mailcore(Settings(data_dir=path, keyring=KeyringChoice.DATABASE))
        try:
            fill(core.database, count)
        finally:
            core.close()
        yield path
