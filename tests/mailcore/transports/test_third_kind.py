"""A kind of server more: one module (tests/peers/brevo.py) and one entry, ``register``; all else follows.

Nothing of the program is changed for it, so what is tested here is that nobody else asks which kind a server is.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from pydantic import SecretStr
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from mailcore import Mailcore, compose
from mailcore import transports as registered
from mailcore.cli import main
from mailcore.errors import ConfigurationError, ValidationError
from mailcore.registry.drafts import ServerDraft, draft_of
from mailcore.registry.exchange import all_servers, plan_import, to_csv
from mailcore.registry.fields import FIELD, accepted_words, file_words
from mailcore.registry.search import ServerQuery
from mailcore.sending.delivery_status import can_follow
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from mailcore.transports import connection_for, kind_of, kinds, register, step_label, transport_for
from mailcore.vocabulary import Kind, SendStatus
from tests.actors import ME
from tests.databases import on_one_database
from tests.pages.drawn import rows_of
from tests.peers.brevo import BREVO_URL, BrevoKind
from tests.peers.brevo_server import BrevoPeer

ROOT = Path(__file__).parents[3]
KEY, SENDER = "xkeysib-5512-ABCDEF", "ana@exemplo.com.br"
BREVO = Kind("brevo")


@pytest.fixture(autouse=True)
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrevoPeer]:
    """The kind is known, and its service answers."""
    register(BrevoKind())
    with BrevoPeer(keys={KEY}) as running:
        monkeypatch.setenv(BREVO_URL, running.url)
        yield running
    registered._KINDS.pop(BREVO)


@pytest.fixture
def server(core: Mailcore) -> MailServer:
    draft = ServerDraft(name="Boletins", kind=BREVO, from_address=SENDER, daily_limit=3)
    return core.servers.create(draft, SecretStr(KEY), actor=ME).server


def send(core: Mailcore, server: MailServer, to: str = "bia@x.example") -> Any:
    return core.send(server, compose(from_address=SENDER, to=[to], subject="Olá", text="Até logo."))


# ---------------------------------------------------------------------- in the library, on both databases


def test_it_is_registered_with_its_key_and_nothing_of_a_connection(core: Mailcore, server: MailServer) -> None:
    stored = core.servers.get(server.id)
    assert (stored.kind, stored.host, stored.port, stored.username) == ("brevo", "", None, "")
    assert stored.account_key.startswith("brevo:")
    assert KEY not in stored.account_key
    assert core.servers.secret(stored) == SecretStr(KEY)
    assert core.servers.search(ServerQuery(kind=BREVO)).matching == 1
    typed = ServerDraft(name="Outra", kind=BREVO, from_address=SENDER, host="lixo com espaço", port="x")
    other = core.servers.create(typed, SecretStr(KEY), actor=ME).server
    assert (other.host, other.port) == ("", None)
    assert other.account_key == stored.account_key  # the same key is the same account, and shares its quota


@on_one_database
def test_its_key_is_asked_for_in_its_words_and_never_goes_to_another_kind(core: Mailcore, server: MailServer) -> None:
    with pytest.raises(ValidationError, match=r"Chave da API: preencha este campo\.$"):
        core.servers.create(ServerDraft(name="Sem chave", kind=BREVO, from_address=SENDER), actor=ME)
    moved = draft_of(server)
    other = ServerDraft(**{name: getattr(moved, name) for name in ("name", "from_address")}, kind=Kind.ELASTIC_EMAIL)
    with pytest.raises(ValidationError, match="mudou Tipo de envio"):
        core.servers.update(server, other, actor=ME)


@on_one_database
def test_it_is_checked_in_its_own_stages(core: Mailcore, server: MailServer, peer: BrevoPeer) -> None:
    result = core.check(server)
    assert [step.name for step in result.steps] == ["http", "account", "plan"]
    assert result.ok
    assert step_label("plan") == "Plano da conta"
    peer.keys.clear()
    failed = core.check(core.servers.get(server.id))
    assert failed.diagnosis is not None
    assert (failed.diagnosis.code, failed.diagnosis.field) == ("api_key", "secret")
    assert [step.state.value for step in failed.steps] == ["ok", "failed", "skipped"]
    assert core.servers.get(server.id).last_check_category == "auth"


def test_what_it_takes_is_in_the_ledger_and_counts(core: Mailcore, server: MailServer, peer: BrevoPeer) -> None:
    row = send(core, server)
    assert (row.status, row.provider_id) == (SendStatus.ACCEPTED, peer.inbox[0]["headers"]["Message-ID"])
    assert peer.inbox[0]["to"] == [{"email": "bia@x.example"}]
    assert peer.keys_seen == [KEY]
    (quota,) = core.quotas(server_id=server.id)
    assert (quota.account_key, quota.used, quota.limit) == (server.account_key, 1, 3)
    assert not can_follow(row, server.kind)
    for _ in range(2):
        send(core, server)
    assert send(core, server).status is SendStatus.REJECTED_BY_RULE
    assert len(peer.inbox) == 3


@on_one_database
@pytest.mark.parametrize(
    ("refusal", "code", "category"),
    [
        ((402, "not_enough_credits", "Not enough credits"), "quota_plan", "quota"),
        ((429, "too_many_requests", "Slow down"), "throttled", "throttled"),
        ((400, "invalid_parameter", "Sender is not valid"), "service_refused", "config"),
    ],
)
def test_what_its_status_means_is_its_own(
    core: Mailcore, server: MailServer, peer: BrevoPeer, refusal: tuple[int, str, str], code: str, category: str
) -> None:
    peer.refuses["bia@x.example"] = refusal
    row = send(core, server)
    assert row.status is SendStatus.REFUSED
    assert (json.loads(row.diagnosis)["code"], json.loads(row.diagnosis)["category"]) == (code, category)
    assert row.counted == 0


@on_one_database
def test_an_answer_that_never_came_is_uncertain(core: Mailcore, server: MailServer, peer: BrevoPeer) -> None:
    peer.hangs_up_after_reading = True
    row = send(core, server)
    assert row.status is SendStatus.UNCERTAIN
    assert row.counted == 1


@on_one_database
def test_it_tells_its_own_figures(core: Mailcore, server: MailServer) -> None:
    send(core, server)
    figures = core.figures.now([server])[server.account_key]
    assert (figures.credits.value, figures.status.value) == (299, "free")
    assert figures.daily_limit.value is None


def test_a_file_registers_and_exports_it(core: Mailcore, server: MailServer) -> None:
    stored = all_servers(core.database)
    out = to_csv(stored, core.settings.zone)
    assert next(csv.DictReader(StringIO(out)))["kind"] == "brevo"
    assert plan_import(core.database, out.encode()).unchanged == 1
    assert file_words(FIELD["kind"])["brevo"] == BREVO
    assert accepted_words(FIELD["kind"]) == "smtp, elastic_email ou brevo"
    planned = plan_import(core.database, b"name;kind;from_address;host\nAvisos;Brevo;a@x.example;smtp.x.example\n")
    assert [new.draft.kind for new in planned.created] == [BREVO]
    assert "só vale para SMTP" in planned.warnings[0].message
    assert "chave da API" in planned.warnings[1].message


# ---------------------------------------------------------------------- at the command line and on the screen


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path / "screen"))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    st.cache_resource.clear()
    yield Settings(data_dir=tmp_path / "screen", keyring="database")
    st.cache_resource.clear()


@pytest.fixture
def cli(
    installation: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    def run(*arguments: str, stdin: str = "") -> Any:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        capsys.readouterr()
        code = main(["--json", *arguments])
        out = capsys.readouterr()
        assert KEY not in out.out + out.err
        return json.loads(out.out) if out.out else (code, out.err)

    return run


def test_the_command_line_does_everything_with_it(cli: Callable[..., Any], peer: BrevoPeer) -> None:
    add = ("servers", "add", "--name", "Boletins", "--kind", "brevo", "--from", SENDER)
    added = cli(*add, "--daily-limit", "5", "--secret-stdin", stdin=KEY)
    assert (added["kind"], added["has_secret"], added["host"]) == ("brevo", True, None)
    assert cli(*add[:3], "Torta", *add[4:], "--host", "x.example") == (
        2,
        "--host: só vale para um servidor smtp.\n",
    )
    assert [each["id"] for each in cli("servers", "list", "--kind", "brevo")] == [added["id"]]
    assert [stage["name"] for stage in cli("servers", "check", "1")["stages"]] == ["http", "account", "plan"]
    assert cli("send", "--server", "1", "--to", "bia@x.example", "--text", "Olá")["status"] == "accepted"
    (quota,) = cli("quota", "--server", "1")
    assert (quota["used"], quota["limit"], quota["remaining"]) == (1, 5, 4)
    assert "daily_limit" in {each["figure"] for each in quota["unavailable"]}
    assert len(peer.inbox) == 1


def test_the_form_has_its_fields_and_list_and_quotas_its_words(installation: Settings) -> None:
    app = AppTest.from_file(str(ROOT / "screen.py"), default_timeout=60).run()
    app = app.switch_page("pages/cadastro.py").run()
    next(box for box in app.selectbox if box.label == "Tipo de envio").set_value(BREVO).run()
    assert "Servidor" not in [box.label for box in app.text_input]
    for label, value in {"Descrição": "Boletins", "E-mail do remetente": SENDER, "Chave da API": "errada"}.items():
        next(box for box in app.text_input if box.label == label).set_value(value)
    next(button for button in app.button if button.label == "Testar conexão").click().run()
    assert any("Key not found" in said.value for said in app.code)
    next(box for box in app.text_input if box.label == "Chave da API").set_value(KEY)
    next(button for button in app.button if button.label == "Salvar e continuar").click().run()
    assert not app.exception
    assert not app.error
    app = app.switch_page("pages/servidores.py")
    app.query_params["colunas"] = "kind"
    (listed,) = rows_of(app.run())
    assert (listed["Tipo"], listed["Servidor"], listed["Servidor below"]) == ("Brevo", "API da Brevo", "HTTPS")
    (account,) = rows_of(app.switch_page("pages/cotas.py").run())
    assert not app.exception
    assert "Boletins" in account.values()


# ---------------------------------------------------------------------- what a kind may be, and one that nobody knows


def test_a_kind_is_an_open_id_that_is_the_same_object_wherever_it_comes_from() -> None:
    assert Kind("smtp") is Kind.SMTP
    assert Kind("smtp") == "smtp" == Kind.SMTP.value
    assert repr(BREVO) == "Kind('brevo')"
    assert json.dumps({"kind": BREVO}) == '{"kind": "brevo"}'


@pytest.mark.parametrize("name", ["Brevo", "brevo.com", "", "um_nome_comprido_demais", "çom"])
def test_an_id_that_the_database_could_not_keep_is_refused(name: str) -> None:
    class Misnamed(BrevoKind):
        id = Kind(name)

    with pytest.raises(ValueError, match="id"):
        register(Misnamed())
    assert Kind(name) not in [kind.id for kind in kinds()]


def test_a_record_of_a_kind_nobody_knows_is_shown_and_not_used(
    core: Mailcore, server: MailServer, open_core: Callable[[], Mailcore]
) -> None:
    with core.database.write() as session:
        session.execute(text("UPDATE mail_server SET kind = 'pombo', account_key = 'pombo:?1'"))
    again = open_core()
    stored = again.servers.get(server.id)
    assert kind_of(stored.kind).label == "pombo"
    assert again.servers.search(ServerQuery()).servers[0].kind == "pombo"
    assert '"pombo"' in json.dumps(next(csv.DictReader(StringIO(to_csv([stored], again.settings.zone)))))
    with pytest.raises(ConfigurationError, match="não conhece o tipo de envio “pombo”"):
        transport_for(connection_for(stored, None, again.settings))
    with pytest.raises(ValidationError, match="Tipo de envio: esta versão do programa não conhece"):
        again.servers.update(stored, draft_of(stored), actor=ME)
    with pytest.raises(ConfigurationError):
        send(again, stored)


def test_a_record_of_a_kind_nobody_knows_does_not_break_the_screen(installation: Settings) -> None:
    core = Mailcore(installation)
    draft = ServerDraft(name="Boletins", kind=BREVO, from_address=SENDER)
    core.servers.create(draft, SecretStr(KEY), actor=ME)
    with core.database.write() as session:
        session.execute(text("UPDATE mail_server SET kind = 'pombo'"))
    core.close()
    app = AppTest.from_file(str(ROOT / "screen.py"), default_timeout=60)
    app.query_params["colunas"] = "kind"
    app.run()
    assert not app.exception
    assert [row["Tipo"] for row in rows_of(app)] == ["pombo"]
    app.query_params["id"] = "1"
    app = app.switch_page("pages/cadastro.py").run()
    assert not app.exception
    assert next(box for box in app.selectbox if box.label == "Tipo de envio").value == "pombo"


def test_describing_kinds_loads_no_http_library() -> None:
    code = (
        "import sys\n"
        "from mailcore.registry.document import file_columns\n"
        "from mailcore.registry.fields import FIELDS, accepted_words, fields_of\n"
        "from mailcore.transports import kinds, kind_of\n"
        "from tests.peers.brevo import BrevoKind\n"
        "for kind in (*kinds(), BrevoKind()):\n"
        "    fields_of(kind.id), kind.label, kind.secret_label, kind.steps, kind.has_figures\n"
        "loaded = {'requests', 'urllib3', 'sqlalchemy', 'smtplib'} & set(sys.modules)\n"
        "sys.exit(', '.join(loaded) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
