"""The database's history, forwards and backwards, by Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

# Two processes that start at once migrate one after the other.
MIGRATION_LOCK = 0x7061726C6579


def engine(database_url: str) -> sa.Engine:
    """An engine for migrations only; everything else runs on psycopg. `database_url` is a libpq URL."""
    return sa.create_engine(
        database_url.replace("postgresql://", "postgresql+psycopg://", 1).replace(
            "postgres://", "postgresql+psycopg://", 1
        ),
        poolclass=sa.NullPool,
    )


def config(connection: sa.Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database to a revision; does nothing where it is there already."""
    with engine(database_url).begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.upgrade(config(connection), revision)


def downgrade(database_url: str, revision: str = "base") -> None:
    with engine(database_url).begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.downgrade(config(connection), revision)


def pending(database_url: str) -> bool:
    """Whether the database is behind the code."""
    head = ScriptDirectory.from_config(config()).get_current_head()
    with engine(database_url).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() != head
