"""``users``: who may enter, managed on the command line."""

from __future__ import annotations

import io
import json
import pkgutil
import sys
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from mailcore import cli, open_mailcore
from mailcore.access.trail import Visitor
from mailcore.actor import Actor
from mailcore.cli import main
from mailcore.rights import Right, Role, rights_of
from mailcore.storage.tables import Base
from tests.tables import each_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

USER_KEYS = {"id", "email", "name", "role", "is_active", "has_password", "created_at", "last_seen_at"}
SESSION_KEYS = {"id", "door", "created_at", "last_seen_at", "address", "user_agent"}
EMAIL, PASSWORD = "ana@exemplo.com.br", "uma-frase-longa-e-rara-7731"


@pytest.fixture
def run(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any, str]]:
    """Run a command with ``--json``; return its exit code, its document and what it said besides."""
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")

    def ran(*arguments: str, stdin: str = "") -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        capsys.readouterr()
        try:
            code = int(main([*arguments, "--json"]))
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        assert PASSWORD not in captured.out + captured.err
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return ran


def test_the_first_administrator_is_made_here_and_a_life_goes_by(run: Callable[..., tuple[int, Any, str]]) -> None:
    assert run("users", "list")[:2] == (0, [])
    code, made, said = run(
        "users", "add", EMAIL, "--role", "admin", "--name", "Ana", "--password-stdin", stdin=PASSWORD
    )
    assert (code, set(made)) == (0, USER_KEYS), said
    assert (made["email"], made["role"], made["name"], made["is_active"]) == (EMAIL, "admin", "Ana", True)
    assert (made["has_password"], made["last_seen_at"]) == (True, None)
    assert run("users", "list")[1] == [made]
    code, changed, _ = run("users", "edit", EMAIL, "--role", "analyst", "--inactive", "--name", "Ana Lima")
    assert (code, changed) == (0, made | {"role": "analyst", "is_active": False, "name": "Ana Lima"})
    assert run("users", "remove", EMAIL, "--yes")[:2] == (0, {"removed": EMAIL})
    assert run("users", "list")[1] == []


def test_who_gets_no_password_gets_a_link_of_one_use(run: Callable[..., tuple[int, Any, str]]) -> None:
    code, made, said = run("users", "add", EMAIL, "--role", "support")
    assert (code, made["has_password"]) == (0, False)
    token = said.partition("/entrar/senha?link=")[2].split()[0]
    with closing(open_mailcore()) as core, core.database.read() as session:
        tables = [table.name for table in Base.metadata.sorted_tables]
        rows = [session.connection().exec_driver_sql(f'SELECT * FROM "{table}"').all() for table in tables]
    assert len(token) > 20
    assert token not in str(rows), "only its hash is kept"


@each_row(
    ("arguments", "stdin", "word"),
    [
        (("users", "add", "isto não é", "--role", "admin"), "", "E-mail"),
        (("users", "add", EMAIL, "--role", "chefe"), "", "--role"),
        (("users", "add", EMAIL, "--role", "admin", "--password-stdin"), "curta", "Senha"),
        (("users", "add", EMAIL, "--role", "admin", "--password-stdin"), "password1234", "Senha"),
        (("users", "edit", "ninguem@exemplo.com.br", "--role", "admin"), "", "ninguem@exemplo.com.br"),
        (("users", "remove", "ninguem@exemplo.com.br", "--yes"), "", "ninguem@exemplo.com.br"),
        (("users", "sessions", "ninguem@exemplo.com.br"), "", "ninguem@exemplo.com.br"),
    ],
)
def test_wrong_use_is_a_sentence_that_names_what_is_wrong(
    run: Callable[..., tuple[int, Any, str]], arguments: tuple[str, ...], stdin: str, word: str
) -> None:
    code, document, said = run(*arguments, stdin=stdin)
    assert (code, document) == (2, None)
    assert word in said


def test_an_address_is_registered_once_whatever_its_case(run: Callable[..., tuple[int, Any, str]]) -> None:
    assert run("users", "add", EMAIL, "--role", "admin")[0] == 0
    code, document, said = run("users", "add", EMAIL.upper(), "--role", "analyst")
    assert (code, document) == (2, None)
    assert EMAIL in said.lower()


def test_sessions_are_listed_and_ended(run: Callable[..., tuple[int, Any, str]]) -> None:
    run("users", "add", EMAIL, "--role", "admin", "--password-stdin", stdin=PASSWORD)
    with closing(open_mailcore()) as core:
        core.access.sign_in(EMAIL, SecretStr(PASSWORD), Visitor("192.0.2.7", "Firefox"))
    code, listed, _ = run("users", "sessions", EMAIL)
    assert (code, [set(session) for session in listed]) == (0, [SESSION_KEYS])
    assert (listed[0]["door"], listed[0]["address"]) == ("accounts", "192.0.2.7")
    assert run("users", "sessions", EMAIL, "--revoke")[:2] == (0, [])


def _acts(folder: Path) -> list[tuple[Right, tuple[str, ...]]]:
    """Every command that does something, and its right."""
    use, servers = folder / "use.csv", folder / "servers.json"
    use.write_text("server_id,at,units\n1,2026-11-20T10:00,5\n")
    servers.write_text(
        '[{"id": null, "name": "Outra", "kind": "smtp", "host": "127.0.0.1", "port": 9, "from_address": "b@x.example"}]'
    )
    add = ("servers", "add", "--name", "Nova", "--host", "127.0.0.1", "--port", "9", "--from", "a@x.example")
    send = ("send", "--server", "1", "--to", "b@x.example", "--text", "Oi")
    app = ("oauth", "apps", "add", "--name", "Entra", "--provider", "microsoft", "--client-id", "c")
    return [
        (Right.OPERATE, add),
        (Right.OPERATE, ("servers", "edit", "1", "--notes", "x")),
        (Right.OPERATE, ("servers", "check", "1")),
        (Right.OPERATE, ("servers", "check", "--all")),
        (Right.OPERATE, send),
        (Right.OPERATE, ("quota", "add-external", "--server", "1", "--units", "4")),
        (Right.OPERATE, ("quota", "add-external", "--file", str(use))),
        (Right.DELETE_OR_BULK, ("servers", "import", str(servers))),
        (Right.DELETE_OR_BULK, ("servers", "delete", "1", "--yes")),
        (Right.ADMINISTER, ("users", "list")),
        (Right.ADMINISTER, ("users", "add", "bia@exemplo.com.br", "--role", "admin")),
        (Right.ADMINISTER, ("users", "edit", EMAIL, "--role", "admin")),
        (Right.ADMINISTER, ("users", "sessions", EMAIL, "--revoke")),
        (Right.ADMINISTER, ("users", "link", EMAIL)),
        (Right.ADMINISTER, ("users", "remove", EMAIL, "--yes")),
        (Right.ADMINISTER, app),
        (Right.ADMINISTER, ("oauth", "apps", "remove", "1", "--yes")),
        (Right.ADMINISTER, ("secrets", "rotate")),
    ]


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.ANALYST])
def test_a_command_of_somebody_without_the_right_ends_with_3_and_does_nothing(
    run: Callable[..., tuple[int, Any, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, role: Role
) -> None:
    """The computer's user has every right; a command itself relies on the library, whoever acts."""
    assert run("users", "add", EMAIL, "--role", "analyst")[0] == 0
    server = ("servers", "add", "--name", "Loja", "--host", "127.0.0.1", "--port", "9", "--from", "a@x.example")
    assert run(*server)[0] == 0
    assert run("oauth", "apps", "add", "--name", "App", "--provider", "google", "--client-id", "c")[0] == 0
    before = [run("servers", "list")[1], run("users", "list")[1], run("oauth", "apps", "list")[1]]
    with monkeypatch.context() as somebody:
        for info in pkgutil.iter_modules(cli.__path__, "mailcore.cli."):
            module = import_module(info.name)
            if hasattr(module, "computer_user"):
                somebody.setattr(module, "computer_user", lambda: Actor("Fulano", role, 4711))
        refused = [act for act in _acts(tmp_path) if act[0] not in rights_of(role)]
        assert len(refused) > 8
        for _, command in refused:
            code, document, said = run(*command)
            assert (code, document) == (3, None), command
            assert "Seu papel não permite isto. Quem pode: Administrador" in said
    assert [run("servers", "list")[1], run("users", "list")[1], run("oauth", "apps", "list")[1]] == before
    assert run("log")[1] == []
