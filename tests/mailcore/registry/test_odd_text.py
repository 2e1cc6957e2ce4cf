"""Text that is no text, what nobody sees in a name, and a description that is exactly what was typed."""

from __future__ import annotations

import pytest

from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.search import ServerQuery
from tests.actors import ME
from tests.databases import on_one_database


def draft(name: str) -> ServerDraft:
    return ServerDraft(name=name, host="h.example", from_address="a@b.example", requires_auth=False)


@pytest.mark.parametrize("odd", ["\ud800", "a\udcff", "\0", "x\ud83d"])
def test_half_a_character_is_found_nowhere_and_explains_nothing(core: Mailcore, odd: str) -> None:
    core.servers.create(draft("Loja a"), actor=ME)
    found = core.servers.search(ServerQuery(text=f"loja {odd}"))
    assert found.matching == (1 if odd == "\0" else 0)
    assert len(core.explain(f"550 5.1.1 {odd} user unknown")) == 1
    with pytest.raises(ValidationError, match="Descrição"):
        core.servers.create(draft(f"Nova {odd}x"), actor=ME)


@on_one_database
@pytest.mark.parametrize("odd", ["\u202e", "\u2066", "\u200b", "\ufeff"])
def test_what_nobody_sees_in_a_name_is_told(core: Mailcore, odd: str) -> None:
    saved = core.servers.create(draft(f"Loja{odd}A"), actor=ME)
    assert [note.split(":")[0] for note in saved.notes] == ["Descrição"]
    assert core.servers.create(draft("Família 👨\u200d👩"), actor=ME).notes == []


@pytest.mark.parametrize("size", [3, 50])
def test_a_description_that_was_typed_comes_first(core: Mailcore, size: int) -> None:
    for number in range(12):
        core.servers.create(draft(f"a {number:02} e"), actor=ME)
    wanted = core.servers.create(draft("É"), actor=ME).server
    ids: list[int] = []
    for page in range(1, 14 // size + 2):
        found = core.servers.search(ServerQuery(text="é", page=page, page_size=size))
        if page == found.number:
            ids += [server.id for server in found.servers]
    assert ids[0] == wanted.id
    assert len(ids) == len(set(ids)) == found.matching == 13
    for place, server_id in enumerate(ids):
        query = ServerQuery(text="é", page_size=size)
        assert core.servers.page_of(query, core.servers.get(server_id)) == place // size + 1
