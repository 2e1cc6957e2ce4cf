"""What is in force on this machine, and what is not in order: for ``python -m mailcore doctor``.

It only looks: no database is created or migrated, no key made, no orphan swept. Every probe stands on
its own, so one that fails costs a sentence and not the rest of the report.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import inspect, select, text

from mailcore.errors import MailcoreError, SecretError
from mailcore.secrets.store import KEY_FILE, SERVICE, SecretStore
from mailcore.settings import Settings, load_settings
from mailcore.storage import history, migrations
from mailcore.storage.database import Database, without_passwords
from mailcore.storage.history import refuse_mixture
from mailcore.storage.tables import MailServer, OAuthApp, StoredSecret
from mailcore.transports.tls import EXPIRY_WARNING_DAYS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Session

_FAILURES_IN_A_ROW = 3
"""So many and a desktop keyring is not asked again: a locked one asks the person at every try."""


@dataclass(slots=True)
class SettingsInForce:
    """The settings, without their secrets."""

    data_dir: str
    database_url: str
    """Passwords in it are masked."""
    keyring: str
    """As configured: auto, os or database."""
    secret_keys: int
    """How many keys MAILCORE_SECRET_KEYS gives."""
    elastic_email_url: str
    timezone: str


@dataclass(slots=True)
class DatabaseState:
    """What is known of the database; None where it could not be asked."""

    kind: str | None = None
    """sqlite or postgresql."""
    reachable: bool | None = None
    """None: the SQLite file does not exist yet."""
    writable: bool | None = None
    revision: str | None = None
    head: str = migrations.HEAD
    """The revision this program brings a database to."""
    search: str | None = None
    """The index behind a search: fts5, pg_trgm or like (none)."""
    servers: int | None = None


@dataclass(slots=True)
class SecretsState:
    """What is known of the passwords; None where it could not be asked."""

    backend: str | None = None
    """Where a new password goes: os or database."""
    key: str | None = None
    """Where the key of the database keyring comes from: environment or file; None: not made yet."""
    key_readable: bool | None = None
    stored: int | None = None
    """Passwords in the database keyring."""
    unreadable: int | None = None
    """Of these, how many the keys do not open."""
    missing: int | None = None
    """Servers whose password is in no keyring."""
    orphans: int | None = None
    """Passwords that belong to no server; the next start sweeps them."""


@dataclass(slots=True)
class Versions:
    """Versions of what this program stands on; None where it is not installed or not in use."""

    python: str
    sqlite: str
    sqlalchemy: str | None
    streamlit: str | None
    postgresql: str | None = None


@dataclass(slots=True)
class Report:
    """What :func:`examine` found."""

    settings: SettingsInForce | None
    database: DatabaseState
    secrets: SecretsState
    versions: Versions
    faults: list[str] = field(default_factory=list)
    """What is broken, a sentence each, with what to do."""
    notices: list[str] = field(default_factory=list)
    """What is worth knowing and harms nothing."""

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not self.faults


def examine(settings: Settings | None = None) -> Report:
    """Look at the installation that the environment describes, or the given one; never raises."""
    report = Report(
        None,
        DatabaseState(),
        SecretsState(),
        Versions(
            python=platform.python_version(),
            sqlite=sqlite3.sqlite_version,
            sqlalchemy=_version("sqlalchemy"),
            streamlit=_version("streamlit"),
        ),
    )
    with _noting(report, "Configurações"):
        settings = settings or load_settings()
        report.settings = _in_force(settings)
        _look_at_folder(report, settings.data_dir)
        database = Database(settings.database_url)
        try:
            _look_at_database(report, database)
            _look_at_secrets(report, database, settings)
        finally:
            database.dispose()
    return report


@contextmanager
def _noting(report: Report, what: str) -> Iterator[None]:
    """Turn whatever a probe raises into a fault; an unknown error's own text could hold a secret."""
    try:
        yield
    except MailcoreError as error:
        _add(report.faults, str(error))
    except Exception as error:  # noqa: BLE001
        _add(report.faults, f"{what}: a verificação falhou ({type(error).__name__}).")


def _add(sentences: list[str], sentence: str) -> None:
    if sentence not in sentences:
        sentences.append(sentence)


def _in_force(settings: Settings) -> SettingsInForce:
    keys = settings.secret_keys.get_secret_value().split(",")
    return SettingsInForce(
        data_dir=str(settings.data_dir.resolve()),
        database_url=without_passwords(settings.database_url),
        keyring=settings.keyring.value,
        secret_keys=sum(bool(key.strip()) for key in keys),
        elastic_email_url=without_passwords(settings.elastic_email_url),
        timezone=settings.timezone,
    )


def _look_at_folder(report: Report, folder: Path) -> None:
    with _noting(report, "Pasta de dados"):
        nearest = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            report.faults.append(
                f"Não é possível gravar na pasta de dados “{folder}”. Verifique as permissões ou escolha outra em "
                "MAILCORE_DATA_DIR."
            )


def _look_at_database(report: Report, database: Database) -> None:
    state = report.database
    state.kind = database.engine.dialect.name
    file = database.file  # may also be a URI of SQLite's ("file:/…?mode=ro"), which only SQLite can open
    if file is not None and not str(file).startswith("file:") and not file.exists():
        report.notices.append(
            f"O banco de dados ainda não existe: ele nasce na primeira vez que o programa abrir, em “{file}”."
        )
        return
    state.reachable = False
    with _noting(report, "Banco de dados"):
        refuse_mixture(database)
        with database.read() as session:
            _look_inside(report, session)
        if state.revision is not None:
            state.writable = False
            with database.write() as session:
                # The lock alone is no proof: on a read-only file SQLite hands it out all the same.
                session.execute(text("UPDATE alembic_version SET version_num = version_num"))
                session.rollback()
            state.writable = True


def _look_inside(report: Report, session: Session) -> None:
    state, connection = report.database, session.connection()
    state.revision = migrations.current_revision(connection)
    state.reachable = True
    if state.kind == "postgresql":
        report.versions.postgresql = connection.scalar(text("SHOW server_version"))
    if state.revision != migrations.HEAD:
        _explain_revision(report)
        return
    if state.kind == "sqlite":
        _look_whether_whole(report, connection)
    _look_at_gap(report, connection)
    state.search = _search_index(connection)
    state.servers = connection.scalar(text("SELECT count(*) FROM mail_server"))
    _look_at_applications(report, session)
    if not state.servers:
        report.notices.append(
            "O banco de dados não tem nenhum servidor registrado. Se devia ter, veja se MAILCORE_DATA_DIR e "
            "MAILCORE_DATABASE_URL são os desta instalação."
        )
    if state.search == "like" and state.kind == "postgresql":
        report.notices.append(
            "A busca não tem índice: a extensão pg_trgm do PostgreSQL não estava disponível. Com milhares de "
            "servidores ela fica lenta; peça a extensão ao administrador do banco."
        )
    elif state.search == "like":
        report.faults.append(
            "O índice da busca (FTS5) não está no banco de dados, e buscar falha. Restaure a cópia mais recente da "
            "pasta de dados."
        )


def _look_at_applications(report: Report, session: Session) -> None:
    today = datetime.now(UTC).date()
    soon = today + timedelta(days=EXPIRY_WARNING_DAYS)
    ending = select(OAuthApp).where(OAuthApp.secret_ref.is_not(None), OAuthApp.secret_ends_on < soon)
    for app in session.scalars(ending.order_by(OAuthApp.secret_ends_on)):
        if app.secret_ends_on is None:
            continue
        has_ended = app.secret_ends_on < today
        what = f"O segredo do aplicativo OAuth “{app.name}” {'venceu' if has_ended else 'vence'}"
        sentence = f"{what} em {app.secret_ends_on:%d/%m/%Y}. Crie outro no provedor e cole-o em Aplicativos OAuth."
        (report.faults if has_ended else report.notices).append(sentence)


def _look_whether_whole(report: Report, connection: Connection) -> None:
    """A file put back beside a newer log, or under a running program, mixes two histories: that shows in its pages."""
    found = connection.execute(text("PRAGMA quick_check(1)")).scalar()
    if found != "ok" or connection.execute(text("PRAGMA foreign_key_check")).first():
        _add(
            report.faults,
            "O banco de dados está danificado, ou é mistura de duas cópias. Pare o programa e restaure a última cópia "
            "boa numa pasta de dados vazia (restore).",
        )


def _look_at_gap(report: Report, connection: Connection) -> None:
    gap = history.gap_in(connection)
    if gap is None or report.settings is None:
        return
    zone = ZoneInfo(report.settings.timezone)
    since, until = (f"{moment.astimezone(zone):%d/%m/%Y %H:%M}" for moment in (gap.since, gap.until))
    report.notices.append(
        f"Este banco de dados voltou a uma cópia: do que foi enviado de {since} a {until} nada consta aqui, e as cotas "
        "não o contam. Confira esse período no provedor antes de repetir envios."
    )


def _explain_revision(report: Report) -> None:
    revision = report.database.revision
    if revision is None:
        report.notices.append("O banco de dados está vazio: as tabelas nascem na próxima vez que o programa abrir.")
    elif any((Path(migrations.__file__).parent / "versions").glob(f"{revision}_*.py")):
        report.notices.append("O banco de dados é de uma versão anterior: ele é atualizado na próxima abertura.")
    else:
        report.faults.append(
            "Este banco de dados foi criado por uma versão mais nova do programa. Atualize o programa antes de abri-lo."
        )


def _search_index(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return "fts5" if inspect(connection).has_table("mail_server_fts") else "like"
    return "pg_trgm" if connection.scalar(text("SELECT to_regclass('ix_mail_server_trgm')")) else "like"


def _look_at_secrets(report: Report, database: Database, settings: Settings) -> None:
    state, store = report.secrets, SecretStore(database, settings)
    with _noting(report, "Chaveiro"):
        state.backend = store.backend_name
    key_file = settings.data_dir / KEY_FILE
    if settings.secret_keys.get_secret_value():
        state.key = "environment"
    elif key_file.exists():
        state.key = "file"
        _look_at_key_file(report, key_file)
    if report.database.revision != migrations.HEAD:
        return
    with _noting(report, "Senhas"):
        with database.read() as session:
            refs = [
                ref
                for column in (MailServer.secret_ref, MailServer.oauth_ref, OAuthApp.secret_ref)
                for ref in session.scalars(select(column).where(column.is_not(None)))
            ]
            stored = set(session.scalars(select(StoredSecret.name)))
        state.stored = len(stored)
        _look_at_orphans(report, store)
        _look_at_missing(report, store, [ref for ref in refs if ref], stored)
    if stored or state.key:
        with _noting(report, "Chave das senhas"):
            _look_at_key(report, store)


def _look_at_key_file(report: Report, key_file: Path) -> None:
    if os.name == "posix" and key_file.stat().st_mode & 0o077:
        report.faults.append(
            f"Outros usuários deste computador podem ler a chave das senhas. Rode: chmod 600 “{key_file}”."
        )


def _look_at_key(report: Report, store: SecretStore) -> None:
    state = report.secrets
    state.key_readable = False
    state.unreadable = store.database_keyring.unreadable()
    state.key_readable = True
    if state.unreadable:
        report.faults.append(
            f"A chave em vigor não abre {state.unreadable} de {state.stored} senhas guardadas. Traga de volta a chave "
            "de antes (em MAILCORE_SECRET_KEYS ou no arquivo secret.key) ou digite essas senhas de novo."
        )


def _look_at_orphans(report: Report, store: SecretStore) -> None:
    report.secrets.orphans = len(store.orphans())
    if report.secrets.orphans:
        report.notices.append(
            f"Senhas que não são de nenhum servidor: {report.secrets.orphans}. Elas são apagadas na próxima abertura."
        )


def _look_at_missing(report: Report, store: SecretStore, refs: list[str], stored: set[str]) -> None:
    missing = failures_in_a_row = 0
    last_words = ""
    for ref in refs:
        backend, _, name = ref.partition(":")
        if backend == "database":
            missing += f"{SERVICE}/{name}" not in stored
        elif failures_in_a_row < _FAILURES_IN_A_ROW:
            try:
                store.get(ref)
                failures_in_a_row = 0
            except SecretError as error:
                missing += 1
                failures_in_a_row += 1
                last_words = str(error)
    report.secrets.missing = missing
    if failures_in_a_row == _FAILURES_IN_A_ROW:
        _add(report.faults, last_words)
    if missing:
        report.faults.append(
            f"Servidores cuja senha não está no chaveiro: pelo menos {missing}. Abra o cadastro de cada um e digite-a "
            "de novo, ou traga o chaveiro de volta."
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
