"""``streamlit run`` as a process of its own, forked from one that has loaded all that the app is made of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.forked import become, make, redirect


def start(script: Path, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> BaseProcess:
    """Start it with exactly this environment, all output at the end of ``log``."""
    process = make(_run, (str(script), list(arguments), dict(env), str(log)), is_daemon=True)
    process.start()
    return process


def _run(script: str, arguments: list[str], env: dict[str, str], log: str) -> None:
    from streamlit.web.cli import main

    redirect(os.devnull, log, log)
    become(env)
    _spare_searches()
    main(args=["run", script, *arguments], prog_name="streamlit", standalone_mode=False)


def _spare_searches() -> None:
    """Two searches at the start that find nothing here: components in every installed package, and a REPL above us."""
    from streamlit import delta_generator
    from streamlit.components.v2 import manifest_scanner

    manifest_scanner.scan_component_manifests = list
    delta_generator._use_warning_has_been_displayed = True
