"""Demo data: two small firms to try Parley with and, on request, a large one to measure it with.

Each workspace is written in one transaction: it is there whole, or not at all. Where it is there already, nothing
changes, but that a firm told before there were portals is given them.
"""

import secrets
import sys
from typing import TextIO

import psycopg

from server.settings import Settings, SettingsError

PASSWORD = "parley-demo"  # noqa: S105  it is meant to be known
NORTHWIND = "northwind-studio"
OTHER = "other-office"
LARGE = "large"
HARBOR = "harbor-legal"


def main(settings: Settings, messages: int | None = None, out: TextIO = sys.stdout, *, harbor: bool = False) -> None:
    """Fill in the small firms and, with a number of `messages`, the large one of that size. `harbor`: also the one that
    has a portal of its own.

    Raises SettingsError in production.
    """
    if settings.production:
        raise SettingsError("the demo's accounts have a password that everybody knows: not in production")
    # Every transaction here is one that is asked for; VACUUM runs in none.
    with psycopg.connect(settings.database_address, autocommit=True) as connection:
        _fill_small(connection)
        if harbor:
            _fill_harbor(connection)
        if messages is not None:
            _fill_large(connection, messages, out)


def _fill_small(connection: psycopg.Connection) -> None:
    from server.demo import northwind, other_office

    if {NORTHWIND, OTHER} <= slugs(connection):
        with connection.transaction():
            northwind.add_portals(connection, NORTHWIND)
        return
    from server.demo.chronicle import Chronicle, hashed

    password_hash = hashed(PASSWORD)
    for slug, firm in ((NORTHWIND, northwind), (OTHER, other_office)):
        with connection.transaction():
            chronicle = Chronicle.open(connection, firm.NAME, slug, firm.BEGAN)
            if chronicle is not None:
                firm.tell(chronicle, password_hash)
                chronicle.write()
            if firm is northwind:
                northwind.add_portals(connection, slug)


def _fill_harbor(connection: psycopg.Connection) -> None:
    if HARBOR in slugs(connection):
        return
    from server.demo import harbor
    from server.demo.chronicle import Chronicle, hashed

    with connection.transaction():
        chronicle = Chronicle.open(connection, harbor.NAME, HARBOR, harbor.BEGAN)
        if chronicle is not None:
            harbor.tell(chronicle, hashed(secrets.token_urlsafe(32)))
            chronicle.write()


def _fill_large(connection: psycopg.Connection, messages: int, out: TextIO) -> None:
    from server.demo import large
    from server.demo.chronicle import Chronicle, hashed
    from server.demo.progress import Progress

    size = large.Size.of(messages)
    with connection.transaction():
        chronicle = Chronicle.open(connection, large.NAME, LARGE, large.BEGAN)
        if chronicle is None:
            out.write(f"{large.NAME} is there already and stays as it is; another size needs another database.\n")
        else:
            out.write(f"{large.NAME}: {size.messages:,} messages, {size.rooms:,} rooms, {size.users:,} users\n")
            large.tell(chronicle, hashed(PASSWORD), size, Progress(out, size.messages, "messages"))
    out.write("taking statistics, and marking what is visible to all\n")
    large.settle(connection)
    out.write(f"Sign in with the password {PASSWORD} as {large.INTERNAL} (internal) or {large.CLIENT} (client).\n")


def slugs(connection: psycopg.Connection) -> set[str]:
    """Which of the demo's workspaces are there."""
    found = connection.execute("SELECT slug FROM workspace WHERE slug = ANY (%s)", [[NORTHWIND, OTHER, LARGE, HARBOR]])
    return {slug for (slug,) in found}
