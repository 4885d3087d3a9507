"""Alembic's entry: it runs the migrations in the transaction that the store opened."""

from __future__ import annotations

from alembic import context

from scanner.store.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
