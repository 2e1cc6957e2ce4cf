"""When an application's secret ends, when an authorisation was last renewed, and by whose OAuth2 a record logs in."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("oauth_app", sa.Column("secret_ends_on", sa.Date))
    op.add_column("mail_server", sa.Column("oauth_renewed_at", sa.DateTime))
    op.add_column("mail_server", sa.Column("oauth_provider", sa.String(20), nullable=False, server_default=""))
    op.execute(
        "UPDATE mail_server SET oauth_provider = COALESCE("
        "(SELECT provider FROM oauth_app WHERE oauth_app.id = mail_server.oauth_app_id), '')"
    )
    op.execute("UPDATE mail_server SET oauth_renewed_at = oauth_at WHERE oauth_ref IS NOT NULL")
