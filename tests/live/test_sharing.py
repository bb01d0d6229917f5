"""Execute once, send to many: who shares a result, and who never may."""

import json
from collections.abc import Awaitable, Collection, Iterable, Sequence
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLObjectType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    parse,
    visit,
)

from resolvers import read_mark
from resolvers.process import Process
from schema.build import schema
from server.graphql.limits import Limits
from server.hub.allowance import Allowance
from tests.cast import Person
from tests.live.hold import has_read, reader
from tests.live.phone import Phone, Switchboard


def subscription(fields: str) -> str:
    optional = {"$first": "Int", "$with": "Boolean = true"}
    declared = "".join(f", {name}: {type_}" for name, type_ in optional.items() if name in fields)
    return (
        f"subscription ($room: ID!, $after: String{declared}) "
        f"{{ messageAdded(roomId: $room, after: $after) {{ {fields} }} }}"
    )


async def told(live: Switchboard, sender: Person, room: str, phones: Sequence[Phone]) -> int:
    """Send a message to all phones; how many executions that took."""
    before, had = live.hub.counts.executions, [len(phone.payloads) for phone in phones]
    await sender.send(room, "Hello")
    for phone, count in zip(phones, had, strict=True):
        await phone.until(lambda phone, count=count: len(phone.payloads) > count)
    return live.hub.counts.executions - before


# What front ends select, with the number of classes among: ada (who sends, and made the room), ben, cleo, dan.
DOCUMENTS = {
    "the message": (1, "message { id sequence body createdAt author { id name kind avatarUrl } }"),
    "with its edge": (1, "cursor occurredAt messageEdge { cursor node { id body editedAt deletedAt source } }"),
    "with what its author may do": (2, "message { body viewerCanEdit viewerCanDelete idempotencyKey }"),
    "with the room": (1, "room { id name createdAt archivedAt lastActivityAt } message { body }"),
    "with the room's last message": (1, "room { lastMessage { id body author { name } } }"),
    "with who manages": (2, "room { managedBy { name } createdBy { name } participants { totalCount } }"),
    "with whether the viewer manages": (3, "room { viewerCanManage }"),
    "with the author's address": (2, "message { author { email status } }"),
    "with a page of history": (1, "room { messages(first: $first) { nodes { body } } } message { room { id } }"),
    # Equal for ben, cleo and dan; ada has read her own.
    "with what is unread": (2, "room { unreadCount }"),
    "with where the new line goes": (2, "room { firstUnreadMessage { id body } }"),
    "with whether it is muted": (2, "room { muted }"),
    "with where now is": (1, "room { eventCursor }"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_there_are_as_many_executions_as_classes(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person, name: str
) -> None:
    classes, fields = DOCUMENTS[name]
    room = await ada.make_room(ben, cleo, dan)
    await dan.done("setRoomMuted", {"roomId": room, "muted": True})
    phones = [await live.call(person, room, query=subscription(fields)) for person in (ada, ben, cleo, dan) * 3]
    assert await told(live, ada, room, phones) == classes


MESSAGE = """
    id sequence body source createdAt editedAt deletedAt idempotencyKey viewerCanEdit viewerCanDelete
    author { id name avatarUrl kind } inReplyTo { id body author { id name } }
"""
ROOM = """
    id name archivedAt lastActivityAt lastMessage { id body author { name } }
    muted unreadCount firstUnreadMessage { id }
"""
APP = f"""
    __typename cursor occurredAt
    ... on MessageAdded {{ messageEdge {{ cursor node {{ {MESSAGE} }} }} room {{ {ROOM} }} }}
    ... on MessageUpdated {{ message {{ {MESSAGE} }} }}
    ... on MessageDeleted {{ message {{ {MESSAGE} }} room {{ {ROOM} }} }}
    ... on RoomUpdated {{ room {{ {ROOM} viewerCanManage managedBy {{ id name }} }} }}
    ... on RoomRead {{ room {{ {ROOM} }} }}
    ... on ReadReceiptUpdated {{
      participants {{ id lastReadAt lastReadMessage {{ id sequence }} user {{ id name }} }} room {{ id }}
    }}
    ... on ParticipantAdded {{
      participant {{ id addedAt user {{ id name kind email }} addedBy {{ name }} }} room {{ id }}
    }}
    ... on ParticipantRemoved {{ user {{ id name }} room {{ id }} }}
    ... on RoomJoined {{ room {{ {ROOM} eventCursor }} }}
    ... on RoomLeft {{ roomId }}
"""
# Whole screens and apps: their subscription, and how often each thing that happens is executed for it.
USUAL: dict[str, tuple[str, dict[str, int]]] = {
    "a room's new messages": (
        f"""subscription ($room: ID!, $after: String) {{
          messageAdded(roomId: $room, after: $after) {{
            cursor messageEdge {{ cursor node {{ {MESSAGE} }} }} message {{ {MESSAGE} }} room {{ unreadCount }}
          }}
        }}""",
        {"sent": 3},
    ),
    "a room": (
        f"subscription ($room: ID!, $after: String) {{ roomEvents(roomId: $room, after: $after) {{ {APP} }} }}",
        {
            # The author, and the others.
            "edited": 2,
            # The author; who has all others' messages unread; who has written one of them.
            "sent": 3,
            "deleted": 3,
            # The same, and the last apart by what their kinds see.
            "renamed": 4,
            "muted": 1,
            # Whose mark it was, and the firm's people.
            "read by one": 2,
            # Both, who have as much left; and the firm's people.
            "read by two": 2,
            # The firm's people, and who it was.
            "removed": 2,
            "added": 1,
            "archived": 3,
        },
    ),
    "a whole app": (
        f"subscription ($after: String) {{ viewerEvents(after: $after) {{ {APP} }} }}",
        {
            "edited": 2,
            "sent": 3,
            "deleted": 3,
            "renamed": 4,
            "muted": 1,
            "read by one": 2,
            "read by two": 2,
            "removed": 2,
            "added": 2,
            # Who came back has nothing unread.
            "archived": 4,
        },
    ),
}


@pytest.mark.parametrize("name", USUAL)
async def test_what_front_ends_subscribe_to_is_executed_once_for_each_result(
    live: Switchboard, process: Process, ada: Person, ben: Person, cleo: Person, dan: Person, name: str
) -> None:
    query, classes = USUAL[name]
    room = await ada.make_room(ben, cleo, dan)
    first = await cleo.send(room, "A first word", idempotencyKey="cleo's own")
    variables = {"room": room} if "$room" in query else {}
    phones = [await live.follow(person, query, **variables) for person in (ada, ben, cleo, dan) for _ in range(3)]
    counted: dict[str, int] = {}

    async def seen(what: str, *done: Awaitable[Any]) -> None:
        before, had = live.hub.counts.executions, [len(phone.payloads) for phone in phones]
        for each in done:
            await each
        await has_read(live, ada, process)
        told = [payload for phone, count in zip(phones, had, strict=True) for payload in phone.payloads[count:]]
        if told:
            counted[what] = live.hub.counts.executions - before
            # Each execution seals its cursors anew: so many encodings were made, and none of them for nothing.
            assert len(set(told)) == counted[what], what
            assert len({json.dumps(without_cursors(each)) for each in told}) == counted[what], what

    async def read(*people: Person) -> None:
        for person in people:
            await person.done("markRoomRead", {"roomId": room, "upToMessageId": last["id"]})
        await read_mark.tell_moved(process, ada.workspace_id)

    await seen("edited", cleo.done("editMessage", {"messageId": first["id"], "body": "Another"}))
    await seen("sent", ada.send(room, "By ada", inReplyToId=first["id"]))
    last = await cleo.send(room, "By cleo")
    await ada.send(room, "By ada again")
    await has_read(live, ada, process)
    await seen("deleted", cleo.done("deleteMessage", {"messageId": first["id"]}))
    await seen("renamed", ada.done("renameRoom", {"roomId": room, "name": "Boat house"}))
    await seen("muted", ben.done("setRoomMuted", {"roomId": room, "muted": True}))
    await seen("read by one", read(ben))
    await seen("read by two", read(cleo, dan))
    await seen("removed", ada.done("removeParticipant", {"roomId": room, "userId": dan.id}))
    await seen("added", ada.done("addParticipants", {"roomId": room, "userIds": [dan.id]}))
    await seen("archived", ada.done("archiveRoom", {"roomId": room}))
    assert counted == classes


async def test_unread_counts_are_read_for_all_in_one_statement(
    process: Process,
    live: Switchboard,
    ada: Person,
    ben: Person,
    cleo: Person,
    dan: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    read = read_mark.unread_counts_of

    async def counted(connection: Any, workspace_id: Any, rooms: Any, users: Any) -> Any:
        asked.append(len(users))
        return await read(connection, workspace_id, rooms, users)

    monkeypatch.setattr(read_mark, "unread_counts_of", counted)
    room = await ada.make_room(ben, cleo, dan)
    query = subscription("room { unreadCount }")
    phones = [await live.call(person, room, query=query) for person in (ada, ben, cleo, dan, cleo)]
    await ada.send(room)
    last = await cleo.send(room)
    await ben.done("markRoomRead", {"roomId": room, "upToMessageId": last["id"]})
    for phone in phones:
        await phone.until(lambda phone: len(phone.payloads) == 2)
    asked.clear()
    # ada and ben have one unread, cleo two, dan three.
    assert await told(live, ada, room, phones) == 3
    assert asked == [4]
    counts = [json.loads(phone.payloads[-1])["data"]["messageAdded"]["room"]["unreadCount"] for phone in phones]
    assert counts == [1, 1, 2, 3, 2]


class TestNobodyGetsWhatIsAnothers:
    """Whatever is selected: each gets exactly what an execution for them alone gives."""

    async def test_with_every_field_of_the_contract(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        room = await ada.make_room(ben, cleo, dan)
        first = await cleo.send(room, "A first word", idempotencyKey="cleo's own")
        await dan.done("setRoomMuted", {"roomId": room, "muted": True})
        await ben.done("markRoomRead", {"roomId": room, "upToMessageId": first["id"]})
        everything = selection("MessageAdded", 4) + f" room {{ {EDGES} }}"
        cast = (ada, ben, cleo, dan)
        shared = [await live.call(person, room, query=subscription(everything), first=2) for person in cast]
        # A document of one's own is shared with nobody.
        alone = [
            await live.call(person, room, query=subscription(everything) + f" # {person.member.name}", first=2)
            for person in cast
        ]
        for sender in cast:
            await told(live, sender, room, [*shared, *alone])
        for mine, same in zip(shared, alone, strict=True):
            assert len(mine.payloads) == len(cast)
            for one, other in zip(mine.payloads, same.payloads, strict=True):
                assert without_cursors(one) == without_cursors(other)
        assert len({phone.payloads[0] for phone in shared}) == len(cast)

    def test_these_are_all_fields_that_can_be_reached(self) -> None:
        possible = schema._schema.get_possible_types(schema._schema.type_map["Event"])
        reachable = reached(type_.name for type_ in possible)
        assert {(type_.name, name) for type_ in possible for name in type_.fields} < reachable
        assert reachable - tried(f"subscription {{ viewerEvents {{ {every_event()} }} }}") == set()
        added = tried(subscription(selection("MessageAdded", 4) + f" room {{ {EDGES} }}"))
        assert reached(["MessageAdded"]) - added == set()

    @pytest.mark.parametrize("field", ["roomEvents(roomId: $room, after: $after)", "viewerEvents(after: $after)"])
    async def test_with_every_event(
        self, live: Switchboard, process: Process, ada: Person, ben: Person, cleo: Person, dan: Person, field: str
    ) -> None:
        live.execution._limits = Limits(stream_tokens=6_000, stream_values=250_000, tokens=6_000)
        room = await ada.make_room(ben, cleo, dan)
        message = await cleo.send(room, "A first word", idempotencyKey="cleo's own")
        declared = "$after: String, $first: Int" + (", $room: ID!" if "$room" in field else "")
        query = f"subscription ({declared}) {{ {field} {{ {every_event()} }} }}"
        cast = (ada, ben, cleo, dan)
        shared = [await live.call(person, room, query=query, first=2) for person in cast]
        alone = [await live.call(person, room, query=f"{query} # {person.member.name}", first=2) for person in cast]
        # Else those who differ so much are left to the log.
        reader(live, ada)._way._allowance = Allowance(10**9)
        before = live.hub.counts.executions
        await cleo.done("editMessage", {"messageId": message["id"], "body": "Another"})
        await ada.send(room, "By ada", inReplyToId=message["id"])
        await cleo.done("deleteMessage", {"messageId": message["id"]})
        await ada.done("renameRoom", {"roomId": room, "name": "Boat house"})
        await ben.done("setRoomMuted", {"roomId": room, "muted": True})
        for person in (ben, cleo):
            await person.done("markRoomRead", {"roomId": room, "upToMessageId": message["id"]})
        await read_mark.tell_moved(process, ada.workspace_id)
        await has_read(live, ada, process)
        await ada.done("removeParticipant", {"roomId": room, "userId": dan.id})
        await ada.done("addParticipants", {"roomId": room, "userIds": [dan.id]})
        await ada.done("archiveRoom", {"roomId": room})
        await has_read(live, ada, process)
        for mine, same in zip(shared, alone, strict=True):
            assert [without_cursors(each) for each in mine.payloads] == [
                without_cursors(each) for each in same.payloads
            ]
        types = {
            next(iter(json.loads(each)["data"].values()))["__typename"] for phone in shared for each in phone.payloads
        }
        possible = schema._schema.get_possible_types(schema._schema.type_map["Event"])
        only = {"RoomJoined"} if "roomEvents" in field else set()
        assert types == {type_.name for type_ in possible} - only
        if "viewerEvents" in field:
            told = [next(iter(json.loads(each)["data"].values()))["__typename"] for each in shared[0].payloads]
            assert told == [
                *("MessageUpdated", "MessageAdded", "MessageDeleted", "RoomUpdated", "ReadReceiptUpdated"),
                *("ParticipantRemoved", "ParticipantAdded", "RoomUpdated"),
            ]
            told = [next(iter(json.loads(each)["data"].values()))["__typename"] for each in shared[3].payloads]
            assert told == [
                *("MessageUpdated", "MessageAdded", "MessageDeleted", "RoomUpdated"),
                *("RoomLeft", "RoomJoined", "RoomUpdated"),
            ]
        assert live.hub.counts.executions > before

    async def test_a_client_learns_of_nobody_else(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        live.execution._limits = Limits(stream_tokens=3_000, stream_values=250_000)
        room = await ada.make_room(ben, cleo, dan)
        phones = [
            await live.call(person, room, query=subscription(selection("MessageAdded", 5)), first=5)
            for person in (ada, ben, cleo, dan)
        ]
        await told(live, cleo, room, phones)
        text = phones[2].payloads[0].decode()
        for other in (ada, ben, dan):
            assert other.id not in text
            assert other.member.email not in text
        assert cleo.member.email in text
        assert ben.member.email in phones[0].payloads[0].decode()
        assert cleo.member.email not in phones[3].payloads[0].decode()


async def test_other_values_of_a_variable_that_is_used_are_not_shared(
    live: Switchboard, ada: Person, cleo: Person
) -> None:
    room = await ada.make_room(cleo)
    for _ in range(3):
        await ada.send(room)
    query = subscription("room { messages(first: $first) { nodes { body } } } message @include(if: $with) { body }")
    one = await live.call(cleo, room, query=query, first=1)
    two = await live.call(cleo, room, query=query, first=2)
    without = await live.call(cleo, room, query=query, first=1, **{"with": False})
    assert await told(live, ada, room, [one, two, without]) == 3
    counts = [len(phone.events[0]["room"]["messages"]["nodes"]) for phone in (one, two, without)]
    assert counts == [1, 2, 1]
    assert ["message" in phone.events[0] for phone in (one, two, without)] == [True, True, False]


async def test_another_cursor_to_resume_from_is_shared(live: Switchboard, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    phones = []
    for _ in range(4):
        cursor = (await cleo.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        phones.append(await live.call(cleo, room, cursor))
    phones.append(await live.call(cleo, room))
    assert await told(live, ada, room, phones) == 1


async def test_the_time_between_ones_own_frames_tells_of_nobody_else(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person
) -> None:
    """All executions come first, then all frames; those of one user side by side, whatever came between them."""
    room = await ada.make_room(ben, cleo, dan)
    order: list[tuple[str, int]] = []

    class Watched(Phone):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def next(self, payload: bytes) -> bool:
            order.append((self.name, live.hub.counts.executions))
            return super().next(payload)

    phones = []
    for number, person in enumerate((cleo, ben, cleo, dan, ada, cleo)):
        # Documents of their own, and so groups of their own, in the order in which they came.
        query = subscription("message { body }") + " " * number
        phones.append(await live.call(person, room, query=query, phone=Watched(person.member.name)))
    assert await told(live, ada, room, phones) == 6
    assert len({executions for _, executions in order}) == 1
    names = [name for name, _ in order]
    first = names.index("cleo")
    assert names[first : first + 3] == ["cleo"] * 3


async def test_two_rooms_with_one_document_never_mix(live: Switchboard, ada: Person, cleo: Person) -> None:
    garden, kitchen = await ada.make_room(cleo, name="Garden"), await ada.make_room(cleo, name="Kitchen")
    query = subscription("room { name unreadCount messages { nodes { body } } } message { body room { name } }")
    phones = [await live.call(cleo, room, query=query) for room in (garden, kitchen)]
    await ada.send(garden, "On the garden")
    await ada.send(kitchen, "On the kitchen")
    for phone, name in zip(phones, ("Garden", "Kitchen"), strict=True):
        await phone.until(lambda phone: len(phone.payloads) == 1)
        (event,) = phone.events
        assert event["room"]["name"] == event["message"]["room"]["name"] == name
        assert event["message"]["body"] == f"On the {name.lower()}"


async def test_two_workspaces_never_mix(live: Switchboard, ada: Person, zoe: Person) -> None:
    mine, theirs = await ada.make_room(), await zoe.make_room()
    phones = [await live.call(ada, mine), await live.call(zoe, theirs)]
    await zoe.send(theirs, "Of another firm")
    await ada.send(mine, "Of this firm")
    await phones[0].has("Of this firm")
    await phones[1].has("Of another firm")


# Deeper than anything else.
EDGES = "portal { clients { edges { node { id } } } rooms { edges { node { id } } } }"
# What is another list for each viewer, and so never shared.
OF_EACH = {("Portal", "rooms")}


def selection(type_name: str, depth: int, without: Collection[tuple[str, str]] = ()) -> str:
    """Every field, down to a depth, but for some."""
    type_ = schema._schema.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    chosen = []
    for name, field in type_.fields.items():
        if (type_name, name) in without:
            continue
        named = get_named_type(field.type)
        arguments = "(first: $first)" if "first" in field.args and "around" in field.args else ""
        if is_leaf_type(named):
            chosen.append(name)
        elif depth:
            inner = selection(named.name, depth - 1, without)
            if inner:
                chosen.append(f"{name}{arguments} {{ {inner} }}")
    return " ".join(chosen)


def every_event(without: Collection[tuple[str, str]] = ()) -> str:
    """Every field of every event, but for some."""
    event = schema._schema.type_map["Event"]
    chosen = ["__typename cursor occurredAt", f"... on RoomEvent {{ room {{ {selection('Room', 3, without)} }} }}"]
    if not without:
        chosen.append(f"... on RoomEvent {{ room {{ {EDGES} }} }}")
    for type_ in schema._schema.get_possible_types(event):
        own = [name for name in type_.fields if name not in ("cursor", "occurredAt", "room")]
        for name in own:
            named = get_named_type(type_.fields[name].type)
            inner = "" if is_leaf_type(named) else f" {{ {selection(named.name, 2, without)} }}"
            chosen.append(f"... on {type_.name} {{ {name}{inner} }}")
    return " ".join(chosen)


def reached(names: Iterable[str]) -> set[tuple[str, str]]:
    """Every field of these types, and of those that they lead to."""
    found: set[tuple[str, str]] = set()
    left = list(names)
    while left:
        type_ = schema._schema.type_map[left.pop()]
        if isinstance(type_, GraphQLObjectType) and not any(of == type_.name for of, _ in found):
            found |= {(type_.name, name) for name in type_.fields}
            left += [get_named_type(field.type).name for field in type_.fields.values()]
    return found


def tried(query: str) -> set[tuple[str, str]]:
    """Every field that a document selects, by the type of which it is executed: those of an interface are all of its
    types'."""
    found: set[tuple[str, str]] = set()
    types = TypeInfo(schema._schema)

    class Collect(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent = types.get_parent_type()
            assert parent is not None
            possible = schema._schema.get_possible_types(parent) if is_abstract_type(parent) else [parent]
            found.update((type_.name, node.name.value) for type_ in possible)

    visit(parse(query), TypeInfoVisitor(types, Collect()))
    return {(type_, name) for type_, name in found if type_ != "Subscription" and not name.startswith("__")}


def without_cursors(payload: bytes) -> Any:
    """Sealed cursors differ each time."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: None if key in ("eventCursor",) else clean(each) for key, each in value.items()}
        return [clean(each) for each in value] if isinstance(value, list) else value

    found = clean(json.loads(payload))
    assert "errors" not in found
    next(iter(found["data"].values()))["cursor"] = None
    return found


async def test_the_order_of_ones_own_frames_tells_of_nobody_else(live: Switchboard, ada: Person, cleo: Person) -> None:
    """It is that in which one has subscribed, whoever else uses the same document, and since when."""
    room = await ada.make_room(cleo)
    order: list[str] = []

    class Noting(Phone):
        def __init__(self, name: str) -> None:
            super().__init__()
            self._name = name

        def next(self, payload: bytes) -> bool:
            order.append(self._name)
            return super().next(payload)

    usual = subscription("message { body }")
    await live.call(ada, room, query=usual)
    phones = [
        await live.call(cleo, room, query=query, phone=Noting(name))
        for name, query in (("mine", usual + " "), ("usual", usual))
    ]
    await told(live, ada, room, phones)
    assert order == ["mine", "usual"]
