"""The session's keys are named in one place, each once."""

from __future__ import annotations

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.tables import each_row
from ui import session
from ui.session import Key

REPOSITORY = Path(__file__).parents[2]
SOURCES = [*(REPOSITORY / "ui").rglob("*.py"), *(REPOSITORY / "pages").rglob("*.py")]
KEYS = [key for key in vars(session).values() if isinstance(key, Key)]


def test_nothing_else_reaches_into_the_session() -> None:
    reaching = [str(path.relative_to(REPOSITORY)) for path in SOURCES if "session_state" in path.read_text("utf-8")]
    assert reaching == ["ui/session.py"]


def test_no_two_keys_share_a_name() -> None:
    names = [key.name for key in KEYS]
    assert len(set(names)) == len(names) > 20


@each_row("key", KEYS)
def test_a_name_is_written_once(key: Key[object]) -> None:
    quoted = re.compile(rf'key\s*=\s*["\']{re.escape(key.name)}["\']')
    written = [str(path.relative_to(REPOSITORY)) for path in SOURCES if quoted.search(path.read_text("utf-8"))]
    assert written == [], "give the widget its key from ui/session.py"


def test_a_key_keeps_starts_takes_and_forgets() -> None:
    def script() -> None:
        import streamlit as st

        from ui.session import Key

        key = Key("kept", 7)
        st.text(f"nothing yet: {key.get()} {key.is_set()}")
        st.text(f"started: {key.start(8)} {key.start(9)} {key.is_set()}")
        key.set(10)
        st.text(f"taken: {key.take()} {key.get()} {key.is_set()}")
        key.set(11)
        key.forget()
        key.forget()
        st.text(f"forgotten: {key.get()}")

    app = AppTest.from_function(script).run()
    assert not app.exception
    said = [element.value for element in app.text]
    assert said == ["nothing yet: 7 False", "started: 8 8 True", "taken: 10 7 False", "forgotten: 7"]
