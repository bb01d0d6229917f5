"""State is a snapshot and the events behind it: whoever applies them has what a fresh query gives."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from resolvers import read_mark
from resolvers.process import Process
from tests.cast import Person, Refusal
from tests.live.phone import Switchboard
from tests.live.test_events import Listener

MESSAGE = "id sequence body editedAt deletedAt viewerCanEdit viewerCanDelete inReplyTo { id body }"
PARTICIPANT = "id user { id } lastReadMessage { id }"
# What is the room's own, as front ends select it with every event.
ROOM = """
    id name archivedAt lastActivityAt muted unreadCount firstUnreadMessage { id } lastMessage { id }
    viewerCanManage managedBy { id } createdBy { id } portal { id name }
"""
WHOLE_ROOM = f"""
    {ROOM} participants(first: 100) {{ nodes {{ {PARTICIPANT} }} }} messages(first: 100) {{ nodes {{ {MESSAGE} }} }}
"""
SNAPSHOT = f"{{ viewer {{ eventCursor }} rooms(first: 40, filter: {{archived: null}}) {{ nodes {{ {WHOLE_ROOM} }} }} }}"
EVENTS = f"""
    subscription ($after: String) {{
      viewerEvents(after: $after) {{
        __typename cursor
        ... on RoomEvent {{ room {{ {ROOM} }} }}
        ... on MessageAdded {{ messageEdge {{ node {{ {MESSAGE} }} }} }}
        ... on MessageUpdated {{ message {{ {MESSAGE} }} }}
        ... on MessageDeleted {{ message {{ {MESSAGE} }} }}
        ... on ReadReceiptUpdated {{ participants {{ {PARTICIPANT} }} }}
        ... on ParticipantAdded {{ participant {{ {PARTICIPANT} }} }}
        ... on ParticipantRemoved {{ user {{ id }} }}
        ... on RoomLeft {{ roomId }}
      }}
    }}
"""


class App:
    """A front end: what it shows of each room, kept by events."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.rooms: dict[str, dict[str, Any]] = {}
        self.cursor = ""

    async def query(self) -> None:
        found = await self.person.ask(SNAPSHOT)
        self.cursor = found["viewer"]["eventCursor"]
        self.rooms = {room["id"]: opened(room) for room in found["rooms"]["nodes"]}

    async def apply(self, event: dict[str, Any]) -> None:
        """One that the data had already is harmless."""
        self.cursor = event["cursor"]
        if event["__typename"] == "RoomLeft":
            self.rooms.pop(event["roomId"], None)
            return
        told = event["room"]
        if event["__typename"] == "RoomJoined":
            query = f"query ($id: ID!) {{ room(id: $id) {{ {WHOLE_ROOM} }} }}"
            found = (await self.person.answer(query, id=told["id"])).get("data") or {}
            if found.get("room"):
                self.rooms[told["id"]] = opened(found["room"])
            return
        room = self.rooms.get(told["id"])
        if room is None:
            return
        room.update(told)
        message = (event.get("messageEdge") or {}).get("node") or event.get("message")
        if message:
            self._put(room, message)
        people = [*event.get("participants", ()), *([event["participant"]] if "participant" in event else [])]
        if room["people"] is not None:
            room["people"].update({each["user"]["id"]: each for each in people})
            if "user" in event:
                room["people"].pop(event["user"]["id"], None)

    def _put(self, room: dict[str, Any], message: dict[str, Any]) -> None:
        room["written"][message["id"]] = message
        for other in room["written"].values():
            # A reply shows what it answers.
            if other["inReplyTo"] and other["inReplyTo"]["id"] == message["id"]:
                other["inReplyTo"]["body"] = message["body"]


def opened(room: dict[str, Any]) -> dict[str, Any]:
    people, written = room.pop("participants"), room.pop("messages")
    room["people"] = people and {each["user"]["id"]: each for each in people["nodes"]}
    room["written"] = {each["id"]: each for each in written["nodes"]}
    return room


class Firm:
    """Does one thing or another."""

    def __init__(
        self, chance: random.Random, cast: list[Person], rooms: list[str], portals: list[str], process: Process
    ) -> None:
        self.chance = chance
        self.cast = cast
        self.rooms = rooms
        self.portals = portals
        self.process = process
        self.messages: dict[str, list[str]] = {room: [] for room in rooms}

    async def act(self) -> None:
        person, room = self.chance.choice(self.cast), self.chance.choice(self.rooms)
        other = self.chance.choice(self.cast)
        message = self.chance.choice(self.messages[room] or ["none"])
        portal = self.chance.choice([None, *self.portals])
        number = self.chance.randrange(1000)
        acts: list[Callable[[], Awaitable[Any]]] = [
            lambda: self.send(person, room, None),
            lambda: self.send(person, room, message),
            lambda: person.done("editMessage", {"messageId": message, "body": f"Edited {number}"}),
            lambda: person.done("deleteMessage", {"messageId": message}),
            lambda: person.done("markRoomRead", {"roomId": room, "upToMessageId": message}),
            lambda: person.done("setRoomMuted", {"roomId": room, "muted": number % 2 == 0}),
            lambda: person.done("renameRoom", {"roomId": room, "name": f"Room {number}"}),
            lambda: person.done("linkRoomToPortal", {"roomId": room, "portalId": portal}),
            lambda: person.done("archiveRoom", {"roomId": room}),
            lambda: person.done("unarchiveRoom", {"roomId": room}),
            lambda: person.done("addParticipants", {"roomId": room, "userIds": [other.id]}),
            lambda: person.done("addParticipants", {"roomId": room, "userIds": [other.id]}),
            lambda: person.done("removeParticipant", {"roomId": room, "userId": other.id}),
            lambda: person.done("leaveRoom", {"roomId": room}),
            lambda: self.make(person, other),
            lambda: read_mark.tell_moved(self.process, person.workspace_id),
        ]
        with suppress(Refusal):  # that they may not is a thing that happens, too
            await self.chance.choice(acts)()

    async def send(self, person: Person, room: str, answered: str | None) -> None:
        self.messages[room].append((await person.send(room, "Hello", inReplyToId=answered))["id"])

    async def make(self, person: Person, other: Person) -> None:
        room = await person.make_room(*([other] if other is not person else []))
        self.rooms.append(room)
        self.messages[room] = []


@pytest.mark.parametrize("seed", range(6))
async def test_whoever_applies_the_events_has_what_a_fresh_query_gives(
    process: Process, live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person, seed: int
) -> None:
    chance = random.Random(seed)
    cast = [ada, ben, cleo, dan]
    everybody = await ada.make_room(ben, cleo, dan)
    portals = [await ada.make_portal(name) for name in ("Harbor Bakery", "Lind & Partners")]
    firm = Firm(chance, cast, [await ada.make_room(ben, cleo, dan), await ben.make_room(ada, dan)], portals, process)
    for _ in range(20):
        await firm.act()
    apps = [App(person) for person in cast]
    for app in apps:
        # Each at another moment, and what happens then is behind the cursor.
        await app.query()
        await firm.act()
    listening: list[Listener] = []
    for app in apps:
        phone = Listener()
        await live.follow(app.person, EVENTS, phone=phone, after=app.cursor)
        listening.append(phone)
        await firm.act()
    for _ in range(60):
        await asyncio.gather(*(firm.act() for _ in range(chance.choice([1, 1, 3]))))
    await read_mark.tell_moved(process, ada.workspace_id)
    last = (await ada.send(everybody, "The last"))["id"]

    def has_last(phone: Any) -> bool:
        event = phone.events[-1] if phone.payloads else {}
        return (event.get("messageEdge") or {}).get("node", {}).get("id") == last

    for app, phone in zip(apps, listening, strict=True):
        await phone.until(has_last)
        for event in phone.events:
            await app.apply(event)
        fresh = App(app.person)
        await fresh.query()
        assert app.rooms == fresh.rooms, app.person.member.name
