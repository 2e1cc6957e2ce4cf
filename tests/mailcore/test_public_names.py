"""``import mailcore``: what it offers, how that shows itself, and what it says to a wrong argument."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

import mailcore
from mailcore import ArgumentError, Recipient, Security, SendStatus, ServerDraft, Settings, compose
from mailcore.cli import main
from mailcore.diagnosis.replies import diagnosis_for
from mailcore.health.check import CheckResult
from mailcore.health.doctor import examine
from mailcore.settings import default_data_dir
from mailcore.storage.tables import Base, StoredSecret
from mailcore.transports.base import Step
from mailcore.vocabulary import StepState
from tests.actors import ME
from tests.peers.smtp_server import SmtpPeer
from tests.tables import each_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailcore import Mailcore
    from mailcore.storage.tables import MailServer

ROOT = Path(__file__).parents[2]
SECRET = "çenha-Segr3da-7731"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """These say nothing about the database, so SQLite is enough."""
    return f"sqlite:///{tmp_path / 'data' / 'mailcore.db'}"


@pytest.fixture
def server(core: Mailcore) -> MailServer:
    draft = ServerDraft(name="Loja", host="a.example", username="ana", from_address="loja@a.example", daily_limit=10)
    return core.servers.create(draft, SecretStr(SECRET), actor=ME).server


def test_every_public_name_is_there() -> None:
    found = {name: getattr(mailcore, name) for name in mailcore.__all__}
    assert all(getattr(value, "__name__", name).endswith(name) for name, value in found.items())
    assert set(mailcore.__all__) <= set(dir(mailcore))
    assert len(mailcore.__all__) == len(set(mailcore.__all__))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    unnamed = {name for name in mailcore.__all__ if f"`{name}`" not in readme}
    assert not {name for name in unnamed if not name.endswith("Error") and name != "FieldChange"}
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        getattr(mailcore, "nothing_of_this_name")  # noqa: B009


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, mailcore; print(*{'sqlalchemy', 'pydantic', 'pandas', 'cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_it_returns_shows_itself_without_secrets(core: Mailcore, server: MailServer) -> None:
    quota = core.quotas()[0]
    send = core.reserve(server, ["bia@b.example"], idempotency_key="k")
    message = compose(from_address="a@a.example", to=["bia@b.example"], subject="Nota")
    diagnosis = diagnosis_for("uncertain", reply="250 perhaps")
    result = CheckResult(False, [Step("connect", StepState.OK)], diagnosis, datetime(2026, 11, 26, tzinfo=UTC))
    shown = [repr(each) for each in (core, server, send, quota, message, diagnosis, result)]
    assert "MailServer(id=1, name='Loja', kind=smtp, host='a.example'" in shown[1]
    assert shown[2].startswith("Send(id=1, status=started, at=2")
    assert shown[3] == "Quota(ok, 0/10 recipients, servers=['Loja'])"
    assert "OutgoingMessage(<" in shown[4]
    assert "recipients=1" in shown[4]
    assert "uncertain" in shown[5]
    assert "250 perhaps" in shown[5]
    assert "connect=ok" in shown[6]
    assert not [text for text in shown if SECRET in text or "bia@" in text or " object at 0x" in text]


def test_no_row_shows_a_secret_or_reads_the_database_to_show_itself(core: Mailcore, server: MailServer) -> None:
    with core.database.read() as session:
        stored = session.scalars(select(StoredSecret)).one()
        session.expire(stored)
        assert repr(stored) == "StoredSecret()"
        assert stored.ciphertext not in repr(stored)
    tables = {mapper.class_ for mapper in Base.registry.mappers}
    assert all(table.shown for table in tables)
    hidden = {"ciphertext", "secret_ref", "recipients_text", "reply", "value", "search_text", "ca_pem"}
    assert not [table for table in tables if hidden & set(table.shown)]


def test_settings_show_no_password() -> None:
    settings = Settings(
        database_url=f"postgresql://ana:{SECRET}@127.0.0.1/mail?sslpassword={SECRET}", secret_keys=SECRET
    )
    assert SECRET not in repr(settings) + str(settings)
    assert "postgresql+psycopg://***" in repr(settings)


@each_row(
    ("name", "call"),
    [
        ("server", lambda core, _: core.send(None, compose(from_address="a@a.example", to="b@b.example"))),
        ("server", lambda core, _: core.send("1", compose(from_address="a@a.example", to="b@b.example"))),
        ("message", lambda core, server: core.send(server, "Olá")),
        ("idempotency_key", lambda core, server: core.reserve(server, 1, idempotency_key=4711)),
        ("server", lambda core, _: core.reserve(1, 1)),
        ("server", lambda core, _: core.check(1)),
        ("server_id", lambda core, _: core.servers.get("1")),
        ("server_id", lambda core, _: core.servers.get(None)),
        ("outcome", lambda core, server: core.settle(core.reserve(server, 1), "accepted")),
        ("outcome", lambda core, server: core.settle(core.reserve(server, 1), SendStatus.STARTED)),
        ("row", lambda core, _: core.settle(1, SendStatus.ACCEPTED)),
        ("send_id", lambda core, _: core.ledger.get("1")),
        ("send_id", lambda core, _: core.follow_up(None)),
        ("server_id", lambda core, _: core.quotas(server_id="1")),
        ("text", lambda core, _: core.explain(None)),
        ("draft", lambda core, _: core.servers.create({"name": "Loja"}, actor=ME)),
        ("secret", lambda core, _: core.servers.create(ServerDraft(), SECRET, actor=ME)),
        ("actor", lambda core, _: core.servers.create(ServerDraft(), actor="ana")),
        ("actor", lambda core, server: core.servers.update(server, ServerDraft(), actor=None)),
        ("opened", lambda core, _: core.servers.update(1, ServerDraft(), actor=ME)),
        ("actor", lambda core, _: core.servers.delete(1, actor="ana")),
        ("actor", lambda core, server: core.lift_hold(server, actor="ana")),
        ("actor", lambda core, _: core.record_external_use([], actor="ana")),
        ("settings", lambda core, _: mailcore.open_mailcore("data")),
    ],
)
def test_a_wrong_argument_gets_a_sentence_that_names_it(
    core: Mailcore, server: MailServer, name: str, call: Callable[[Mailcore, MailServer], Any]
) -> None:
    with pytest.raises(ArgumentError) as refused:
        call(core, server)
    assert str(refused.value).startswith(f"{name}: ")
    assert SECRET not in str(refused.value)
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, TypeError)


@each_row(
    ("field", "arguments"),
    [
        ("to", {"to": None}),
        ("to", {"to": [None]}),
        ("to", {"to": [Recipient("bia@b.example", "Bia\nBcc: x@x.example")]}),
        ("to", {"to": [Recipient("nobody", "Bia")]}),
        ("from_address", {"from_address": None}),
        ("subject", {"subject": 4711}),
        ("text", {"text": b"bytes"}),
    ],
)
def test_compose_names_the_field_of_a_wrong_type(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(mailcore.ValidationError) as refused:
        compose(**{"from_address": "a@a.example", "to": "b@b.example", **arguments})
    assert [error.field for error in refused.value.errors] == [field]


def test_a_recipient_with_a_name_stands_in_the_header_and_as_an_address_in_the_envelope(core: Mailcore) -> None:
    people = [Recipient("bia@b.example", "Bia, a Contadora"), "caio@c.example"]
    with SmtpPeer() as peer:
        host = {"host": "127.0.0.1", "port": peer.port, "security": Security.NONE, "security_auto": False}
        draft = ServerDraft(name="Peer", **host, requires_auth=False, from_address="a@a.example")
        message = compose(from_address="a@a.example", to=people, cc=Recipient("davi@d.example", "Davi Ção"))
        assert core.send(core.servers.create(draft, actor=ME).server, message).status is SendStatus.ACCEPTED
        received = peer.inbox[0]
    assert received.recipients == ["bia@b.example", "caio@c.example", "davi@d.example"]
    assert [each.display_name for each in received.message["To"].addresses] == ["Bia, a Contadora", ""]
    assert [each.display_name for each in received.message["Cc"].addresses] == ["Davi Ção"]


def test_the_data_folder_is_beside_the_program_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_data_dir() == ROOT / "data"
    assert Settings().data_dir == ROOT / "data"
    assert Settings().database_url == f"sqlite:///{ROOT / 'data' / 'mailcore.db'}"


def test_an_empty_database_is_named_on_the_command_line_and_by_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    file = str(tmp_path / "data" / "mailcore.db")
    assert file in examine().notices[0]
    said = []
    for command in (["servers", "list"], ["quota"], ["servers", "list", "--json"]):
        assert main(command) == 0
        said.append(capsys.readouterr().err)
    assert said == [f"Banco novo e vazio em “{file}”.\n", f"O banco em “{file}” não tem nenhum servidor.\n", ""]
    assert "nenhum servidor registrado" in examine().notices[0]
    with closing(mailcore.open_mailcore()) as core:
        core.servers.create(
            ServerDraft(name="Loja", host="a.example", requires_auth=False, from_address="a@a.example"), actor=ME
        )
    assert main(["servers", "list"]) == 0
    assert capsys.readouterr().err == ""
    assert examine().notices == []
