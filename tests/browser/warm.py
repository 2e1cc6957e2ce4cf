"""``streamlit run`` as a process of its own, forked from one that has loaded all that the app is made of.

To load them takes more of a processor than most browser tests themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOADED = [
    "altair", "argon2", "cryptography.x509", "itsdangerous", "keyring.backends.fail", "pandas", "PIL.Image", "pyarrow",
    "pygments.lexers", "pygments.formatters.html", "sqlalchemy.dialects.sqlite", "sqlalchemy.ext.compiler",
    "sqlalchemy.orm", "starlette.applications", "uvicorn.lifespan.on", "uvicorn.protocols.http.auto",
    "uvicorn.protocols.http.h11_impl", "uvicorn.protocols.websockets.auto", "websockets.legacy.server",
    "streamlit.material_icon_names", "streamlit.runtime.agent.mcp", "streamlit.runtime.agent.snapshot",
    "streamlit.runtime.scriptrunner.magic_funcs", "streamlit.watcher.polling_path_watcher", "streamlit.web.bootstrap",
    "streamlit.web.cli", "streamlit.web.server.app_discovery",
    "mailcore.help", "mailcore.installation", "mailcore.secrets.database_keyring",
    # Not what registers a component: that asks for the running program.
    "ui.door.openid", "ui.door.start", "ui.enviar_teste", "ui.listview.filters", "ui.navigation", "ui.outcome",
    "ui.person",
    "tests.browser.frozen",
]  # fmt: skip

_can_fork = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows: each start loads for itself
_context = multiprocessing.get_context("forkserver" if _can_fork else "spawn")
if _can_fork:
    _context.set_forkserver_preload(LOADED)


def start(
    script: Path, arguments: Sequence[str], env: Mapping[str, str], log: Path
) -> multiprocessing.process.BaseProcess:
    """Start it with exactly this environment, all output at the end of ``log``."""
    process = _context.Process(target=_run, args=(str(script), list(arguments), dict(env), str(log)), daemon=True)
    process.start()
    return process


def _run(script: str, arguments: list[str], env: dict[str, str], log: str) -> None:
    from streamlit.web.cli import main

    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(REPOSITORY)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(REPOSITORY))
    _spare_searches()
    main(args=["run", script, *arguments], prog_name="streamlit", standalone_mode=False)


def _spare_searches() -> None:
    """Two searches at the start that find nothing here: components in every installed package, and a REPL above us."""
    from streamlit import delta_generator
    from streamlit.components.v2 import manifest_scanner

    manifest_scanner.scan_component_manifests = list
    delta_generator._use_warning_has_been_displayed = True
