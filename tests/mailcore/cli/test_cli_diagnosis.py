"""The command line that tells what is wrong: ``servers check``, ``servers suggest`` and ``explain``."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailcore import open_mailcore
from mailcore.catalog import mx
from mailcore.cli import main, parser
from mailcore.diagnosis.pasted import MAX_TEXT
from mailcore.diagnosis.replies import CATEGORIES, PHASES
from mailcore.transports.scrub import HIDDEN
from tests.forked import Command, run_command
from tests.peers import certificates
from tests.peers.dns_server import DnsPeer
from tests.peers.elastic_server import Answer, ElasticPeer
from tests.peers.elastic_server import Drop as ElasticDrop
from tests.peers.smtp_server import Drop, Say, SmtpPeer
from tests.tables import each_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailcore import Mailcore
    from tests.peers.smtp_server import Action

    Cli = Callable[..., "Ran"]

ROOT = Path(__file__).parents[3]
USER, SECRET = "ana@exemplo.com.br", "çenha-Segr3da-7731"
API_KEY = "CHAVE-9F2C4D71A0B3"
ENCODED = [
    base64.b64encode(text.encode()).decode().rstrip("=")
    for text in (f"\0{USER}\0{SECRET}", SECRET, f"{USER}\0{USER}\0{SECRET}")
]
"""The password as it goes on the wire at the login."""
PADDED = "AGFuYQBvdXRyYQ=="
"""A login whose base64 is filled up with equals signs."""

STAGES = ["resolve", "connect", "greeting", "tls", "ehlo", "auth", "sender"]
ELASTIC_STAGES = ["http", "account", "domain"]
CHECK_KEYS = ["ok", "stages", "diagnosis"]
STAGE_KEYS = ["name", "state", "ms", "detail", "reply"]
DIAGNOSIS_KEYS = ["category", "code", "title", "cause", "remedy", "field", "reply"]
SUGGESTION_KEYS = [
    "provider",
    "provider_name",
    "found_by",
    "kind",
    "host",
    "port",
    "security",
    "alternatives",
    "username",
    "is_paid",
    "daily_limit",
    "limit_unit",
    "limit_window",
    "auth",
    "password_login",
    "password_ends_on",
    "warnings",
    "source",
    "read_on",
    "confidence",
]
FIELDS = {"host", "port", "security", "username", "secret", "from_address", "daily_limit", None}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        shown = self.out + self.err
        assert "Traceback" not in shown
        assert not [secret for secret in (SECRET, API_KEY, *ENCODED) if secret in shown]

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def installation(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own for every test; its folder."""
    for name in [name for name in os.environ if name.startswith("MAILCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    return data_dir


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process."""

    def run(*arguments: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Ran(int(code), captured.out, captured.err)

    return run


def process(*arguments: object, stdin: bytes = b"", **environment: str) -> Ran:
    """Run a command as a process of its own."""
    done = run_command(arguments, env=os.environ | environment, given=stdin)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def opened() -> Iterator[Mailcore]:
    with closing(open_mailcore()) as core:
        yield core


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    """A server that wants STARTTLS and a login."""
    with SmtpPeer(security="starttls", users={USER: SECRET}) as running:
        yield running


@pytest.fixture
def elastic(monkeypatch: pytest.MonkeyPatch) -> Iterator[ElasticPeer]:
    with ElasticPeer(keys={API_KEY}) as running:
        monkeypatch.setenv("MAILCORE_ELASTIC_EMAIL_URL", running.url)
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    file = tmp_path / "authority.pem"
    file.write_text(certificates.authority_pem())
    return file


@pytest.fixture
def register(cli: Cli, authority: Path) -> Callable[..., int]:
    """Register a server for a peer, with its login where it wants one; its id."""

    def add(peer: SmtpPeer, *options: object, name: str = "Loja", secret: str = SECRET) -> int:
        command = ["servers", "add", "--name", name, "--host", peer.host, "--port", peer.port, "--from", USER]
        command += ["--security", peer.security, "--ca-file", authority]
        login = ["--username", USER, "--secret-stdin"] if peer.users else []
        added = cli(*command, *login, *options, "--json", stdin=secret if peer.users else "")
        assert added.code == 0, added.err
        return int(added.document["id"])

    return add


@pytest.fixture
def register_elastic(cli: Cli) -> Callable[..., int]:
    def add(*, name: str = "Campanhas", key: str = API_KEY) -> int:
        command = ["servers", "add", "--kind", "elastic_email", "--name", name, "--from", USER, "--secret-stdin"]
        added = cli(*command, "--json", stdin=key)
        assert added.code == 0, added.err
        return int(added.document["id"])

    return add


def states(check: dict[str, Any]) -> dict[str, str]:
    """The state of each stage, after looking at the form of the document."""
    assert [key for key in check if key != "server_id"] == CHECK_KEYS
    for stage in check["stages"]:
        assert list(stage) == STAGE_KEYS
        assert stage["state"] in ("ok", "warning", "failed", "skipped")
        assert isinstance(stage["ms"], float)
        assert stage["ms"] >= 0
        assert stage["detail"] != ""
        assert stage["reply"] != ""
    if check["diagnosis"] is not None:
        is_diagnosis(check["diagnosis"])
    assert check["ok"] == (check["diagnosis"] is None)
    return {stage["name"]: stage["state"] for stage in check["stages"]}


def is_diagnosis(document: dict[str, Any]) -> None:
    assert list(document) == DIAGNOSIS_KEYS
    assert document["category"] in CATEGORIES
    assert document["field"] in FIELDS
    assert all(value != "" for value in document.values())


# ---------------------------------------------------------------------- servers check ID


def test_a_server_that_works(register: Callable[..., int], peer: SmtpPeer, cli: Cli) -> None:
    number = register(peer)
    ran = process("servers", "check", number, "--json")
    assert (ran.code, ran.err) == (0, "")
    check = ran.document
    assert list(states(check)) == STAGES
    assert set(states(check).values()) == {"ok"}
    assert (check["ok"], check["diagnosis"]) == (True, None)
    assert peer.inbox == []
    assert not {"RCPT", "DATA"} & set(peer.verbs())
    last = cli("servers", "show", number, "--json").document["last_check"]
    assert (last["state"], last["category"]) == ("ok", None)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(last["at"])).total_seconds()) < 60


def test_what_does_not_apply_is_skipped_in_its_place(register: Callable[..., int], cli: Cli) -> None:
    with SmtpPeer() as plain:
        ran = cli("servers", "check", register(plain), "--json")
    assert ran.code == 0
    found = states(ran.document)
    assert list(found) == STAGES
    assert [name for name, state in found.items() if state == "skipped"] == ["tls", "auth"]
    assert all(stage["detail"] for stage in ran.document["stages"] if stage["state"] == "skipped")


def test_for_people_each_stage_is_a_line(register: Callable[..., int], peer: SmtpPeer, cli: Cli) -> None:
    ran = cli("servers", "check", register(peer))
    assert (ran.code, ran.err) == (0, "")
    first, _, *lines = ran.out.splitlines()
    assert first == "Funcionando."
    assert len(lines) == len(STAGES)
    assert all(line.startswith("✓ ") for line in lines)
    assert "TLSv1." in ran.out


def test_a_failure_for_people_says_why_and_what_to_do(register: Callable[..., int], peer: SmtpPeer, cli: Cli) -> None:
    peer.script["AUTH"] = Say("535 5.7.8 Error: \x1b[31mauthentication failed")
    ran = cli("servers", "check", register(peer))
    assert (ran.code, ran.err) == (4, "")
    assert ran.out.startswith("Com falha.")
    assert "✗ login" in ran.out
    assert "○ remetente" in ran.out
    for begins in ("Por quê: ", "O que fazer: ", "Campo: Senha", "Resposta do servidor: 535 5.7.8 Error:"):
        assert f"\n{begins}" in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("moment", "action", "stage", "category", "code"),
    [
        ("GREETING", Say("554 5.7.1 go away"), "greeting", "blocked", "connection_refused_by_policy"),
        ("STARTTLS", Say("454 4.7.0 TLS not available"), "tls", "tls", "starttls_refused"),
        ("AUTH", Say("535 5.7.8 Error: authentication failed"), "auth", "auth", "login_refused"),
        ("AUTH", Say("454 4.7.0 Temporary authentication failure"), "auth", "temporary", "login_temporary"),
        ("AUTH", Drop(), "auth", "network", "disconnected"),
        ("MAIL", Say("550 5.7.1 sender not allowed"), "sender", "config", "sender_refused"),
        ("MAIL", Say("550 5.4.5 Daily user sending limit exceeded."), "sender", "quota", "gmail_quota_day"),
    ],
)
def test_a_stage_that_fails_ends_in_4_and_names_the_cause(
    register: Callable[..., int], peer: SmtpPeer, cli: Cli, moment: str, action: Action, stage: str, category: str,
    code: str,
) -> None:  # fmt: skip
    number = register(peer)
    peer.script[moment] = action
    ran = cli("servers", "check", number, "--json")
    assert (ran.code, ran.err) == (4, "")
    found = states(ran.document)
    assert list(found) == STAGES
    at = STAGES.index(stage)
    assert list(found.values()) == ["ok"] * at + ["failed"] + ["skipped"] * (len(STAGES) - at - 1)
    diagnosis = ran.document["diagnosis"]
    assert (diagnosis["category"], diagnosis["code"]) == (category, code)
    if isinstance(action, Say):
        assert diagnosis["reply"] == ran.document["stages"][at]["reply"] == action.reply
    last = cli("servers", "show", number, "--json").document["last_check"]
    assert (last["state"], last["category"]) == ("failed", category)
    assert peer.inbox == []


def test_a_port_that_is_closed_ends_in_4(register: Callable[..., int], peer: SmtpPeer, cli: Cli) -> None:
    number = register(peer)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        moved = cli("servers", "edit", number, "--port", port, "--secret-stdin", stdin=SECRET)
        assert moved.code == 0, moved.err
        ran = cli("servers", "check", number, "--json")
    assert ran.code == 4
    assert (ran.document["diagnosis"]["category"], ran.document["diagnosis"]["reply"]) == ("network", None)
    assert states(ran.document)["connect"] == "failed"


@pytest.mark.parametrize(
    ("which", "code"),
    [
        (certificates.EXPIRED, "tls_expired"),
        (certificates.WRONG_NAME, "tls_hostname"),
        (certificates.UNKNOWN_AUTHORITY, "tls_untrusted"),
    ],
)
def test_a_bad_certificate_ends_in_4_before_any_password(
    register: Callable[..., int], cli: Cli, which: str, code: str
) -> None:
    tls = certificates.server_context(which)
    with SmtpPeer(security="starttls", users={USER: SECRET}, tls=tls) as bad:
        ran = cli("servers", "check", register(bad), "--json")
    assert ran.code == 4
    assert (ran.document["diagnosis"]["category"], ran.document["diagnosis"]["code"]) == ("tls", code)
    assert bad.logins == []


def test_what_was_tried_and_works_opens_the_remedy(register: Callable[..., int], peer: SmtpPeer, cli: Cli) -> None:
    number = register(peer)
    wrong = cli("servers", "edit", number, "--security", "ssl_tls", "--secret-stdin", stdin=SECRET)
    assert wrong.code == 0, wrong.err
    ran = cli("servers", "check", number, "--json")
    assert ran.code == 4
    diagnosis = ran.document["diagnosis"]
    assert diagnosis["remedy"].startswith(f"Use a porta {peer.port} com STARTTLS")
    assert diagnosis["field"] == "security"
    assert peer.logins == []


def test_a_password_that_the_server_repeats_is_hidden(register: Callable[..., int], peer: SmtpPeer) -> None:
    number = register(peer)
    for reply in (f"535 5.7.8 no such password {SECRET}", f"535 5.7.8 what is {ENCODED[0]}"):
        peer.script["AUTH"] = Say(reply)
        for form in ([], ["--json"]):
            ran = process("servers", "check", number, *form)
            assert ran.code == 4
            assert HIDDEN in ran.out


def test_an_inactive_server_may_be_checked_by_itself(register: Callable[..., int], peer: SmtpPeer, cli: Cli) -> None:
    number = register(peer, "--inactive")
    assert cli("servers", "check", number, "--json").code == 0
    assert cli("servers", "check", "--all", "--json").document == []
    assert peer.connections == 1


def test_a_password_that_is_gone_is_said_and_nobody_contacted(
    register: Callable[..., int], peer: SmtpPeer, cli: Cli
) -> None:
    number = register(peer)
    _lose_the_password(number)
    ran = cli("servers", "check", number, "--json")
    assert (ran.code, ran.out) == (4, "")
    assert "senha" in ran.err.lower()
    assert peer.connections == 0


def _lose_the_password(number: int) -> None:
    with opened() as core:
        reference = core.servers.get(number).secret_ref
        assert reference is not None
        core.secrets.drop(reference)


@each_row(
    "arguments",
    [
        [],
        ["abc"],
        ["0"],
        ["-1"],
        ["1.5"],
        ["1", "2"],
        ["9" * 30],
        ["1", "--all"],
        ["--all", "--rcpt", "bia@exemplo.org"],
        ["1", "--fast"],
        ["77"],
    ],
)
def test_a_check_of_nobody_or_of_too_many_is_wrong_use(cli: Cli, arguments: list[str]) -> None:
    ran = cli("servers", "check", *arguments, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_stages_are_told_apart_from_the_document(
    register: Callable[..., int], peer: SmtpPeer
) -> None:
    import pty

    number = register(peer)
    ours, theirs = pty.openpty()
    command = Command(["servers", "check", number, "--json"], env=os.environ, streams=[theirs])
    os.close(theirs)
    out, _ = command.communicate()
    told = b""
    try:
        while chunk := os.read(ours, 4096):
            told += chunk
    except OSError:  # Linux says EIO when the other side is gone
        pass
    os.close(ours)
    ran = Ran(command.wait(), out, told.decode())
    assert ran.code == 0
    assert list(states(ran.document)) == STAGES
    assert ran.err.count("✓") == len(STAGES)


# ---------------------------------------------------------------------- --rcpt


def test_a_recipient_is_asked_for_and_nothing_sent(register: Callable[..., int], peer: SmtpPeer, cli: Cli) -> None:
    number = register(peer)
    taken = cli("servers", "check", number, "--rcpt", "bia@exemplo.org", "--json")
    assert taken.code == 0
    assert list(states(taken.document)) == [*STAGES, "recipients"]
    assert ("RCPT", "TO:<bia@exemplo.org>") in peer.commands
    peer.script["RCPT"] = Say("550 5.1.1 no such user")
    refused = cli("servers", "check", number, "--rcpt", "bia@exemplo.org", "--json")
    assert refused.code == 4
    assert states(refused.document)["recipients"] == "failed"
    assert refused.document["diagnosis"]["category"] == "recipient"
    assert refused.document["diagnosis"]["reply"] == "550 5.1.1 no such user"
    assert "DATA" not in peer.verbs()


@pytest.mark.parametrize(
    "typed", ["bia", "bia@exemplo.org>\r\nDATA", "a@x.com, b@x.com", "bia@exe mplo.org", "Bia <bia@exemplo.org"]
)
def test_a_recipient_that_is_none_is_wrong_use_and_contacts_nobody(
    register: Callable[..., int], peer: SmtpPeer, cli: Cli, typed: str
) -> None:
    ran = cli("servers", "check", register(peer), "--rcpt", typed, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert peer.connections == 0


def test_a_recipient_at_an_international_domain_is_asked_for(
    register: Callable[..., int], peer: SmtpPeer, cli: Cli
) -> None:
    ran = cli("servers", "check", register(peer), "--rcpt", "bia@café.example", "--json")
    assert ran.code == 0, ran.err
    assert ("RCPT", "TO:<bia@xn--caf-dma.example>") in peer.commands


def test_no_typed_recipient_reaches_the_server_as_a_command(
    register: Callable[..., int], peer: SmtpPeer, cli: Cli
) -> None:
    cli("servers", "check", register(peer), "--rcpt", "bia@exemplo.org>\r\nDATA\r\nx", "--json")
    assert "DATA" not in peer.verbs()
    assert peer.inbox == []


# ---------------------------------------------------------------------- servers check --all


def test_all_active_servers_by_name_with_their_ids(
    register: Callable[..., int], peer: SmtpPeer, elastic: ElasticPeer, register_elastic: Callable[..., int], cli: Cli
) -> None:
    last, first = register(peer, name="Zebra"), register_elastic(name="Abelha")
    register(peer, "--inactive", name="Parado")
    ran = process("servers", "check", "--all", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [each["server_id"] for each in ran.document] == [first, last]
    assert [list(each) for each in ran.document] == [["server_id", *CHECK_KEYS]] * 2
    assert [list(states(each)) for each in ran.document] == [ELASTIC_STAGES, STAGES]
    assert (peer.inbox, elastic.inbox) == ([], [])
    listed = cli("servers", "list", "--json").document
    assert {each["name"]: each["last_check"]["state"] for each in listed} == {
        "Abelha": "ok",
        "Parado": "never",
        "Zebra": "ok",
    }


def test_one_that_fails_ends_in_4_and_the_others_are_checked_all_the_same(
    register: Callable[..., int], peer: SmtpPeer, cli: Cli
) -> None:
    with SmtpPeer(security="starttls", users={USER: "outra"}) as bad:
        wrong, good = register(bad, name="A"), register(peer, name="B")
        ran = cli("servers", "check", "--all", "--json")
        assert (ran.code, ran.err) == (4, "")
        assert [(each["server_id"], each["ok"]) for each in ran.document] == [(wrong, False), (good, True)]
        assert ran.document[0]["diagnosis"]["category"] == "auth"
        assert ran.document[1]["diagnosis"] is None
        assert len(bad.logins) == 1, "over all servers nothing is tried twice"
        table = cli("servers", "check", "--all")
    assert table.code == 4
    assert "com falha" in table.out
    assert "funcionando" in table.out
    assert ran.document[0]["diagnosis"]["title"] in table.out


def test_one_that_cannot_be_checked_is_named_in_its_place(
    register: Callable[..., int], peer: SmtpPeer, cli: Cli
) -> None:
    lost, good = register(peer, name="A"), register(peer, name="B")
    _lose_the_password(lost)
    ran = cli("servers", "check", "--all", "--json")
    assert ran.code == 4
    first, second = ran.document
    assert (first["server_id"], first["ok"], first["stages"]) == (lost, False, [])
    assert list(first["diagnosis"]) == DIAGNOSIS_KEYS
    assert first["diagnosis"]["code"] == "not_checked"
    assert "senha" in first["diagnosis"]["title"].lower()
    assert (second["server_id"], second["ok"]) == (good, True)
    assert "não testado" in cli("servers", "check", "--all").out


def test_without_servers_there_is_nothing_to_fail(cli: Cli) -> None:
    ran = cli("servers", "check", "--all", "--json")
    assert (ran.code, ran.document, ran.err) == (0, [], "")
    assert cli("servers", "check", "--all").out == "Nenhum servidor ativo.\n"


def test_a_certificate_about_to_end_is_said_beside_the_document(register: Callable[..., int], cli: Cli) -> None:
    tls = certificates.server_context(certificates.ENDING)
    with SmtpPeer(security="ssl_tls", users={USER: SECRET}, tls=tls) as ending:
        number = register(ending, name="Loja")
        ran = cli("servers", "check", "--all", "--json")
    assert ran.code == 0
    (one,) = ran.document
    assert (one["ok"], states(one)["tls"]) == (True, "warning")
    assert f"o certificado do servidor {number} “Loja” vale até" in ran.err


# ---------------------------------------------------------------------- servers check: Elastic Email


def test_an_elastic_email_account_that_works(elastic: ElasticPeer, register_elastic: Callable[..., int]) -> None:
    ran = process("servers", "check", register_elastic(), "--json")
    assert (ran.code, ran.err) == (0, "")
    assert states(ran.document) == dict.fromkeys(ELASTIC_STAGES, "ok")
    assert elastic.inbox == []


@pytest.mark.parametrize(
    ("answer", "stage", "category"),
    [
        (Answer(200, {"success": False, "error": "APIKey Expired"}), "account", "auth"),
        (Answer(503, {"Error": "Service Unavailable"}), "account", "temporary"),
        (Answer(200, "<html>login</html>"), "http", None),
        (ElasticDrop(), "http", "network"),
    ],
    ids=["key refused", "in trouble", "a page", "dropped"],
)
def test_an_elastic_email_account_that_fails_ends_in_4(
    elastic: ElasticPeer,
    register_elastic: Callable[..., int],
    cli: Cli,
    answer: Answer | ElasticDrop,
    stage: str,
    category: str | None,
) -> None:
    elastic.script["/v2/account/load"] = answer
    ran = cli("servers", "check", register_elastic(), "--json")
    assert (ran.code, ran.err) == (4, "")
    found = states(ran.document)
    assert list(found) == ELASTIC_STAGES
    assert "failed" in found.values()
    assert found["domain"] == "skipped"
    if category:
        assert (found[stage], ran.document["diagnosis"]["category"]) == ("failed", category)


def test_a_key_that_the_service_repeats_is_hidden(elastic: ElasticPeer, register_elastic: Callable[..., int]) -> None:
    number = register_elastic()
    elastic.script["/v2/account/load"] = Answer(200, {"success": False, "error": f"ApiKey {API_KEY} is not valid"})
    for form in ([], ["--json"]):
        ran = process("servers", "check", number, *form)
        assert ran.code == 4
        assert HIDDEN in ran.out


# ---------------------------------------------------------------------- servers suggest


@pytest.mark.empty_database
def test_a_suggestion_needs_no_network_for_a_known_domain_and_no_database(installation: Path) -> None:
    ran = process("servers", "suggest", "ana@gmail.com", "--json")
    assert ran.code == 0
    found = ran.document
    assert list(found) == SUGGESTION_KEYS
    assert found | {"warnings": [], "source": "", "read_on": ""} == {
        "provider": "gmail_free",
        "provider_name": "Gmail (gratuito)",
        "found_by": "domain",
        "kind": "smtp",
        "host": "smtp.gmail.com",
        "port": 465,
        "security": "ssl_tls",
        "alternatives": [{"port": 587, "security": "starttls"}],
        "username": "ana@gmail.com",
        "is_paid": False,
        "daily_limit": 500,
        "limit_unit": "recipients",
        "limit_window": "rolling_24h",
        "auth": ["app_password", "oauth2"],
        "password_login": "app_password",
        "password_ends_on": None,
        "warnings": [],
        "source": "",
        "read_on": "",
        "confidence": "secondary",
    }
    assert found["source"].startswith("https://")
    assert datetime.fromisoformat(found["read_on"])
    assert "senha de app" in found["warnings"][0]
    assert any("não confirmado" in warning for warning in found["warnings"])
    assert ran.err.splitlines() == [f"Atenção: {warning}" for warning in found["warnings"]]
    assert not installation.exists()


def test_what_nobody_published_is_null(cli: Cli) -> None:
    found = cli("servers", "suggest", "ana@uol.com.br", "--json").document
    assert list(found) == SUGGESTION_KEYS
    assert found["username"] == "ana"
    assert (found["daily_limit"], found["limit_unit"], found["limit_window"]) == (None, None, None)
    proton = cli("servers", "suggest", "ana@proton.me", "--json").document
    assert (proton["host"], proton["port"], proton["security"], proton["username"]) == (None, None, None, None)


def test_the_day_a_password_login_ends_is_a_date(cli: Cli) -> None:
    found = cli("servers", "suggest", "smtp.office365.com", "--json").document
    assert (found["found_by"], found["password_login"], found["password_ends_on"]) == ("host", "ends", "2026-12-31")
    retired = cli("servers", "suggest", "ana@hotmail.com", "--json").document
    assert (retired["password_login"], retired["password_ends_on"]) == ("retired", "2024-09-16")


def test_a_suggestion_for_people_names_its_source(cli: Cli) -> None:
    ran = cli("servers", "suggest", "ana@hotmail.com")
    assert ran.code == 0
    assert "smtp-mail.outlook.com, porta 587" in ran.out
    assert "300 mensagens" in ran.out
    assert "secondary" in ran.out
    assert "não aceita mais senha" in ran.err
    assert "Limite diário" in cli("servers", "suggest", "ana@bol.com.br").out


def test_every_suggestion_can_be_printed(cli: Cli) -> None:
    from mailcore.catalog import providers

    for row in providers():
        text = f"ana@{row.domains[0].replace('*', 'x')}" if row.domains else row.host
        if text:
            assert cli("servers", "suggest", text).code == 0
            assert list(cli("servers", "suggest", text, "--json").document) == SUGGESTION_KEYS


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsPeer]:
    """The name server of the system."""
    zone = {"empresa.com.br": [(0, "empresa-com-br.mail.protection.outlook.com")], "semmx.com.br": []}
    with DnsPeer(zone) as running:
        monkeypatch.setattr(mx, "_system_resolver", lambda _: running.resolver())
        monkeypatch.setattr(mx, "_kept", mx.Kept())
        yield running


def test_somebodys_own_domain_is_found_by_its_mx(cli: Cli, names: DnsPeer) -> None:
    found = cli("servers", "suggest", "ana@empresa.com.br", "--json").document
    assert (found["provider"], found["found_by"], found["host"]) == ("microsoft365", "mx", "smtp.office365.com")
    assert (found["username"], found["is_paid"]) == ("ana@empresa.com.br", True)
    assert names.queries == ["empresa.com.br"]


@each_row("typed", ["ana@semmx.com.br", "ana@naoexiste.com.br", "ana", "@", "", " ", "a b@c", "\x1b[31m"])
def test_what_nobody_knows_is_null_and_no_failure(cli: Cli, names: DnsPeer, typed: str) -> None:
    ran = cli("servers", "suggest", typed, "--json")
    assert (ran.code, ran.document, ran.err) == (0, None, "")
    text = cli("servers", "suggest", typed)
    assert (text.code, text.out) == (0, "O catálogo não conhece este endereço nem este servidor.\n")


@pytest.mark.parametrize("arguments", [[], ["ana@gmail.com", "bia@gmail.com"], ["ana@gmail.com", "--limit", "3"]])
def test_a_suggestion_for_nobody_or_two_is_wrong_use(cli: Cli, arguments: list[str]) -> None:
    ran = cli("servers", "suggest", *arguments, "--json")
    assert (ran.code, ran.out) == (2, "")


# ---------------------------------------------------------------------- explain

TWO_REPLIES = """
A primeira voltou assim:

    535 5.7.8 Error: authentication failed

e a outra, em 24/11/2026 às 10:15, para 550 pessoas:

    host mx.example.org[192.0.2.7] said: 550 5.1.1 <bia@example.org>: Recipient
    address rejected: User unknown (in reply to RCPT TO command)
"""


@pytest.mark.empty_database
def test_a_reply_is_explained_without_a_database(installation: Path) -> None:
    ran = process("explain", "550 5.1.1 <bia@example.org>: Recipient address rejected", "--json")
    assert (ran.code, ran.err) == (0, "")
    (diagnosis,) = ran.document
    assert diagnosis.pop("evidence") == ["5.1.1"]
    is_diagnosis(diagnosis)
    assert (diagnosis["category"], diagnosis["code"]) == ("recipient", "recipient_unknown")
    assert diagnosis["field"] is None
    assert diagnosis["reply"] == "550 5.1.1 <bia@example.org>: Recipient address rejected"
    assert not installation.exists()


def test_each_reply_of_a_text_is_explained_once_in_its_order(cli: Cli) -> None:
    for text in (TWO_REPLIES, TWO_REPLIES.replace("\n", "\r\n"), TWO_REPLIES * 2):
        ran = cli("explain", text, "--json")
        assert ran.code == 0
        assert [each["code"] for each in ran.document] == ["login_refused", "recipient_unknown"]
        assert [each["reply"][:9] for each in ran.document] == ["535 5.7.8", "550 5.1.1"]
        for each in ran.document:
            assert each.pop("evidence")
            is_diagnosis(each)


def test_standard_input_is_read_where_a_dash_stands(cli: Cli) -> None:
    piped = process("explain", "-", "--json", stdin=TWO_REPLIES.encode())
    assert (piped.code, piped.err) == (0, "")
    assert piped.document == cli("explain", TWO_REPLIES, "--json").document
    assert cli("explain", "--json", "-", stdin="\ufeff535 5.7.8 não\n").document[0]["category"] == "auth"


def test_for_people_each_explanation_is_a_paragraph(cli: Cli) -> None:
    ran = cli("explain", TWO_REPLIES)
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.split("\n\n")
    assert "Campo: Senha" in first
    assert "Campo:" not in second
    for part, words in ((first, "535 5.7.8 Error"), (second, "550 5.1.1 <bia@example.org>")):
        assert "\nPor quê: " in part
        assert "\nO que fazer: " in part
        assert f"\nResposta do servidor: {words}" in part


@each_row("text", ["", " ", "\n\n", "Bom dia, tudo bem?", "Pedido 550 de 24/11/2026", "250 2.0.0 Ok", "\x00"])
def test_where_no_reply_is_found_the_list_is_empty_and_all_is_well(cli: Cli, text: str) -> None:
    ran = cli("explain", text, "--json")
    assert (ran.code, ran.document, ran.err) == (0, [], "")
    assert cli("explain", "-", "--json", stdin=text).document == []
    assert cli("explain", text).out == "Não encontrei nenhuma resposta no texto.\n"


def test_the_phase_tells_what_the_words_do_not(cli: Cli) -> None:
    told = {
        phase: cli("explain", "550 5.7.1 message refused", "--phase", phase, "--json").document[0]["code"]
        for phase in ("connect", "mail", "rcpt", "data")
    }
    assert told == {
        "connect": "connection_refused_by_policy",
        "mail": "sender_refused",
        "rcpt": "recipient_refused",
        "data": "message_refused",
    }
    assert cli("explain", "454 4.7.0 try again later", "--phase", "auth", "--json").document[0]["code"] == (
        "login_temporary"
    )
    assert set(parser.PHASES) == set(PHASES)


def test_the_provider_tells_whose_password_it_is(cli: Cli) -> None:
    reply = "535 5.7.8 Error: authentication failed"
    told = {
        provider: cli("explain", reply, "--provider", provider, "--json").document[0]
        for provider in ("gmail_free", "uol", "bol", "yahoo", "outlook_com_free", "terra")
    }
    assert {provider: each["code"] for provider, each in told.items()} == {
        "gmail_free": "gmail_login",
        "uol": "uol_login",
        "bol": "uol_login",
        "yahoo": "yahoo_login",
        "outlook_com_free": "basic_auth_disabled",
        "terra": "login_refused",
    }
    assert told["uol"]["field"] == "username"


def test_a_host_named_beside_it_tells_the_provider_too(cli: Cli) -> None:
    text = "smtps.uol.com.br respondeu: 535 5.7.8 Error: authentication failed"
    assert cli("explain", text, "--json").document[0]["code"] == "uol_login"
    other = cli("explain", text, "--provider", "gmail_free", "--json").document[0]
    assert other["code"] == "gmail_login", "what was said outright weighs more"


def test_what_a_program_said_that_reached_no_server_is_explained(cli: Cli) -> None:
    (diagnosis,) = cli("explain", "ConnectionRefusedError: [Errno 111] Connection refused", "--json").document
    assert (diagnosis["category"], diagnosis["code"]) == ("network", "connect_refused")
    (diagnosis,) = cli("explain", '{"Error": "APIKey Expired"}', "--json").document
    assert diagnosis["category"] == "auth"


@each_row(
    "text",
    [
        f"password={SECRET}\n\n535 5.7.8 Error: authentication failed",
        f"535 5.7.8 Error: authentication failed password={SECRET}",
        f"AUTH PLAIN {ENCODED[0]}\n535 5.7.8 Error: authentication failed",
        f"smtp://ana:{SECRET}@smtp.exemplo.com.br said: 535 5.7.8 Error: authentication failed",
        f"X-ElasticEmail-ApiKey: {API_KEY}\n\n535 5.7.8 Error: authentication failed",
        f"535 5.7.8 Error: authentication failed\n\nSenha: {SECRET}",
    ],
)
def test_a_password_pasted_along_is_not_repeated(cli: Cli, text: str) -> None:
    for ran in (cli("explain", text, "--json"), cli("explain", text), cli("explain", "-", "--json", stdin=text)):
        assert ran.code == 0
        assert "535 5.7.8" in ran.out


@pytest.mark.parametrize(
    "login",
    [
        f"AUTH PLAIN {PADDED}\n535 5.7.8 Error: authentication failed",
        f"AUTH LOGIN\n334 UGFzc3dvcmQ6\n{PADDED}\n535 Error: authentication failed",
    ],
    ids=["PLAIN", "LOGIN"],
)
def test_a_login_whose_base64_ends_in_an_equals_sign_hides_no_reply(cli: Cli, login: str) -> None:
    assert [each["code"] for each in cli("explain", login, "--json").document] == ["login_refused"]


@pytest.mark.parametrize(
    "text",
    [
        f"AUTH LOGIN\n334 UGFzc3dvcmQ6\n{ENCODED[1]}\nConnection refused",
        "535 5.7.8 Error: authentication failed password=K;onfid3ncial",
        '535 5.7.8 Error: authentication failed {"password": "x K;onfid3ncial"}',
    ],
    ids=["base64 of LOGIN", "semicolon", "blank"],
)
def test_a_password_pasted_along_is_not_repeated_in_any_form(cli: Cli, text: str) -> None:
    ran = cli("explain", text, "--json")
    assert len(ran.document) == 1
    assert "onfid3ncial" not in ran.out


def test_control_characters_of_a_reply_do_not_reach_the_terminal(cli: Cli) -> None:
    ran = cli("explain", "550 5.1.1 no \x1b[31msuch user\x07\u202e unknown")
    assert ran.code == 0
    assert not set(ran.out) & set("\x1b\x07\u202e")


def test_a_whole_log_is_read_as_far_as_it_goes(cli: Cli) -> None:
    filler = "Nov 24 08:13:44 mail postfix/qmgr[1]: removed\n"
    text = f"535 5.7.8 Error: authentication failed\n\n{filler * (MAX_TEXT // len(filler) + 50)}"
    assert len(text) > MAX_TEXT
    ran = cli("explain", "-", "--json", stdin=f"{text}\n550 5.1.1 user unknown\n")
    assert [each["code"] for each in ran.document] == ["login_refused"]


@each_row(
    "arguments",
    [
        [],
        ["550 5.1.1 no such user", "550 5.1.1 no such user"],
        ["550 5.1.1 no such user", "--phase", "ehlo"],
        ["550 5.1.1 no such user", "--phase"],
        ["550 5.1.1 no such user", "--provider"],
        ["550 5.1.1 no such user", "--server", "1"],
    ],
)
def test_an_explanation_asked_for_wrongly_ends_in_2(cli: Cli, arguments: list[str]) -> None:
    ran = cli("explain", *arguments, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


def test_standard_input_is_utf8_in_the_c_locale() -> None:
    ran = process(
        *("explain", "-", "--json"),
        stdin="550 5.1.1 usuário inexistente".encode(),
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert ran.code == 0
    assert ran.document[0]["reply"] == "550 5.1.1 usuário inexistente"


def test_standard_input_that_is_not_utf8_is_read_all_the_same() -> None:
    ran = process("explain", "-", "--json", stdin=b"550 5.1.1 usu\xe1rio inexistente", PYTHONIOENCODING="utf-8:strict")
    assert ran.code == 0
    assert ran.document[0]["code"] == "recipient_unknown"
    assert ran.document[0]["reply"].encode(), "no half characters"
