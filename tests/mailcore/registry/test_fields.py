"""The table of a record's fields, and the walk "add a field": one row, a migration and a help text."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import fields
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import Boolean, Enum, Integer, String, Text

from mailcore.help import field_help
from mailcore.registry.drafts import ServerDraft
from mailcore.registry.fields import FIELD, FIELDS, Field, Sort, file_words
from mailcore.storage.tables import KindText, MailServer
from tests.tables import each_row

ROOT = Path(__file__).parents[3]

# ---------------------------------------------------------------------- the table and what is spelled out beside it


def test_the_draft_has_the_fields_of_the_table_and_their_defaults() -> None:
    wanted = {row.name: row.default for row in FIELDS if row.sort is not Sort.SECRET}
    assert {field.name: field.default for field in fields(ServerDraft)} == wanted


@each_row("row", [row for row in FIELDS if row.stored])
def test_a_column_takes_what_its_row_says(row: Field) -> None:
    column = MailServer.__table__.columns[row.name]
    made_of = {
        Sort.LINE: String,
        Sort.ADDRESS: String,
        Sort.LINES: Text,
        Sort.NUMBER: Integer,
        Sort.FLAG: Boolean,
        Sort.CHOICE: Boolean if isinstance(row.default, bool) else (Enum, KindText),
    }
    assert isinstance(column.type, made_of[row.sort])
    assert column.nullable == (row.sort is Sort.NUMBER)
    if row.sort in (Sort.LINE, Sort.ADDRESS):
        assert column.type.length == row.max_length


def test_no_two_fields_share_a_name_a_label_an_option_or_a_spot() -> None:
    for told in (
        [row.name for row in FIELDS],
        [row.label for row in FIELDS],
        [row.option.flag for row in FIELDS if row.option],
        [(row.place.tab, row.place.spot) for row in FIELDS],
        [row.column.heading for row in FIELDS if row.column],
    ):
        assert len(told) == len(set(told))


@each_row("row", FIELDS)
def test_a_field_has_its_help(row: Field) -> None:
    widget = {"security": "ssl", "security_auto": "ssl_mode"}.get(row.name, row.name)
    assert field_help(widget)


def test_a_choice_is_found_by_what_is_stored() -> None:
    kind = FIELD["kind"]
    assert kind.choice("smtp") in kind.choices
    with pytest.raises(KeyError):
        kind.choice("pombo")
    assert set(file_words(FIELD["is_default"])) >= {"sim", "nao"}


# ---------------------------------------------------------------------- the walk

ROW = """    Field(
        name="phone",
        label="Telefone do responsável",
        sort=Sort.LINE,
        max_length=40,
        place=Place(Tab.GENERAL, 55),
        column=Column("Telefone", 90),
        option=Option("--phone", Group.IDENTITY, "telefone de quem responde pela conta"),
        searched=True,
    ),
"""
MIGRATION = '''"""A telephone number of who answers for the account."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("mail_server", sa.Column("phone", sa.String(40), nullable=False, server_default=""))
'''
HELP = """
[["Campos da aba Geral"]]
key = "phone"
title = "Para que serve o Telefone do responsável?"
short = "A quem ligar quando a conta para."
text = "O telefone de quem responde por esta conta."
"""
SEEN_ON_THE_SCREEN = """
import json, sys
from streamlit.testing.v1 import AppTest

def page(name, **query):
    app = AppTest.from_file("screen.py", default_timeout=60)
    if name != "servidores":
        app = app.run().switch_page(f"pages/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app

form = page("cadastro", id="1")
(phone,) = [box for box in form.text_input if box.label == "Telefone do responsável"]
seen = {"form": phone.value, "help": phone.help}
phone.set_value("+55 11 4002-8922")
next(button for button in form.button if button.label == "Salvar e continuar").click().run()
assert not form.exception and not form.error, [form.exception, form.error]

too_long = page("cadastro", id="1")
next(box for box in too_long.text_input if box.label == "Telefone do responsável").set_value("9" * 41)
next(button for button in too_long.button if button.label == "Salvar e continuar").click().run()
seen["complaint"] = too_long.error[0].value

def table(app):
    (drawn,) = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "mailcore_rows"]
    data = json.loads(drawn.bytes)
    headings = [column["label"] for column in data["columns"]]
    cells = [[cell if isinstance(cell, str) else cell["text"] for cell in row[1:]] for row in data["rows"]]
    return [dict(zip(headings, row, strict=True)) for row in cells]

seen["list"] = [row["Telefone"] for row in table(page("servidores", colunas="phone"))]
seen["trail"] = [{name: row[name] for name in ("Campo", "De", "Para")} for row in table(page("alteracoes"))]
found = page("servidores")
found.text_input(key="busca").set_value("4002-8922").run()
seen["found"] = [row["Descrição"] for row in table(found)]
json.dump(seen, sys.stdout)
"""


COMMANDS = """
import contextlib, io, json, os, sys
from mailcore.cli import main

for line in sys.stdin:
    arguments, given = json.loads(line)
    out, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code or 0
    out.flush()
    json.dump([code, out.buffer.getvalue().decode(), errors.getvalue()], sys.__stdout__)
    print(file=sys.__stdout__, flush=True)
"""
"""One process for all the commands: to load the program is most of what each of them costs."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A copy of the program, in which nothing is changed but a row, a migration and a help text."""
    copy = tmp_path / "program"
    for name in ("mailcore", "ui", "pages", ".streamlit"):
        shutil.copytree(ROOT / name, copy / name)  # with what is compiled: the files keep their time
    shutil.copy(ROOT / "screen.py", copy)
    table = copy / "mailcore/registry/fields.py"
    end = ')\n"""Every field, in the order'
    source = table.read_text("utf-8")
    assert source.count(end) == 1
    table.write_text(source.replace(end, ROW + end), "utf-8")
    versions = copy / "mailcore/storage/migrations/versions"
    newest = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
    (versions / "9999_phone.py").write_text(MIGRATION.format(before=newest), "utf-8")
    with (copy / "mailcore/help.toml").open("a", encoding="utf-8") as text:
        text.write(HELP)
    return copy


def test_a_new_field_is_a_row_a_migration_and_a_help_text(program: Path, tmp_path: Path) -> None:
    env = {
        "PYTHONPATH": str(program),
        "MAILCORE_DATA_DIR": str(tmp_path / "data"),
        "MAILCORE_KEYRING": "database",
        "HOME": str(tmp_path),
    }

    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", COMMANDS], cwd=program, env=env, stdin=pipe, stdout=pipe, text=True
    ) as running:
        walk(running, program, env)


def walk(running: subprocess.Popen[str], program: Path, env: dict[str, str]) -> None:
    assert running.stdin is not None
    assert running.stdout is not None
    given_to, told_by = running.stdin, running.stdout

    def cli(*command: str, given: str = "", exit_code: int = 0) -> str:
        given_to.write(json.dumps([command, given]) + "\n")
        given_to.flush()
        code, out, errors = json.loads(told_by.readline())
        assert code == exit_code, errors
        return str(out)

    # The command line: add, show in words and in JSON, edit, help.
    server = ("--name", "Padaria", "--host", "smtp.x.example", "--from", "a@x.example")
    added = json.loads(cli("--json", "servers", "add", *server, "--phone", "+55 11 1234-5678"))
    assert added["phone"] == "+55 11 1234-5678"
    assert json.loads(cli("--json", "servers", "edit", "1", "--phone", "(11) 91234-5678"))["phone"] == "(11) 91234-5678"
    assert "(11) 91234-5678" in next(
        line for line in cli("servers", "show", "1").splitlines() if line.startswith("Telefone do responsável")
    )
    assert "--phone TEXTO" in cli("servers", "add", "--help")
    cli("servers", "edit", "1", "--phone", "uma\nduas", exit_code=2)
    assert [each["id"] for each in json.loads(cli("--json", "servers", "list", "--search", "91234"))] == [1]

    # The screen: form, complaint, list, trail, search.
    done = subprocess.run(
        [sys.executable, "-c", SEEN_ON_THE_SCREEN], cwd=program, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["form"] == "(11) 91234-5678"
    assert seen["help"].startswith("A quem ligar quando a conta para.")
    assert "o texto tem 41 caracteres; cabem até 40" in seen["complaint"]
    assert seen["list"] == ["+55 11 4002-8922"]
    assert {"Campo": "Telefone do responsável", "De": "(11) 91234-5678", "Para": "+55 11 4002-8922"} in seen["trail"]
    assert seen["found"] == ["Padaria"]

    # Files: out as CSV and JSON, in again by name, by label and by the list's heading.
    exported = cli("servers", "export")
    assert next(csv.DictReader(StringIO(exported)))["phone"] == "'+55 11 4002-8922"
    assert json.loads(cli("servers", "export", "--format", "json"))[0]["phone"] == "+55 11 4002-8922"
    assert json.loads(cli("--json", "servers", "import", "-", given=exported))["changed"] == 0
    for heading, number in (("phone", "1"), ("Telefone do responsável", "2"), ("Telefone", "3")):
        file = f"id;{heading}\n1;{number}\n"
        assert json.loads(cli("--json", "servers", "import", "-", given=file))["changed"] == 1
        assert json.loads(cli("--json", "servers", "show", "1"))["phone"] == number
