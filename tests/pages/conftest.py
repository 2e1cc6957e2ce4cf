"""Pages run past the door here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from mailcore import Mailcore
from mailcore.settings import Settings
from ui.door import tickets


@pytest.fixture(autouse=True)
def no_door_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever test ran before in this process: where a door stood once, a script run past it lets nobody in."""
    monkeypatch.setattr(tickets, "_standing", [])


@pytest.fixture
def core(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailcore]:
    """The installation that the pages show, for preparing and looking."""
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    st.cache_resource.clear()
    st.cache_data.clear()
    with Mailcore(Settings(data_dir=data_dir, keyring="database")) as opened:
        yield opened
    st.cache_resource.clear()
    st.cache_data.clear()
