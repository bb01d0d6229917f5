"""The migrations, forwards and backwards, and against the models."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlmodel import SQLModel

import migrations
import models
from server.embedded.postgres import EmbeddedPostgres

# What belongs to the whole installation; each with its reason.
OF_NO_WORKSPACE = {
    "link_request": "whether the address is known in any workspace is looked up later, so that no answer tells",
    "smtp_outage": "there is one SMTP server",
}

# What Alembic's own check is blind to, with everything else: the catalogues of the two databases, as PostgreSQL
# itself writes them down.
CATALOGUES = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid), a.attcollation
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), condeferrable, convalidated
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "enums": "SELECT enumtypid::regtype::text, enumlabel FROM pg_enum",
    "sequences": "SELECT sequencename FROM pg_sequences",
    "triggers": "SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "extensions": "SELECT extname FROM pg_extension",
}


def catalogues(url: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        found = {
            name: sorted(map(tuple, connection.execute(query).fetchall()), key=repr)  # type: ignore[arg-type]
            for name, query in CATALOGUES.items()
        }
    return {name: [row for row in rows if "alembic_version" not in map(str, row[:1])] for name, rows in found.items()}


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
        yield postgres.url_of("migrated")
        connection.execute("DROP DATABASE migrated WITH (FORCE)")


@pytest.fixture(scope="module")
def modelled(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database made from the models alone."""
    assert models.__all__
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE modelled")
        url = postgres.url_of("modelled")
        with migrations.engine(url).begin() as made:
            SQLModel.metadata.create_all(made)
        yield url
        connection.execute("DROP DATABASE modelled WITH (FORCE)")


def test_they_lead_to_what_the_models_say_forwards_backwards_and_forwards_again(empty: str, modelled: str) -> None:
    expected = catalogues(modelled)
    assert expected["columns"]
    bare = catalogues(empty)
    migrations.upgrade(empty)
    assert catalogues(empty) == expected
    migrations.downgrade(empty)
    assert catalogues(empty) == bare
    migrations.upgrade(empty)
    assert catalogues(empty) == expected


def test_a_database_that_is_behind_is_told_from_one_that_is_not(empty: str) -> None:
    assert migrations.pending(empty)
    migrations.upgrade(empty)
    assert not migrations.pending(empty)


def test_migrating_what_is_migrated_does_nothing(empty: str) -> None:
    migrations.upgrade(empty)
    before = catalogues(empty)
    migrations.upgrade(empty)
    assert catalogues(empty) == before


def test_every_table_has_the_workspace_first_in_its_primary_key_and_in_every_foreign_key() -> None:
    for table in SQLModel.metadata.sorted_tables:
        if table.name in ("workspace", *OF_NO_WORKSPACE):
            continue
        assert next(iter(table.primary_key.columns)).name == "workspace_id", table.name
        for key in table.foreign_key_constraints:
            assert key.column_keys[0] == "workspace_id", f"{table.name}: {key.column_keys}"
