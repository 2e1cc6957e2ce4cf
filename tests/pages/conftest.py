"""Pages run past the door here."""

from __future__ import annotations

import pytest

from ui.door import tickets


@pytest.fixture(autouse=True)
def no_door_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever test ran before in this process: where a door stood once, a script run past it lets nobody in."""
    monkeypatch.setattr(tickets, "_standing", [])
