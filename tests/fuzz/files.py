"""Files to import, use made elsewhere, texts to explain and to search for."""

from __future__ import annotations

import random
from contextlib import suppress

from mailcore import Mailcore
from mailcore.errors import ValidationError
from mailcore.registry.exchange import plan_import
from mailcore.registry.search import ServerQuery
from tests.fuzz.pieces import text


def data(random_: random.Random) -> bytes:
    """A file that may begin well."""
    made = text(random_).encode("utf-8", "surrogatepass")
    head = random_.choice((b"", b"id;name;host\n", b"server_id,at,units\n", b'[{"name":', b"\xff\xfe", b"\xef\xbb\xbf"))
    return head + made + random_.randbytes(random_.choice((0, 0, 3)))


def imported(core: Mailcore, random_: random.Random) -> None:
    """The plan of an import says whatever is wrong."""
    plan = plan_import(core.database, data(random_))
    for remark in (*plan.errors, *plan.warnings):
        assert remark.message.strip()


def external(core: Mailcore, random_: random.Random) -> None:
    """A file of use made elsewhere is read, or refused field by field."""
    with suppress(ValidationError):
        core.read_external_use(data(random_))


def explained(core: Mailcore, random_: random.Random) -> None:
    """Whatever is pasted is explained as text."""
    for reply in core.explain(text(random_)):
        reply.found.diagnosis.reply.encode()


def searched(core: Mailcore, random_: random.Random) -> None:
    """Whatever is typed is searched for."""
    core.servers.search(ServerQuery(text=text(random_)))
