"""Finding servers: on SQLite's trigram index and on PostgreSQL's."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import insert, select

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.search import ServerQuery, search_text
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from mailcore.text import fold
from mailcore.vocabulary import CheckState, Kind
from tests.actors import ME
from tests.properties import examples
from tests.tables import each_row


def register(core: Mailcore, name: str, **changes: object) -> MailServer:
    values = {"host": "smtp.x.example", "username": "u@x.example", "from_address": "a@x.example"}
    return core.servers.create(ServerDraft(name=name, **(values | changes)), SecretStr("s"), actor=ME).server


def names(core: Mailcore, text: str, **filters: object) -> list[str]:
    return [server.name for server in core.servers.search(ServerQuery(text=text, **filters)).servers]


@pytest.fixture(scope="module")
def two_shops(shared_core: Mailcore) -> Mailcore:
    core = shared_core
    register(core, "Quitanda", host="mail.quitanda.example", username="quitanda", from_address="q@quitanda.example")
    notes = 'desconto de 100% no a_b, entre "aspas", em C:\\mail, falar com o Zé'
    register(core, "Padaria São João", host="smtp.padaria.example", from_address="notas@padaria.example", notes=notes)
    return core


@each_row(
    ("text", "found"),
    [
        ("sao", True),
        ("SÃO", True),
        ("são joao", True),
        ("joao são", True),
        ("jo", True),
        ("ão", True),
        ("j", True),
        ("smtp.pad", True),
        ("notas@padaria", True),
        ("100%", True),
        ("a_b", True),
        ('"aspas"', True),
        ("c:\\mail", True),
        ("zé", True),  # the last two letters of a field
        ("sao maria", False),
        ("xq", False),
        ("a%b", False),
        ("axb", False),
        ("* OR 1", False),
    ],
)
def test_every_word_must_stand_somewhere(two_shops: Mailcore, text: str, found: bool) -> None:
    assert names(two_shops, text) == (["Padaria São João"] if found else [])


def test_filters_and_search_go_together(core: Mailcore) -> None:
    register(core, "Padaria A", is_paid=True)
    inactive = register(core, "Padaria B", is_active=False)
    register(core, "Padaria C", kind=Kind.ELASTIC_EMAIL)
    core.servers.record_check(inactive, CheckState.FAILED, "auth")
    assert names(core, "padaria", is_paid=True) == ["Padaria A"]
    assert names(core, "padaria", is_active=False) == ["Padaria B"]
    assert names(core, "pa", kind=Kind.ELASTIC_EMAIL) == ["Padaria C"]
    assert names(core, "", last_check=CheckState.FAILED) == ["Padaria B"]
    assert names(core, "padaria", last_check=CheckState.NEVER) == ["Padaria A", "Padaria C"]


def test_the_index_follows_changes_and_deletes(core: Mailcore) -> None:
    server = register(core, "Padaria", notes="antiga")
    server = core.servers.update(server, ServerDraft(**_fields(server) | {"notes": "moderna"}), actor=ME).server
    assert names(core, "antiga") == []
    assert names(core, "moderna") == ["Padaria"]
    core.servers.delete(server.id, actor=ME)
    assert names(core, "moderna") == []


def _fields(server: MailServer) -> dict[str, object]:
    draft = draft_of(server)
    return {name: getattr(draft, name) for name in ServerDraft.__dataclass_fields__}


def fill(core: Mailcore, count: int) -> None:
    """Many records at once, past the registry."""
    template = register(core, "Modelo")
    with core.database.write() as session:
        row = session.execute(select(MailServer.__table__).where(MailServer.id == template.id)).mappings().one()
        rows = []
        for number in range(count):
            name = f"Cliente {number:04} {'raro' if number % 500 == 7 else 'comum'}"
            own = {"name": name, "name_key": fold(name), "search_text": search_text(name, "smtp.x.example")}
            rows.append({key: value for key, value in row.items() if key != "id"} | own | {"secret_ref": None})
        session.execute(insert(MailServer), rows)


def test_pages_are_whole_in_order_and_end(core: Mailcore) -> None:
    fill(core, 2_600)
    for text, matching in (("comum", 2_594), ("raro", 6), ("cl", 2_600), ("", 2_601), ("c", 2_600)):
        pages = [core.servers.search(ServerQuery(text=text, page=number)) for number in (1, 2, 10_000)]
        assert {page.matching for page in pages} == {matching}
        assert {page.total for page in pages} == {2_601}
        last = -(-matching // 50)
        assert [page.number for page in pages] == [1, min(2, last), last]
        assert len(pages[0].servers) == min(50, matching)
        listed = [server.name for server in pages[0].servers + (pages[1].servers if last > 1 else [])]
        assert listed == sorted(listed)
        assert len(set(listed)) == len(listed)


@cache
def _sqlite_core() -> Mailcore:
    folder = Path(tempfile.mkdtemp(prefix="mailcore-search-"))
    core = Mailcore(Settings(data_dir=folder, keyring="database"))
    for number, name in enumerate(
        ("São João", "Ana & Cia", "abc ABC", "x%y_z", 'd"e"f', "ÇĞİ ß", "日本語 テスト", "a b c")
    ):
        register(core, f"{name} {number}", notes=name[::-1])
    return core


@settings(max_examples=examples(60), deadline=None)
@given(st.text(alphabet="aãbcjosSÃO xyz%_\"'çğiß日本0123&", max_size=6))
def test_it_finds_what_a_plain_comparison_finds(query: str) -> None:
    core = _sqlite_core()
    with core.database.read() as session:
        texts = {row.name: row.search_text for row in session.execute(select(MailServer.name, MailServer.search_text))}
    expected = {name for name, text in texts.items() if all(word in text for word in fold(query).split())}
    assert set(names(core, query)) == expected
