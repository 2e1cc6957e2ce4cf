"""When an application's secret ends, and when an authorisation was last renewed."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("oauth_app", sa.Column("secret_ends_on", sa.Date))
    op.add_column("mail_server", sa.Column("oauth_renewed_at", sa.DateTime))
    op.execute("UPDATE mail_server SET oauth_renewed_at = oauth_at WHERE oauth_ref IS NOT NULL")
