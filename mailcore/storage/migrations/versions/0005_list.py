"""What the list shows and how: why the last check failed, and an index in each order it can be sorted by."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ORDERS = {
    "host": ("host", "port", "name_key"),
    "paid": ("is_paid", "name_key"),
    "check": ("last_check_state", "last_check_at", "name_key"),
    "active": ("is_active", "name_key"),
    "default": ("is_default", "name_key"),
}


def upgrade() -> None:
    op.add_column("mail_server", sa.Column("last_check_code", sa.String(40)))
    for name, columns in ORDERS.items():
        op.create_index(f"ix_mail_server_by_{name}", "mail_server", list(columns))
