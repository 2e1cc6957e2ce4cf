"""``doctor``: it tells what is in force and what is broken, changes nothing and never raises."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from mailcore import open_mailcore
from mailcore.cli import main
from mailcore.health import doctor
from mailcore.health.doctor import Report, examine
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import load_settings
from mailcore.storage import migrations
from tests.actors import ME

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "çenha-Segr3da-7731"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an installation of its own, not made yet."""
    for name in [name for name in os.environ if name.startswith("MAILCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MAILCORE_KEYRING", "database")
    return tmp_path / "data"


@pytest.fixture
def registered(folder: Path) -> Path:
    """The folder of an installation with two servers with a password, and one without."""
    with closing(open_mailcore()) as core:
        for name in ("Loja", "Banco"):
            core.servers.create(
                ServerDraft(name=name, host="a.example", username="u", from_address="a@exemplo.com"),
                SecretStr(SECRET),
                actor=ME,
            )
        core.servers.create(
            ServerDraft(name="Fábrica", host="b.example", requires_auth=False, from_address="a@exemplo.com"), actor=ME
        )
    return folder


def change(folder: Path, statement: str) -> None:
    """Change the database behind the program's back."""
    with closing(sqlite3.connect(folder / "mailcore.db")) as connection, connection:
        connection.execute(statement)


def fault(report: Report) -> str:
    """The one fault there is."""
    assert len(report.faults) == 1, report.faults
    return report.faults[0]


def test_a_fresh_machine_is_fine_and_left_as_it_is(folder: Path) -> None:
    report = examine()
    assert report.ok
    assert (report.database.reachable, report.database.revision) == (None, None)
    assert "ainda não existe" in report.notices[0]
    assert not folder.exists()


def test_an_installation_in_order(registered: Path) -> None:
    before = {file.name: file.read_bytes() for file in registered.iterdir()}
    report = examine()
    assert (report.ok, report.faults, report.notices) == (True, [], [])
    state = report.database
    assert (state.kind, state.reachable, state.writable, state.search) == ("sqlite", True, True, "fts5")
    assert (state.revision, state.head, state.servers) == (migrations.HEAD, migrations.HEAD, 3)
    secrets = report.secrets
    assert (secrets.backend, secrets.key, secrets.key_readable) == ("database", "file", True)
    assert (secrets.stored, secrets.unreadable, secrets.missing, secrets.orphans) == (2, 0, 0, 0)
    assert report.versions.sqlite == sqlite3.sqlite_version
    assert report.versions.streamlit
    assert {file.name: file.read_bytes() for file in registered.iterdir()} == before


def test_it_says_what_is_in_force_but_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    monkeypatch.setenv("MAILCORE_SECRET_KEYS", ",".join(keys))
    monkeypatch.setenv("MAILCORE_DATABASE_URL", f"postgresql://ana:{SECRET}@127.0.0.1:1/mail?sslpassword={SECRET}")
    monkeypatch.setenv("MAILCORE_ELASTIC_EMAIL_URL", f"https://ana:{SECRET}@api.example")
    report = examine()
    assert report.settings is not None
    assert report.settings.secret_keys == 2
    assert report.settings.database_url == "postgresql+psycopg://ana:***@127.0.0.1:1/mail?sslpassword=oculta"
    assert (report.database.kind, report.database.reachable) == ("postgresql", False)
    assert "PostgreSQL" in fault(report)
    assert not [secret for secret in (SECRET, *keys) if secret in repr(report)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAILCORE_TIMEZONE", "Mars/Olympus"),
        ("MAILCORE_KEYRING", "paper"),
        ("MAILCORE_DATABASE_URL", f"nothing://u:{SECRET}@h"),
        ("MAILCORE_DATABASE_URL", f"no url {SECRET}"),
    ],
)
def test_a_setting_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    report = examine()
    assert name in fault(report)
    assert report.versions.python
    assert SECRET not in repr(report)


def test_a_data_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(tmp_path / "file" / "data"))
    assert "MAILCORE_DATA_DIR" in fault(examine())


def test_a_key_that_opens_nothing(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCORE_SECRET_KEYS", Fernet.generate_key().decode())
    report = examine()
    assert (report.secrets.key, report.secrets.key_readable, report.secrets.unreadable) == ("environment", True, 2)
    assert "2 de 2" in fault(report)


def test_a_key_that_is_gone_or_none(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (registered / "secret.key").unlink()
    report = examine()
    assert (report.secrets.key, report.secrets.key_readable, report.secrets.unreadable) == (None, False, None)
    assert "secret.key" in fault(report)
    monkeypatch.setenv("MAILCORE_SECRET_KEYS", SECRET)
    report = examine()
    assert "Fernet" in fault(report)
    assert SECRET not in repr(report)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_key_that_others_can_read(registered: Path) -> None:
    (registered / "secret.key").chmod(0o644)
    assert "chmod 600" in fault(examine())


def test_passwords_that_are_missing_and_orphans(registered: Path) -> None:
    change(registered, "DELETE FROM stored_secret WHERE rowid = (SELECT min(rowid) FROM stored_secret)")
    change(registered, "INSERT INTO secret_journal VALUES ('database:left', 0, '2026-01-01 00:00:00.000000')")
    report = examine()
    assert (report.secrets.missing, report.secrets.stored, report.secrets.orphans) == (1, 1, 1)
    assert "pelo menos 1" in fault(report)
    assert "não são de nenhum servidor: 1" in report.notices[0]
    assert examine().secrets.orphans == 1, "it swept"


def test_a_desktop_keyring_that_is_gone(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(registered, "UPDATE mail_server SET secret_ref = 'os:' || id WHERE secret_ref IS NOT NULL")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    monkeypatch.setenv("MAILCORE_KEYRING", "os")
    report = examine()
    assert (report.secrets.backend, report.secrets.missing) == (None, 2)
    assert "chaveiro deste computador" in report.faults[0]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.write_bytes(b"not a database, " * 999), "danificado"),
        (lambda file: change(file.parent, "UPDATE alembic_version SET version_num = '9999'"), "versão mais nova"),
        (lambda file: change(file.parent, "DROP TABLE mail_server_fts"), "FTS5"),
        (lambda file: change(file.parent, "DROP TABLE secret_journal"), "recusou a operação"),
    ],
)
def test_a_database_that_is_damaged(registered: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(registered / "mailcore.db")
    assert any(words in sentence for sentence in examine().faults), examine().faults


def test_a_database_that_cannot_be_written(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCORE_DATABASE_URL", f"sqlite:///file:{registered}/mailcore.db?mode=ro&uri=true")
    report = examine()
    assert (report.database.reachable, report.database.writable) == (True, False)
    assert "protegido contra gravação" in fault(report)


def test_a_database_without_tables_or_of_before(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = migrations.HEAD
    monkeypatch.setattr(migrations, "HEAD", "next")
    report = examine()
    assert report.ok
    assert (report.database.revision, "versão anterior" in report.notices[0]) == (before, True)
    monkeypatch.setenv("MAILCORE_DATABASE_URL", f"sqlite:///{registered}/empty.db")
    (registered / "empty.db").touch()
    report = examine()
    assert (report.ok, report.database.revision, "vazio" in report.notices[0]) == (True, None, True)


def test_a_probe_that_breaks_costs_a_sentence_and_no_more(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(doctor, "_search_index", broken)
    report = examine()
    assert "RuntimeError" in fault(report)
    assert SECRET not in repr(report)
    assert report.secrets.key_readable is True


def test_given_settings_win_over_the_environment(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    monkeypatch.setenv("MAILCORE_DATA_DIR", str(registered / "elsewhere"))
    assert examine(settings).database.servers == 3


def test_the_command(registered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert list(document) == ["ok", "settings", "database", "secrets", "versions", "faults", "notices"]
    assert (document["ok"], document["faults"], captured.err) == (True, [], "")
    assert main(["doctor"]) == 0
    assert "Tudo em ordem." in capsys.readouterr().out

    (registered / "secret.key").unlink()
    assert main(["doctor", "--json"]) == 4
    captured = capsys.readouterr()
    (sentence,) = json.loads(captured.out)["faults"]
    assert captured.err == f"Problema: {sentence}\n"
    assert main(["doctor"]) == 4
    assert "Há problemas." in capsys.readouterr().out
