"""Records that log in by OAuth2: the form of login, applications, authorisations under way, the lease of a renewal."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for column in (
        sa.Column("auth", sa.String(20), nullable=False, server_default="password"),
        sa.Column("oauth_app_id", sa.Integer),
        sa.Column("oauth_ref", sa.String(80)),
        sa.Column("oauth_generation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("oauth_state", sa.String(20), nullable=False, server_default="none"),
        sa.Column("oauth_user", sa.String(320), nullable=False, server_default=""),
        sa.Column("oauth_at", sa.DateTime),
        sa.Column("oauth_code", sa.String(40), nullable=False, server_default=""),
    ):
        op.add_column("mail_server", column)
    op.create_index("uq_mail_server_oauth_ref", "mail_server", ["oauth_ref"], unique=True)
    op.execute("UPDATE mail_server SET auth = 'none' WHERE kind = 'smtp' AND username = ''")
    op.create_table(
        "oauth_app",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(400), nullable=False, unique=True),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("client_id", sa.String(320), nullable=False),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("secret_ref", sa.String(80), unique=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "oauth_pending",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("app_id", sa.Integer, nullable=False),
        sa.Column("server_id", sa.Integer),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("username", sa.String(320), nullable=False),
        sa.Column("redirect", sa.Text, nullable=False),
        sa.Column("ref", sa.String(80), unique=True),
        sa.Column("token_ref", sa.String(80), unique=True),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("user", sa.String(320), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("ends_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_oauth_pending_ends", "oauth_pending", ["ends_at"])
    op.create_table(
        "oauth_lease",
        sa.Column("server_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
    )
