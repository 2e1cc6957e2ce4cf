"""The changes trail: every change of a record, with who and when, and no secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from mailcore import Mailcore
from mailcore.audit import PAGE_SIZE, value_of
from mailcore.errors import ConflictError, ValidationError
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.storage.tables import Change
from mailcore.vocabulary import ChangeAction
from tests.actors import ME

PASSWORD = "çenha-Segr3da"


def draft(**changes: object) -> ServerDraft:
    made = ServerDraft(
        name="Padaria", host="smtp.exemplo.com.br", username="ana@exemplo.com.br", from_address="ana@exemplo.com.br"
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def rows(core: Mailcore, server_id: int) -> list[tuple[ChangeAction, str, object, object]]:
    """Every row of one record, oldest first."""
    found = core.trail.read(server_id=server_id).changes
    return [(row.action, row.field, value_of(row.before), value_of(row.after)) for row in reversed(found)]


def test_a_life_of_a_record(core: Mailcore) -> None:
    server = core.servers.create(draft(), SecretStr(PASSWORD), actor=ME).server
    changed = core.servers.update(
        server, replace(draft_of(server), from_name="Ana", daily_limit=500, is_paid=True), actor=ME
    ).server
    core.servers.update(changed, draft_of(changed), SecretStr("outra-Senh4"), actor=ME)
    core.servers.delete(server.id, actor=ME)
    found = rows(core, server.id)
    assert found[0] == (ChangeAction.CREATED, "", None, None)
    assert sorted(found[1:-2], key=lambda row: row[1]) == [
        (ChangeAction.CHANGED, "daily_limit", None, 500),
        (ChangeAction.CHANGED, "from_name", "", "Ana"),
        (ChangeAction.CHANGED, "is_paid", False, True),
    ]
    assert found[-2] == (ChangeAction.CHANGED, "secret", None, None)
    assert found[-1] == (ChangeAction.DELETED, "", None, None)
    newest = core.trail.read(server_id=server.id).changes[0]
    assert (newest.who, newest.server_name) == (changed.updated_by, "Padaria")


def test_the_default_that_moves_is_noted_on_both(core: Mailcore) -> None:
    first = core.servers.create(draft(is_default=True), SecretStr(PASSWORD), actor=ME).server
    second = core.servers.create(draft(name="Quitanda", is_default=True), SecretStr(PASSWORD), actor=ME).server
    assert rows(core, first.id)[-1] == (ChangeAction.CHANGED, "is_default", True, False)
    core.servers.delete(second.id, actor=ME)
    assert rows(core, first.id)[-1] == (ChangeAction.CHANGED, "is_default", False, True)


def test_a_save_that_changes_nothing_or_fails_leaves_no_trace(core: Mailcore) -> None:
    server = core.servers.create(draft(), SecretStr(PASSWORD), actor=ME).server
    again = core.servers.update(server, draft_of(server), actor=ME).server
    with pytest.raises(ConflictError):
        core.servers.update(server, replace(draft_of(server), notes="tarde demais"), actor=ME)
    with pytest.raises(ValidationError):
        core.servers.update(again, replace(draft_of(again), from_address="sem arroba"), actor=ME)
    assert [row[0] for row in rows(core, server.id)] == [ChangeAction.CREATED]


def test_no_secret_is_in_it(core: Mailcore) -> None:
    server = core.servers.create(draft(), SecretStr(PASSWORD), actor=ME).server
    core.servers.update(server, draft_of(server), SecretStr("outra-Senh4"), actor=ME)
    with core.database.read() as session:
        everything = " ".join(f"{row.field} {row.before} {row.after}" for row in session.scalars(select(Change)))
    assert PASSWORD not in everything
    assert "outra-Senh4" not in everything


def test_it_is_found_by_record_and_by_person_and_paged(core: Mailcore) -> None:
    server = core.servers.create(draft(), SecretStr(PASSWORD), actor=ME).server
    for number in range(PAGE_SIZE + 5):
        server = core.servers.update(server, replace(draft_of(server), notes=f"nota {number}"), actor=ME).server
    core.servers.create(draft(name="100% Quitanda"), SecretStr(PASSWORD), actor=ME)
    assert core.trail.read(text="padar").matching == PAGE_SIZE + 6
    assert core.trail.read(text="100%").matching == 1
    assert core.trail.read(text=server.updated_by).matching == PAGE_SIZE + 7
    first, second = (core.trail.read(server_id=server.id, page=number).changes for number in (1, 2))
    assert (len(first), len(second)) == (PAGE_SIZE, 6)
    assert first[-1].id > second[0].id


def test_a_long_value_is_cut(core: Mailcore) -> None:
    server = core.servers.create(draft(), SecretStr(PASSWORD), actor=ME).server
    core.servers.update(server, replace(draft_of(server), notes="x" * 4_000), actor=ME)
    assert len(str(rows(core, server.id)[-1][3])) < 400
