"""Alembic's entry: runs the migrations on the connection that `migrations.upgrade` hands over."""

from alembic import context
from sqlmodel import SQLModel

import models  # noqa: F401  registers every table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
