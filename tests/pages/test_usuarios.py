"""Usuários, as an administrator who is signed in sees it: a search, pages, and whoever was saved in sight."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mailcore import Mailcore
from mailcore.access.trail import Visitor
from mailcore.access.users import UserDraft
from mailcore.rights import Role
from tests.actors import ME
from tests.pages.drawn import SCREEN, of_table, press, rows_of, said, turn_to, whole
from ui.door import tickets
from ui.session import PERSON_SESSION, USERS_SELECTED, Selection

ANA, PASSWORD = "ana@exemplo.com.br", SecretStr("uma frase que só a Ana diria")
PEOPLE = ["Ana Souza", "Bia Lima", "Júlio César"]


@pytest.fixture
def session_id(core: Mailcore) -> int:
    """Ana's session: a door stands, and she came in by it."""
    core.access.users.add(UserDraft(ANA, Role.ADMINISTRATOR, PEOPLE[0]), PASSWORD, actor=ME)
    entered = core.access.sessions.of_token(core.access.sign_in(ANA, PASSWORD, Visitor("127.0.0.1", "")))
    tickets.stand()
    assert entered is not None
    return entered.session_id


@pytest.fixture
def three(core: Mailcore, session_id: int) -> int:
    add(core, "Bia Lima", "bia@exemplo.com.br")
    add(core, "Júlio César", "julio@exemplo.com.br")
    return session_id


def add(core: Mailcore, name: str, email: str) -> None:
    core.access.users.add(UserDraft(email, Role.SUPPORT, name), actor=ME)


def users_page(session_id: int, **query: str) -> AppTest:
    app = AppTest.from_file(SCREEN, default_timeout=60)
    app.session_state[PERSON_SESSION.name] = session_id
    return turn_to(app, "usuarios", **query)


def names(app: AppTest) -> list[str]:
    return [row["Nome"] for row in rows_of(app, "Usuários")]


@pytest.mark.parametrize("typed", ["julio", "CESAR jul", "júlio@exemplo"])
def test_somebody_is_found_by_words_of_name_or_address(three: int, typed: str) -> None:
    app = users_page(three)
    assert names(app) == PEOPLE
    app = whole(app.text_input(key="users_search").set_value(typed).run())
    assert names(app) == ["Júlio César"]
    assert "1 usuário" in said(app)
    assert app.query_params["busca"] == typed


def test_a_link_reopens_the_search_and_the_selection_ends_with_it(three: int) -> None:
    app = users_page(three, busca="bia")
    assert names(app) == ["Bia Lima"]
    app.session_state[USERS_SELECTED.name] = Selection((of_table(app, "Usuários")["rows"][0][0],), 1)
    app = whole(app.run())
    assert not app.button(key="user_edit").disabled
    app = whole(app.text_input(key="users_search").set_value("ninguém").run())
    assert "Nenhum usuário combina com a busca." in said(app)
    assert app.button(key="user_edit").disabled
    app = press(app, "Limpar filtros")
    assert names(app) == PEOPLE
    assert app.button(key="user_edit").disabled


def test_a_link_to_a_page_that_is_no_more_shows_the_last(three: int) -> None:
    assert names(users_page(three, pagina="9")) == PEOPLE


def test_whoever_was_saved_is_in_sight(core: Mailcore, session_id: int) -> None:
    for number in range(60):
        add(core, f"Pessoa {number:02}", f"p{number}@exemplo.com.br")
    app = users_page(session_id, busca="p5")
    assert len(names(app)) == 11
    app = press(app, "Novo usuário")
    app.text_input[1].set_value("Zélia")
    app.text_input[2].set_value("zelia@exemplo.com.br")
    app = press(app, "Salvar")
    assert names(app)[-1] == "Zélia"
    assert (len(names(app)), of_table(app, "Usuários")["total"]) == (12, 62)
    assert not app.button(key="user_edit").disabled
