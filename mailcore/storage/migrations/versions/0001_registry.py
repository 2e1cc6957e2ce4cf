"""The registry of servers, its search index, the database keyring and the ledger of sends.

Written out, not taken from ``models.py``: a migration must still do tomorrow what it did on the day it
was released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "mail_server",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(400), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("port", sa.Integer),
        sa.Column("security", sa.String(20), nullable=False),
        sa.Column("security_auto", sa.Boolean, nullable=False),
        sa.Column("verify_certificate", sa.Boolean, nullable=False),
        sa.Column("ca_pem", sa.Text, nullable=False),
        sa.Column("username", sa.String(320), nullable=False),
        sa.Column("secret_ref", sa.String(80), unique=True),
        sa.Column("from_address", sa.String(320), nullable=False),
        sa.Column("from_name", sa.String(200), nullable=False),
        sa.Column("reply_to", sa.String(320), nullable=False),
        sa.Column("is_paid", sa.Boolean, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("daily_limit", sa.Integer),
        sa.Column("limit_unit", sa.String(20), nullable=False),
        sa.Column("limit_window", sa.String(20), nullable=False),
        sa.Column("same_address", sa.String(20), nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("search_text", sa.Text, nullable=False),
        sa.Column("last_check_state", sa.String(20), nullable=False),
        sa.Column("last_check_at", sa.DateTime),
        sa.Column("last_check_category", sa.String(20)),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("updated_by", sa.String(200), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_mail_server_name_key", "mail_server", ["name_key"], unique=True)
    op.create_index(
        "uq_mail_server_default",
        "mail_server",
        ["is_default"],
        unique=True,
        sqlite_where=sa.text("is_default"),
        postgresql_where=sa.text("is_default"),
    )
    op.create_index("ix_mail_server_filters", "mail_server", ["is_active", "is_paid", "kind", "last_check_state"])
    op.create_table(
        "secret_journal",
        sa.Column("ref", sa.String(80), primary_key=True),
        sa.Column("condemned", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "stored_secret",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("ciphertext", sa.Text, nullable=False),
    )
    op.create_table(
        "send",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("idempotency_key", sa.String(255), nullable=False, unique=True),
        sa.Column("server_id", sa.Integer, nullable=False),
        sa.Column("server_name", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("message_id", sa.String(998), nullable=False),
        sa.Column("provider_id", sa.String(255), nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("warnings", sa.Text, nullable=False),
        sa.Column("diagnosis", sa.Text, nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_send_server_at", "send", ["server_id", "at"])
    if op.get_bind().dialect.name == "sqlite":
        _index_with_fts5()
    else:
        _index_with_pg_trgm()


def _index_with_fts5() -> None:
    """A trigram index over ``search_text``, kept in step by triggers (SQLite FTS5, external content)."""
    op.execute(
        "CREATE VIRTUAL TABLE mail_server_fts USING fts5("
        "search_text, content='mail_server', content_rowid='id', tokenize='trigram case_sensitive 1')"
    )
    # Which trigrams exist: a search for two letters looks up those that begin with them.
    op.execute("CREATE VIRTUAL TABLE mail_server_terms USING fts5vocab(mail_server_fts, 'row')")
    insert = "INSERT INTO mail_server_fts(rowid, search_text) VALUES (new.id, new.search_text);"
    delete = (
        "INSERT INTO mail_server_fts(mail_server_fts, rowid, search_text) VALUES ('delete', old.id, old.search_text);"
    )
    op.execute(f"CREATE TRIGGER mail_server_fts_insert AFTER INSERT ON mail_server BEGIN {insert} END")
    op.execute(f"CREATE TRIGGER mail_server_fts_delete AFTER DELETE ON mail_server BEGIN {delete} END")
    op.execute(
        "CREATE TRIGGER mail_server_fts_update AFTER UPDATE OF search_text ON mail_server "
        f"WHEN old.search_text <> new.search_text BEGIN {delete} {insert} END"
    )


def _index_with_pg_trgm() -> None:
    """A trigram index where the extension is to be had; without it the search is a plain LIKE."""
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except sa.exc.DBAPIError:
        return  # `doctor` tells
    op.execute("CREATE INDEX ix_mail_server_trgm ON mail_server USING gin (search_text gin_trgm_ops)")
