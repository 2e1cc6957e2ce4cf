"""Whatever text the registry takes, every file brings back unchanged, and a search finds any piece of."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text as sql

from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.registry.drafts import ServerDraft, clean
from mailcore.registry.exchange import all_servers, apply_import, plan_import, to_csv, to_json
from mailcore.registry.fields import SEARCHED
from mailcore.registry.search import ServerQuery
from mailcore.storage.tables import MailServer
from mailcore.text import fold
from tests.actors import ME
from tests.properties import examples
from tests.tables import each_row

ODD = (
    *("\x85", "\u2028", "\u2029", "\u00a0", "\u200b", "\ufeff", "\u202e", "\u200d", "\x1b", "\0", "\ud800", "\ufffd"),
    *('"', "'", ";", ",", "\t", "\n", "\r", "=", "+", "-", "@", "%", "_", "\\", "|", "＝", "﹪", "*"),
    *("é", "e\u0301", "ñ", "n\u0303", "ß", "İ", "ı", "ﬁ", "ℂ", "ς", "א", "ع", "日", "한", "ꭰ", "😀", "👨‍👩‍👧", "🇧🇷"),
)
"""Of every kind that some reader, writer, database or index treats in its own way."""
TEXTS = st.lists(st.sampled_from(ODD) | st.characters() | st.sampled_from("aãbAe "), min_size=1, max_size=12).map(
    lambda letters: "".join(letters).strip()
)
DRAFTS = st.builds(
    ServerDraft,
    name=TEXTS,
    host=st.sampled_from(["smtp.exemplo.example", "10.0.0.1", "correio.ção.example"]),
    port=st.just(587),
    username=TEXTS,
    from_address=st.sampled_from(["a@exemplo.example", "=b@exemplo.example", "'c@exemplo.example"]),
    from_name=TEXTS,
    notes=TEXTS,
)


def is_taken(draft: ServerDraft) -> bool:
    try:
        clean(draft)
    except ValidationError:
        return False
    return True


def stored(core: Mailcore) -> dict[str, dict[str, Any]]:
    names = ("name", "host", "port", "username", "from_address", "from_name", "notes", "daily_limit")
    return {server.name: {name: getattr(server, name) for name in names} for server in all_servers(core.database)}


def begin(core: Mailcore, drafts: list[ServerDraft]) -> list[MailServer]:
    with core.database.write() as session:
        session.execute(sql("DELETE FROM mail_server"))
    return [core.servers.create(draft, SecretStr("x"), actor=ME).server for draft in drafts]


@given(
    drafts=st.lists(DRAFTS.filter(is_taken), min_size=2, max_size=4, unique_by=lambda draft: fold(draft.name)),
    data=st.data(),
)
@hypothesis_settings(
    max_examples=examples(8),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_it_comes_back_and_is_found(core: Mailcore, drafts: list[ServerDraft], data: st.DataObject) -> None:
    servers = begin(core, drafts)
    before, zone = stored(core), core.settings.zone
    for server in servers:
        for name in SEARCHED:
            value = getattr(server, name)
            first = data.draw(st.integers(0, max(len(value) - 1, 0)))
            piece = value[first : first + data.draw(st.integers(1, 4))]
            found = core.servers.search(ServerQuery(text=piece)).servers
            assert server.id in [each.id for each in found], (name, value, piece)
        assert core.servers.search(ServerQuery(text=server.name)).servers[0].id == server.id
    files = [
        to_json(all_servers(core.database), zone).encode(),
        to_csv(all_servers(core.database), zone).encode(),
        to_csv(all_servers(core.database), zone, delimiter=";").encode("utf-8-sig"),
    ]
    for file in files:
        planned = plan_import(core.database, file)
        assert (planned.errors, planned.changed, planned.created) == ((), (), ())
        assert planned.unchanged == len(servers)
    # Into an empty registry, where no record has these numbers.
    for file in (_as_new(files[1]), _as_new(files[2])):
        begin(core, [])
        planned = plan_import(core.database, file)
        assert planned.errors == ()
        apply_import(core.servers, planned, actor=ME)
        assert stored(core) == before


def _as_new(file: bytes) -> bytes:
    """The same file with its column of numbers called by a name that says nothing, as a person empties it."""
    text = file.decode("utf-8-sig")
    delimiter = ";" if text.startswith("id;") else ","
    import csv
    from io import StringIO

    rows = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter))
    out = StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([rows[0], *(["", *row[1:]] for row in rows[1:])])
    return out.getvalue().encode()


@each_row("pair", ["ℂj", "cj", "Cj", "ãé", "%_", "_%", "\\%", "日本", "e\u0301"])
def test_two_letters_find_what_a_font_or_an_accent_writes_otherwise(core: Mailcore, pair: str) -> None:
    begin(core, [ServerDraft(name=f"Loja {pair}", host="a.example", from_address="a@a.example", username="u")])
    assert core.servers.search(ServerQuery(text=pair)).matching == 1
