"""Pages run past the door here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from mailcore import Mailcore
from mailcore.settings import Settings
from tests.peers.smtp_server import SmtpPeer
from ui.door import tickets


@pytest.fixture(autouse=True)
def no_door_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever test ran before in this process: where a door stood once, a script run past it lets nobody in."""
    monkeypatch.setattr(tickets, "_standing", [])


@pytest.fixture
def installation(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An installation of their own for the pages, which keep nothing of the one before."""
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    st.cache_resource.clear()
    st.cache_data.clear()
    yield Settings(data_dir=data_dir, keyring="database")
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def core(installation: Settings) -> Iterator[Mailcore]:
    """The installation that the pages show, for preparing and looking."""
    with Mailcore(installation) as opened:
        yield opened


@pytest.fixture
def smtp() -> Iterator[SmtpPeer]:
    """An SMTP server that takes mail from anybody."""
    with SmtpPeer() as peer:
        yield peer
