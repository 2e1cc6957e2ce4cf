"""``streamlit run`` as a process of its own, forked from one that has loaded all that the app is made of."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.forked import become, context, make, redirect


@dataclass(frozen=True)
class Started:
    """The process, and a line to it."""

    process: BaseProcess
    _line: Connection

    def forget(self) -> None:
        """Have it drop what Streamlit keeps of the library's answers for a minute; return when that is done."""
        self._line.send(None)
        self._line.recv()


def start(script: Path, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> Started:
    """Start it with exactly this environment, all output at the end of ``log``."""
    ours, theirs = context.Pipe()
    process = make(_run, (str(script), list(arguments), dict(env), str(log), theirs), is_daemon=True)
    process.start()
    theirs.close()
    return Started(process, ours)


def _run(script: str, arguments: list[str], env: dict[str, str], log: str, line: Connection) -> None:
    from streamlit.web.cli import main

    from ui.first_run import spare_first_run, spare_start

    redirect(os.devnull, log, log)
    become(env)
    # For the tests' small apps too.
    spare_start()
    spare_first_run()
    threading.Thread(target=_forget_when_asked, args=(line,), daemon=True).start()
    main(args=["run", script, *arguments], prog_name="streamlit", standalone_mode=False)


def _forget_when_asked(line: Connection) -> None:
    import streamlit as st

    while True:
        try:
            line.recv()
        except EOFError:
            return
        st.cache_data.clear()
        line.send(None)
