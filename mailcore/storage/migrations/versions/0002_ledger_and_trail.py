"""Follow-up of sends, the changes trail, and until when a server's certificate is valid."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("mail_server", sa.Column("certificate_ends_at", sa.DateTime))
    op.create_index("ix_mail_server_certificate", "mail_server", ["certificate_ends_at"])
    op.add_column("send", sa.Column("followed_at", sa.DateTime))
    op.add_column("send", sa.Column("follow_state", sa.String(40), nullable=False, server_default=""))
    op.add_column("send", sa.Column("follow_failures", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_send_at", "send", ["at"])
    started = sa.text("status = 'started'")
    op.create_index("ix_send_started", "send", ["status"], sqlite_where=started, postgresql_where=started)
    op.create_table(
        "change",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("server_id", sa.Integer, nullable=False),
        sa.Column("server_name", sa.String(200), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_change_server", "change", ["server_id", "id"])
    op.create_index("ix_change_at", "change", ["at"])
