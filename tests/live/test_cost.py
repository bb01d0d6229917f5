"""What live delivery asks of the database: how often, and never more for more subscribers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from psycopg_pool import AsyncConnectionPool

from resolvers.operation import Transaction, operate
from resolvers.process import Pool, Process
from resolvers.session import begin
from resolvers.user import create_user
from resolvers.workspace import create_workspace
from server.broadcast import Hints
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.hub import hub
from server.hub.hub import Hub
from tests.cast import Person
from tests.live.phone import PATIENCE, Switchboard
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


class Sweeps:
    """The hub's sweeps, one after another as quickly as they can."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert hub.SWEEP >= 1, "one a second"
        self.count = 0
        self._swept = asyncio.Event()
        look = Hub._look

        async def counted(swept: Hub) -> None:
            await look(swept)
            self.count += 1
            self._swept.set()

        monkeypatch.setattr(Hub, "_look", counted)
        monkeypatch.setattr("server.hub.hub.SWEEP", 0.01)

    async def several(self) -> int:
        """Wait for some; how many there were meanwhile."""
        before = self.count
        async with asyncio.timeout(PATIENCE):
            while self.count < before + 10:
                self._swept.clear()
                await self._swept.wait()
        return self.count - before

    async def until_quiet(self) -> None:
        """Until readers have looked for all that hints have told them of."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with asked() as statements:
                    await self.several()
                if statements == sweeps(statements):
                    return


async def staff_of(process: Process, client: httpx.AsyncClient, ada: Person, number: int) -> Person:
    """Somebody who is alone in a firm of their own."""
    workspace_id = await create_workspace(process, f"Firm {number}", f"firm-{number}")
    member = replace(ada.member, name=f"ada{number}", workspace=f"firm-{number}")

    async def sign_up(transaction: Transaction) -> tuple[UUID, str]:
        user_id = await create_user(
            transaction, kind=member.kind, name=member.name, email=member.email, password_hash=None
        )
        return user_id, (await begin(transaction, user_id)).access_token

    user_id, token = await operate(process, workspace_id, sign_up)
    person = Person(member, workspace_id, user_id, client)
    person.token = token
    return person


async def test_quiet_costs_one_statement_a_sweep_for_all_workspaces_and_none_where_nobody_is_subscribed(
    monkeypatch: pytest.MonkeyPatch,
    process: Process,
    client: httpx.AsyncClient,
    live: Switchboard,
    ada: Person,
    cleo: Person,
) -> None:
    swept = Sweeps(monkeypatch)
    async with asked() as statements:
        await swept.several()
    assert statements == []

    rooms = [(ada, await ada.make_room(cleo))]
    for number in range(20):
        person = await staff_of(process, client, ada, number)
        rooms.append((person, await person.make_room()))
    phones = []
    for person, room in rooms:
        phones += [await live.call(person, room) for _ in range(9)]
        phones.append(await live.follow(person, "subscription { viewerEvents { cursor } }"))
    assert len(live.hub._watches) == len(rooms)
    await swept.until_quiet()
    async with asked() as statements:
        count = await swept.several()
    assert statements == sweeps(statements)
    assert count - 1 <= len(statements) <= count + 1

    for phone in phones:
        assert phone.stream is not None
        phone.stream.close()
    # The last one has left, and the workspaces are not let go of yet.
    async with asked() as statements:
        await swept.several()
    assert sweeps(statements) == statements
    assert len(statements) <= 1, "of the sweep that was on its way"
    assert not live.hub._watches
    async with asked() as statements:
        await swept.several()
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


async def test_one_connection_is_enough_for_any_number_who_wait(
    database_url: str, process: Process, hints: Hints, ada: Person, cleo: Person
) -> None:
    room = await ada.make_room(cleo)
    only = AsyncConnectionPool(
        database_url, connection_class=Recorded, min_size=1, max_size=1, open=False, kwargs={"autocommit": True}
    )
    async with asyncio.timeout(PATIENCE), only:
        execution = Execution(ParleyEngine(process))
        opened = Hub(replace(process, pool=only), execution, hints)
        await opened.open()
        live = Switchboard(opened, execution)
        cursor = (await cleo.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        await ada.send(room, "One")
        phones = await asyncio.gather(*(live.call(cleo, room, cursor, query=DOCUMENT) for _ in range(50)))
        for number, text in enumerate(["One", "Two", "Three"]):
            if number:
                await ada.send(room, text)
            for phone in phones:
                await phone.has(*["One", "Two", "Three"][: number + 1])
            async with only.connection() as taken:
                # It could be had, and nobody needs it meanwhile.
                await taken.execute("SELECT 1")
        await opened.close()
