"""A number that changes with every write to the registry, so that a search may be remembered until then."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _count_with_a_table()
    else:
        _count_with_a_sequence()


def _count_with_a_table() -> None:
    """SQLite writes one transaction at a time: a number in the database belongs to one state of it."""
    op.execute("CREATE TABLE mail_server_changes (number INTEGER NOT NULL)")
    op.execute("INSERT INTO mail_server_changes VALUES (0)")
    for event in ("INSERT", "UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER mail_server_changes_{event.lower()} AFTER {event} ON mail_server "
            "BEGIN UPDATE mail_server_changes SET number = number + 1; END"
        )


def _count_with_a_sequence() -> None:
    """On PostgreSQL a row that everybody updates would make writers wait for, and block, each other.

    A sequence does not, but it moves before the change is committed: see ``registry/remembered.py``.
    """
    op.execute("CREATE SEQUENCE mail_server_changes")
    op.execute("SELECT nextval('mail_server_changes')")  # the first call gives the number that stands there already
    op.execute(
        "CREATE FUNCTION note_mail_server_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM nextval('mail_server_changes'); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER mail_server_changes BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON mail_server "
        "FOR EACH STATEMENT EXECUTE FUNCTION note_mail_server_change()"
    )
