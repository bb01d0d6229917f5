"""Who makes things happen: people who write, change and read, and whoever is taken out of rooms and let in again."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from schema.node_id import NodeKind, node_id
from tests.stress.firm import Firm, NoAnswer, Person
from tests.stress.history import Key
from tests.stress.judge import Text


class Room(NamedTuple):
    """`regulars` never leave; `guests` come and go."""

    room_id: UUID
    creator: Person
    regulars: Sequence[Person]
    guests: Sequence[Person]

    @property
    def id(self) -> str:
        return node_id(NodeKind.ROOM, self.room_id)

    @property
    def people(self) -> list[Person]:
        return [self.creator, *self.regulars, *self.guests]


class Note(NamedTuple):
    """A message as its author knows it."""

    id: str
    room: Room


class Ledger:
    """What was begun, and what was answered."""

    def __init__(self) -> None:
        self.texts: dict[str, Text] = {}
        self.answered: dict[Key, tuple[UUID, int]] = {}
        self.done: Counter[str] = Counter()
        self._numbers = count(1)

    def text(self, room: Room, words: str = "") -> str:
        """A new one, about to be written."""
        body = f"text {next(self._numbers)} {words}".strip()
        self.texts[body] = Text(room.room_id, time.time())
        return body


def key_of_text(text: str) -> str:
    """The idempotency key with which it is sent."""
    return " ".join(text.split()[:2])


class Writers:
    def __init__(self, firm: Firm, rooms: Sequence[Room], chance: Random, rate: float) -> None:
        """`rate`: how many things they do in a second, all together, if they are let."""
        self.ledger = Ledger()
        self.stopping = asyncio.Event()
        self._firm = firm
        self._rooms = rooms
        self._chance = chance
        self._rate = rate
        self._newest: dict[UUID, str] = {}

    async def work(self) -> None:
        """Until they are stopped, and each is done with what they had begun."""
        people = {person.name: person for room in self._rooms for person in room.people}
        busy = 2 * len(people)
        async with asyncio.TaskGroup() as group:
            for person in [*people.values()] * 2:
                group.create_task(self._write(person, self._rate / busy))
            for room in self._rooms:
                for guest in room.guests:
                    group.create_task(self._come_and_go(room, guest))
            group.create_task(self._read(list(people.values())))

    async def send(self, person: Person, room: Room, text: str | None = None) -> str | None:
        """One message, however often it takes; with a text that was sent before, that very one. Its id; None: they are
        not in the room."""
        body = text or self.ledger.text(room, "x" * self._chance.choice((0, 0, 40, 400)))
        key = key_of_text(body)
        given = {"roomId": room.id, "body": body, "idempotencyKey": key}
        message = (await self._insist(person, "sendMessage", given, "message { id sequence }"))["message"]
        if message is None:
            return None
        self._newest[room.room_id] = message["id"]
        self.ledger.answered[person.user_id, key] = room.room_id, message["sequence"]
        return str(message["id"])

    async def mark(self, person: Person, room: Room) -> None:
        """Read what is newest there, once: a mark that is lost is no harm."""
        if room.room_id in self._newest:
            with suppress(NoAnswer):
                marked = {"roomId": room.id, "upToMessageId": self._newest[room.room_id]}
                await self._try(person, "markRoomRead", marked)
                self.ledger.done["read marks"] += 1

    async def let_in(self, room: Room, guest: Person) -> None:
        await self._insist(room.creator, "addParticipants", {"roomId": room.id, "userIds": [guest.id]})

    async def take_out(self, room: Room, guest: Person) -> None:
        await self._insist(room.creator, "removeParticipant", {"roomId": room.id, "userId": guest.id})

    async def _write(self, person: Person, rate: float) -> None:
        """Somebody who sends, and changes what they sent."""
        rooms = [room for room in self._rooms if person in room.people]
        notes: list[Note] = []
        while await self._pause(self._chance.expovariate(rate)):
            room = self._chance.choice(rooms)
            act = self._chance.random()
            if act < 0.65 or not notes:
                if (sent := await self.send(person, room)) is not None:
                    self.ledger.done["messages"] += 1
                    notes.append(Note(sent, room))
            elif act < 0.8:
                note = self._chance.choice(notes[-20:])
                body = self.ledger.text(note.room, "edited")
                await self._insist(person, "editMessage", {"messageId": note.id, "body": body})
                self.ledger.done["edits"] += 1
            elif act < 0.87:
                note = notes.pop(self._chance.randrange(len(notes)))
                await self._insist(person, "deleteMessage", {"messageId": note.id})
                self.ledger.done["deletions"] += 1
            elif act < 0.93:
                name = f"Room {self._chance.randrange(1_000_000)}"
                await self._insist(room.creator, "renameRoom", {"roomId": room.id, "name": name})
                self.ledger.done["renamings"] += 1
            else:
                muted = self._chance.random() < 0.5
                await self._insist(person, "setRoomMuted", {"roomId": room.id, "muted": muted})
                self.ledger.done["mutings"] += 1

    async def _read(self, people: Sequence[Person]) -> None:
        """Marks of one now and then, and now and then of everybody at once."""
        while await self._pause(self._chance.uniform(0.05, 0.4)):
            storm = self._chance.random() < 0.04
            readers = list(people) * 6 if storm else [self._chance.choice(people)]
            rooms = [[room for room in self._rooms if person in room.people] for person in readers]
            await asyncio.gather(
                *(self.mark(person, self._chance.choice(found)) for person, found in zip(readers, rooms, strict=True))
            )

    async def _come_and_go(self, room: Room, guest: Person) -> None:
        while await self._pause(self._chance.choice((0.05, 0.5, 2, 4, 7))):
            await self.take_out(room, guest)
            await self._pause(self._chance.choice((0, 0.02, 0.1, 0.5, 2, 5)))
            await self.let_in(room, guest)
            self.ledger.done["removals"] += 1

    async def _pause(self, seconds: float) -> bool:
        """Whether they go on."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
        return not self.stopping.is_set()

    async def _insist(self, person: Person, mutation: str, given: dict[str, Any], select: str = "") -> dict[str, Any]:
        """Until there is an answer; it may be a refusal."""
        while True:
            with suppress(NoAnswer):
                return await self._try(person, mutation, given, select)
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))

    async def _try(self, person: Person, mutation: str, given: dict[str, Any], select: str = "") -> dict[str, Any]:
        named = mutation[0].upper() + mutation[1:]
        query = f"mutation ($input: {named}Input!) {{ {mutation}(input: $input) {{ {select} userErrors {{ code }} }} }}"
        payload: dict[str, Any] = (await self._firm.ask(person, self._chance, query, input=given))[mutation]
        for refusal in payload["userErrors"]:
            self.ledger.done[f"refused with {refusal['code']}"] += 1
        return payload
