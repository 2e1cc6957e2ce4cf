"""The PostgreSQL database that tests share, one after another, is like a new one to each of them."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from tests.postgres import SharedDatabase

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"


def everything(url: str) -> list[object]:
    """Every column, every row and where each sequence stands."""
    with psycopg.connect(url) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        rows = [connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables]
        return [connection.execute(_COLUMNS).fetchall(), tables, rows, connection.execute(_SEQUENCES).fetchall()]


def change(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def test_rows_sequences_tables_and_connections_of_the_test_before_are_gone(shared_postgres: SharedDatabase) -> None:
    url = shared_postgres.take(f"before_{uuid4().hex[:8]}")
    new = everything(url)
    change(
        url,
        "INSERT INTO account (key, held_code, held_reply, auth_failures) VALUES ('a', '', '', 0)",
        "INSERT INTO change (at, who, server_id, server_name, action, field, before, after) "
        "VALUES (now(), 'ana', 7, 'Loja', 'created', '', '', '')",
        "UPDATE alembic_version SET version_num = '0001'",
    )
    assert everything(url) != new
    left_open = psycopg.connect(url)
    after = shared_postgres.take(f"after_{uuid4().hex[:8]}")
    assert everything(after) == new
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    change(after, "ALTER TABLE mail_server ADD COLUMN added text", "DROP TABLE external_use")
    assert everything(shared_postgres.take(f"last_{uuid4().hex[:8]}")) == new
