"""Accounts, what they used, and whether they are on hold."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_COUNTED = "('started', 'accepted', 'uncertain')"


def upgrade() -> None:
    op.add_column("mail_server", sa.Column("account_key", sa.String(700), nullable=False, server_default=""))
    op.create_index("ix_mail_server_account", "mail_server", ["account_key"])
    op.add_column("send", sa.Column("account_key", sa.String(700), nullable=False, server_default=""))
    op.add_column("send", sa.Column("counted", sa.Integer, nullable=False, server_default="0"))
    op.add_column("send", sa.Column("frees_at", sa.DateTime))
    op.create_table(
        "account",
        sa.Column("key", sa.String(700), primary_key=True),
        sa.Column("held_since", sa.DateTime),
        sa.Column("held_until", sa.DateTime),
        sa.Column("held_code", sa.String(40), nullable=False),
        sa.Column("held_reply", sa.Text, nullable=False),
        sa.Column("auth_failures", sa.Integer, nullable=False),
    )
    op.create_table(
        "usage",
        sa.Column("account_key", sa.String(700), primary_key=True),
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("server_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("recipients", sa.BigInteger, nullable=False),
        sa.Column("external", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "daily_usage",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("account_key", sa.String(700), primary_key=True),
        sa.Column("server_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("recipients", sa.BigInteger, nullable=False),
        sa.Column("external", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "external_use",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account_key", sa.String(700), nullable=False),
        sa.Column("server_id", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("noted_at", sa.DateTime, nullable=False),
        sa.Column("noted_by", sa.String(200), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_external_use_account", "external_use", ["account_key", "at"])
    op.create_table(
        "installation",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    _take_over()
    op.create_index("ix_send_account", "send", ["account_key", "at", "counted"])


def _take_over() -> None:
    """Give the servers and sends of before their accounts, and count what was sent.

    The key of an SMTP account is spelled simply here and put right at the next save; the key of an Elastic Email
    account takes its secret, which no migration reads: see ``mailcore.registry.accounts``.
    """
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(
        "UPDATE mail_server SET account_key = CASE WHEN kind = 'elastic_email' THEN 'elastic_email:?' || id "
        "WHEN username = '' THEN 'smtp:' || host || '/-/' || lower(from_address) "
        "ELSE 'smtp:' || host || '/' || lower(username) END"
    )
    line_feed = "char(10)" if is_sqlite else "chr(10)"
    op.execute(
        "UPDATE send SET account_key = coalesce((SELECT account_key FROM mail_server WHERE mail_server.id = "
        "send.server_id), 'smtp:?/' || server_id), counted = CASE WHEN status IN "
        f"{_COUNTED} THEN length(recipients) - length(replace(recipients, {line_feed}, '')) + 1 ELSE 0 END"
    )
    seconds = "CAST(strftime('%s', at) AS INTEGER)" if is_sqlite else "CAST(floor(extract(epoch FROM at)) AS BIGINT)"
    op.execute(
        'INSERT INTO "usage" (account_key, slot, server_id, messages, recipients, external, last_at) '
        f"SELECT account_key, {seconds} / 300 * 300 AS slot, server_id, count(*), sum(counted), 0, max(at) "
        "FROM send WHERE counted > 0 GROUP BY account_key, slot, server_id"
    )
    day = "date(at)" if is_sqlite else "CAST(at AS DATE)"
    op.execute(
        "INSERT INTO daily_usage (day, account_key, server_id, messages, recipients, external) "
        f"SELECT {day} AS day, account_key, server_id, count(*), sum(counted), 0 "
        "FROM send WHERE counted > 0 GROUP BY 1, 2, 3"
    )
