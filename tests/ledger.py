"""What the database holds: for tests of what an operation wrote, and of what it left alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

from resolvers.operation import operate
from resolvers.portal import admit_client
from resolvers.process import Process
from schema.node_id import read_node_id
from tests.cast import Person

TABLES = [
    "audit",
    "event",
    "identity",
    "issuer",
    "line",
    "link",
    "link_request",
    "mail",
    "message",
    "participant",
    "portal",
    "portal_client",
    "read_mark",
    "room",
    "session",
    "user",
    "work",
    "workspace",
]


class Written(NamedTuple):
    """An event, by what it says: its kind and ids."""

    kind: str
    room_id: UUID | None = None
    sequence: int | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None


class Ledger:
    def __init__(self, process: Process, queued: list[tuple[Any, ...]]) -> None:
        self.process = process
        self.queued = queued

    async def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement gives; none where it gives no rows."""
        async with self.process.pool.connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description else []

    async def rows(self) -> dict[str, list[str]]:
        """Every row of every table, as text."""
        every = " UNION ALL ".join(f"SELECT '{table}', t::text FROM \"{table}\" t" for table in TABLES)
        dump: dict[str, list[str]] = {table: [] for table in TABLES}
        for table, row in await self.sql(f"{every} ORDER BY 1, 2"):
            dump[table].append(row)
        return dump

    async def events(self, person: Person) -> list[Written]:
        """The line of the person's workspace; its positions are 1, 2, 3 …"""
        found = await self.sql(
            "SELECT position, kind, room_id, sequence, user_id, session_id FROM event WHERE workspace_id = %s"
            " ORDER BY position",
            person.workspace_id,
        )
        assert [position for position, *_ in found] == list(range(1, len(found) + 1)), "the line has a gap"
        return [Written(*said) for _, *said in found]

    @asynccontextmanager
    async def watching(self, person: Person) -> AsyncIterator[list[Written]]:
        """Collects the events that are written in the person's workspace meanwhile."""
        before = len(await self.events(person))
        written: list[Written] = []
        yield written
        written += (await self.events(person))[before:]

    @asynccontextmanager
    async def unchanged(self, but: str = "") -> AsyncIterator[None]:
        """Nothing may be written meanwhile, no event and no task either. `but`: except into this table."""
        rows, queued = await self.rows(), list(self.queued)
        yield
        now = await self.rows()
        assert {table for table in TABLES if table != but and now[table] != rows[table]} == set(), "rows have changed"
        assert self.queued == queued

    async def admit(self, portal_id: str, *people: Person) -> None:
        """Make people clients of a portal, without their being invited."""
        for person in people:
            await operate(
                self.process,
                person.workspace_id,
                lambda transaction, person=person: admit_client(transaction, key(portal_id), person.user_id),
            )

    async def set_status(self, person: Person, status: str) -> None:
        """Deactivate or activate somebody, as long as there is no operation for it."""
        await self.sql(
            'UPDATE "user" SET status = %s WHERE workspace_id = %s AND id = %s',
            status,
            person.workspace_id,
            person.user_id,
        )


def key(id: str) -> UUID:
    """The key in a node id."""
    named = read_node_id(id)
    assert named is not None
    return named[1]
