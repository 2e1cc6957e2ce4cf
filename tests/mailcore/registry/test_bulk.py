"""Several records at once, as selected in the list: deleted, or let accept sends, all or none."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from mailcore import Mailcore
from mailcore.audit import value_of
from mailcore.errors import NotFoundError, ValidationError
from mailcore.registry.drafts import ServerDraft
from mailcore.storage.tables import MailServer, StoredSecret
from mailcore.vocabulary import ChangeAction
from tests.actors import ME


def register(core: Mailcore, name: str, **changes: object) -> MailServer:
    values = {"host": "smtp.x.example", "username": f"{name}@x.example", "from_address": "a@x.example"}
    return core.servers.create(ServerDraft(name=name, **(values | changes)), SecretStr("s"), actor=ME).server


def trail(core: Mailcore, server: MailServer) -> list[tuple[object, ...]]:
    changes = core.trail.read(server_id=server.id).changes
    return [(each.who, each.action, each.field, value_of(each.before), value_of(each.after)) for each in changes]


def test_several_go_with_their_secrets_and_the_oldest_left_becomes_the_default(core: Mailcore) -> None:
    first, second, third = register(core, "A", is_default=True), register(core, "B"), register(core, "C")
    assert core.servers.heir(first, second).id == third.id
    deleted = core.servers.delete_many([second.id, first.id, first.id], actor=ME)
    assert [each.name for each in deleted.servers] == ["A", "B"]
    assert deleted.new_default.id == third.id
    for gone in (first, second):
        with pytest.raises(NotFoundError):
            core.servers.get(gone.id)
        assert trail(core, gone)[0][:2] == (ME.name, ChangeAction.DELETED)
    left = core.servers.get(third.id)
    assert left.is_default
    with core.database.read() as session:
        assert len(session.scalars(select(StoredSecret)).all()) == 1
    # B was never the default on the way: A's place went to who stays.
    assert not [each for each in trail(core, second) if each[2] == "is_default"]


def test_those_that_somebody_deleted_meanwhile_are_left_out(core: Mailcore) -> None:
    first, second = register(core, "A"), register(core, "B")
    core.servers.delete(first.id, actor=ME)
    deleted = core.servers.delete_many([first.id, second.id], actor=ME)
    assert ([each.id for each in deleted.servers], deleted.new_default) == ([second.id], None)
    assert core.servers.delete_many([first.id], actor=ME).servers == []


def test_several_are_switched_off_and_on_and_the_trail_names_who(core: Mailcore) -> None:
    first, second, off = register(core, "A"), register(core, "B"), register(core, "C", is_active=False)
    ids = [first.id, second.id, off.id]
    changed = core.servers.set_active(ids, is_active=False, actor=ME)
    assert [each.id for each in changed] == [first.id, second.id]
    assert not any(core.servers.get(each).is_active for each in ids)
    assert trail(core, first)[0] == (ME.name, ChangeAction.CHANGED, "is_active", True, False)
    assert len(trail(core, off)) == 1
    assert core.servers.get(first.id).version == first.version + 1
    assert core.servers.get(off.id).version == off.version
    assert core.servers.secret(core.servers.get(first.id)) == SecretStr("s")
    assert len(core.servers.set_active(ids, is_active=True, actor=ME)) == 3
    assert core.servers.set_active(ids, is_active=True, actor=ME) == []


def test_the_default_stays_active_and_then_nothing_is_changed(core: Mailcore) -> None:
    default, other = register(core, "Padaria", is_default=True), register(core, "B")
    with pytest.raises(ValidationError, match="“Padaria” é o servidor padrão"):
        core.servers.set_active([other.id, default.id], is_active=False, actor=ME)
    assert core.servers.get(other.id).is_active
    assert core.servers.get(default.id).is_active
    assert core.servers.set_active([default.id], is_active=True, actor=ME) == []
