"""The page Cotas without a browser: the moment that external use begins with, and a picture of many accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mailcore import Mailcore, ServerDraft
from mailcore.settings import Settings
from tests.actors import ME
from ui.cotas.palette import SERIES
from ui.session import QUOTA_SELECTED, Selection

EAST, WEST = "Pacific/Kiritimati", "Pacific/Niue"
"""UTC+14 and UTC-11: whatever the machine's clock says, one of them has another day."""


@pytest.fixture
def core(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailcore]:
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    st.cache_resource.clear()
    with Mailcore(Settings(data_dir=data_dir, keyring="database")) as opened:
        yield opened
    st.cache_resource.clear()


def register(core: Mailcore, name: str, used: int, limit: int | None = None) -> int:
    draft = ServerDraft(
        name=name,
        host="x.example",
        requires_auth=False,
        from_address=f"{name.replace(' ', '.').lower()}@x.example",
        daily_limit=limit,
    )
    server = core.servers.create(draft, actor=ME).server
    core.reserve(server, used)
    return server.id


def page(selected: int | None = None) -> AppTest:
    app = AppTest.from_file(str(Path(__file__).parents[2] / "screen.py"), default_timeout=60).run()
    if selected is not None:
        app.session_state[QUOTA_SELECTED.name] = Selection((selected,))
    app = app.switch_page("pages/cotas.py").run()
    assert not app.exception
    assert not app.error
    return app


@pytest.mark.parametrize("zone", [EAST, WEST])
def test_external_use_begins_now_in_the_configured_zone(
    core: Mailcore, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("MAILCORE_TIMEZONE", zone)
    shop = register(core, "Loja", 1)
    before = datetime.now(ZoneInfo(zone)).replace(second=0, microsecond=0, tzinfo=None)
    app = page(shop)
    day = next(field for field in app.date_input if field.label == "Dia")
    (time,) = app.time_input
    assert before <= datetime.combine(day.value, time.value) <= datetime.now(ZoneInfo(zone)).replace(tzinfo=None)


def test_many_accounts_are_a_picture_of_the_biggest_and_those_near_their_limit(core: Mailcore) -> None:
    for number in range(25):
        register(core, f"Cliente {number:02}", 10 + number)
    register(core, "Apertada", 9, limit=10)
    app = page()
    legend = next(part.proto.body for part in app.get("html") if "mailcore-legend" in part.proto.body)
    shown = [f"Cliente {number}" for number in (24, 23, 22, 21)]
    assert all(f"</i>{name}: " in legend for name in (*shown, "Apertada"))
    assert legend.count("<li>") == len(SERIES)
    assert [caption.value for caption in app.caption if "Os outros 21 servidores usaram 420" in caption.value]
