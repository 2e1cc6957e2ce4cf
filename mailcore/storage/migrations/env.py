"""Alembic's entry point: always runs on the connection that ``mailcore.storage.migrations`` hands over."""

from alembic import context

from mailcore.storage.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
