"""What a copy of a record is called: a description that nobody has, within its limit."""

from __future__ import annotations

import pytest

from mailcore import Mailcore
from mailcore.registry.drafts import ServerDraft
from tests.actors import ME


@pytest.mark.parametrize("name", ["Padaria", "P" * 200])
def test_copy_after_copy_finds_a_name_of_its_own(core: Mailcore, name: str) -> None:
    names = [name]
    for _ in range(11):
        draft = ServerDraft(name=names[-1], host="x.example", from_address="a@x.example", requires_auth=False)
        core.servers.create(draft, actor=ME)
        names.append(core.servers.name_for_copy(name))
    assert len(set(names)) == len(names)
    assert all(each.startswith(name[:180]) and len(each) <= 200 for each in names)
    assert [each[each.index(" (") :] for each in (names[1], names[2], names[-1])] == [
        " (cópia)",
        " (cópia 2)",
        " (cópia 11)",
    ]
    assert core.servers.name_for_copy(name.upper()) not in [each.upper() for each in names[:-1]]
