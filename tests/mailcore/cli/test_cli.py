"""The command line: as a process of its own where that matters, else by calling ``main``."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet

from mailcore import open_mailcore
from mailcore.cli import main, output, parser
from mailcore.registry.servers import Servers
from mailcore.sending.abandoned import this_process
from mailcore.settings import load_settings
from mailcore.storage.database import Database
from mailcore.storage.tables import Send
from mailcore.transports import kinds
from mailcore.transports.smtp_session import SmtpSession
from mailcore.vocabulary import LimitUnit, LimitWindow, SameAddress, Security, SendStatus
from tests.actors import ME
from tests.forked import Command, run_command
from tests.peers import certificates
from tests.peers.smtp_server import Drop, Say, SmtpPeer
from tests.tables import each_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailcore import Mailcore

ROOT = Path(__file__).parents[3]
USER, SECRET = "ana@exemplo.com.br", "çenha-Segr3da-7731"

SERVER_KEYS = """
    id name kind host port security verify_certificate username has_secret auth oauth_app_id from_address from_name
    reply_to is_paid is_active is_default daily_limit limit_unit limit_window same_address last_check oauth_state
    oauth_user created_at updated_at
"""
SEND_KEYS = "id server_id status units recipients message_id provider_id reply at warnings frees_at diagnosis"
DIAGNOSIS_KEYS = "category code title cause remedy field reply"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

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
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command in this process."""

    def run(*arguments: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert SECRET not in captured.out + captured.err
        return Ran(int(code), captured.out, captured.err)

    return run


@contextmanager
def opened() -> Iterator[Mailcore]:
    with closing(open_mailcore()) as core:
        yield core


def process(*arguments: object, stdin: str = "") -> Ran:
    """Run a command as a process of its own."""
    done = run_command(arguments, env=os.environ, given=stdin.encode())
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def new_process(*arguments: object, stdin: str = "", **environment: str) -> Ran:
    """The same from the interpreter's very start, where the environment decides how it begins."""
    done = subprocess.run(
        [sys.executable, "-m", "mailcore", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        input=stdin.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    with SmtpPeer() as running:
        yield running


@pytest.fixture
def server(cli: Callable[..., Ran], peer: SmtpPeer) -> int:
    """The id of a server without login, registered for the peer."""
    added = cli(*PLAIN, "--host", peer.host, "--port", peer.port, "--json")
    assert added.code == 0, added.err
    return int(added.document["id"])


PLAIN = ["servers", "add", "--name", "Peer", "--security", "none", "--from", USER]
LOGIN = ["servers", "add", "--name", "Loja", "--host", "smtp.exemplo.com.br", "--from", USER, "--username", USER]


# ---------------------------------------------------------------------- as a process of its own


def test_the_life_of_a_server(installation: Path, cli: Callable[..., Ran]) -> None:
    ran = []

    def run(*arguments: object, stdin: str = "") -> Ran:
        ran.append(process(*arguments, "--json", stdin=stdin))
        return ran[-1]

    added = run(*LOGIN, "--paid", "--daily-limit", 500, "--default", "--secret-stdin", stdin=f"{SECRET}\n")
    assert added.code == 0, added.err
    assert list(added.document) == SERVER_KEYS.split()
    assert list(added.document["last_check"]) == ["state", "at", "category"]
    number = added.document["id"]
    assert added.document | {"created_at": None, "updated_at": None} == {
        "id": number,
        "name": "Loja",
        "kind": "smtp",
        "host": "smtp.exemplo.com.br",
        "port": 587,
        "security": "starttls",
        "verify_certificate": True,
        "username": USER,
        "has_secret": True,
        "auth": "password",
        "oauth_app_id": None,
        "from_address": USER,
        "from_name": None,
        "reply_to": None,
        "is_paid": True,
        "is_active": True,
        "is_default": True,
        "daily_limit": 500,
        "limit_unit": "recipients",
        "limit_window": "rolling_24h",
        "same_address": "allow",
        "last_check": {"state": "never", "at": None, "category": None},
        "oauth_state": "none",
        "oauth_user": None,
        "created_at": None,
        "updated_at": None,
    }
    created = datetime.fromisoformat(added.document["created_at"])
    assert created.utcoffset() == datetime.now(load_settings().zone).utcoffset()
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60

    assert cli("servers", "show", number, "--json").document == added.document
    assert [each["id"] for each in cli("servers", "list", "--search", "LÓJA", "--json").document] == [number]

    renamed = cli("servers", "edit", number, "--name", "Loja nova", "--free", "--json")
    assert renamed.code == 0
    changed = {key for key in added.document if renamed.document[key] != added.document[key]}
    assert changed - {"updated_at"} == {"name", "is_paid"}

    moved = run("servers", "edit", number, "--host", "smtp.outro.com.br")
    assert (moved.code, moved.out) == (2, "")
    assert "Servidor" in moved.err
    assert "--secret-stdin" in moved.err
    assert cli("servers", "show", number, "--json").document["host"] == "smtp.exemplo.com.br"
    moved = run("servers", "edit", number, "--host", "smtp.outro.com.br", "--secret-stdin", stdin=SECRET)
    assert moved.document["host"] == "smtp.outro.com.br"

    assert run("servers", "delete", number, "--yes").document == {"deleted": number}
    assert cli("servers", "show", number, "--json").code == 2

    assert not [each for each in ran if SECRET in each.out + each.err]
    stored = b"".join(file.read_bytes() for file in installation.iterdir())
    assert SECRET.encode() not in stored
    assert SECRET.encode("utf-16-le") not in stored


def test_a_message_arrives_through_tls_and_login(tmp_path: Path, installation: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(certificates.authority_pem())
    with SmtpPeer(security="starttls", users={USER: SECRET}) as peer:
        added = process(
            *["servers", "add", "--name", "Peer", "--from", USER, "--from-name", "Ana", "--username", USER],
            *["--host", peer.host, "--port", peer.port, "--ca-file", authority, "--secret-stdin", "--json"],
            stdin=SECRET,
        )
        assert added.code == 0, added.err
        command = [
            "send",
            "--server",
            added.document["id"],
            "--to",
            "bia@exemplo.org",
            "--cc",
            "Caio <caio@exemplo.org>",
        ]
        command += ["--bcc", "davi@exemplo.org", "--subject", "Olá", "--text", "Açaí", "--idempotency-key", "nota-1"]
        sent = process(*command, "--json")
        assert sent.code == 0, sent.err
        assert process(*command, "--json").document == sent.document
        (received,) = peer.inbox
    assert list(sent.document) == SEND_KEYS.split()
    assert sent.document["status"] == "accepted"
    assert sent.document["units"] == 3
    assert sent.document["recipients"] == ["bia@exemplo.org", "caio@exemplo.org", "davi@exemplo.org"]
    assert sent.document["provider_id"] == peer.queue_id
    assert peer.queue_id in sent.document["reply"]
    assert (sent.document["warnings"], sent.document["frees_at"], sent.document["diagnosis"]) == ([], None, None)
    assert received.login == USER
    assert received.recipients == sent.document["recipients"]
    assert received.message["Message-ID"] == sent.document["message_id"]
    assert (received.message["Subject"], received.message["Bcc"]) == ("Olá", None)
    assert received.message.get_content().strip() == "Açaí"
    assert SECRET not in added.out + added.err + sent.out + sent.err
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in installation.iterdir())


def test_help_loads_no_database_library() -> None:
    code = (
        "import sys, contextlib\nfrom mailcore.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['--help'])\n"
        "heavy = {'sqlalchemy', 'pydantic', 'alembic', 'keyring', 'cryptography'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_output_is_utf8_in_the_c_locale(cli: Callable[..., Ran]) -> None:
    assert cli("servers", "add", "--name", "São João ✓", "--host", "a.example", "--from", USER).code == 0
    ran = new_process("servers", "list", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert ran.code == 0, ran.err
    assert "São João ✓" in ran.out
    assert "Situação" in ran.out


def test_a_reader_that_leaves_early_hears_no_complaint(cli: Callable[..., Ran]) -> None:
    assert cli("servers", "list").code == 0
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "mailcore", "servers", "list", "--json"],
        cwd=ROOT,
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_password_is_asked_unseen_and_a_delete_confirmed(cli: Callable[..., Ran]) -> None:
    code, shown = _on_terminal([*LOGIN, "--json"], [("Senha: ", f"{SECRET}\n")])
    assert code == 0, shown
    assert SECRET not in shown
    (added,) = cli("servers", "list", "--json").document
    assert added["has_secret"] is True
    with opened() as core:
        assert core.servers.secret(core.servers.get(added["id"])).get_secret_value() == SECRET
    assert _on_terminal(["servers", "delete", str(added["id"])], [("[s/N] ", "n\n")])[0] == 2
    assert _on_terminal(["servers", "delete", str(added["id"])], [("[s/N] ", "s\n")])[0] == 0
    assert cli("servers", "list", "--json").document == []


def _on_terminal(arguments: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run with a terminal of its own and answer its questions; return the exit code and all it showed."""
    import pty

    master, slave = pty.openpty()
    command = Command(arguments, env=os.environ, streams=[slave] * 3)
    os.close(slave)
    shown = b""
    waiting = list(answers)
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # Linux says EIO when the other side is gone
            break
        if not chunk:
            break
        shown += chunk
        if waiting and shown.decode(errors="replace").endswith(waiting[0][0]):
            os.write(master, waiting.pop(0)[1].encode())
    os.close(master)
    return command.wait(), shown.decode()


# ---------------------------------------------------------------------- options


def test_the_choices_are_those_of_the_library() -> None:
    taken = _choices(parser.build_parser())
    assert taken["--kind"] == {kind.id for kind in kinds()}
    assert taken["--security"] == set(Security)
    assert taken["--limit-unit"] == set(LimitUnit)
    assert taken["--limit-window"] == set(LimitWindow)
    assert taken["--same-address"] == set(SameAddress)


def _choices(of: argparse.ArgumentParser) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                if name != "batch":  # which has kinds of its own
                    found |= _choices(sub)
        elif action.choices:
            found |= {option: set(action.choices) for option in action.option_strings}
    return found


def test_the_readme_names_every_command_and_option() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.split("## Command line", 1)[1].split("\n## ", 1)[0]
    wanted = {word for words in _commands(parser.build_parser()) for word in words}
    assert not [word for word in sorted(wanted) if not re.search(rf"{word}(?![\w-])", section)]


def _commands(of: argparse.ArgumentParser, name: str = "") -> Iterator[list[str]]:
    options = [action for action in of._actions if action.option_strings]
    yield [option for action in options for option in action.option_strings if option not in ("-h", "--help")]
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                full = f"{name} {word}".strip()
                if not any(isinstance(each, argparse._SubParsersAction) for each in sub._actions):
                    yield [full]
                yield from _commands(sub, full)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "servers", "list"],
        ["servers", "--json", "list"],
        ["servers", "list", "--json"],
        ["--json", "servers", "list", "--json"],
    ],
)
def test_json_may_stand_anywhere(cli: Callable[..., Ran], arguments: list[str]) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.document, ran.err) == (0, [], "")


@each_row(
    "arguments",
    [
        [],
        ["servers"],
        ["servers", "bogus"],
        ["servers", "list", "--lim", "3"],
        ["servers", "list", "--limit", "0"],
        ["servers", "show", "abc"],
        ["servers", "show", "0"],
        ["servers", "show", "9" * 30],
        ["servers", "edit", "1", "--paid", "--free"],
        ["servers", "add", "--kind", "fax"],
        ["send", "--to", "bia@exemplo.org"],
        ["send", "--server", "1", "--to", "a@b.com", "--text", "x", "--eml", "y"],
        ["send", "--server", "1", "--to", "a@b.com", "--idempotency-key", ""],
        ["send", "--server", "1", "--to", "a@b.com", "--idempotency-key", "x" * 256],
    ],
)
def test_wrong_options_end_in_2(cli: Callable[..., Ran], arguments: list[str]) -> None:
    ran = cli(*arguments, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


@each_row(
    ("arguments", "sentence"),
    [
        (["send", "--to", "bia@exemplo.org"], "erro: falta informar: --server"),
        (["servers", "show"], "erro: falta informar: ID"),
        (["servers", "bogus"], "'bogus' não é um valor possível; use um destes: "),
        (["servers", "list", "--lim", "3"], "erro: isto não é uma opção daqui: --lim 3"),
        (["servers", "edit", "1", "--paid", "--free"], "--free: não vale junto com --paid"),
        (["servers", "show", "0"], "ID: não há servidor com o número"),
        (["servers", "list", "--limit"], "--limit: precisa de um valor"),
    ],
)
def test_a_wrong_call_is_told_in_one_language(cli: Callable[..., Ran], arguments: list[str], sentence: str) -> None:
    ran = cli(*arguments)
    assert ran.code == 2
    assert ran.err.startswith("uso: ")
    assert sentence in ran.err
    assert not re.search(r"\b(usage|error|argument|required|invalid|expected|choose)\b", ran.err)


# ---------------------------------------------------------------------- servers


def test_every_complaint_is_said_with_its_option(cli: Callable[..., Ran]) -> None:
    ran = cli("servers", "add", "--host", "a b", "--port", "99999", "--from", "ana", "--daily-limit", "-1", "--json")
    assert (ran.code, ran.out) == (2, "")
    lines = ran.err.splitlines()
    assert [line.rpartition("(")[2] for line in lines] == ["--name)", "--from)", "--daily-limit)", "--host)", "--port)"]


def test_without_security_the_port_decides(cli: Callable[..., Ran]) -> None:
    add = ["servers", "add", "--host", "a.example", "--from", USER, "--json", "--name"]
    assert cli(*add, "A").document["security"] == "starttls"
    added = cli(*add, "B", "--port", 465).document
    assert added["security"] == "ssl_tls"
    assert cli("servers", "edit", added["id"], "--port", 2525, "--json").document["security"] == "starttls"
    fixed = cli("servers", "edit", added["id"], "--security", "none", "--json").document
    assert (fixed["security"], fixed["port"]) == ("none", 2525)
    assert cli("servers", "edit", added["id"], "--port", 465, "--json").document["security"] == "none"


def test_what_was_cleaned_is_said_apart(cli: Callable[..., Ran]) -> None:
    ran = cli("servers", "add", "--name", "A", "--host", "https://smtp.exemplo.com/ ", "--from", USER, "--json")
    assert ran.document["host"] == "smtp.exemplo.com"
    assert "smtp.exemplo.com" in ran.err


def test_an_elastic_email_account(cli: Callable[..., Ran]) -> None:
    add = ["servers", "add", "--kind", "elastic_email", "--name", "Campanhas", "--from", USER, "--json"]
    missing = cli(*add)
    assert (missing.code, missing.out) == (2, "")
    assert "Chave da API" in missing.err
    useless = cli(*add, "--host", "smtp.exemplo.com", "--no-verify", "--secret-stdin", stdin=SECRET)
    assert useless.code == 2
    assert "--host, --verify/--no-verify" in useless.err
    added = cli(*add, "--secret-stdin", stdin=SECRET).document
    assert [added[key] for key in ("kind", "host", "port", "username", "has_secret")] == [
        *("elastic_email", None, None, None, True)
    ]
    renamed = cli("servers", "edit", added["id"], "--name", "Avisos", "--json").document
    assert (renamed["name"], renamed["has_secret"]) == ("Avisos", True)
    assert "Chave da API" in cli("servers", "show", added["id"]).out


def test_the_secret_loses_one_line_feed_and_no_more(cli: Callable[..., Ran]) -> None:
    number = cli(*LOGIN, "--secret-stdin", "--json", stdin=" pässe \r\n").document["id"]
    with opened() as core:
        assert core.servers.secret(core.servers.get(number)).get_secret_value() == " pässe "
    assert cli("servers", "edit", number, "--secret-stdin", stdin="a\n\n").code == 2
    assert cli("servers", "edit", number, "--secret-stdin", stdin="\n").code == 2
    with opened() as core:
        assert core.servers.secret(core.servers.get(number)).get_secret_value() == " pässe "


def test_a_password_without_a_user_name_is_refused(cli: Callable[..., Ran]) -> None:
    add = ["servers", "add", "--name", "A", "--host", "a.example", "--from", USER]
    ran = cli(*add, "--secret-stdin", stdin=SECRET)
    assert ran.code == 2
    assert "--username" in ran.err


def test_an_empty_user_name_turns_the_login_off(cli: Callable[..., Ran]) -> None:
    number = cli(*LOGIN, "--secret-stdin", "--json", stdin=SECRET).document["id"]
    off = cli("servers", "edit", number, "--username", "", "--json").document
    assert (off["username"], off["has_secret"]) == (None, False)


def test_empty_values_clear_what_was_there(cli: Callable[..., Ran], tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(certificates.authority_pem())
    add = ["servers", "add", "--name", "A", "--host", "a.example", "--from", USER, "--daily-limit", "10.000"]
    added = cli(*add, "--reply-to", USER, "--notes", "x", "--ca-file", authority, "--no-verify", "--json").document
    assert (added["daily_limit"], added["reply_to"], added["verify_certificate"]) == (10_000, USER, False)
    clear = ["--daily-limit", "", "--reply-to", "", "--notes", "", "--ca-file", "", "--verify"]
    cleared = cli("servers", "edit", added["id"], *clear, "--json").document
    assert (cleared["daily_limit"], cleared["reply_to"], cleared["verify_certificate"]) == (None, None, True)
    with opened() as core:
        assert (core.servers.get(added["id"]).notes, core.servers.get(added["id"]).ca_pem) == ("", "")


def test_a_certificate_that_cannot_be_read(cli: Callable[..., Ran], tmp_path: Path) -> None:
    add = ["servers", "add", "--name", "A", "--host", "a.example", "--from", USER, "--ca-file"]
    assert cli(*add, tmp_path / "gone.pem").code == 2
    (tmp_path / "binary.pem").write_bytes(b"\xff\xfe\x00")
    assert cli(*add, tmp_path / "binary.pem").code == 2
    (tmp_path / "text.pem").write_text("isto não é um certificado", "utf-8")
    assert "--ca-file" in cli(*add, tmp_path / "text.pem").err


def test_an_edit_that_changes_nothing_is_wrong_use(cli: Callable[..., Ran]) -> None:
    number = cli("servers", "add", "--name", "A", "--host", "a.example", "--from", USER, "--json").document["id"]
    assert cli("servers", "edit", number).code == 2
    assert cli("servers", "edit", 99, "--name", "B").code == 2


def test_a_save_by_somebody_else_is_a_conflict(cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    number = cli("servers", "add", "--name", "A", "--host", "a.example", "--from", USER, "--json").document["id"]
    read = Servers.get

    def read_and_be_overtaken(servers: Servers, server_id: int) -> Any:
        opened = read(servers, server_id)
        monkeypatch.setattr(Servers, "get", read)
        process("servers", "edit", server_id, "--name", "Outro")
        return opened

    monkeypatch.setattr(Servers, "get", read_and_be_overtaken)
    ran = cli("servers", "edit", number, "--name", "Meu", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "outra pessoa" in ran.err
    assert cli("servers", "show", number, "--json").document["name"] == "Outro"


def test_the_list_crosses_pages_and_says_what_it_left_out(cli: Callable[..., Ran]) -> None:
    from mailcore.registry.drafts import ServerDraft

    with opened() as core:
        for number in range(120):
            draft = ServerDraft(name=f"Loja {number:03}", host="a.example", from_address=USER, requires_auth=False)
            core.servers.create(draft, actor=ME)
    names = [each["name"] for each in cli("servers", "list", "--limit", 120, "--json").document]
    assert names == [f"Loja {number:03}" for number in range(120)]
    short = cli("servers", "list", "--json")
    assert len(short.document) == parser.DEFAULT_LIST_LIMIT
    assert "100 de 120" in short.err
    assert [each["name"] for each in cli("servers", "list", "--limit", 3, "--json").document] == names[:3]
    assert len(cli("servers", "list", "--limit", 60, "--json").document) == 60
    assert cli("servers", "list", "--kind", "elastic_email", "--json").document == []
    found = cli("servers", "list", "--search", "loja 11", "--limit", 50)
    assert found.err == ""
    assert "Loja 110" in found.out


def test_deleting_asks_and_names_the_heir(cli: Callable[..., Ran]) -> None:
    add = ["servers", "add", "--host", "a.example", "--from", USER, "--json", "--name"]
    first, second = (cli(*add, "A", "--default").document["id"], cli(*add, "B").document["id"])
    refused = cli("servers", "delete", first)
    assert refused.code == 2
    assert "--yes" in refused.err
    gone = cli("servers", "delete", first, "--yes", "--json")
    assert gone.document == {"deleted": first}
    assert f"{second} “B”" in gone.err
    assert cli("servers", "delete", first, "--yes").code == 2


# ---------------------------------------------------------------------- send


def test_a_file_is_sent_with_its_own_headers(
    cli: Callable[..., Ran], server: int, peer: SmtpPeer, tmp_path: Path
) -> None:
    eml = tmp_path / "mensagem.eml"
    eml.write_bytes(
        b"From: x@exemplo.com\r\nTo: todos@exemplo.com\r\nBcc: oculto@exemplo.com\r\nX-Own: 1\r\n\r\nOi\r\n"
    )
    sent = cli("send", "--server", server, "--to", "bia@exemplo.org", "--eml", eml, "--json")
    assert sent.code == 0, sent.err
    (received,) = peer.inbox
    assert (received.recipients, received.envelope_from) == (["bia@exemplo.org"], USER)
    assert (received.message["To"], received.message["X-Own"]) == ("todos@exemplo.com", "1")
    assert received.message["Bcc"] is None
    assert received.message["Message-ID"] == sent.document["message_id"]


def test_what_is_wrong_use_of_send(cli: Callable[..., Ran], server: int, peer: SmtpPeer, tmp_path: Path) -> None:
    eml = tmp_path / "mensagem.eml"
    eml.write_text("Subject: x\n\nOi\n")
    send = ["send", "--json", "--server"]
    for arguments in (
        [*send, 99, "--text", "Oi", "--to", "bia@exemplo.org"],
        [*send, server, "--text", "Oi"],
        [*send, server, "--text", "Oi", "--to", ""],
        [*send, server, "--text", "Oi", "--to", "bia"],
        [*send, server, "--text", "Oi", "--to", "bia@exemplo.org", "--subject", "a\nb"],
        [*send, server, "--to", "bia@exemplo.org", "--eml", tmp_path / "gone.eml"],
        [*send, server, "--to", "bia@exemplo.org", "--eml", tmp_path],
        [*send, server, "--to", "bia@exemplo.org", "--eml", eml, "--subject", "x"],
    ):
        ran = cli(*arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert ran.err
    assert peer.connections == 0


@pytest.mark.parametrize("empty", [[], ["--subject", "Oi"], ["--text", ""], ["--text", " \n"]])
def test_a_message_without_text_or_file_is_not_sent(
    cli: Callable[..., Ran], server: int, peer: SmtpPeer, empty: list[str]
) -> None:
    ran = cli("send", "--server", server, "--to", "bia@exemplo.org", *empty, "--json")
    assert (ran.code, ran.out, peer.connections) == (2, "", 0)
    assert "use --text com o texto, ou --eml com um arquivo" in ran.err


def test_our_own_rules_end_in_3(cli: Callable[..., Ran], server: int, peer: SmtpPeer) -> None:
    own = cli("send", "--server", server, "--to", USER.upper(), "--text", "Oi", "--json")
    assert (own.code, own.document["status"], own.document["diagnosis"]["code"]) == (
        *(3, "rejected_by_rule", "same_address"),
    )
    assert cli("servers", "edit", server, "--same-address", "warn", "--inactive").code == 0
    off = cli("send", "--server", server, "--to", "bia@exemplo.org", "--text", "Oi", "--json")
    assert (off.code, off.document["diagnosis"]["code"]) == (3, "inactive")
    assert peer.connections == 0
    assert cli("servers", "edit", server, "--active").code == 0
    warned = cli("send", "--server", server, "--to", USER, "--text", "Oi", "--json")
    assert (warned.code, len(warned.document["warnings"])) == (0, 1)
    assert warned.document["warnings"][0] in warned.err
    assert len(peer.inbox) == 1


def test_a_refusal_ends_in_4_with_the_diagnosis(cli: Callable[..., Ran], server: int, peer: SmtpPeer) -> None:
    peer.script["RCPT"] = Say("550 5.1.1 no such user \x1b[31mred")
    ran = cli("send", "--server", server, "--text", "Oi", "--to", "bia@exemplo.org", "--json")
    assert (ran.code, ran.document["status"]) == (4, "refused")
    diagnosis = ran.document["diagnosis"]
    assert list(diagnosis) == DIAGNOSIS_KEYS.split()
    assert (diagnosis["category"], diagnosis["field"]) == ("recipient", None)
    assert "no such user" in diagnosis["reply"]
    assert diagnosis["remedy"] in ran.err
    plain = cli("send", "--server", server, "--text", "Oi", "--to", "bia@exemplo.org")
    assert "no such user" in plain.out
    assert "\x1b" not in plain.out + plain.err


def test_a_failed_send_is_tried_anew_under_its_key(cli: Callable[..., Ran], server: int, peer: SmtpPeer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert cli("servers", "edit", server, "--port", unused.getsockname()[1]).code == 0
        send = [
            "send",
            "--server",
            server,
            "--text",
            "Oi",
            "--to",
            "bia@exemplo.org",
            "--idempotency-key",
            "k",
            "--json",
        ]
        failed = cli(*send)
    assert (failed.code, failed.document["status"], failed.document["diagnosis"]["category"]) == (
        4,
        "failed",
        "network",
    )
    assert cli("servers", "edit", server, "--port", peer.port).code == 0
    again = cli(*send)
    assert (again.code, again.document["id"]) == (0, failed.document["id"])
    assert len(peer.inbox) == 1


def test_an_answer_that_never_comes_ends_in_5_and_is_not_repeated(
    cli: Callable[..., Ran], server: int, peer: SmtpPeer
) -> None:
    peer.script["."] = [Drop()]
    send = ["send", "--server", server, "--text", "Oi", "--to", "bia@exemplo.org", "--idempotency-key", "k", "--json"]
    first = cli(*send)
    assert (first.code, first.document["status"], first.document["diagnosis"]["code"]) == (5, "uncertain", "uncertain")
    assert cli(*send).document == first.document
    assert peer.connections == 1


def test_a_send_still_under_way_elsewhere_is_uncertain(cli: Callable[..., Ran], server: int, peer: SmtpPeer) -> None:
    with Database(load_settings().database_url).write() as session:
        session.add(
            Send(
                idempotency_key="k",
                server_id=server,
                server_name="Peer",
                status=SendStatus.STARTED,
                units=1,
                recipients="bia@exemplo.org",
                message_id="<x@exemplo.org>",
                owner=this_process(),
                at=datetime.now(UTC),
            )
        )
    ran = cli("send", "--server", server, "--text", "Oi", "--to", "bia@exemplo.org", "--idempotency-key", "k", "--json")
    assert (ran.code, ran.document["status"], peer.connections) == (5, "uncertain", 0)
    assert (
        "incerto"
        in cli("send", "--server", server, "--text", "Oi", "--to", "bia@exemplo.org", "--idempotency-key", "k").out
    )


# ---------------------------------------------------------------------- secrets, faults


def test_rotating_leaves_only_the_first_key_needed(cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with SmtpPeer(users={USER: SECRET}) as peer:
        add = ["servers", "add", "--name", "Peer", "--host", peer.host, "--port", peer.port, "--security", "none"]
        monkeypatch.setenv("MAILCORE_SECRET_KEYS", old)
        number = cli(*add, "--from", USER, "--username", USER, "--secret-stdin", "--json", stdin=SECRET).document["id"]
        send = ["send", "--server", number, "--text", "Oi", "--to", "bia@exemplo.org"]

        monkeypatch.setenv("MAILCORE_SECRET_KEYS", new)
        wrong = cli(*send)
        assert (wrong.code, wrong.out) == (4, "")
        assert "MAILCORE_SECRET_KEYS" in wrong.err
        assert cli("secrets", "rotate", "--json").code == 4

        monkeypatch.setenv("MAILCORE_SECRET_KEYS", f"{new},{old}")
        assert cli("secrets", "rotate", "--json").document == {"rotated": 1}
        monkeypatch.setenv("MAILCORE_SECRET_KEYS", new)
        assert cli(*send).code == 0
        assert [received.login for received in peer.inbox] == [USER]
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("MAILCORE_TIMEZONE", "Mars/Olympus", "fuso"),
        ("MAILCORE_DATABASE_URL", "sqlite:////gone/away/mailcore.db", "banco de dados"),
        ("MAILCORE_DATABASE_URL", f"postgresql+nothing://u:{SECRET}@h/d", "MAILCORE_DATABASE_URL"),
        ("MAILCORE_SECRET_KEYS", SECRET, "Fernet"),
    ],
)
def test_a_fault_of_the_installation_is_a_sentence_and_4(
    cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, name: str, value: str, word: str
) -> None:
    monkeypatch.setenv(name, value)
    ran = cli(*LOGIN, "--secret-stdin", "--json", stdin="outra")
    assert (ran.code, ran.out) == (4, "")
    assert word in ran.err


def test_a_mistake_of_ours_shows_no_value(cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(Servers, "search", broken)
    ran = cli("servers", "list", "--json")
    assert (ran.code, ran.out) == (4, "")
    assert "RuntimeError" in ran.err


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert output.printable("a\x1b[31mb\r\nc\x9b\u202e") == "a [31mb \nc  "


# ---------------------------------------------------------------------- log


def test_log_shows_what_was_sent_newest_first(cli: Callable[..., Ran], server: int, peer: SmtpPeer) -> None:
    for to in ("bia@outro.example", "caio@outro.example"):
        assert cli("send", "--server", server, "--text", "Oi", "--to", to).code == 0
    sent = cli("log", "--json").document
    assert [row["recipients"] for row in sent] == [["caio@outro.example"], ["bia@outro.example"]]
    assert list(sent[0]) == SEND_KEYS.split()
    assert cli("log", "--json", "--limit", 1).document == sent[:1]
    assert cli("log", "--json", "--server", server, "--status", "accepted", "--since", "24h").document == sent
    assert cli("log", "--json", "--status", "refused").document == []
    assert cli("log", "--json", "--server", server + 1).document == []
    assert cli("log", "--json", "--since", "2999-01-01").document == []
    assert cli("log", "--json", "--since", sent[1]["at"]).document == sent
    shown = cli("log").out
    assert "aceito" in shown
    assert "caio@outro.example" in shown


@pytest.mark.parametrize("since", ["ontem", "24", "h", "99999999d", "2026-13-01"])
def test_log_refuses_a_moment_it_cannot_read(cli: Callable[..., Ran], since: str) -> None:
    ran = cli("log", "--since", since)
    assert (ran.code, ran.out) == (2, "")
    assert "ISO 8601" in ran.err


# ---------------------------------------------------------------------- quota

QUOTA_KEYS = "server_ids account limit unit window used remaining state frees blocked_until unavailable"


def test_quota_of_all_and_of_one(cli: Callable[..., Ran], server: int, peer: SmtpPeer) -> None:
    assert cli("quota", "--json").document[0]["limit"] is None
    assert cli("servers", "edit", server, "--daily-limit", 2).code == 0
    first = cli("send", "--server", server, "--text", "Oi", "--to", "bia@outro.example", "--json").document
    (quota,) = cli("quota", "--json", "--server", server).document
    assert list(quota) == QUOTA_KEYS.split()
    assert (quota["server_ids"], quota["limit"], quota["unit"], quota["window"]) == (
        [server],
        2,
        "recipients",
        "rolling_24h",
    )
    assert (quota["used"], quota["remaining"], quota["state"], quota["blocked_until"]) == (1, 1, "ok", None)
    (freeing,) = quota["frees"]
    sent_at = datetime.fromisoformat(first["at"])
    assert (datetime.fromisoformat(freeing["at"]) - sent_at, freeing["units"]) == (timedelta(hours=24), 1)

    refused = cli("send", "--server", server, "--text", "Oi", "--to", "a@b.example", "--to", "c@d.example", "--json")
    assert (refused.code, refused.document["status"]) == (3, "rejected_by_rule")
    assert refused.document["frees_at"] == freeing["at"]
    assert refused.document["diagnosis"]["code"] == "quota_full"
    assert (refused.document["diagnosis"]["category"], refused.document["diagnosis"]["field"]) == (
        "quota",
        "daily_limit",
    )
    assert len(peer.inbox) == 1
    assert "Peer" in cli("quota").out


def test_use_made_elsewhere(cli: Callable[..., Ran], server: int, tmp_path: Path) -> None:
    assert cli("servers", "edit", server, "--daily-limit", 100).code == 0
    one = cli("quota", "add-external", "--server", server, "--units", 80, "--json")
    assert (one.code, one.document["used"], one.document["state"]) == (0, 80, "near")
    earlier = cli("quota", "add-external", "--server", server, "--units", 5, "--at", "30h", "--json")
    assert earlier.document["used"] == 80
    file = tmp_path / "uso.csv"
    now = datetime.now(UTC).isoformat()
    file.write_text(f"server_id,at,units\n{server},{now},15\n{server},{now},5\n")
    whole = cli("quota", "add-external", "--file", file, "--json")
    assert (whole.document["used"], whole.document["state"]) == (100, "full")
    file.write_text(f"server_id,at,units\n{server},{now},1\n{server},{now},x\n")
    bad = cli("quota", "add-external", "--file", file, "--json")
    assert (bad.code, bad.out) == (2, "")
    assert "Linha 3" in bad.err
    assert cli("quota", "--json").document[0]["used"] == 100


@each_row(
    "arguments",
    [
        [],
        ["--server", 1],
        ["--server", 1, "--units", 0],
        ["--server", 1, "--units", 1, "--file", "x.csv"],
        ["--file", "nenhum.csv"],
        ["--file", "nenhum.csv", "--units", 1],
        ["--server", 99, "--units", 1],
        ["--server", 1, "--units", 1, "--at", "2999-01-01"],
    ],
)
def test_use_made_elsewhere_that_cannot_be(cli: Callable[..., Ran], server: int, arguments: list[object]) -> None:
    ran = cli("quota", "add-external", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


# ---------------------------------------------------------------------- Ctrl+C


@pytest.mark.parametrize(
    ("step", "code", "said", "status"),
    [
        ("resolve", 130, "antes de a mensagem sair", "failed"),
        ("hand_over", 130, "antes de a mensagem sair", "failed"),
        ("quit", 5, "ninguém sabe se a mensagem foi aceita", "uncertain"),
    ],
)
def test_an_interrupted_send_says_how_far_it_had_come(
    cli: Callable[..., Ran], server: int, monkeypatch: pytest.MonkeyPatch, step: str, code: int, said: str, status: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SmtpSession, step, interrupt)
    ran = cli("send", "--server", server, "--text", "Oi", "--to", "bia@outro.example", "--json")
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert [row["status"] for row in cli("log", "--json").document] == [status]
