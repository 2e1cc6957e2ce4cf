"""Each page runs, with nothing and with something in the registry, and no fault is a traceback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mailcore import Mailcore
from mailcore.oauth.apps import AppDraft
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from mailcore.settings import Settings
from tests.actors import ME
from tests.pages.drawn import as_shown, of_table, open_page
from ui.session import SELECTED, Selection

PAGES = {
    "pages/servidores.py": "Servidores de e-mail",
    "pages/cadastro.py": "Cadastro — novo servidor",
    "pages/enviar_teste.py": "Enviar teste",
    "pages/aplicativos_oauth.py": "Aplicativos OAuth",
    "pages/ajuda.py": "Ajuda",
}
PASSWORD = "Segredo-3391"
pytestmark = pytest.mark.usefixtures("installation")


def run(page: str) -> AppTest:
    app = AppTest.from_file(str(Path(__file__).parents[2] / "screen.py"), default_timeout=60).run()
    return app if page == "pages/servidores.py" else app.switch_page(page).run()


def register(settings: Settings, count: int) -> None:
    core = Mailcore(settings)
    for number in range(count):
        draft = ServerDraft(name=f"Servidor {number}", host="x.example", username="u", from_address="a@x.example")
        core.servers.create(draft, SecretStr(PASSWORD), actor=ME)
    core.close()


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(installation: Settings, page: str, count: int) -> None:
    register(installation, count)
    app = run(page)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == PAGES[page]


@pytest.mark.parametrize("number", ["0", "9"])
def test_a_link_to_a_page_that_is_no_more_shows_the_last(installation: Settings, number: str) -> None:
    register(installation, 3)
    for page, label in (("alteracoes", "Alterações"), ("cotas", "Cotas")):
        table = of_table(open_page(page, pagina=number), label)
        assert (table["first"], len(table["rows"])) == (1, table["total"]), page
        assert table["total"] > 0, page


def test_the_count_says_how_many_of_how_many(installation: Settings) -> None:
    register(installation, 3)
    app = run("pages/servidores.py")
    assert "3 de 3 servidores" in [caption.value for caption in app.caption]
    app.text_input(key="busca").set_value("servidor 2").run()
    assert "1 de 3 servidores" in [caption.value for caption in app.caption]


def test_after_a_save_the_session_holds_no_password(installation: Settings) -> None:
    app = run("pages/cadastro.py")
    for name, value in {
        "name": "Padaria",
        "host": "smtp.x.example",
        "from_address": "a@x.example",
        "username": "a@x.example",
        "secret": PASSWORD,
    }.items():
        app.text_input(key=f"field_{name}").set_value(value)
    next(button for button in app.button if button.label == "Salvar e continuar").click().run()
    assert not app.exception
    assert not app.error
    core = Mailcore(installation)
    (server,) = core.servers.search(ServerQuery()).servers
    assert core.servers.secret(server) == SecretStr(PASSWORD)
    core.close()
    assert PASSWORD not in repr(app.session_state._state.filtered_state)


def test_a_press_leads_away_and_back(installation: Settings) -> None:
    register(installation, 1)
    app = run("pages/servidores.py")
    app.session_state[SELECTED.name] = Selection((1,))
    app.run()
    for button, title in (
        ("edit", "Cadastro — Servidor 0"),
        ("Cancelar", "Servidores de e-mail"),
        ("send", "Enviar teste"),
    ):
        next(drawn for drawn in app.button if button in (drawn.key, drawn.label)).click().run()
        assert not app.exception
        assert as_shown(app.title[0].value) == title


# Every page asks ui/context.py for the settings: each of three pages says so, and so does each setting.
@pytest.mark.parametrize(
    ("page", "name", "value", "sentence"),
    [
        ("pages/servidores.py", "MAILCORE_TIMEZONE", "Lua/Cratera", "não conheço o fuso horário"),
        ("pages/cadastro.py", "MAILCORE_ELASTIC_EMAIL_URL", "http://api.x.example", "use um endereço https://"),
        ("pages/enviar_teste.py", "MAILCORE_KEYRING", "nenhum", "MAILCORE_KEYRING"),
        ("pages/servidores.py", "MAILCORE_DATABASE_URL", "isto não é", "MAILCORE_DATABASE_URL"),
    ],
)
def test_a_setting_that_is_wrong_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, page: str, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    app = run(page)
    assert not app.exception
    assert sentence in as_shown(app.error[0].value)


def test_an_applications_secret_that_ends_is_told_in_the_list_and_changed_on_its_page(installation: Settings) -> None:
    register(installation, 1)
    ends_on = datetime.now(UTC).date() + timedelta(days=10)
    with Mailcore(installation) as core:
        draft = AppDraft("Entra", "microsoft", "1f0c", secret_ends_on=ends_on)
        app_id = core.servers.apps.add(draft, SecretStr(PASSWORD), actor=ME).id
    st.cache_data.clear()
    shown = [panel.label for panel in run("pages/servidores.py").expander]
    assert "Precisam de atenção: 1 aplicativo OAuth com segredo que vence" in shown
    app = run("pages/aplicativos_oauth.py")
    assert f"segredo vence em {ends_on:%d/%m/%Y}" in as_shown(app.markdown[0].value)
    app.button(key=f"app_edit_{app_id}").click().run()
    assert app.header[0].value == "Alterar “Entra”"
    fields = {field.label: field for field in app.text_input}
    assert (fields["ID do cliente"].value, fields["Segredo do cliente"].value) == ("1f0c", "")
    fields["Nome"].set_value("Entra da empresa")
    fields["Segredo do cliente"].set_value("outro-segredo-7781")
    app.date_input[0].set_value(ends_on + timedelta(days=700))
    app.button(key="app_save").click().run()
    assert not app.exception
    assert not app.error
    assert app.header[0].value == "Novo aplicativo"
    assert "outro-segredo-7781" not in repr(app.session_state._state.filtered_state)
    with Mailcore(installation) as core:
        changed = core.servers.apps.get(app_id)
        assert (changed.name, changed.secret_ends_on) == ("Entra da empresa", ends_on + timedelta(days=700))
        assert core.secrets.get(str(changed.secret_ref)).get_secret_value() == "outro-segredo-7781"
        assert core.attention().app_secrets == []
