"""What `roomEvents` and `viewerEvents` tell, and to whom."""

import asyncio
from typing import Any

import pytest

from resolvers import read_mark, stream
from resolvers.process import Process
from tests.cast import Person
from tests.ledger import Ledger
from tests.live.hold import Hold, cursor_of, has_read
from tests.live.phone import Phone, Switchboard

FIELDS = """
    __typename cursor
    ... on RoomEvent { room { id name archivedAt } }
    ... on MessageAdded { message { sequence body } }
    ... on MessageUpdated { message { sequence body editedAt } }
    ... on MessageDeleted { message { sequence body deletedAt } }
    ... on ReadReceiptUpdated { participants { user { id } lastReadMessage { sequence } } }
    ... on ParticipantAdded { participant { user { id name } } }
    ... on ParticipantRemoved { user { id name } }
    ... on RoomLeft { roomId }
"""
ROOM = f"subscription ($room: ID!, $after: String) {{ roomEvents(roomId: $room, after: $after) {{ {FIELDS} }} }}"
VIEWER = f"subscription ($after: String) {{ viewerEvents(after: $after) {{ {FIELDS} }} }}"


class Listener(Phone):
    """A phone that follows any of the streams."""

    @property
    def events(self) -> list[Any]:
        assert all("errors" not in each for each in self.told), self.told
        return [next(iter(each["data"].values())) for each in self.told]

    @property
    def names(self) -> list[str]:
        return [each["__typename"] for each in self.events]

    async def hears(self, *names: str) -> list[Any]:
        """Wait until it has been told as much; see that it is this."""
        await self.until(lambda phone: len(phone.payloads) >= len(names))
        assert self.names == list(names)
        return self.events


async def room_events(live: Switchboard, person: Person, room: str, after: str | None = None) -> Listener:
    phone = Listener()
    await live.call(person, room, after, ROOM, phone=phone)
    return phone


async def viewer_events(live: Switchboard, person: Person, after: str | None = None) -> Listener:
    phone = Listener()
    await live.follow(person, VIEWER, phone=phone, after=after)
    return phone


async def mark(person: Person, room: str, message: dict[str, Any]) -> None:
    await person.done("markRoomRead", {"roomId": room, "upToMessageId": message["id"]})


async def tell_marks(process: Process, person: Person) -> None:
    await read_mark.tell_moved(process, person.workspace_id)


class TestARoom:
    async def test_everyone_is_told_of_messages_and_of_the_room(
        self, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        phones = [await room_events(live, person, room) for person in (ada, cleo)]
        message = await cleo.send(room, "Helo")
        await cleo.done("editMessage", {"messageId": message["id"], "body": "Hello"})
        await cleo.done("deleteMessage", {"messageId": message["id"]})
        await ada.done("renameRoom", {"roomId": room, "name": "Boat house"})
        await ada.done("archiveRoom", {"roomId": room})
        await ada.done("unarchiveRoom", {"roomId": room})
        for phone in phones:
            events = await phone.hears(
                "MessageAdded", "MessageUpdated", "MessageDeleted", "RoomUpdated", "RoomUpdated", "RoomUpdated"
            )
            assert events[3]["room"]["name"] == "Boat house"
            assert len({event["cursor"] for event in events}) == 6

    async def test_only_the_firms_people_are_told_who_comes_and_goes(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        room = await ada.make_room(cleo)
        internal, client = await room_events(live, ada, room), await room_events(live, cleo, room)
        await ada.done("addParticipants", {"roomId": room, "userIds": [ben.id, dan.id]})
        await ada.done("removeParticipant", {"roomId": room, "userId": dan.id})
        await ada.send(room, "Last")
        events = await internal.hears("ParticipantAdded", "ParticipantAdded", "ParticipantRemoved", "MessageAdded")
        assert events[0]["participant"]["user"]["id"] == ben.id
        assert events[2]["user"]["id"] == dan.id
        await client.hears("MessageAdded")

    @pytest.mark.parametrize("resumed", [False, True], ids=["live", "from a cursor"])
    async def test_the_firms_people_are_told_of_its_portal_and_clients_hear_nothing_on_any_stream(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, ledger: Ledger, resumed: bool
    ) -> None:
        portal, other = await ada.make_portal(), await ada.make_portal("Lind & Partners")
        await ledger.admit(portal, cleo)
        room = await ada.make_room(ben, cleo)
        cursor = await cursor_of(cleo)

        async def listen(person: Person) -> list[Listener]:
            after = cursor if resumed else None
            messages = Listener()
            await live.call(person, room, after, phone=messages)
            return [messages, await room_events(live, person, room, after), await viewer_events(live, person, after)]

        streams = [] if resumed else [await listen(person) for person in (cleo, ben)]
        for portal_id in (portal, other, None):
            await ada.done("linkRoomToPortal", {"roomId": room, "portalId": portal_id})
        await ada.done("renamePortal", {"portalId": portal, "name": "Renamed"})
        await ada.done("removeClientFromPortal", {"portalId": portal, "userId": cleo.id})
        streams = streams or [await listen(person) for person in (cleo, ben)]
        await ada.send(room, "The fence")
        (theirs, (messages, *events)) = streams
        for phone in (*theirs, messages):
            await phone.until(lambda phone: len(phone.payloads) >= 1)
            assert len(phone.payloads) == 1
        for phone in theirs[1:]:
            assert phone.names == ["MessageAdded"]
        for phone in events:
            await phone.hears("RoomUpdated", "RoomUpdated", "RoomUpdated", "MessageAdded")

    async def test_what_is_told_of_its_portal_shows_each_their_own_rooms(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person
    ) -> None:
        portal = await ada.make_portal()
        room = await ada.make_room(ben, cleo, name="Shared")
        await ada.make_room(name="Ada's own", portalId=portal)
        query = """
            subscription ($room: ID!) {
              roomEvents(roomId: $room) {
                __typename
                ... on RoomEvent { room { portal { name rooms { totalCount nodes { name } } } } }
              }
            }
        """
        phones = [Listener() for _ in range(3)]
        for person, phone in zip((ada, ben, cleo), phones, strict=True):
            await live.call(person, room, query=query, phone=phone)
        await ada.done("linkRoomToPortal", {"roomId": room, "portalId": portal})
        await ada.send(room)
        for phone, names in ((phones[0], ["Shared", "Ada's own"]), (phones[1], ["Shared"])):
            linked, _ = await phone.hears("RoomUpdated", "MessageAdded")
            found = linked["room"]["portal"]["rooms"]
            assert sorted(node["name"] for node in found["nodes"]) == sorted(names)
            assert found["totalCount"] == len(names)
        (sent,) = await phones[2].hears("MessageAdded")
        assert sent["room"] == {"portal": None}

    async def test_who_was_removed_again_by_then_is_left_out(
        self, live: Switchboard, ada: Person, dan: Person, process: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room()
        phone = await room_events(live, ada, room)
        held = Hold(monkeypatch, stream, "read_on")
        await ada.done("addParticipants", {"roomId": room, "userIds": [dan.id]})
        await held.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": dan.id})
        held.let_go()
        await phone.hears("ParticipantRemoved")

    async def test_leaving_is_told_and_ends_the_stream(
        self, live: Switchboard, ada: Person, cleo: Person, dan: Person
    ) -> None:
        room = await ada.make_room(cleo, dan)
        phone, staying = await room_events(live, cleo, room), await room_events(live, dan, room)
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Behind their back")
        await phone.until(lambda phone: phone.ended is not None)
        assert phone.ended == "complete"
        assert (await phone.hears("RoomLeft"))[0]["roomId"] == room
        await staying.hears("MessageAdded")

    async def test_a_mute_is_told_to_whom_it_is(self, live: Switchboard, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        hers, other = await room_events(live, cleo, room), await room_events(live, ada, room)
        await cleo.done("setRoomMuted", {"roomId": room, "muted": True})
        await ada.send(room, "Last")
        await hers.hears("RoomUpdated", "MessageAdded")
        await other.hears("MessageAdded")


class TestReadMarks:
    async def test_are_told_to_ones_other_devices_and_as_receipts_to_the_firms_people(
        self, live: Switchboard, process: Process, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        room = await ada.make_room(ben, cleo, dan)
        message = await ada.send(room)
        phones = {person: await room_events(live, person, room) for person in (ada, ben, cleo, dan)}
        await mark(cleo, room, message)
        await mark(ben, room, message)
        await tell_marks(process, ada)
        await ada.send(room, "Last")
        receipts = (await phones[ada].hears("ReadReceiptUpdated", "MessageAdded"))[0]["participants"]
        assert {each["user"]["id"] for each in receipts} == {ben.id, cleo.id}
        assert {each["lastReadMessage"]["sequence"] for each in receipts} == {1}
        await phones[ben].hears("RoomRead", "ReadReceiptUpdated", "MessageAdded")
        await phones[cleo].hears("RoomRead", "MessageAdded")
        await phones[dan].hears("MessageAdded")

    async def test_are_told_once_by_whoever_takes_them(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        messages = [await ada.send(room) for _ in range(5)]
        phone = await room_events(live, cleo, room)
        for message in messages:
            await mark(cleo, room, message)
        await mark(cleo, room, messages[0])
        await asyncio.gather(*(tell_marks(process, ada) for _ in range(4)), read_mark.tell_what_is_left(process))
        await tell_marks(process, ada)
        await ada.send(room, "Last")
        await phone.hears("RoomRead", "MessageAdded")

    async def test_a_mark_waits_for_nobody_who_tells(
        self, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        messages = [await ada.send(room) for _ in range(2)]
        await mark(cleo, room, messages[0])
        held = Hold(monkeypatch, read_mark, "_tell_moved", behind=True)
        telling = asyncio.create_task(tell_marks(process, ada))
        await held.reached.wait()
        await asyncio.wait_for(mark(cleo, room, messages[1]), 20)
        held.let_go()
        await telling
        assert await read_mark.tell_what_is_left(process) == 1

    async def test_of_who_has_left_are_no_receipt(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        message = await ada.send(room)
        await mark(cleo, room, message)
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        phone = await room_events(live, ada, room)
        await tell_marks(process, ada)
        await ada.send(room, "Last")
        await phone.hears("MessageAdded")


class TestAllRooms:
    async def test_rooms_joined_later_come_with_what_happens_in_them(
        self, live: Switchboard, ada: Person, cleo: Person, zoe: Person
    ) -> None:
        first = await ada.make_room(cleo)
        hidden = await ada.make_room()
        phone = await viewer_events(live, cleo)
        await ada.send(hidden, "Not for her")
        await ada.send(first, "One")
        later = await ada.make_room(cleo)
        await ada.send(later, "Two")
        await zoe.send(await zoe.make_room(), "Elsewhere")
        await ada.send(first, "Three")
        events = await phone.hears("MessageAdded", "RoomJoined", "MessageAdded", "MessageAdded")
        assert [event["room"]["id"] for event in events] == [first, later, later, first]

    async def test_what_stands_between_leaving_and_joining_is_left_out(
        self, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        room, other = await ada.make_room(cleo), await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        phone = await viewer_events(live, cleo)
        await ada.send(room, "Before")
        await phone.hears("MessageAdded")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await phone.hears("MessageAdded", "RoomLeft")
        await ada.send(room, "Between")
        await ada.send(other, "Elsewhere")
        await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
        await ada.send(room, "After")
        names = ["MessageAdded", "RoomLeft", "MessageAdded", "RoomJoined", "MessageAdded"]
        events = await phone.hears(*names)
        resumed = await viewer_events(live, cleo, phone.events[1]["cursor"])
        assert [each["__typename"] for each in await resumed.hears(*names[2:])] == names[2:]
        anew = await viewer_events(live, cleo, cursor)
        # The first membership has ended: what was told of it need not be told again.
        await anew.hears(*names[1:])
        assert events[-1]["message"]["body"] == "After"

    async def test_who_is_still_removed_is_told_of_that_alone(
        self, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        room, other = await ada.make_room(cleo), await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        await ada.send(room, "While she was there")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Behind her back")
        await ada.send(other, "Last")
        resumed = await viewer_events(live, cleo, cursor)
        events = await resumed.hears("RoomLeft", "MessageAdded")
        assert events[0]["roomId"] == room
        assert await live.refused(cleo, room, cursor, ROOM) == ["NOT_FOUND"]

    async def test_signing_out_ends_it(self, live: Switchboard, ada: Person, cleo: Person) -> None:
        phone = await viewer_events(live, cleo)
        await cleo.do("signOut")
        await phone.until(lambda phone: phone.ended is not None)
        assert phone.ended == "expelled"

    async def test_many_resume_with_few_reads(self, live: Switchboard, ada: Person, ben: Person, cleo: Person) -> None:
        room = await ada.make_room(ben, cleo)
        cursor = await cursor_of(ada)
        for number in range(10):
            await ada.send(room, f"Number {number}")
        await viewer_events(live, ada)
        reads, executions = live.hub.counts.reads, live.hub.counts.executions
        phones = await asyncio.gather(
            *(viewer_events(live, person, cursor) for person in (ada, ben, cleo) for _ in range(20))
        )
        for phone in phones:
            await phone.hears(*["MessageAdded"] * 10)
        assert live.hub.counts.reads - reads <= 5
        assert live.hub.counts.executions - executions == 10

    async def test_nobody_is_told_by_an_older_snapshot_what_is_not_theirs_any_more(
        self, live: Switchboard, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await viewer_events(live, cleo)
        held = Hold(monkeypatch, stream, "read_on")
        message = await ada.send(room, "A draft")
        await held.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.done("editMessage", {"messageId": message["id"], "body": "Not for her"})
        held.let_go()
        await phone.hears("RoomLeft")
        await has_read(live, ada, process)
        assert phone.names == ["RoomLeft"]
