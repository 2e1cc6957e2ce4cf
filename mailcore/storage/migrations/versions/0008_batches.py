"""Batches: one message to many, each recipient accounted for; who is left out; how fast an account is used."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("send", sa.Column("batch_id", sa.Integer))
    partly = sa.text("batch_id IS NOT NULL")
    op.create_index("ix_send_batch", "send", ["batch_id", "id"], sqlite_where=partly, postgresql_where=partly)
    op.create_table(
        "batch",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("server_id", sa.Integer, nullable=False),
        sa.Column("server_name", sa.String(200), nullable=False),
        sa.Column("account_key", sa.String(700), nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("email_column", sa.String(200), nullable=False),
        sa.Column("file_column", sa.String(200), nullable=False),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("is_loaded", sa.Boolean, nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("total", "pending", "sent", "refused", "failed", "uncertain", "suppressed")
        ),
        sa.Column("starts_at", sa.DateTime),
        sa.Column("waits_until", sa.DateTime),
        sa.Column("retry_at", sa.DateTime),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("wakes_by_itself", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("refusal_share", "judged_tries", "judged_refused")),
        sa.Column("served_at", sa.DateTime),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("started_at", sa.DateTime),
        sa.Column("finished_at", sa.DateTime),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_batch_state", "batch", ["state", "account_key"])
    op.create_index("ix_batch_server", "batch", ["server_id"])
    op.create_table(
        "batch_recipient",
        sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("address_key", sa.String(320), nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("at", sa.DateTime),
        sa.Column("reply", sa.Text, nullable=False, server_default=""),
        sa.Column("message_id", sa.String(255), nullable=False, server_default=""),
        sa.Column("provider_id", sa.String(255), nullable=False, server_default=""),
        sa.Column("diagnosis", sa.Text, nullable=False, server_default=""),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("repeat", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", sa.DateTime),
        sa.Column("owner", sa.String(120), nullable=False, server_default=""),
        sqlite_with_rowid=False,
    )
    op.create_index("uq_batch_recipient_address", "batch_recipient", ["batch_id", "address_key"], unique=True)
    op.create_index("ix_batch_recipient_status", "batch_recipient", ["batch_id", "status", "row"])
    op.create_table(
        "batch_file",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("batch_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(100), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("for_all", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_batch_file_name", "batch_file", ["batch_id", "name_key"], unique=True)
    op.create_table(
        "batch_follow_up",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("batch_id", sa.Integer, nullable=False),
        sa.Column("server_id", sa.Integer, nullable=False),
        sa.Column("provider_id", sa.String(255), nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("next_at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_batch_follow_up", "batch_follow_up", ["batch_id", "provider_id"], unique=True)
    op.create_index("ix_batch_follow_up_next", "batch_follow_up", ["next_at"])
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("address_key", sa.String(320), nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_suppression_address", "suppression", ["address_key", "scope"], unique=True)
    op.create_index("ix_suppression_since", "suppression", ["since"])
    op.create_table(
        "account_lease",
        sa.Column("account_key", sa.String(700), primary_key=True),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    op.create_table(
        "account_pace",
        sa.Column("account_key", sa.String(700), primary_key=True),
        sa.Column("connections", sa.Integer, nullable=False),
        sa.Column("per_minute", sa.Integer),
        sa.Column("window_units", sa.Integer, nullable=False),
        sa.Column("window_from", sa.DateTime),
        sa.Column("grown", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("not_before", sa.DateTime),
        sa.Column("learnt_at", sa.DateTime, nullable=False),
    )
