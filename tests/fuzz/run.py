"""Trying inputs until the time is over."""

from __future__ import annotations

import os
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from mailcore import Mailcore
from mailcore.settings import Settings
from tests.fuzz import files, forms, http, smtp

Target = Callable[[random.Random], None]


def targets(core: Mailcore, open_until: ExitStack) -> dict[str, Target]:
    """Everything that is tried, by name."""
    peer = open_until.enter_context(smtp.FuzzPeer())
    service = open_until.enter_context(http.HttpPeer())
    server, account = smtp.registered(core, peer), http.registered(core)
    return {
        "import": partial(files.imported, core),
        "external use": partial(files.external, core),
        "explain": partial(files.explained, core),
        "search": partial(files.searched, core),
        "record": partial(forms.recorded, core),
        "message": partial(forms.composed, core),
        "SMTP": partial(smtp.sent, peer),
        "SMTP group": partial(smtp.in_a_group, peer),
        "SMTP token": partial(smtp.token_shown, peer),
        "SMTP ledger": partial(smtp.through_the_ledger, core, server, peer),
        "HTTP send": partial(http.sent, service),
        "HTTP": partial(http.asked, service),
        "HTTP figures": partial(http.figures, core, account, service),
        "HTTP token": partial(http.token, service),
    }


_FORM_EVERY = 50
"""A page costs as much as fifty of the others."""


def run(
    seed: int, *, seconds: float, most: int, settings: Settings | None = None, only: str = "", form: bool = False
) -> tuple[Counter[str], list[str]]:
    """Try until the time is over or so many were tried; return what was tried and each failure with its seed.

    Args:
        settings: of the installation; a SQLite file of its own without them.
        only: try the targets whose name has this in it.
        form: type into the form of a server too. It opens the installation that the environment names, which is set.
    """
    tried: Counter[str] = Counter()
    failed = []
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as open_until:
        core = Mailcore(settings or Settings(data_dir=Path(folder), keyring="database"))
        open_until.callback(core.close)
        every = [(name, target) for name, target in targets(core, open_until).items() if only in name]
        if form:
            os.environ |= {"MAILCORE_DATA_DIR": folder, "MAILCORE_KEYRING": "database"}
        page = ("form", forms.Form().typed)
        while time.monotonic() < ends and tried.total() < most:
            number = seed * 1_000_000_000 + tried.total()
            is_form = form and tried.total() % _FORM_EVERY == 0
            name, target = page if is_form else every[tried.total() % len(every)]
            tried[name] += 1
            try:
                target(random.Random(number))
            except Exception:
                failed.append(f"{name}, seed {number}: {traceback.format_exc(limit=-3)}")
    return tried, failed
