"""Which rows of a batch a group that is asked about has; unknown of the groups that are there already."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("batch_follow_up", sa.Column("first_row", sa.Integer))
    op.add_column("batch_follow_up", sa.Column("last_row", sa.Integer))
