"""What comes from outside reaches terminal and files as text: no command of a terminal, no formula of a spreadsheet."""

from __future__ import annotations

import argparse
import csv
import json
import re
import zipfile
from contextlib import closing, suppress
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from mailcore import open_mailcore
from mailcore.access.users import UserDraft
from mailcore.cli import main, parser
from mailcore.oauth.apps import AppDraft
from mailcore.quota.external_use import Entry
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.exchange import to_csv, to_json
from mailcore.rights import Role
from mailcore.sending.ledger import LedgerQuery
from mailcore.vocabulary import SendStatus
from tests.actors import ME
from ui import envios_file
from ui.cotas import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "=HYPERLINK(1);*x* \u202eoãs\u2066 [31m"
REPLY = "550 5.1.1 \x1b[31mvermelho\x1b]0;titulo\x07 \x9b2J \u202eoirártnoc\u2069 \x7f=1+1 ```x```"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys, or lets turn round what follows."""


@pytest.fixture(autouse=True)
def installation(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    with closing(open_mailcore()) as core:
        draft = ServerDraft(
            name=NAME, host="127.0.0.1", port=9, username="=u", from_address="=a@exemplo.example", from_name=NAME,
            notes=f"{NAME}\n=2+2\t;-x", daily_limit=5,
        )  # fmt: skip
        server = core.servers.create(draft, SecretStr("segredo"), actor=ME).server
        core.settle(core.reserve(server, ["=z@exemplo.example"]), SendStatus.REFUSED, reply=REPLY)
        core.record_external_use([Entry(server, datetime.now(UTC), 1)], actor=ME)
        core.servers.apps.add(AppDraft("=1 *x*", "google", "=id"), SecretStr("s"), actor=ME)
        core.access.users.add(UserDraft("ana@exemplo.example", Role.ADMINISTRATOR, "=Ana [31m"), actor=ME)


def commands(of: argparse.ArgumentParser) -> Iterator[str]:
    """Every command there is."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from commands(sub)
    if of.get_default("command"):
        yield of.get_default("command")


def calls(folder: Path) -> dict[str, list[Any]]:
    """A call of every command that has something to show of what came from outside."""
    file, bad = folder / "s.csv", folder / "b.csv"
    file.write_text(f"id;name;host;from_address;username\n;{NAME} 2;a.example;=b@b.example;\n", "utf-8")
    bad.write_text(f"id;name;host;from_address;{NAME}\nx{REPLY};;;{REPLY};\n", "utf-8")
    use = folder / "u.csv"
    use.write_text(f"server_id;at;units\n{REPLY};x;y\n", "utf-8")
    people = folder / "p.csv"
    people.write_text(f"email;{NAME}\n=z@exemplo.example;{NAME}\n", "utf-8")
    of = ["--server", "1", "--subject", NAME, "--text-file", str(people), "--draft"]
    to = ["--server", "1", "--text", "x", "--to"]
    return {
        "servers list": [[], ["--search", REPLY]],
        "servers show": [["1"], [REPLY]],
        "servers add": [["--name", REPLY, "--host", REPLY, "--from", REPLY]],
        "servers edit": [["1", "--name", f"{NAME} b"]],
        "servers check": [["1"], ["--all"]],
        "servers authorize": [["1"]],
        "servers suggest": [["ana@gmail.com"], [REPLY]],
        "servers export": [[]],
        "servers import": [[str(file), "--dry-run"], [str(bad)], [str(file)]],
        "explain": [[REPLY]],
        "send": [[*to, "b@b.example"], [*to, REPLY]],
        "log": [[], ["--status", REPLY]],
        "quota": [[]],
        "quota add-external": [["--file", str(use)]],
        "secrets rotate": [[]],
        "oauth apps list": [[]],
        "oauth apps add": [["--name", REPLY, "--provider", "google", "--client-id", REPLY]],
        "oauth apps edit": [["1", "--name", NAME], ["1", "--client-id", REPLY]],
        "oauth apps remove": [["9", "--yes"], ["1", "--yes"]],
        "users list": [[]],
        "users add": [[REPLY, "--role", "analyst"], ["bia@exemplo.example", "--role", "analyst", "--name", "=Bia"]],
        "users edit": [["ana@exemplo.example", "--name", "*x* =1"]],
        "users sessions": [["ana@exemplo.example"], [REPLY]],
        "users link": [["ana@exemplo.example"]],
        "users remove": [["bia@exemplo.example", "--yes"]],
        "doctor": [[]],
        "backup": [[str(folder / "copia =1.db")]],
        "restore": [[str(folder / "nada")]],
        "batch create": [[*of, "--recipients", str(people), "--name", NAME], [*of, "--recipients", str(bad)]],
        "batch list": [[]],
        "batch show": [["1"]],
        "batch preview": [["1", "--row", "2"]],
        "batch start": [["1"]],
        "batch pause": [["1"]],
        "batch resume": [["1"]],
        "batch recipients": [["1"], ["1", "--status", REPLY]],
        "batch retry": [["1", "--failed"]],
        "batch cancel": [["1"]],
        "suppressions add": [["=x@exemplo.example", "--reason", NAME], [REPLY]],
        "suppressions list": [[]],
        "suppressions remove": [["=x@exemplo.example"], [REPLY]],
        "worker": [["--until-idle"]],
        "servers delete": [["1", "--yes"]],
    }


def test_no_command_hands_anything_on_that_a_terminal_obeys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(""))
    every = calls(tmp_path)
    assert set(every) == set(commands(parser.build_parser()))
    said = ""
    for command, arguments in every.items():
        for given in arguments:
            for as_json in ([], ["--json"]) if given is arguments[0] else ([],):
                with suppress(SystemExit):
                    main([*command.split(), *given, *as_json])
                shown = capsys.readouterr()
                assert "Erro do próprio programa" not in shown.err
                # A file is written as it is; which characters a record may have, the registry says.
                seen = shown.err + ("" if command == "servers export" else shown.out.replace("\t", " "))
                assert not OBEYED.search(seen), (command, given, as_json, OBEYED.search(seen))
                if as_json and shown.out and command != "servers export":
                    said += json.dumps(json.loads(shown.out), ensure_ascii=False)
    assert json.dumps(NAME, ensure_ascii=False)[1:-1] in said, "in JSON it is what it was"


def test_no_file_has_a_cell_that_a_spreadsheet_runs() -> None:
    with closing(open_mailcore()) as core:
        quotas, zone = core.quotas(), core.settings.zone
        tables = [
            to_csv(core.all_servers(), zone).encode(),
            to_csv(core.all_servers(), zone, delimiter=";").encode(),
            envios_file.to_csv(core, LedgerQuery()),
            files.to_csv(core, quotas),
        ]
        sheet = files.to_excel(core, quotas)
        assert json.loads(to_json(core.all_servers(), zone))[0]["name"] == NAME
    for table in tables:
        for delimiter in ",;\t":
            for row in csv.reader(StringIO(table.decode("utf-8-sig"), newline=""), delimiter=delimiter):
                assert not [cell for cell in row if cell.lstrip(' "')[:1] in tuple("=+-@\uff1d")], (delimiter, row)
    with zipfile.ZipFile(BytesIO(sheet)) as parts:
        content = b"".join(parts.read(name) for name in parts.namelist())
    assert b"<f>" not in content, "no formula"
    assert b"<hyperlink " not in content
