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
from tests.live.phone import Phone, Switchboard

MESSAGES = 60


class Traveller:
    """A phone on a train: it loses its connection at any moment, and continues on whichever server it meets."""

    def __init__(self, person: Person, room: str, servers: list[Switchboard], chance: random.Random) -> None:
        self.person = person
        self.room = room
        self.servers = servers
        self.chance = chance
        self.sequences: list[int] = []
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
            self.phone = await self.chance.choice(self.servers).call(self.person, self.room, self.cursor)
        except Rejected as rejected:
            if rejected.errors[0]["extensions"]["code"] != "NOT_FOUND":
                raise

    def hang_up(self) -> None:
        if self.phone is not None:
            assert self.phone.stream is not None
            self.phone.stream.close()
            if self.phone.payloads:
                self.sequences += [event["message"]["sequence"] for event in self.phone.events]
                self.cursor = self.phone.cursor
            self.phone = None

    async def arrive(self) -> None:
        """Connect for good, and wait for the last message."""
        if self.sequences and self.sequences[-1] == MESSAGES:
            return
        await self.connect()
        assert self.phone is not None
        await self.phone.until(
            lambda phone: bool(phone.payloads) and phone.events[-1]["message"]["sequence"] == MESSAGES
        )
        self.hang_up()


@pytest.mark.parametrize("share", ["of all", "of nothing"])
@pytest.mark.parametrize("seed", range(3))
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
) -> None:
    if share == "of nothing":
        # Everybody is left to the log at each event, and goes alone there, a group at a time.
        monkeypatch.setattr("server.hub.watch.Allowance", partial(Allowance, 0))
        monkeypatch.setattr("server.hub.replay.GREEDY", 0)
        monkeypatch.setattr("server.hub.replay.PAGE_SECONDS", 0)
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
    staying = [Traveller(person, room, servers, chance) for person in (ben, cleo, cleo)]
    coming_and_going = Traveller(dan, room, servers, chance)
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
    for task in riding:
        task.cancel()
    for outcome in await asyncio.gather(*riding, return_exceptions=True):
        assert isinstance(outcome, asyncio.CancelledError), outcome
    for traveller in (*staying, coming_and_going):
        traveller.hang_up()
        await traveller.arrive()
        assert traveller.sequences == list(range(1, MESSAGES + 1))
