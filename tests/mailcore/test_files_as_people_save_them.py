"""Files and folders as people save and name them: read, or refused for what they are."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from pydantic import SecretStr

from mailcore import Mailcore
from mailcore.errors import SecretError, ValidationError
from mailcore.registry.drafts import ServerDraft
from mailcore.settings import Settings
from mailcore.storage.tables import MailServer
from tests.actors import ME
from tests.databases import on_one_database
from tests.tables import each_row

SECRET = "Segredo-Único-4471"
PLAIN = "server_id,at,units\r\n{id},2026-01-02T10:00-03:00,5\r\n"


def register(core: Mailcore) -> MailServer:
    draft = ServerDraft(name="Uma", host="smtp.exemplo.com.br", username="ana@x.org", from_address="ana@x.org")
    return core.servers.create(draft, SecretStr(SECRET), actor=ME).server


@pytest.fixture
def server(core: Mailcore) -> MailServer:
    return register(core)


@pytest.fixture(scope="module")
def shared_server(shared_core: Mailcore) -> MailServer:
    """For what only reads files."""
    return register(shared_core)


def units(core: Mailcore, data: str | bytes) -> list[int]:
    return [entry.units for entry in core.read_external_use(data.encode() if isinstance(data, str) else data)]


def refusal(core: Mailcore, data: str | bytes) -> str:
    with pytest.raises(ValidationError) as caught:
        units(core, data)
    assert {error.field for error in caught.value.errors} == {"file"}
    return str(caught.value)


@each_row(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace("\r\n", ";;\r\n"),
        PLAIN.replace("server_id", " Server_ID ").replace("at", " AT").replace("units", "Units "),
        "\r\n" + PLAIN.replace("{id}", " {id} "),
        PLAIN.replace("5\r\n", "5\r\n,,\r\n\r\n"),
        PLAIN.replace("units", '"units"').replace("{id}", "000{id}"),
        PLAIN + "\r\n",
    ],
)
@each_row("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_of_external_use_is_read_as_the_import_reads_its_files(
    shared_core: Mailcore, shared_server: MailServer, text: str, encoding: str
) -> None:
    assert units(shared_core, text.replace("{id}", str(shared_server.id)).encode(encoding)) == [5]


@each_row("number", ["0000000000019", "9" * 18, "9" * 5_000, "1.0", "-1", "١", "1e3", ""])
def test_what_is_no_servers_number_is_none(shared_core: Mailcore, shared_server: MailServer, number: str) -> None:
    assert shared_server.id == 1
    assert "server_id" in refusal(shared_core, f"server_id,at,units\n{number},2026-01-02T10:00-03:00,5\n")


def test_a_number_of_units_is_read_whole(shared_core: Mailcore, shared_server: MailServer) -> None:
    row = f"server_id,at,units\n{shared_server.id},2026-01-02T10:00-03:00,"
    assert units(shared_core, f"{row}0000000000019\n") == [19]
    assert "Unidades" in refusal(shared_core, f"{row}100000000001\n")


@each_row(
    ("text", "words"),
    [
        ('server_id,at,units\n1,"2026-01-02T10:00-03:00,5\n', "aspas"),
        ('server_id,at,units\n"1"x,2026-01-02T10:00-03:00,5\n', "Linha 2"),
        ("server_id,at\n1,2026-01-02T10:00\n", "units"),
        ("server_id,at,units,UNITS\n", "mais de uma"),
        ("", "faltam as colunas"),
        ("server_id,at,units\n", "nenhuma linha"),
        (b"PK\x03\x04xyz", "CSV de texto"),
        (b"\xff\xfea", "CSV de texto"),
        (PLAIN.encode("utf-16-le"), "CSV de texto"),
    ],
)
def test_what_cannot_be_read_is_said(
    shared_core: Mailcore, shared_server: MailServer, text: str | bytes, words: str
) -> None:
    assert words in refusal(shared_core, text)


# ---------------------------------------------------------------------- the data folder and the key in it


@pytest.mark.parametrize("name", ["a?b", "100%20x", "a?b=c", "x%3Fy", "50%", "a#b", "São Paulo", "a&b;c"])
def test_a_data_folder_may_be_named_anything(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    core = Mailcore(Settings(data_dir=folder, keyring="database"))  # type: ignore[arg-type]
    draft = ServerDraft(name="Uma", host="smtp.exemplo.com.br", username="ana@x.org", from_address="ana@x.org")
    made = core.servers.create(draft, SecretStr(SECRET), actor=ME).server
    core.close()
    assert (folder / "mailcore.db").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = Mailcore(Settings(data_dir=folder, keyring="database"))  # type: ignore[arg-type]
    secret = again.servers.secret(again.servers.get(made.id))
    assert secret is not None
    assert secret.get_secret_value() == SECRET
    again.close()


@pytest.mark.parametrize(
    ("mark", "encoding"), [(b"", "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
)
def test_a_key_that_an_editor_saved_is_read(core: Mailcore, server: MailServer, mark: bytes, encoding: str) -> None:
    file = core.settings.data_dir / "secret.key"
    text = file.read_text("ascii").replace("\n", "\r\n")
    file.write_bytes(mark + text.encode(encoding))
    secret = core.servers.secret(server)
    assert secret is not None
    assert secret.get_secret_value() == SECRET


@on_one_database
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda raw: raw.decode().encode("utf-16-le"), "UTF-16"),
        (lambda raw: b"\xff\xfe\x00", "não é um texto"),
        (lambda raw: b"\x89PNG\xff\xd8", "não é um texto"),
        (lambda raw: b"outra coisa\n", "não é uma chave Fernet"),
        (lambda raw: b"", "não foi encontrada"),
    ],
)
def test_what_is_no_key_is_refused_for_what_it_is(core: Mailcore, server: MailServer, made: object, words: str) -> None:
    file = core.settings.data_dir / "secret.key"
    file.write_bytes(made(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SecretError, match=words):
        core.servers.secret(server)


# ---------------------------------------------------------------------- a pasted password


@on_one_database
@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("senha\u200b", "invisível"),
        ("\u00a0senha", "invisível"),
        ("se\u00adnha", "invisível"),
        (" senha", "espaço"),
        ("senha ", "espaço"),
        ("abcd efgh", ""),
        ("çenha😀", ""),
    ],
)
def test_what_nobody_sees_in_a_password_is_mentioned_and_kept(core: Mailcore, secret: str, words: str) -> None:
    draft = ServerDraft(name="Duas", host="smtp.exemplo.com.br", username="ana@x.org", from_address="ana@x.org")
    saved = core.servers.create(draft, SecretStr(secret), actor=ME)
    found = [note for note in saved.notes if note.startswith("Senha: ")]
    assert bool(found) is bool(words)
    assert all(words in note and "senha" not in note.removeprefix("Senha: ") for note in found)
    kept = core.servers.secret(saved.server)
    assert kept is not None
    assert kept.get_secret_value() == secret
    again = core.servers.update(saved.server, draft, SecretStr(secret), actor=ME)
    assert bool(again.notes) is bool(words)
