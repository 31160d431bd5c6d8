"""Alembic's entry: run the versions on the connection that ``mlcore.metadata.migrate`` holds."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="mlcore_version")
with context.begin_transaction():
    context.run_migrations()
