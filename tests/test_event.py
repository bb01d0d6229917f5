"""The line of events: positions without gaps, in the order of commits, and cursors that name one of them."""

import asyncio
import dataclasses
import itertools
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg_pool import AsyncConnectionPool

from models import event as events
from models.connection import Connection
from models.event import EventKind, Position
from models.statement import Statement, scalar, uuid
from resolvers.errors import Malformed
from resolvers.event import newest
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.sealing import Sealer
from resolvers.snapshot import Snapshot
from tests.cast import Person
from tests.races import blocked, rows


async def line(process: Process, person: Person) -> list[tuple[int, int]]:
    return await rows(  # type: ignore[return-value]
        process, "SELECT position, stamp FROM event WHERE workspace_id = %s ORDER BY position", person.workspace_id
    )


async def record(transaction: Transaction) -> None:
    transaction.record(EventKind.USER_UPDATED)


async def take_position(connection: Connection, person: Person) -> Position:
    """By hand, in a transaction of the test's own."""
    names = ("room_ids", "sequences", "user_ids", "session_ids", "lists_of_user_ids")
    empty: dict[str, list[Any]] = {name: [None] for name in names}
    return await events.insert_events.one(
        connection, workspace_id=person.workspace_id, stamps=[7], kinds=["USER_UPDATED"], **empty
    )


async def test_a_workspaces_making_is_its_first_event(process: Process, zoe: Person) -> None:
    assert await rows(
        process, "SELECT position, kind FROM event WHERE workspace_id = %s AND position = 1", zoe.workspace_id
    ) == [(1, "WORKSPACE_CREATED")]


async def test_whoever_sees_a_position_sees_all_before_it(process: Process, ada: Person) -> None:
    """Concurrent writers, and one that has taken its position and stalls: no reader ever sees a gap that closes."""
    writing = True
    seen: list[list[tuple[int, int]]] = []

    async def read() -> None:
        while writing:
            seen.append(await line(process, ada))
            await asyncio.sleep(0)

    async def write(count: int) -> None:
        for _ in range(count):
            await operate(process, ada.workspace_id, record)

    reader = asyncio.create_task(read())
    await write(3)
    async with process.pool.connection() as stalled, stalled.transaction():
        await events.lock_line.first(stalled, workspace_id=ada.workspace_id)
        taken = await take_position(stalled, ada)
        writers = [asyncio.create_task(write(10)) for _ in range(4)]
        await blocked(process, writers[0])
        before = await line(process, ada)
        assert before[-1][0] == taken.position - 1, "nobody passes a transaction that has taken its position"
    await asyncio.gather(*writers)
    writing = False
    await reader
    seen.append(await line(process, ada))
    assert len(seen[-1]) == taken.position + 40
    for earlier, later in itertools.pairwise(seen):
        assert later[: len(earlier)] == earlier
        assert [position for position, _ in later] == list(range(1, len(later) + 1))


async def test_without_the_lock_two_would_take_one_position(
    process: Process, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_line = events.lines.c.workspace_id == uuid("workspace_id")
    unlocked = Statement(sa.select(events.lines.c.workspace_id).where(of_line), scalar)
    monkeypatch.setattr("resolvers.operation.lock_line", unlocked)
    async with process.pool.connection() as other, other.transaction():
        await take_position(other, ada)
        second = asyncio.create_task(operate(process, ada.workspace_id, record))
        # Not for the line, but for the position that both want.
        await blocked(process, second)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await second


async def test_the_lines_row_is_never_updated(process: Process, ada: Person) -> None:
    before = await rows(process, "SELECT ctid FROM line WHERE workspace_id = %s", ada.workspace_id)
    for _ in range(3):
        await operate(process, ada.workspace_id, record)
    assert await rows(process, "SELECT ctid FROM line WHERE workspace_id = %s", ada.workspace_id) == before


async def test_a_room_is_not_updated_by_what_is_sent_into_it(process: Process, ada: Person) -> None:
    room = await ada.make_room()
    before = await rows(process, "SELECT ctid, xmin FROM room")
    await ada.send(room)
    assert await rows(process, "SELECT ctid, xmin FROM room") == before


def test_an_event_holds_ids_and_no_text() -> None:
    columns = {column.name: column.type for column in events.events.columns}
    texts = [name for name, kind in columns.items() if isinstance(kind, sa.String)]
    assert texts == ["kind"]


async def test_a_position_is_never_committed_asynchronously(process: Process, ada: Person) -> None:
    async def wrong(transaction: Transaction) -> None:
        await transaction.forgo_durability()
        transaction.record(EventKind.USER_UPDATED)

    before = await line(process, ada)
    with pytest.raises(AssertionError, match="never committed asynchronously"):
        await operate(process, ada.workspace_id, wrong)
    assert await line(process, ada) == before


class TestEventCursors:
    async def test_a_query_tells_now_and_its_data_of_one_moment(self, process: Process, ada: Person) -> None:
        room = await ada.make_room()
        snapshot = Snapshot(process)
        before = await snapshot.read(lambda connection: newest(connection, ada.workspace_id))
        await ada.send(room)
        assert await snapshot.read(lambda connection: newest(connection, ada.workspace_id)) == before
        await snapshot.close()
        later = Snapshot(process)
        assert (
            await later.read(lambda connection: newest(connection, ada.workspace_id))
        ).position == before.position + 1
        await later.close()

    async def test_in_a_mutation_it_stands_before_what_the_mutation_did(self, process: Process, ada: Person) -> None:
        room = await ada.make_room()
        payload = await ada.done(
            "sendMessage", {"roomId": room, "body": "Hello"}, "message { sequence room { eventCursor } }"
        )
        position = process.cursors.open(ada.workspace_id, payload["message"]["room"]["eventCursor"])
        added = await rows(process, "SELECT position FROM event WHERE kind = 'MESSAGE_ADDED'")
        assert position.position == added[0][0] - 1

    async def test_it_names_an_event_that_is_there(self, process: Process, ada: Person) -> None:
        answer = await ada.ask("{ viewer { eventCursor } }")
        assert process.cursors.open(ada.workspace_id, answer["viewer"]["eventCursor"]) == (await line(process, ada))[-1]

    async def test_it_is_different_each_time_and_has_one_length(self, ada: Person, zoe: Person) -> None:
        room = await ada.make_room()
        seen = []
        for person in (ada, ada, zoe):
            seen.append((await person.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"])
            await ada.send(room)
        assert len(set(seen)) == 3
        assert len({len(cursor) for cursor in seen}) == 1


class TestSealing:
    def test_a_cursor_opens_only_in_its_workspace(self, ada: Person, zoe: Person) -> None:
        sealer = Sealer([b"one"])
        sealed = sealer.seal(ada.workspace_id, Position(5, -7))
        assert sealer.open(ada.workspace_id, sealed) == Position(5, -7)
        with pytest.raises(Malformed):
            sealer.open(zoe.workspace_id, sealed)

    @pytest.mark.parametrize("cursor", ["", "=", "é", "rubbish", "A" * 60, "A" * 10_000, "\ud800", "a b"])
    def test_rubbish_is_no_cursor(self, ada: Person, cursor: str) -> None:
        with pytest.raises(Malformed):
            Sealer([b"one"]).open(ada.workspace_id, cursor)

    def test_a_changed_byte_is_noticed(self, ada: Person) -> None:
        sealer = Sealer([b"one"])
        sealed = sealer.seal(ada.workspace_id, Position(5, -7))
        for place in range(len(sealed) - 1):
            changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
            with pytest.raises(Malformed):
                sealer.open(ada.workspace_id, changed)

    def test_keys_rotate(self, ada: Person) -> None:
        old = Sealer([b"old"]).seal(ada.workspace_id, Position(1, 2))
        both = Sealer([b"new", b"old"])
        assert both.open(ada.workspace_id, old) == Position(1, 2)
        new = both.seal(ada.workspace_id, Position(1, 2))
        assert Sealer([b"new"]).open(ada.workspace_id, new) == Position(1, 2)
        with pytest.raises(Malformed):
            Sealer([b"new"]).open(ada.workspace_id, old)


@pytest.mark.parametrize(("default", "used"), [("off", "on"), ("on", "on"), ("remote_write", "remote_write")])
async def test_a_default_of_asynchronous_commits_is_not_taken_over(
    process: Process, database_url: str, ada: Person, default: str, used: str
) -> None:
    async def seen(transaction: Transaction) -> str:
        cursor = await transaction.connection.execute("SHOW synchronous_commit")
        await transaction.connection.arrival(cursor)
        row = await cursor.fetchone()
        assert row is not None
        return str(row[0])

    options = {"autocommit": True, "options": f"-c synchronous_commit={default}"}
    async with AsyncConnectionPool(
        database_url, connection_class=Connection, min_size=1, open=False, kwargs=options
    ) as pool:
        assert await operate(dataclasses.replace(process, pool=pool), ada.workspace_id, seen) == used
