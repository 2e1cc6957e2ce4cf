"""Import and export: what goes out comes in again, all of a file or nothing, and never a secret."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text as sql

from mailcore import Mailcore
from mailcore.errors import ConflictError, RecordGoneError, ValidationError
from mailcore.registry.document import server_document
from mailcore.registry.drafts import ServerDraft, clean, draft_of
from mailcore.registry.exchange import (
    ImportPlan,
    all_servers,
    apply_import,
    export_rows,
    people_template_csv,
    plan_import,
    template_csv,
    to_csv,
    to_json,
    to_people_csv,
)
from mailcore.registry.exchange_file import CSV_COLUMNS, FIELDS, MAX_BYTES, read
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from mailcore.transports import kinds
from mailcore.vocabulary import CheckState, Kind, LimitUnit, LimitWindow, SameAddress, Security
from tests.actors import ME
from tests.forked import run_command
from tests.peers.certificates import authority_pem
from tests.properties import examples
from tests.tables import each_row
from ui import words

ZONE = ZoneInfo("America/Sao_Paulo")
PASSWORD = "Segrêdo-Único-8123"
HEADER = "id;name;host;from_address;username\n"


def register(core: Mailcore, name: str, *, secret: str | None = PASSWORD, **changes: Any) -> MailServer:
    values = {"host": "smtp.exemplo.example", "from_address": "a@exemplo.example", "username": "a@exemplo.example"}
    draft = ServerDraft(name=name, **(values | changes))
    return core.servers.create(draft, SecretStr(secret) if secret else None, actor=ME).server


def plan(core: Mailcore, text: str | bytes) -> ImportPlan:
    return plan_import(core.database, text.encode() if isinstance(text, str) else text)


def take(core: Mailcore, text: str | bytes) -> list[MailServer]:
    planned = plan(core, text)
    assert planned.errors == ()
    return apply_import(core.servers, planned, actor=ME)


def state(core: Mailcore) -> list[str]:
    """Every row of every table that an import could touch."""
    with core.database.read() as session:
        return [
            repr(row)
            for table in ("mail_server", "change", "secret_journal")
            for row in session.execute(sql(f"SELECT * FROM {table}")).all()
        ]


def complaints(planned: ImportPlan) -> list[tuple[int, str]]:
    return [(error.line, error.column) for error in planned.errors]


# What goes out


def test_the_json_document_is_that_of_the_command_line_with_two_keys_more(core: Mailcore) -> None:
    server = register(core, "Loja", notes="uma\nnota", ca_pem=authority_pem(), is_default=True)
    core.servers.record_check(server, CheckState.OK, None)
    stored = all_servers(core.database)
    expected = server_document(stored[0], ZONE) | {"notes": "uma\nnota", "ca_pem": authority_pem().strip()}
    assert export_rows(stored, ZONE) == [expected]
    assert list(export_rows(stored, ZONE)[0]) == list(expected)
    assert json.loads(to_json(stored, ZONE)) == [expected]
    flat = {name for name in expected if name != "last_check"} | {f"last_check_{key}" for key in expected["last_check"]}
    assert set(CSV_COLUMNS) == flat


def test_a_file_sets_every_field_but_those_that_follow_from_others() -> None:
    assert set(FIELDS) == set(ServerDraft.__dataclass_fields__) - {"requires_auth", "security_auto"}


def test_no_export_has_a_secret_or_where_it_is(core: Mailcore) -> None:
    server = register(core, "Loja")
    register(core, "Elástica", kind=Kind.ELASTIC_EMAIL, host="", username="", secret="CHAVE-ÚNICA-77")
    for out in (to_csv(all_servers(core.database), ZONE), to_json(all_servers(core.database), ZONE)):
        for hidden in (PASSWORD, "CHAVE-ÚNICA-77", server.secret_ref or "", "secret_ref"):
            assert hidden not in out


def test_no_cell_is_a_formula_and_each_comes_back_exactly(core: Mailcore) -> None:
    names = ["=HYPERLINK(1)", "+55 11", "-1", "@SUM(A1)", "'=1", "''=1", "'aspas", "＝1", 'a";"b', "a,b;c", "1,5"]
    for name in names:
        register(core, name, from_name=name)
    for delimiter in ",;":
        out = to_csv(all_servers(core.database), ZONE, delimiter=delimiter)
        for row in csv.reader(StringIO(out), delimiter=delimiter):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝")) for cell in row)
        assert plan(core, out).unchanged == len(names)
    renamed = out.replace("smtp.exemplo.example", "smtp.outro.example")
    assert {(each.name, each.from_name) for each in take(core, renamed)} == {(name, name) for name in names}


# Out and in again

_TEXTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")) | st.sampled_from("=+-@'\";,"), max_size=30
).map(str.strip)
_DRAFTS = st.builds(
    ServerDraft,
    name=_TEXTS,
    kind=st.sampled_from([kind.id for kind in kinds()]),
    host=st.sampled_from(["smtp.exemplo.example", "10.0.0.1", "2001:db8::1", "correio.ção.example"]),
    port=st.none() | st.integers(1, 65_535),
    security=st.sampled_from(Security),
    security_auto=st.booleans(),
    verify_certificate=st.booleans(),
    requires_auth=st.booleans(),
    username=_TEXTS.filter(bool),
    from_address=st.sampled_from(
        ["a@exemplo.example", "=b@exemplo.example", "'c@exemplo.example", "ç@exemplo.example"]
    ),
    from_name=_TEXTS,
    reply_to=st.sampled_from(["", "+r@exemplo.example"]),
    is_paid=st.booleans(),
    daily_limit=st.none() | st.integers(1, 100_000_000),
    limit_unit=st.sampled_from(LimitUnit),
    limit_window=st.sampled_from(LimitWindow),
    same_address=st.none() | st.sampled_from(SameAddress),
    notes=st.text(st.sampled_from("ab \n\r\t=\"';,ç😀"), max_size=40),
)


@pytest.fixture
def sqlite_core(data_dir: Path) -> Any:
    opened = Mailcore(Settings(data_dir=data_dir, keyring="database"))
    yield opened
    opened.close()


@given(drafts=st.lists(_DRAFTS, min_size=1, max_size=5))
@hypothesis_settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_export_taken_in_again_changes_nothing(sqlite_core: Mailcore, drafts: list[ServerDraft]) -> None:
    core = sqlite_core
    with core.database.write() as session:
        session.execute(sql("DELETE FROM mail_server"))
    registered = []
    for number, draft in enumerate(drafts):
        named = ServerDraft(
            **{key: getattr(draft, key) for key in ServerDraft.__dataclass_fields__ if key != "name"}
            | {"name": f"{draft.name}{number}"}
        )
        registered.append((None, named))
    core.servers.apply(registered, actor=ME)
    stored = all_servers(core.database)
    excel = to_csv(stored, ZONE, delimiter=";")
    for data in (
        to_json(stored, ZONE).encode(),
        to_csv(stored, ZONE).encode(),
        excel.encode("utf-8-sig"),
        to_people_csv(stored, ZONE).encode("utf-8-sig"),
        to_csv(stored, ZONE, delimiter="\t").encode("utf-16"),
    ):
        planned = plan_import(core.database, data)
        assert planned.errors == ()
        assert planned.changed == ()
        assert (planned.created, planned.unchanged) == ((), len(stored))
    # Into another registry everything comes in as it was, but for "Automático", which a file does not have.
    without_ids = json.loads(to_json(stored, ZONE))
    for document in without_ids:
        document["id"] = None
    with core.database.write() as session:
        session.execute(sql("DELETE FROM mail_server"))
    again = take(core, json.dumps(without_ids))
    for before, after in zip(stored, again, strict=True):
        for name in FIELDS:
            assert getattr(before, name) == getattr(after, name)


@each_row("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@each_row("delimiter", [",", ";", "\t"])
@each_row("line_feed", ["\n", "\r\n"])
def test_files_as_spreadsheets_write_them(sqlite_core: Mailcore, encoding: str, delimiter: str, line_feed: str) -> None:
    rows = [
        ["Descrição", "Servidor", "E-mail do remetente", "Usuário", "Conta", "Ativo", "SSL", "Limite diário", "notes"],
        [
            "Padaria São João",
            "smtp.p.example",
            "p@p.example",
            "p",
            "Paga",
            "VERDADEIRO",
            "SSL/TLS direto",
            "10.000",
            "uma\nduas; três, “quatro”",
        ],
        ["Açougue", "smtp.a.example", "a@a.example", "", "Gratuita", "não", "", "", ""],
        ["", "", "", "", "", "", "", "", ""],
    ]
    text = StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_feed).writerows(rows)
    bakery, butcher = take(sqlite_core, text.getvalue().encode(encoding))
    assert (bakery.name, bakery.is_paid, bakery.is_active) == ("Padaria São João", True, True)
    assert (bakery.security, bakery.security_auto, bakery.port) == (Security.SSL_TLS, False, 465)
    assert (bakery.daily_limit, bakery.notes) == (10_000, "uma\nduas; três, “quatro”")
    assert (butcher.name, butcher.username, butcher.is_active) == ("Açougue", "", False)
    assert (butcher.security, butcher.security_auto, butcher.port) == (Security.STARTTLS, True, 587)
    for each in (bakery, butcher):
        sqlite_core.servers.delete(each.id, actor=ME)


def test_the_words_of_the_screen_are_understood() -> None:
    from mailcore.registry.fields import FIELD, file_words
    from mailcore.text import fold

    shown = {
        "kind": words.KIND,
        "security": words.SECURITY,
        "is_paid": words.PAID,
        "limit_unit": words.UNIT,
        "limit_window": words.WINDOW,
        "same_address": words.SAME_ADDRESS,
    }
    for name, choices in shown.items():
        for value, word in choices.items():
            assert file_words(FIELD[name])[fold(word)] == value


def test_line_feeds_rewritten_by_a_spreadsheet_are_no_change(sqlite_core: Mailcore) -> None:
    register(sqlite_core, "Loja", notes="uma\r\nduas", ca_pem=authority_pem().replace("\n", "\r\n"))
    out = to_csv(all_servers(sqlite_core.database), ZONE)
    assert plan(sqlite_core, out.replace("\r\n", "\n")).unchanged == 1


def test_the_template_is_a_file_one_can_begin_with(sqlite_core: Mailcore) -> None:
    header = template_csv()
    assert plan(sqlite_core, header) == ImportPlan((), (), 0, (), (), False)
    row = dict.fromkeys(["id", *FIELDS], "") | {
        "name": "Loja",
        "kind": "SMTP",
        "host": "smtp.x.example",
        "from_address": "l@x.example",
    }
    server = take(sqlite_core, header + ";".join(row.values()))[0]
    empty_form = clean(
        ServerDraft(
            name="Loja", host="smtp.x.example", from_address="l@x.example", requires_auth=False, security_auto=True
        )
    ).draft
    assert draft_of(server) == empty_form


def test_a_file_for_people_is_in_words_with_the_codes_beside_them(sqlite_core: Mailcore) -> None:
    register(sqlite_core, "Loja", is_paid=True, security=Security.SSL_TLS, notes="=1+1")
    stored = all_servers(sqlite_core.database)
    (row,) = csv.DictReader(StringIO(to_people_csv(stored, ZONE)), delimiter=";")
    assert (row["Descrição"], row["Conta"], row["SSL"], row["SSL (código)"]) == (
        "Loja",
        "Paga",
        "SSL/TLS direto",
        "ssl_tls",
    )
    assert (row["Ativo"], row["Último teste"], row["Observações"]) == ("sim", "Nunca testado", "'=1+1")
    assert row["Autorização"] == ""  # with a password there is nothing to authorise
    assert row["Registrado em"] == stored[0].created_at.astimezone(ZONE).strftime("%d/%m/%Y %H:%M")
    # The word is what counts; a code left as it was changes nothing back.
    changed = to_people_csv(stored, ZONE).replace(";Paga;", ";Gratuita;")
    (after,) = take(sqlite_core, changed)
    assert after.is_paid is False
    assert not [heading for heading in row if heading in CSV_COLUMNS]


def test_the_model_of_a_file_has_one_example(sqlite_core: Mailcore) -> None:
    (server,) = take(sqlite_core, people_template_csv())
    assert (server.name, server.port, server.daily_limit) == ("Exemplo: Padaria São João, notas fiscais", 587, 500)
    assert (server.security, server.security_auto, server.is_active) == (Security.STARTTLS, False, True)


# What it would do


def test_the_plan_says_what_changes_and_touches_nothing(core: Mailcore) -> None:
    loja = register(core, "Loja", is_default=True)
    register(core, "Quitanda")
    before = state(core)
    planned = plan(
        core,
        f"id;name;port;is_default;daily_limit\n{loja.id};Loja Nova;465;;500\n{loja.id + 1};Quitanda;587;sim;\n",
    )
    assert planned.errors == ()
    assert [each.line for each in planned.changed] == [2, 3]
    changes = {(change.field, change.before, change.after) for change in planned.changed[0].changes}
    assert changes == {
        ("name", "Loja", "Loja Nova"),
        ("port", 587, 465),
        ("is_default", True, False),
        ("daily_limit", None, 500),
    }
    assert planned.changed[0].loses_secret
    assert not planned.changed[1].loses_secret
    assert [(warning.line, "Porta envio" in warning.message) for warning in planned.warnings] == [(2, True)]
    assert state(core) == before


def test_absent_columns_stay_and_empty_cells_empty_texts(core: Mailcore) -> None:
    server = register(core, "Loja", notes="fica", from_name="vai", daily_limit=10, is_paid=True, security_auto=True)
    changed = take(core, f"id;from_name;daily_limit;is_paid;security\n{server.id};;;;\n")[0]
    assert (changed.notes, changed.from_name, changed.daily_limit) == ("fica", "", None)
    assert (changed.is_paid, changed.same_address, changed.name) == (True, SameAddress.ALLOW, "Loja")
    assert changed.secret_ref == server.secret_ref
    assert core.servers.secret(changed) == SecretStr(PASSWORD)


def test_a_record_on_automatic_follows_the_port_where_the_file_lets_it(core: Mailcore) -> None:
    server = register(core, "Loja", security_auto=True, port=587)
    assert take(core, f"id;port;security\n{server.id};465;automático\n")[0].security is Security.SSL_TLS
    chosen = take(core, f"id;port;security\n{server.id};465;starttls\n")[0]
    assert (chosen.security, chosen.security_auto) == (Security.STARTTLS, False)
    assert plan(core, f"id;port;security\n{server.id};465;starttls\n").unchanged == 1


def test_descriptions_may_change_hands(core: Mailcore) -> None:
    one, two, three = (register(core, name) for name in ("Um", "Dois", "Três"))
    take(
        core,
        "id;name;host;from_address\n"
        f"{one.id};Dois;smtp.exemplo.example;a@exemplo.example\n"
        f"{two.id};UM;smtp.exemplo.example;a@exemplo.example\n"
        f"{three.id};Quatro;smtp.exemplo.example;a@exemplo.example\n"
        ";Três;h.example;t@t.example\n",
    )
    names = {server.id: server.name for server in all_servers(core.database)}
    assert [names.pop(server.id) for server in (one, two, three)] == ["Dois", "UM", "Quatro"]
    assert list(names.values()) == ["Três"]
    assert core.servers.secret(core.servers.get(one.id)) == SecretStr(PASSWORD)
    changed = [change for change in core.trail.read(server_id=one.id).changes if change.field]
    assert [(change.field, change.before, change.after) for change in changed] == [("name", '"Um"', '"Dois"')]


def test_the_default_changes_hands_within_the_file_and_outside_of_it(core: Mailcore) -> None:
    one, two, three = (register(core, name, is_default=name == "Um") for name in ("Um", "Dois", "Três"))
    take(core, f"id;is_default\n{one.id};não\n{two.id};sim\n")
    assert core.servers.default().id == two.id  # type: ignore[union-attr]
    planned = plan(core, f"id;is_default\n{three.id};sim\n")
    assert "“Dois” deixa de ser" in planned.warnings[0].message
    apply_import(core.servers, planned, actor=ME)
    assert core.servers.default().id == three.id  # type: ignore[union-attr]
    take(
        core,
        f"id;is_default;name;host;from_address\n{three.id};;Três;smtp.exemplo.example;a@exemplo.example\n"
        ";sim;Quatro;h.example;q@q.example\n",
    )
    assert core.servers.default().name == "Quatro"  # type: ignore[union-attr]
    trail = core.trail.read(server_id=three.id).changes
    assert [(change.field, change.after) for change in trail][:2] == [("is_default", "false"), ("is_default", "true")]


# Secrets


def test_a_secret_never_goes_to_another_server(core: Mailcore) -> None:
    server = register(core, "Loja")
    core.servers.record_check(server, CheckState.OK, None)
    planned = plan(core, f"id;host\n{server.id};smtp.ladrao.example\n")
    assert planned.changed[0].loses_secret
    assert "Servidor" in planned.warnings[0].message
    changed = apply_import(core.servers, planned, actor=ME)[0]
    assert (changed.secret_ref, changed.last_check_state) == (None, CheckState.NEVER)
    assert core.servers.secret(changed) is None
    assert core.secrets.orphans() == []
    with core.database.read() as session:
        assert session.scalar(sql("SELECT count(*) FROM stored_secret")) == 0
    assert "secret" in {change.field for change in core.trail.read(server_id=server.id).changes}


def test_turning_the_login_off_drops_the_secret_and_a_new_login_wants_one(core: Mailcore) -> None:
    server = register(core, "Loja")
    assert take(core, f"id;username\n{server.id};\n")[0].secret_ref is None
    planned = plan(core, f"id;username\n{server.id};novo\n")
    assert not planned.changed[0].loses_secret
    assert planned.warnings[0].message.startswith("Falta a senha")


def test_new_records_are_warned_of_without_a_password(core: Mailcore) -> None:
    planned = plan(core, HEADER + ";Com login;h.example;a@a.example;ana\n;Sem login;h.example;a@a.example;\n")
    assert [(each.line, each.message.startswith("Falta a senha")) for each in planned.warnings] == [(2, True)]
    elastic = plan(core, "name,kind,from_address,host\nE,Elastic Email,e@e.example,smtp.e.example\n")
    assert [each.message for each in elastic.warnings] == [
        "Servidor: só vale para SMTP, e fica de fora.",
        "Falta a chave da API: digite-a no cadastro depois de importar.",
    ]


@each_row("column", ["secret", "password", "Senha", "api_key", "API Key", "Chave da API", "smtp_password"])
def test_a_column_of_secrets_is_refused_without_repeating_one(core: Mailcore, column: str) -> None:
    planned = plan(core, f"name;host;from_address;{column}\nLoja;h.example;a@a.example;{PASSWORD}\n")
    assert complaints(planned) == [(1, column)]
    assert "não são importadas" in planned.errors[0].message
    assert PASSWORD not in repr(planned)
    in_json = plan(
        core, json.dumps([{"name": "L", "host": "h.example", "from_address": "a@a.example", column: PASSWORD}])
    )
    assert complaints(in_json) == [(1, column)]
    assert PASSWORD not in repr(in_json)


# What is wrong is named, and nothing is taken


@pytest.fixture(scope="module")
def core_with_a_default(shared_core: Mailcore) -> Mailcore:
    """With one record, for tests after which nothing has changed."""
    register(shared_core, "Guardada", is_default=True)
    return shared_core


@each_row(
    ("text", "expected", "sentence"),
    [
        (HEADER + ";A;h.example;a@a.example;\n;;h.example;a@a.example;\n", [(3, "name")], "Descrição: preencha"),
        (HEADER + ';"A";h.example;"a\nb";\n;B;h.example;bb;\n', [(2, "from_address"), (4, "from_address")], "espaços"),
        (HEADER + "x;A;h.example;a@a.example;\n", [(2, "id")], "número do servidor"),
        (HEADER + "99;A;h.example;a@a.example;\n", [(2, "id")], "Não há servidor com o número 99"),
        (HEADER + "9999999999;A;h.example;a@a.example;\n", [(2, "id")], "número do servidor"),
        (HEADER + "1;A;h.example;a@a.example;\n1;B;h.example;a@a.example;\n", [(3, "id")], "já está na linha 2"),
        (HEADER + ";São João;h.example;a@a.example;\n;SAO  joao;h.example;a@a.example;\n", [(3, "name")], "na linha 2"),
        (HEADER + ";guardada;h.example;a@a.example;\n", [(2, "name")], "o número 1"),
        (HEADER + ";A;h.example;a@a.example\n", [(2, "")], "tem 4 células e o cabeçalho 5"),
        (HEADER + ";A;h.example;a@a.example;;x\n", [(2, "")], "tem 6 células"),
        (HEADER + ';"A;h.example\n;B;h.example;b@b.example;\n', [(2, "")], "confira as aspas"),
        ("Nome do Servidor;hots\n", [(1, "")], "nenhuma coluna conhecida"),
        ("id;nmae\n1;x\n", [(1, "nmae")], "Seria “name”?"),
        ("id;name;Descrição\n1;x;y\n", [(1, "Descrição")], "duas vezes"),
        ("name;from_address\nA;a@a.example\nB;b@b.example\n", [(1, "host")], "Falta a coluna “host”"),
        ("id;is_paid\n1;talvez\n", [(2, "is_paid")], "sim (paga) ou não (gratuita)"),
        ("id;Tipo\n1;pop3\n", [(2, "Tipo")], "smtp ou elastic_email"),
        ("id;port\n1;0\n", [(2, "port")], "de 1 a 65535"),
        ("id;Ativo\n1;não\n", [(2, "is_default")], "só um servidor ativo pode ser o padrão"),
        (
            "id;name;host;from_address;is_default\n1;guardada;s.example;a@a.example;sim\n;B;h.example;b@b.example;1\n",
            [(3, "is_default")],
            "outro já está marcado, na linha 2",
        ),
        ("", [(1, "")], "vazio"),
        (";;;\n\n", [(1, "")], "nenhuma coluna"),
        ("[1]", [(1, "")], "não é um servidor"),
        ('{"name": "A"}', [(1, "")], "lista"),
        ('[\n{"name": }]', [(2, "")], "linha 2"),
        ("[" * 100_000, [(1, "")], "JSON"),
        ('[{"id": ' + "9" * 5_000 + "}]", [(1, "")], "JSON"),
        ('[{"id": 1}, {"nmae": "A", "id": 1}]', [(2, "nmae"), (2, "id")], "Seria “name”?"),
        ('[{"id": 1, "name": {"a": 1}}]', [(1, "name")], "um texto ou um número só"),
        ('[{"name": "A", "port": true}]', [(1, "from_address"), (1, "host"), (1, "port")], "preencha"),
    ],
)
def test_what_is_wrong_is_named(
    core_with_a_default: Mailcore, text: str, expected: list[tuple[int, str]], sentence: str
) -> None:
    core = core_with_a_default
    before = state(core)
    planned = plan(core, text)
    assert complaints(planned) == expected
    assert any(sentence in error.message for error in planned.errors)
    with pytest.raises(ValueError, match="errors"):
        apply_import(core.servers, planned, actor=ME)
    assert state(core) == before


@each_row(
    ("data", "sentence"),
    [
        (b"PK\x03\x04" + b"x" * 100, "planilha"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 100, "planilha"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "não é um texto"),
        (b"\x81\x8d\x8f", "não é um texto"),
        (b"x" * (MAX_BYTES + 1), "grande demais; cabem até 20 MB"),
        (b"\xff\xfea", "não é um texto"),
        (b'name;host\n"' + b"x" * 200_000, "confira as aspas"),
    ],
)
def test_what_is_no_such_file_gets_one_sentence(data: bytes, sentence: str) -> None:
    sheet = read(data)
    records = list(sheet.records)
    assert [sentence in error.message for error in sheet.errors.told] == [True]
    assert records == []


@given(
    data=st.binary(max_size=300)
    | st.text(st.sampled_from("id;name,host\"\n\r\t'[{}]:= \0é"), max_size=200).map(str.encode)
)
@hypothesis_settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_file_is_too_strange(sqlite_core: Mailcore, data: bytes) -> None:
    planned = plan_import(sqlite_core.database, data)
    assert planned.errors or planned.created == planned.changed == ()


# Somebody else at the same time


def test_what_somebody_else_saved_since_stops_all_of_it(core: Mailcore, open_core: Callable[[], Mailcore]) -> None:
    one, two = register(core, "Um"), register(core, "Dois")
    text = f"id;name;host;from_address\n{one.id};Um A;smtp.exemplo.example;a@exemplo.example\n"
    text += f"{two.id};Dois A;smtp.exemplo.example;a@exemplo.example\n;Novo;h.example;n@n.example\n"
    planned = plan(core, text)
    other = open_core()
    other.servers.update(other.servers.get(two.id), draft_of(other.servers.get(two.id)), actor=ME)
    before = state(core)
    with pytest.raises(ConflictError):
        apply_import(core.servers, planned, actor=ME)
    assert state(core) == before
    planned = plan(core, text)
    other.servers.delete(two.id, actor=ME)
    before = state(core)
    with pytest.raises(RecordGoneError):
        apply_import(core.servers, planned, actor=ME)
    assert state(core) == before


def test_a_description_taken_since_stops_all_of_it(core: Mailcore, open_core: Callable[[], Mailcore]) -> None:
    planned = plan(core, HEADER + ";A;h.example;a@a.example;\n;B;h.example;b@b.example;\n")
    register(open_core(), "b")
    before = state(core)
    with pytest.raises(ValidationError, match="“B”"):
        apply_import(core.servers, planned, actor=ME)
    assert state(core) == before


def test_a_failure_in_the_middle_leaves_no_trace(core: Mailcore, monkeypatch: pytest.MonkeyPatch) -> None:
    server = register(core, "Loja")
    planned = plan(core, HEADER + f"{server.id};Loja;smtp.b.example;a@a.example;x\n;B;h.example;b@b.example;\n")
    before = state(core)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("mailcore.registry.bulk.note_created", fail)
    with pytest.raises(RuntimeError):
        apply_import(core.servers, planned, actor=ME)
    assert state(core) == before
    assert core.servers.secret(core.servers.get(server.id)) == SecretStr(PASSWORD)


def test_apply_itself_holds_the_rules(core: Mailcore) -> None:
    server = register(core, "Loja")
    new = ServerDraft(name="A", host="h.example", from_address="a@a.example", requires_auth=False)
    with pytest.raises(ValidationError):
        core.servers.apply([(None, new), (None, new)], actor=ME)
    with pytest.raises(ValidationError):
        core.servers.apply([(None, ServerDraft(name="B"))], actor=ME)
    with pytest.raises(ValidationError, match="padrão"):
        core.servers.apply(
            [
                (
                    None,
                    ServerDraft(
                        name=name, host="h.example", from_address="a@a.example", requires_auth=False, is_default=True
                    ),
                )
                for name in "XY"
            ],
            actor=ME,
        )
    with pytest.raises(ValueError, match="twice"):
        core.servers.apply([(server, draft_of(server)), (server, draft_of(server))], actor=ME)
    assert [each.name for each in all_servers(core.database)] == ["Loja"]
    assert core.servers.apply([], actor=ME) == []


# Many


def test_thousands_of_records(core: Mailcore) -> None:
    many = examples(1_000 if core.database.is_sqlite else 250)
    rows = "".join(
        f";Cliente {number:05};smtp{number % 50}.example.com;c{number}@c.example;c{number}\n" for number in range(many)
    )
    assert len(take(core, HEADER + rows)) == many
    out = to_csv(all_servers(core.database), ZONE, delimiter=";").encode("utf-8-sig")
    assert plan_import(core.database, out).unchanged == many
    changed = out.replace(b"smtp7.example.com", b"smtp8.example.com")
    assert len(take(core, changed)) == many // 50


# From the command line


@pytest.fixture
def installation(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library on the installation the commands run on."""
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    opened = Mailcore(Settings(data_dir=data_dir, keyring="database"))
    yield opened
    opened.close()


def run(*arguments: object, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Run a command as a process of its own; output as the bytes a file would get."""
    done = run_command(arguments, env=os.environ, given=stdin)
    assert PASSWORD.encode() not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr.decode()


def test_exported_edited_and_imported_from_the_command_line(installation: Mailcore, tmp_path: Path) -> None:
    server = register(installation, "São João", notes="uma\r\nduas", from_name="=1+1")
    code, out, _ = run("servers", "export")
    assert (code, out.decode()) == (0, to_csv(all_servers(installation.database), ZONE))
    for arguments in (("--format", "json"), ("--json",), ("--format", "csv", "--json")):
        code, document, _ = run("servers", "export", *arguments)
        assert json.loads(document) == export_rows(all_servers(installation.database), ZONE)
    file = tmp_path / "servers.csv"
    file.write_bytes(out.replace(b",587,", b",2525,"))
    code, out, err = run("servers", "import", file, "--dry-run")
    assert code == 0
    assert f"Linha 2: altera {server.id} “São João”: Porta envio, de 587 para 2525." in out.decode()
    assert "Nada foi gravado. Seriam novos: 0; alterados: 1; sem mudança: 0." in out.decode()
    assert "Atenção: Linha 2: A senha guardada será apagada, porque muda Porta envio." in err
    assert installation.servers.get(server.id).port == 587
    code, out, _ = run("servers", "import", file, "--json")
    assert (code, json.loads(out)) == (0, {"created": 0, "changed": 1, "errors": []})
    changed = installation.servers.get(server.id)
    assert (changed.port, changed.notes) == (2525, "uma\r\nduas")
    code, out, _ = run("servers", "import", "-", stdin=(HEADER + ";Nova;h.example;n@n.example;\n").encode())
    assert (code, out.decode()) == (0, "Importado. Novos: 1; alterados: 0; sem mudança: 0.\n")


def test_a_bad_line_is_named_and_nothing_is_taken_from_the_command_line(installation: Mailcore, tmp_path: Path) -> None:
    file = tmp_path / "servers.csv"
    file.write_text(HEADER + ";Boa;h.example;a@a.example;\n;Ruim;h.example;a@a;\n", "utf-8")
    code, out, err = run("servers", "import", file, "--json")
    document = json.loads(out)
    assert (code, document["created"], document["changed"]) == (2, 0, 0)
    assert [(error["line"], error["column"]) for error in document["errors"]] == [(3, "from_address")]
    assert err.startswith("Linha 3, coluna from_address: E-mail do remetente: ")
    assert err.endswith("Nada do arquivo foi importado.\n")
    assert run("servers", "import", file)[:2] == (2, b"")
    assert run("servers", "import", tmp_path / "nenhum.csv")[0] == 2
    assert installation.servers.is_empty()
