"""The snapshot that a document reads, when fields fail or are given up: nothing leaks, and the others are answered."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from models import read_mark
from models.connection import Connection
from models.statement import Statement, scalar
from resolvers.errors import Missing
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from tests.cast import Person
from tests.races import rows

IDLE = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%%'"

slow = Statement(sa.select(sa.func.pg_sleep(0.05)), scalar)


async def slowly(connection: Connection) -> None:
    await slow.all(connection)


async def test_a_field_that_outlives_its_answer_holds_no_connection(process: Process, ada: Person) -> None:
    """An argument that only the variables make wrong fails at once, while its neighbours are still being read."""
    room = await ada.make_room()
    query = """
        query ($room: ID!, $ids: [ID!] = []) {
          room(id: $room) { name unreadCount lastMessage { body } } nodes(ids: $ids) { id }
        }
    """
    for _ in range(12):
        assert await ada.codes(query, room=room, ids=None) != []
        assert await rows(process, IDLE) == [(0,)]
    assert await ada.ask("{ viewer { id } }")


async def test_a_field_that_is_given_up_leaves_the_others_their_answers(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, other = await ada.make_room(), await ada.make_room()
    gone = (await ada.send(other))["id"]
    await ada.send(room)
    counts = read_mark.unread_counts.all

    async def slow_counts(connection: Connection, **parameters: Any) -> Any:
        await slowly(connection)
        return await counts(connection, **parameters)

    monkeypatch.setattr(read_mark.unread_counts, "all", slow_counts)
    query = """
        query ($room: ID!, $gone: ID!) {
          a: room(id: $room) { messages(around: $gone) { nodes { id } } unreadCount firstUnreadMessage { id } }
          rooms { nodes { id managedBy { name } lastMessage { author { name } } } }
        }
    """
    for _ in range(5):
        found = await ada.answer(query, room=room, gone=gone)
        assert [error["extensions"]["code"] for error in found["errors"]] == ["NOT_FOUND"]
        assert found["data"]["a"] is None
        assert len(found["data"]["rooms"]["nodes"]) == 2


class TestClosing:
    async def test_is_final(self, process: Process) -> None:
        snapshot = Snapshot(process)
        await snapshot.read(slowly)
        await snapshot.close()
        with pytest.raises(Missing):
            await snapshot.read(slowly)
        assert await rows(process, IDLE) == [(0,)]

    async def test_stops_what_is_still_being_asked(self, process: Process) -> None:
        snapshot = Snapshot(process)
        forever = Statement(sa.select(sa.func.pg_sleep(3600)), scalar)
        asked = asyncio.create_task(snapshot.read(forever.all))
        async with asyncio.timeout(20):
            while await rows(process, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == []:
                await asyncio.sleep(0.01)
            await snapshot.close()
        with pytest.raises(Exception, match="cancel"):
            await asked
        assert await rows(process, IDLE) == [(0,)]

    async def test_without_a_question_asks_for_no_connection(self, process: Process) -> None:
        before = process.pool.get_stats().get("requests_num", 0)
        await Snapshot(process).close()
        assert process.pool.get_stats().get("requests_num", 0) == before

    async def test_who_is_cancelled_while_asking_does_not_stop_the_question(self, process: Process) -> None:
        snapshot = Snapshot(process)
        asked = asyncio.create_task(snapshot.read(slowly))
        await asyncio.sleep(0)
        asked.cancel()
        assert await snapshot.read(Statement(sa.select(sa.literal(1)), scalar).one) == 1
        await snapshot.close()

    @pytest.mark.parametrize("turns", [1, 2, 3, 5, 10])
    async def test_gives_the_connection_back_though_it_is_cancelled(self, process: Process, turns: int) -> None:
        snapshot = Snapshot(process)
        asked = asyncio.create_task(snapshot.read(Statement(sa.select(sa.func.pg_sleep(3600)), scalar).all))
        async with asyncio.timeout(20):
            while await rows(process, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == []:
                await asyncio.sleep(0.01)
            asked.cancel()
            closing = asyncio.create_task(snapshot.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            while await rows(process, IDLE) != [(0,)] or snapshot._connection is not None:
                await asyncio.sleep(0.01)
        stats = process.pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"]
