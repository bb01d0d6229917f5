"""What live delivery asks of the database: how often, and never more for more subscribers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from psycopg_pool import AsyncConnectionPool

from resolvers.process import Pool
from tests.cast import Person
from tests.live.phone import Switchboard
from tests.recorder import Asked, Recorded, asked

DOCUMENT = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) {
        cursor
        room { id name unreadCount muted }
        message { body author { name } inReplyTo { body author { name } } viewerCanEdit }
      }
    }
"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with AsyncConnectionPool(
        database_url, connection_class=Recorded, min_size=1, max_size=8, open=False, kwargs={"autocommit": True}
    ) as opened:
        yield opened


def sweeps(statements: Asked) -> list[bytes]:
    return [each for each in statements if b"AS anon_1(workspace_id) JOIN LATERAL" in each]


async def test_an_event_asks_as_often_for_many_as_for_few(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person
) -> None:
    room = await ada.make_room(ben, cleo, dan)
    first = await ada.send(room)
    phones = []
    counts = []
    for times in (1, 5):
        phones += [await live.call(person, room, query=DOCUMENT) for person in (ben, cleo, dan) for _ in range(times)]
        had = len(phones[-1].payloads)
        reads = live.hub.counts.reads
        async with asked() as statements:
            # Sent with no recording of its own, so that only the delivery is counted.
            await ada.send(room, inReplyToId=first["id"])
            for phone in phones:
                await phone.until(lambda phone, had=had: len(phone.payloads) > had)
        sent = 9 + 1
        counts.append(len(statements) - sent - len(sweeps(statements)))
        assert live.hub.counts.reads == reads + 1
    # Events, rights, rooms, messages; unread, muted; and for the one class: authors twice, the answered message.
    assert counts[0] == counts[1] <= 10, counts


async def test_who_resume_at_once_share_their_reads_of_the_log(live: Switchboard, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    cursors = []
    for number in range(10):
        cursors.append((await cleo.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"])
        await ada.send(room, f"Number {number}")
    await live.call(ada, room)
    reads = live.hub.counts.reads
    phones = await asyncio.gather(*(live.call(cleo, room, cursor) for cursor in cursors * 20))
    for number, phone in enumerate(phones):
        missed = [f"Number {each}" for each in range(number % 10, 10)]
        await phone.has(*missed)
    assert live.hub.counts.reads - reads <= 5


async def test_quiet_costs_one_statement_a_second_for_all_workspaces(
    live: Switchboard, ada: Person, cleo: Person, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.hub.hub.SWEEP", 0.05)
    rooms = [await ada.make_room(cleo), await zoe.make_room()]
    phones = [await live.call(person, room) for person, room in ((ada, rooms[0]), (cleo, rooms[0]), (zoe, rooms[1]))]
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asked() as statements:
        while len(Recorded.said) < 5:
            await asyncio.sleep(0.01)
    assert statements == sweeps(statements)
    assert len(statements) <= (loop.time() - began) / 0.05 + 1
    for phone in phones:
        phone.stream.close()
    async with asyncio.timeout(20):
        while live.hub._watches:
            await asyncio.sleep(0.01)
    async with asked() as statements:
        await asyncio.sleep(0.3)
    assert statements == []


async def test_no_connection_is_held_while_a_subscriber_waits(
    live: Switchboard, pool: Pool, ada: Person, cleo: Person
) -> None:
    room = await ada.make_room(cleo)
    for _ in range(20):
        await live.call(cleo, room)
    async with asyncio.timeout(20):
        while pool.get_stats()["pool_available"] != pool.get_stats()["pool_size"]:
            await asyncio.sleep(0.01)
