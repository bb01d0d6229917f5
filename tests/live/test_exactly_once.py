"""Whatever happens around them: each subscriber gets each message once, in order."""

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial

import pytest

from resolvers.process import Process
from server.broadcast import Hints
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.graphql.streams import Rejected
from server.hub.allowance import Allowance
from server.hub.hub import Hub
from tests.cast import Person
from tests.live.phone import TEXTS, Phone, Switchboard
from tests.live.test_events import Listener
from tests.races import rows

MESSAGES = 61


EVENTS = "__typename cursor ... on MessageAdded { message { sequence } }"
STREAMS = {
    "messageAdded": TEXTS,
    "roomEvents": (
        f"subscription ($room: ID!, $after: String) {{ roomEvents(roomId: $room, after: $after) {{ {EVENTS} }} }}"
    ),
    "viewerEvents": f"subscription ($after: String) {{ viewerEvents(after: $after) {{ {EVENTS} }} }}",
}


class Traveller:
    """A phone on a train: it loses its connection at any moment, and continues on whichever server it meets."""

    def __init__(
        self, person: Person, room: str, servers: list[Switchboard], chance: random.Random, stream: str
    ) -> None:
        self.person = person
        self.room = room
        self.servers = servers
        self.chance = chance
        self.stream = stream
        self.sequences: list[int] = []
        self.names: list[str] = []
        self.cursor: str | None = None
        self.phone: Phone | None = None

    async def ride(self) -> None:
        self.cursor = (await self.person.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        while True:
            await self.connect()
            await asyncio.sleep(self.chance.uniform(0, 0.15))
            self.hang_up()

    async def connect(self) -> None:
        try:
            server = self.chance.choice(self.servers)
            self.phone = await server.call(self.person, self.room, self.cursor, STREAMS[self.stream], phone=Listener())
        except Rejected as rejected:
            if rejected.errors[0]["extensions"]["code"] != "NOT_FOUND":
                raise

    def hang_up(self) -> None:
        if self.phone is not None:
            assert self.phone.stream is not None
            self.phone.stream.close()
            for event in self.phone.events:
                self.cursor = event["cursor"]
                if "message" in event:
                    self.sequences.append(event["message"]["sequence"])
                self.names.append(event.get("__typename", "MessageAdded"))
            self.phone = None

    async def arrive(self) -> None:
        """Connect for good, and wait for the last message."""
        if self.sequences and self.sequences[-1] == MESSAGES:
            return
        await self.connect()
        assert self.phone is not None
        await self.phone.until(
            lambda phone: any(event.get("message", {}).get("sequence") == MESSAGES for event in phone.events)
        )
        self.hang_up()


@pytest.mark.parametrize("share", ["of all", "of nothing"])
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("seed", range(2))
async def test_phones_on_trains_miss_nothing_and_see_nothing_twice(
    process: Process,
    live: Switchboard,
    stack: AsyncExitStack,
    monkeypatch: pytest.MonkeyPatch,
    ada: Person,
    ben: Person,
    cleo: Person,
    dan: Person,
    hints: Hints,
    seed: int,
    share: str,
    stream: str,
) -> None:
    if share == "of nothing":
        # Everybody is left to the log at each event, and goes alone there, a group at a time.
        monkeypatch.setattr("server.hub.watch.Allowance", partial(Allowance, 0))
        monkeypatch.setattr("server.hub.replay.GREEDY", 0)
        monkeypatch.setattr("server.hub.replay.PAGE_SECONDS", 0)
        monkeypatch.setattr("server.hub.replay.ALONE_SECONDS", 0)
        monkeypatch.setattr("server.hub.watch.BATCH_SECONDS", 0)
    monkeypatch.setattr("server.hub.replay.PAGE", 5)
    monkeypatch.setattr("server.hub.watch.BATCH", 7)
    chance = random.Random(seed)
    # A second server, which hears no hints: it finds everything by its sweep.
    monkeypatch.setattr("server.hub.hub.SWEEP", 0.05)
    execution = Execution(ParleyEngine(process))
    deaf = Hub(process, execution, Hints("redis://127.0.0.1:1"))
    await deaf.open()
    stack.push_async_callback(deaf.close)
    servers = [live, Switchboard(deaf, execution)]
    room = await ada.make_room(ben, cleo, dan)
    staying = [Traveller(person, room, servers, chance, stream) for person in (ben, cleo, cleo)]
    coming_and_going = Traveller(dan, room, servers, chance, stream)
    riding = [asyncio.create_task(each.ride()) for each in (*staying, coming_and_going)]

    async def write(person: Person, count: int) -> None:
        for _ in range(count):
            await person.send(room)
            await asyncio.sleep(chance.uniform(0, 0.02))

    async def come_and_go() -> None:
        for _ in range(4):
            await asyncio.sleep(chance.uniform(0, 0.1))
            await ada.done("removeParticipant", {"roomId": room, "userId": dan.id})
            await asyncio.sleep(chance.uniform(0, 0.1))
            await ada.done("addParticipants", {"roomId": room, "userIds": [dan.id]})

    await asyncio.gather(*(write(person, MESSAGES // 3) for person in (ada, ben, cleo)), come_and_go())
    # With everybody there: the last of those before may be one that dan was not there for.
    await ada.send(room)
    for task in riding:
        task.cancel()
    for outcome in await asyncio.gather(*riding, return_exceptions=True):
        assert isinstance(outcome, asyncio.CancelledError), outcome
    for traveller in (*staying, coming_and_going):
        traveller.hang_up()
        await traveller.arrive()
        if traveller is not coming_and_going or stream == "messageAdded":
            assert traveller.sequences == list(range(1, MESSAGES + 1))
    owed = await rows(
        process,
        "SELECT sequence FROM event WHERE kind = 'MESSAGE_ADDED' AND position > "
        "(SELECT max(position) FROM event WHERE kind = 'PARTICIPANT_ADDED' AND user_id = %s) ORDER BY position",
        dan.user_id,
    )
    theirs = coming_and_going.sequences
    assert theirs == sorted(set(theirs))
    assert set(theirs) >= {sequence for (sequence,) in owed}
    if stream == "viewerEvents":
        assert coming_and_going.names.count("RoomLeft") == 4
    if stream != "messageAdded":
        for traveller in staying:
            told = traveller.names.count("ParticipantRemoved"), traveller.names.count("ParticipantAdded")
            assert told[0] == (4 if traveller.person is ben else 0)
