"""Half a character (a lone surrogate) in any text anybody hands over: a sentence, never an exception of a library."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailcore import Mailcore, compose
from mailcore.access.entrance import Identity
from mailcore.access.sessions import Entered
from mailcore.access.trail import Visitor
from mailcore.access.users import UserDraft
from mailcore.arguments import NOT_TEXT
from mailcore.batches.new_batch import NewBatch
from mailcore.batches.recipients_file import RecipientsFile
from mailcore.cli import Exit, main
from mailcore.errors import ConfigurationError, MailcoreError, ValidationError
from mailcore.oauth.apps import AppDraft
from mailcore.oauth.authorizing import Wanted
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.fields import FIELDS, Sort
from mailcore.registry.search import ServerQuery
from mailcore.rights import Role
from mailcore.sending.ledger import LedgerQuery
from mailcore.settings import Door, Settings, load_settings
from mailcore.text import is_text
from mailcore.vocabulary import Auth, SendStatus
from tests.actors import ME
from tests.mailcore.test_rights import INNER, PARTS_OF_OTHERS, acts, server
from tests.tables import each_row

ODD = ("a\ud800b", "a\0b")
"""Half a character, as JSON and bytes that are no UTF-8 make it; and what PostgreSQL takes in no text."""
DRAFT = ServerDraft(name="Loja", host="127.0.0.1", port=9, username="u", from_address="a@exemplo.com.br")
NOW = datetime.now(UTC)
LIST = RecipientsFile("email;nome\nb@exemplo.org;Ana\n", "lista.csv")
OBJECTS: dict[str, Any] = {
    "AppDraft": AppDraft("Entra", "google", "x"),
    "Entered": Entered(1, 1, "a@exemplo.com.br", "Ana", Role.ANALYST, "accounts", NOW, NOW),
    "Identity": Identity("https://a.example", "a@exemplo.com.br", is_verified=True, name="Ana"),
    "LedgerQuery": LedgerQuery(),
    "NewBatch": NewBatch(
        server_id=1, recipients=LIST, subject="Nota", text="Olá {{nome}}", html="<p>Olá</p>", name="Notas"
    ),
    "RecipientsFile": LIST,
    "ServerDraft": DRAFT,
    "ServerQuery": ServerQuery(),
    "UserDraft": UserDraft("bia@exemplo.com.br", Role.ANALYST),
    "Visitor": Visitor("127.0.0.1", "x"),
    "Wanted": Wanted(1, "smtp.gmail.com", "ana@gmail.com"),
}
"""What acts take besides plain texts, each with texts in it."""


@each_row("odd", ODD)
@each_row("row", [row for row in FIELDS if row.stored and not row.is_choice])
def test_every_field_says_so(core: Mailcore, row: Any, odd: str) -> None:
    by_oauth = {"auth": Auth.OAUTH2} if row.name == "oauth_app_id" else {}
    draft = dataclasses.replace(DRAFT, **by_oauth, **{row.name: odd})
    with pytest.raises(ValidationError) as raised:
        core.servers.create(draft, SecretStr("x"), actor=ME)
    assert row.label in str(raised.value)
    assert row.sort is not Sort.SECRET


@pytest.mark.parametrize("text", ODD, ids=["half", "nul"])
def test_every_act_takes_it_or_says_so(core: Mailcore, text: str) -> None:
    """Each text of each public act in turn, the other arguments being good ones."""
    core.access.users.add(UserDraft("caio@exemplo.com.br", Role.ANALYST), actor=ME)
    tried, failed = 0, []
    for name, act in acts(core):
        if name in INNER or not name.startswith(("Mailcore.", "frames.")) or name.startswith(PARTS_OF_OTHERS):
            continue  # behind the front door
        bound = _bound(core, name, act)
        for odd, arguments in _calls(core, bound, text):
            tried += 1
            try:
                bound(**arguments)
            except MailcoreError as error:
                if not is_text(str(error)):
                    failed.append(f"{name}, {odd}: repeats it")
            except Exception as error:
                failed.append(f"{name}, {odd}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)
    assert tried > 40


def _bound(core: Mailcore, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    """The act as a method of its part of the front door; a plain function as it is."""
    first, *path = name.split(".")
    return reduce(getattr, path, core) if first == "Mailcore" else act


def _calls(core: Mailcore, act: Callable[..., Any], text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Arguments of one act for a call with each text in turn odd, and where that one stands."""
    parameters = [each for each in inspect.signature(act).parameters.values() if each.name != "self"]
    good = {each.name: _good(core, each) for each in parameters}
    for each in parameters:
        for where, odd in _odd(each.name, str(each.annotation), good[each.name], text):
            yield where, {name: value for name, value in (good | {each.name: odd}).items() if value is not _LEAVE}


_LEAVE = object()


def _good(core: Mailcore, parameter: inspect.Parameter) -> Any:
    kind = str(parameter.annotation).removesuffix(" | None")
    if kind in OBJECTS:
        return OBJECTS[kind]
    if parameter.default is not inspect.Parameter.empty and kind != "SecretStr":
        return _LEAVE
    made: dict[str, Callable[[], Any]] = {
        "Actor": lambda: ME,
        "Door": lambda: Door.ACCOUNTS,
        "Mailcore": lambda: core,
        "MailServer": lambda: server(core),
        "OutgoingMessage": lambda: compose(
            from_address="a@exemplo.com.br", to=["b@exemplo.org"], subject="x", text="y"
        ),
        "SecretStr": lambda: SecretStr("x"),
        "SendStatus": lambda: SendStatus.REFUSED,
        "Send": lambda: core.reserve(server(core), 1),
        "Sequence[int]": lambda: [1],
        "Sequence[str]": lambda: ["x"],
        "Sequence[str] | int": lambda: ["b@exemplo.org"],
        "bytes": lambda: b"",
        "datetime": lambda: NOW,
        "int": lambda: 1,
        "str": lambda: "x",
        "User": lambda: core.access.users.everybody(actor=ME)[0],
    }
    return made[kind]() if kind in made else _LEAVE


def _odd(name: str, kind: str, good: Any, text: str) -> Iterator[tuple[str, Any]]:
    if kind.startswith("str"):
        yield name, text
    elif kind.startswith("Sequence[str]"):
        yield name, [text]
    elif kind.startswith("SecretStr"):
        yield name, SecretStr(text)
    elif kind == "bytes":
        yield name, b"server_id;at;units\n\xff\xfe;\xed\xa0\x80;1\n"
    elif kind.removesuffix(" | None") in OBJECTS:
        for field in dataclasses.fields(good):
            if type(getattr(good, field.name)) is str:
                yield f"{name}.{field.name}", dataclasses.replace(good, **{field.name: text})


def test_arguments_and_settings_that_are_no_utf_8_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the operating system hands them over: bytes that are no UTF-8 become halves of characters."""
    odd = os.fsdecode(b"a\xff\xed\xa0\x80")
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path / odd))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    for arguments, named in (
        (["servers", "add", "--name", odd, "--host", "x"], "--name"),
        (["servers", "list", f"--search={odd}"], "--search"),
        (["send", "--server", "1", "--to", odd, "--text", "x"], "--to"),
        (["servers", "suggest", odd], "argumento 3"),
        (["users", "edit", odd, "--name", "Ana"], "argumento 3"),
    ):
        assert main(arguments) == Exit.WRONG_USE
        assert capsys.readouterr().err == f"{named}: {NOT_TEXT}\n"
    assert main(["explain", f"550 5.1.1 {odd} user unknown"]) == Exit.DONE
    file = tmp_path / odd / "servidores.csv"
    file.parent.mkdir()
    file.write_text("id;name;host;from_address;username\n;Loja;a.example;a@a.example;\n", "utf-8")
    assert main(["servers", "import", str(file), "--dry-run"]) == Exit.DONE, "a file may have any name"
    for name in Settings.model_fields:
        if name not in ("data_dir", "keyring"):
            monkeypatch.setenv(f"MAILCORE_{name.upper()}", odd)
            with pytest.raises(ConfigurationError, match=f"^MAILCORE_{name.upper()}: "):
                load_settings()
            monkeypatch.delenv(f"MAILCORE_{name.upper()}")
