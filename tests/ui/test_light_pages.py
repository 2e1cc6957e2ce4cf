"""The list and the form use none of what Streamlit loads for its tables, pictures, durations and emoji."""

from __future__ import annotations

import gc
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import streamlit
from pydantic import SecretStr
from streamlit import delta_generator, env_util, string_util
from streamlit.components.v2 import manifest_scanner
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest

from mailcore import Mailcore, ServerDraft
from mailcore.settings import load_settings
from tests.actors import ME
from ui.context import library
from ui.durations import time_to_seconds
from ui.first_run import leading_emoji, spare_first_run, spare_start

ROOT = Path(__file__).parents[2]
HEAVY = ("pandas", "numpy", "pyarrow", "PIL", "altair", "streamlit.emojis")


class Watched(ModuleType):
    """Stands in for a library, and notes what is asked of it."""

    def __init__(self, name: str, asked: list[str]) -> None:
        super().__init__(name)
        self._asked = asked

    def __getattr__(self, name: str) -> object:
        if not name.startswith("__"):  # what is asked of every module that is there
            self._asked.append(f"{self.__name__}.{name}")
        raise AttributeError(name)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    core = Mailcore(load_settings())
    draft = ServerDraft(name="Loja", host="h.example", username="a", from_address="a@b.example", daily_limit=9)
    core.servers.create(draft, SecretStr("senha"), actor=ME)
    core.close()
    library.clear()
    yield
    library().close()
    library.clear()


@pytest.mark.usefixtures("installation")
def test_the_list_and_the_form_load_no_library_for_tables_or_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in HEAVY:
        monkeypatch.setitem(sys.modules, name, Watched(name, asked))
    app = AppTest.from_file(str(ROOT / "screen.py"), default_timeout=60).run()
    assert [caption.value for caption in app.caption] == ["1 de 1 servidor"]
    app.query_params["id"] = "1"
    app = app.switch_page("pages/cadastro.py").run()
    assert "Loja" in [field.value for field in app.text_input]
    assert not app.exception
    assert not app.error
    assert asked == []


def test_a_duration_means_the_same_as_to_streamlit() -> None:
    from streamlit.time_util import time_to_seconds as streamlits_own

    for written in ("0ms", "100ms", "1.5s", "1m", 2.5, None):
        assert time_to_seconds(written) == streamlits_own(written)


def test_a_text_begins_with_the_same_emoji_as_to_streamlit(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.emojis import ALL_EMOJIS

    one_of_each_beginning = {emoji[0]: emoji for emoji in ALL_EMOJIS if emoji[0] < "\U0001f300"}
    for emoji in one_of_each_beginning.values():
        assert leading_emoji(f"{emoji} Aviso") == (emoji, "Aviso")
    for text in ("", " Observações", "Observações", "É 🚨", "Último teste", "2ª via", "— não"):
        assert leading_emoji(text) == ("", text)
    monkeypatch.setattr(string_util, "extract_leading_emoji", None)
    spare_first_run()
    assert string_util.extract_leading_icon("⚠️ Atenção") == ("⚠️", "Atenção")


def test_streamlit_reads_no_installed_package_before_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", lambda: asked.append(True) or [])
    components = BidiComponentManager()
    components.discover_and_register_components(start_file_watching=False)
    assert asked == [True]
    spare_start()
    components.discover_and_register_components(start_file_watching=False)
    assert asked == [True]


def test_the_program_begins_with_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "set_threshold", collected.append)
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", lambda: pytest.fail("packages were looked at"))
    monkeypatch.chdir(ROOT)
    program = runpy.run_path("app.py")
    BidiComponentManager().discover_and_register_components(start_file_watching=False)
    assert isinstance(program["app"], streamlit.App)
    assert collected[0] >= 10_000  # Python's own is 700


def test_streamlit_does_not_look_through_every_module_before_the_first_element(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bool] = []
    monkeypatch.setattr(env_util, "is_repl", lambda: looked.append(True))
    monkeypatch.setattr(delta_generator, "_use_warning_has_been_displayed", False)
    spare_first_run()
    AppTest.from_string("import streamlit as st; st.title('Loja')").run()
    assert looked == []
