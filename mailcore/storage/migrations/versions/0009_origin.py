"""By what each message of the ledger was sent."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("send", sa.Column("origin", sa.String(20), nullable=False, server_default=""))
