"""What a client may never learn: who else is in a room. One way is open, as the author of a message that the client
can read; every other road is closed, and has a test here."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from models.statement import Statement
from resolvers import work
from resolvers.process import Process
from schema.node_id import NodeKind, node_id
from tests.cast import Person
from tests.ledger import Ledger, key
from tests.walk import SCHEMA

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")


@dataclass(frozen=True)
class Mark:
    """A field that is marked `@visibleTo` in the printed schema."""

    type: str
    field: str
    kind: str
    or_self: bool

    def __str__(self) -> str:
        return f"{self.type}.{self.field}"

    def selected(self, talk: "Talk") -> str:
        field = SCHEMA.type_map[self.type].fields[self.field]
        named = f'{self.field}(id: "{talk.portal}")' if "id" in field.args else self.field
        return named if is_leaf_type(get_named_type(field.type)) else f"{named} {{ __typename }}"


def marks() -> list[Mark]:
    found = []
    for type_ in SCHEMA.type_map.values():
        if not isinstance(type_, GraphQLObjectType):
            continue
        for name, field in type_.fields.items():
            for directive in (field.ast_node and field.ast_node.directives) or ():
                if directive.name.value == "visibleTo":
                    given = {argument.name.value: argument.value.value for argument in directive.arguments}
                    found.append(Mark(type_.name, name, given["kind"], bool(given.get("orSelf"))))
    return found


MARKS = marks()
# Every road to an object of each type with marked fields; `$id` is the room, `%s` what is selected of the object.
ROADS = {
    "Query": ["query ($id: ID!) { __typename room(id: $id) { __typename } %s }"],
    "Room": [
        "query ($id: ID!) { room(id: $id) { %s } }",
        "query ($id: ID!) { node(id: $id) { ... on Room { %s } } }",
        "query ($id: ID!) { nodes(ids: [$id]) { ... on Room { %s } } }",
        "query ($id: ID!) { room(id: $id) { id } rooms { nodes { %s } } }",
        "query ($id: ID!) { room(id: $id) { id } rooms { edges { node { %s } } } }",
        "query ($id: ID!) { room(id: $id) { lastMessage { room { %s } } } }",
        "mutation ($id: ID!) { setRoomMuted(input: {roomId: $id, muted: false}) { room { %s } } }",
        'mutation ($id: ID!) { sendMessage(input: {roomId: $id, body: "Hi"}) { message { room { %s } } } }',
        "mutation ($id: ID!) { "
        'sendMessage(input: {roomId: $id, body: "Hi"}) { messageEdge { node { room { %s } } } } }',
    ],
    "User": [
        "query ($id: ID!) { room(id: $id) { messages(first: 1) { nodes { author { %s } } } } }",
        "query ($id: ID!) { room(id: $id) { messages(first: 1) { edges { node { author { %s } } } } } }",
        "query ($id: ID!) { room(id: $id) { lastMessage { inReplyTo { author { %s } } } } }",
        "query ($id: ID!) { room(id: $id) { firstUnreadMessage { author { %s } } } }",
        "query ($id: ID!) { node(id: $id) { ... on Room { messages(first: 1) { nodes { author { %s } } } } } }",
    ],
}


def leaves(value: Any, name: str) -> list[Any]:
    """The values of every field of that name in an answer."""
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each, name)]
    if not isinstance(value, dict):
        return []
    return [leaf for at, inner in value.items() for leaf in ([inner] if at == name else leaves(inner, name))]


@dataclass
class Talk:
    """Ada's room with ben and cleo: ada wrote first, dan was never in it, and ben has written nothing. It is linked to
    cleo's portal."""

    room: str
    portal: str
    first: str
    ada: Person
    ben: Person
    cleo: Person
    dan: Person

    async def participants(self) -> dict[str, str]:
        """The participants' ids, by the ids of their users: only internal viewers are told."""
        found = await self.ada.ask(
            "query ($id: ID!) { room(id: $id) { participants { nodes { id user { id } } } } }", id=self.room
        )
        return {node["user"]["id"]: node["id"] for node in found["room"]["participants"]["nodes"]}


@pytest.fixture
async def talk(ada: Person, ben: Person, cleo: Person, dan: Person, ledger: Ledger) -> Talk:
    portal = await ada.make_portal()
    await ledger.admit(portal, cleo)
    room = await ada.make_room(ben, cleo, portalId=portal)
    first = await ada.send(room, "Good morning")
    await ada.send(room, "Anybody?", inReplyToId=first["id"])
    return Talk(room, portal, first["id"], ada, ben, cleo, dan)


class TestMarkedFields:
    def test_the_printed_schema_marks_what_the_design_hides(self) -> None:
        assert {str(mark) for mark in MARKS} >= {
            "Query.portal",
            "Query.portals",
            "Query.users",
            "Room.createdBy",
            "Room.managedBy",
            "Room.participants",
            "Room.portal",
            "User.email",
            "User.portals",
            "User.status",
        }
        assert {str(mark) for mark in MARKS if mark.or_self} == {"User.email"}
        assert {mark.type for mark in MARKS} <= ROADS.keys(), "say how to come to an object of that type"

    @pytest.mark.parametrize("mark", MARKS, ids=str)
    async def test_each_is_null_for_a_client_on_every_road_and_there_for_a_colleague(
        self, mark: Mark, talk: Talk
    ) -> None:
        assert mark.kind == "INTERNAL"
        for road in ROADS[mark.type]:
            query = road % mark.selected(talk)
            for viewer, wanted in ((talk.cleo, False), (talk.ben, True)):
                seen = leaves(await viewer.ask(query, id=talk.room), mark.field)
                assert seen, query
                assert [value is not None for value in seen] == [wanted] * len(seen), query

    @pytest.mark.parametrize("mark", [mark for mark in MARKS if mark.or_self], ids=str)
    @pytest.mark.parametrize(
        "road", ["{ viewer { user { %s } } }", "query ($me: ID!) { node(id: $me) { ... on User { %s } } }"]
    )
    async def test_with_or_self_a_client_sees_it_of_themself_alone(self, mark: Mark, road: str, talk: Talk) -> None:
        variables = {"me": talk.cleo.id} if "$me" in road else {}
        assert leaves(await talk.cleo.ask(road % mark.selected(talk), **variables), mark.field) == [
            talk.cleo.member.email
        ]
        await talk.cleo.send(talk.room, "It is me")
        found = await talk.cleo.ask(
            f"query ($id: ID!) {{ room(id: $id) {{ messages {{ nodes {{ author {{ {mark.selected(talk)} }} }} }} }} }}",
            id=talk.room,
        )
        assert leaves(found, mark.field) == [None, None, talk.cleo.member.email]

    async def test_status_is_hidden_even_of_oneself(self, cleo: Person) -> None:
        assert await cleo.ask("{ viewer { user { status } } }") == {"viewer": {"user": {"status": None}}}

    async def test_nothing_behind_a_mark_is_looked_at_not_even_its_arguments(self, talk: Talk) -> None:
        wrong = (
            "query ($id: ID!) { users(first: -1) { totalCount }"
            ' room(id: $id) { participants(first: 1000, after: "?") { totalCount } } }'
        )
        assert await talk.cleo.ask(wrong, id=talk.room) == {"users": None, "room": {"participants": None}}
        assert await talk.ben.codes(wrong, id=talk.room) == ["BAD_USER_INPUT", "BAD_USER_INPUT"]

    async def test_a_mark_is_no_way_around_signing_in(self, nobody: Person) -> None:
        assert await nobody.codes("{ users { totalCount } }") == ["UNAUTHENTICATED"]

    async def test_who_added_oneself_is_not_told_through_any_fragment(self, talk: Talk) -> None:
        mine = (await talk.participants())[talk.cleo.id]
        query = "query ($id: ID!) { node(id: $id) { id ... on Participant { user { id } addedBy { id } } } }"
        assert await talk.cleo.ask(query, id=mine) == {"node": None}
        assert (await talk.ben.ask(query, id=mine))["node"]["addedBy"] == {"id": talk.ada.id}


NODE = "query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id, $id]) { id } }"
HIDDEN = {"node": None, "nodes": [None, None]}


def shown(id: str) -> dict[str, Any]:
    return {"node": {"id": id}, "nodes": [{"id": id}] * 2}


class TestNodes:
    async def test_no_participant_is_a_node_to_a_client(self, talk: Talk) -> None:
        for participant in (await talk.participants()).values():
            assert await talk.cleo.ask(NODE, id=participant) == HIDDEN
            assert await talk.ben.ask(NODE, id=participant) == shown(participant)

    async def test_no_portal_is_a_node_to_a_client_nor_to_another_firm(self, talk: Talk, zoe: Person) -> None:
        elsewhere = await talk.ada.make_portal("Lind & Partners")
        for portal in (talk.portal, elsewhere):
            assert await talk.cleo.ask(NODE, id=portal) == HIDDEN
            assert await zoe.ask(NODE, id=portal) == HIDDEN
            assert await talk.ben.ask(NODE, id=portal) == shown(portal)

    async def test_a_participant_is_no_node_to_a_colleague_outside_the_room(
        self, ada: Person, ben: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        talk = Talk(room, "", "", ada, ben, cleo, cleo)
        for participant in (await talk.participants()).values():
            assert await ben.ask(NODE, id=participant) == HIDDEN

    async def test_a_client_knows_themself_and_who_has_written(self, talk: Talk) -> None:
        assert await talk.cleo.ask(NODE, id=talk.cleo.id) == shown(talk.cleo.id)
        assert await talk.cleo.ask(NODE, id=talk.ada.id) == shown(talk.ada.id)

    async def test_a_client_does_not_know_who_is_in_the_room_and_has_not_written(self, talk: Talk) -> None:
        assert await talk.cleo.ask(NODE, id=talk.ben.id) == HIDDEN
        await talk.ben.send(talk.room)
        assert await talk.cleo.ask(NODE, id=talk.ben.id) == shown(talk.ben.id)

    async def test_the_author_of_a_tombstone_stays_known(self, talk: Talk) -> None:
        sent = await talk.ben.send(talk.room)
        await talk.ben.done("deleteMessage", {"messageId": sent["id"]})
        assert await talk.cleo.ask(NODE, id=talk.ben.id) == shown(talk.ben.id)

    async def test_an_author_who_has_left_stays_known(self, talk: Talk) -> None:
        await talk.ben.send(talk.room)
        await talk.ben.done("leaveRoom", {"roomId": talk.room})
        assert await talk.cleo.ask(NODE, id=talk.ben.id) == shown(talk.ben.id)

    async def test_a_deactivated_author_stays_known(self, talk: Talk, ledger: Ledger) -> None:
        await ledger.set_status(talk.ada, "DEACTIVATED")
        assert await talk.cleo.ask(NODE, id=talk.ada.id) == shown(talk.ada.id)

    async def test_a_client_who_was_removed_knows_nobody_of_the_room_any_more(self, talk: Talk) -> None:
        await talk.cleo.send(talk.room)
        await talk.ada.done("removeParticipant", {"roomId": talk.room, "userId": talk.cleo.id})
        assert await talk.cleo.ask(NODE, id=talk.ada.id) == HIDDEN
        assert await talk.cleo.ask(NODE, id=talk.first) == HIDDEN
        assert await talk.cleo.ask(NODE, id=talk.room) == HIDDEN
        assert await talk.cleo.ask(NODE, id=talk.cleo.id) == shown(talk.cleo.id)

    async def test_an_author_in_a_room_of_others_is_not_known(self, talk: Talk) -> None:
        elsewhere = await talk.ada.make_room(talk.ben, talk.dan)
        await talk.ben.send(elsewhere)
        assert await talk.cleo.ask(NODE, id=talk.ben.id) == HIDDEN
        assert await talk.dan.ask(NODE, id=talk.ben.id) == shown(talk.ben.id)

    async def test_a_client_does_not_know_a_client_who_has_not_written(self, talk: Talk) -> None:
        await talk.ada.done("addParticipants", {"roomId": talk.room, "userIds": [talk.dan.id]})
        assert await talk.cleo.ask(NODE, id=talk.dan.id) == HIDDEN
        assert await talk.dan.ask(NODE, id=talk.cleo.id) == HIDDEN

    async def test_colleagues_know_everybody_of_the_workspace_and_nobody_beyond(
        self, ben: Person, dan: Person, ivy: Person, max_: Person, zoe: Person
    ) -> None:
        for person in (dan, ivy, max_):
            assert await ben.ask(NODE, id=person.id) == shown(person.id)
        assert await ben.ask(NODE, id=zoe.id) == HIDDEN

    async def test_nothing_of_one_workspace_is_a_node_in_another(self, talk: Talk, zoe: Person) -> None:
        ids = [talk.room, talk.portal, talk.first, talk.ada.id, talk.cleo.id, *(await talk.participants()).values()]
        found = await zoe.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
        assert found == {"nodes": [None] * len(ids)}
        for id in ids:
            assert await zoe.ask("query ($id: ID!) { room(id: $id) { id } }", id=id) == {"room": None}

    async def test_a_viewers_id_is_no_node_and_not_the_users(self, cleo: Person) -> None:
        id = (await cleo.ask("{ viewer { id } }"))["viewer"]["id"]
        assert id != cleo.id
        assert await cleo.ask(NODE, id=id) == HIDDEN


async def test_what_a_reply_answers_stands_in_the_same_room_or_is_not_found(talk: Talk) -> None:
    elsewhere = await talk.ada.make_room(talk.ben)
    hidden = await talk.ada.send(elsewhere, "Not for clients")
    answers = [
        await talk.cleo.do("sendMessage", {"roomId": talk.room, "body": "Re", "inReplyToId": id}, "message { id }")
        for id in (hidden["id"], node_id(NodeKind.MESSAGE, UNKNOWN), "rubbish")
    ]
    not_found = {"code": "NOT_FOUND", "field": ["inReplyToId"], "message": "Not found."}
    assert answers == [{"message": None, "userErrors": [not_found]}] * 3
    # Not even who is in both rooms carries something across.
    assert await talk.ada.refused("sendMessage", {"roomId": talk.room, "body": "Re", "inReplyToId": hidden["id"]}) == [
        ("NOT_FOUND", ["inReplyToId"])
    ]


MANAGEMENT: dict[str, dict[str, Any]] = {
    "renameRoom": {"name": "Lake"},
    "archiveRoom": {},
    "unarchiveRoom": {},
    "addParticipants": {"userIds": []},
    "removeParticipant": {"userId": ""},
    "linkRoomToPortal": {"portalId": ""},
}
# What would be refused, if anybody got so far as to have it looked at.
BAD_ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "renameRoom": [{"name": ""}, {"name": "x" * 201}, {"name": "\0"}],
    "addParticipants": [{"userIds": ["rubbish"]}, {"userIds": [node_id(NodeKind.USER, UNKNOWN)]}],
    "removeParticipant": [{"userId": "rubbish"}, {"userId": node_id(NodeKind.USER, UNKNOWN)}],
    "linkRoomToPortal": [{"portalId": "rubbish"}, {"portalId": node_id(NodeKind.PORTAL, UNKNOWN)}],
}


class TestManagement:
    """Its checks go kind, room, right, and only then arguments."""

    def inputs(self, mutation: str, talk: Talk) -> list[dict[str, Any]]:
        right = {"userIds": [talk.ben.id, talk.dan.id], "userId": talk.ben.id, "portalId": talk.portal}
        named = {name: right[name] for name in MANAGEMENT[mutation] if name in right}
        return [{**MANAGEMENT[mutation], **named}, *BAD_ARGUMENTS.get(mutation, [])]

    def rooms(self, talk: Talk, elsewhere: str) -> list[str]:
        return [talk.room, elsewhere, node_id(NodeKind.ROOM, UNKNOWN), talk.ada.id, "rubbish", ""]

    @pytest.mark.parametrize("mutation", MANAGEMENT)
    async def test_a_client_is_told_the_same_whatever_the_room_and_the_arguments(
        self, mutation: str, talk: Talk, ledger: Ledger
    ) -> None:
        elsewhere = await talk.ada.make_room(talk.ben)
        async with ledger.unchanged():
            answers = [
                await talk.cleo.do(mutation, {"roomId": room, **input})
                for room in self.rooms(talk, elsewhere)
                for input in self.inputs(mutation, talk)
            ]
        forbidden = {"code": "FORBIDDEN", "field": None, "message": "Only the firm's own people can do this."}
        assert answers == [{"userErrors": [forbidden]}] * len(answers)

    @pytest.mark.parametrize("mutation", MANAGEMENT)
    async def test_a_colleague_outside_is_told_the_same_whatever_the_room_and_the_arguments(
        self, mutation: str, talk: Talk, ledger: Ledger
    ) -> None:
        hidden = await talk.ada.make_room(talk.cleo)
        async with ledger.unchanged():
            answers = [
                await talk.ben.do(mutation, {"roomId": room, **input})
                for room in self.rooms(talk, hidden)[1:]
                for input in self.inputs(mutation, talk)
            ]
        not_found = {"code": "NOT_FOUND", "field": ["roomId"], "message": "Not found."}
        assert answers == [{"userErrors": [not_found]}] * len(answers)

    @pytest.mark.parametrize("mutation", MANAGEMENT)
    async def test_a_colleague_who_does_not_manage_is_told_the_same_whatever_the_arguments(
        self, mutation: str, talk: Talk, ledger: Ledger
    ) -> None:
        async with ledger.unchanged():
            answers = [
                await talk.ben.do(mutation, {"roomId": talk.room, **input}) for input in self.inputs(mutation, talk)
            ]
        assert {(error["code"], *error["field"]) for answer in answers for error in answer["userErrors"]} == {
            ("FORBIDDEN", "roomId")
        }
        assert len({error["message"] for answer in answers for error in answer["userErrors"]}) == 1

    @pytest.mark.parametrize("mutation", BAD_ARGUMENTS)
    async def test_who_manages_is_told_what_is_wrong_with_the_arguments(
        self, mutation: str, talk: Talk, ledger: Ledger
    ) -> None:
        async with ledger.unchanged():
            for input in BAD_ARGUMENTS[mutation]:
                (refusal,) = await talk.ada.refused(mutation, {"roomId": talk.room, **input})
                assert refusal[0] in ("BLANK", "TOO_LONG", "INVALID", "NOT_FOUND")
                assert refusal[1] is not None
                assert refusal[1][0] in input

    async def test_a_client_who_makes_a_room_is_refused_before_anything_is_looked_at(
        self, talk: Talk, ledger: Ledger
    ) -> None:
        async with ledger.unchanged():
            answers = [
                await talk.cleo.do("createRoom", input)
                for input in (
                    {"name": "Lake", "participantIds": [talk.ben.id]},
                    {"name": "", "participantIds": ["rubbish"]},
                    {"name": "Lake", "idempotencyKey": ""},
                )
            ]
        assert [answer == answers[0] for answer in answers] == [True] * 3
        assert answers[0]["userErrors"][0]["code"] == "FORBIDDEN"


# Everything that takes the id of a room or of a message and needs no more than to be in the room.
BY_ROOM: dict[str, dict[str, Any]] = {
    "sendMessage": {"body": "Hello"},
    "leaveRoom": {},
    "setRoomMuted": {"muted": True},
    "markRoomRead": {"upToMessageId": ""},
}
BY_MESSAGE: dict[str, dict[str, Any]] = {"editMessage": {"body": "Hello"}, "deleteMessage": {}}


class TestAnswers:
    """Not there and not yours: the same answer, found by the same statements."""

    @pytest.mark.parametrize("who", ["dan", "ben", "zoe"])
    @pytest.mark.parametrize("mutation", [*BY_ROOM, *BY_MESSAGE])
    async def test_a_mutation_answers_the_same_for_what_is_hidden_and_what_never_was(
        self, mutation: str, who: str, ada: Person, cleo: Person, people: dict[str, Person], ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        message = (await ada.send(room))["id"]
        if mutation in BY_ROOM:
            hidden, never, at = room, node_id(NodeKind.ROOM, UNKNOWN), "roomId"
        else:
            hidden, never, at = message, node_id(NodeKind.MESSAGE, UNKNOWN), "messageId"
        others = {**BY_ROOM, **BY_MESSAGE}[mutation]
        # Also with what would be refused in a room of one's own.
        inputs = [others, *({**others, name: ""} for name in others if name == "body")]
        async with ledger.unchanged():
            answers = [
                await people[who].do(mutation, {at: id, **input}) for id in (hidden, never, "x") for input in inputs
            ]
        assert answers == [{"userErrors": [{"code": "NOT_FOUND", "field": [at], "message": "Not found."}]}] * len(
            answers
        )

    async def test_marking_read_up_to_a_message_of_another_room_is_like_one_that_never_was(self, talk: Talk) -> None:
        elsewhere = await talk.ada.make_room(talk.ben)
        hidden = (await talk.ada.send(elsewhere))["id"]
        answers = [
            await talk.cleo.do("markRoomRead", {"roomId": talk.room, "upToMessageId": id})
            for id in (hidden, node_id(NodeKind.MESSAGE, UNKNOWN), "rubbish", talk.room)
        ]
        assert (
            answers
            == [{"userErrors": [{"code": "NOT_FOUND", "field": ["upToMessageId"], "message": "Not found."}]}] * 4
        )

    async def test_around_a_message_of_another_room_is_like_one_that_never_was(self, talk: Talk) -> None:
        elsewhere = await talk.ada.make_room(talk.ben)
        hidden = (await talk.ada.send(elsewhere))["id"]
        query = "query ($id: ID!, $at: ID!) { room(id: $id) { messages(around: $at) { nodes { id } } } }"
        one, other = [
            await talk.cleo.answer(query, id=talk.room, at=id) for id in (hidden, node_id(NodeKind.MESSAGE, UNKNOWN))
        ]
        assert one == other
        assert one["errors"][0]["extensions"]["code"] == "NOT_FOUND"

    @pytest.mark.parametrize(
        "query", ["room", "node", "sendMessage", "leaveRoom", "setRoomMuted", "renameRoom", "linkRoomToPortal"]
    )
    async def test_the_database_is_asked_the_same_for_what_is_hidden_and_what_never_was(
        self, query: str, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[bytes] = []
        send = Statement.send

        async def recorded(statement: Any, connection: Any, **parameters: Any) -> Any:
            asked.append(statement.sql)
            return await send(statement, connection, **parameters)

        monkeypatch.setattr(Statement, "send", recorded)
        room = await ada.make_room(cleo)
        seen = []
        for id in (room, node_id(NodeKind.ROOM, UNKNOWN)):
            asked.clear()
            if query in ("room", "node"):
                await ben.ask(f"query ($id: ID!) {{ {query}(id: $id) {{ id }} }}", id=id)
            else:
                await ben.refused(query, {"roomId": id, **{**BY_ROOM, **MANAGEMENT}[query]})
            seen.append(list(asked))
        assert seen[0] == seen[1]
        assert seen[0]


EVERYTHING = """
query ($id: ID!) {
  viewer { id emailNotifications unreadMessageCount unreadRoomCount user { id name kind avatarUrl email status } }
  users { totalCount }
  portals { totalCount }
  rooms(filter: {archived: null}) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { ...all } }
  }
  room(id: $id) { ...all }
}
fragment all on Room {
  id name createdAt lastActivityAt archivedAt muted unreadCount viewerCanManage
  createdBy { id } managedBy { id } portal { id name } participants { totalCount nodes { id } }
  lastMessage { id } firstUnreadMessage { id }
  messages {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges {
      cursor
      node {
        id sequence body source createdAt editedAt deletedAt idempotencyKey viewerCanEdit viewerCanDelete
        author { id name kind avatarUrl email status portals { id } }
        inReplyTo { id }
      }
    }
  }
}
"""


async def add(talk: Talk, ledger: Ledger) -> None:
    await talk.ada.done("addParticipants", {"roomId": talk.room, "userIds": [talk.dan.id]})


async def remove(talk: Talk, ledger: Ledger) -> None:
    await talk.ada.done("removeParticipant", {"roomId": talk.room, "userId": talk.ben.id})


async def leave(talk: Talk, ledger: Ledger) -> None:
    await talk.ben.done("leaveRoom", {"roomId": talk.room})


async def mute(talk: Talk, ledger: Ledger) -> None:
    await talk.ben.done("setRoomMuted", {"roomId": talk.room, "muted": True})


async def mail_off(talk: Talk, ledger: Ledger) -> None:
    await talk.ben.done("setEmailNotifications", {"enabled": False})


async def read(talk: Talk, ledger: Ledger) -> None:
    await talk.ben.done("markRoomRead", {"roomId": talk.room, "upToMessageId": talk.first})


async def room_of_others(talk: Talk, ledger: Ledger) -> None:
    room = await talk.ada.make_room(talk.ben, talk.dan, name="Garden house")
    await talk.ben.send(room, "Not for cleo")


async def stand_in(talk: Talk, ledger: Ledger) -> None:
    await ledger.set_status(talk.ada, "DEACTIVATED")
    await talk.ben.done("leaveRoom", {"roomId": talk.room})
    for _, workspace_id, work_id in ledger.queued:
        await work.do(ledger.process, UUID(workspace_id), UUID(work_id))


async def link(talk: Talk, ledger: Ledger) -> None:
    portal = await talk.ada.make_portal("Lind & Partners")
    await talk.ada.done("linkRoomToPortal", {"roomId": talk.room, "portalId": portal})


async def unlink(talk: Talk, ledger: Ledger) -> None:
    await talk.ada.done("linkRoomToPortal", {"roomId": talk.room})


async def rename_portal(talk: Talk, ledger: Ledger) -> None:
    await talk.ada.done("renamePortal", {"portalId": talk.portal, "name": "Another"})


async def out_of_the_portal(talk: Talk, ledger: Ledger) -> None:
    await talk.ada.done("removeClientFromPortal", {"portalId": talk.portal, "userId": talk.cleo.id})


async def sign_out(talk: Talk, ledger: Ledger) -> None:
    await talk.ben.do("signOut")


async def rename(talk: Talk, ledger: Ledger) -> None:
    await talk.ada.done("renameRoom", {"roomId": talk.room, "name": "Lake house"})


async def archive(talk: Talk, ledger: Ledger) -> None:
    await talk.ada.done("archiveRoom", {"roomId": talk.room})


async def write(talk: Talk, ledger: Ledger) -> None:
    await talk.ben.send(talk.room)


Act = Callable[[Talk, Ledger], Awaitable[None]]


AT_ROOMS = [add, remove, leave, mute, mail_off, read, room_of_others, stand_in, sign_out]
AT_PORTALS = [link, unlink, rename_portal, out_of_the_portal]


class TestHiddenThings:
    @pytest.mark.parametrize("act", [*AT_ROOMS, *AT_PORTALS])
    async def test_nothing_hidden_moves_anything_that_a_client_sees(self, act: Act, talk: Talk, ledger: Ledger) -> None:
        # A younger room, so that the order of the two would tell if the older one moved.
        await talk.ada.make_room(talk.cleo, name="Boat house")
        before = await talk.cleo.ask(EVERYTHING, id=talk.room)
        rows = await ledger.rows()
        await act(talk, ledger)
        assert await ledger.rows() != rows, "nothing was done"
        assert await talk.cleo.ask(EVERYTHING, id=talk.room) == before

    @pytest.mark.parametrize("act", [rename, archive, write])
    async def test_what_a_client_sees_does_move(self, act: Act, talk: Talk, ledger: Ledger) -> None:
        before = await talk.cleo.ask(EVERYTHING, id=talk.room)
        await act(talk, ledger)
        assert await talk.cleo.ask(EVERYTHING, id=talk.room) != before

    @pytest.mark.parametrize("act", [rename, archive, add, remove, mute, read, link, unlink])
    async def test_only_messages_move_the_last_activity_and_the_order(
        self, act: Act, talk: Talk, ledger: Ledger
    ) -> None:
        await talk.ada.make_room(talk.cleo, talk.ben, name="Boat house")
        query = "{ rooms(filter: {archived: null}) { nodes { id lastActivityAt } } }"
        before = await talk.ada.ask(query)
        await act(talk, ledger)
        assert await talk.ada.ask(query) == before
        assert before["rooms"]["nodes"][1]["id"] == talk.room
        await talk.ada.done("unarchiveRoom", {"roomId": talk.room})
        await talk.cleo.send(talk.room)
        assert (await talk.ada.ask(query))["rooms"]["nodes"][0]["id"] == talk.room

    async def test_an_edit_or_a_deletion_moves_no_activity(self, talk: Talk) -> None:
        query = "query ($id: ID!) { room(id: $id) { lastActivityAt lastMessage { id } } }"
        sent = await talk.cleo.send(talk.room)
        before = await talk.cleo.ask(query, id=talk.room)
        await talk.cleo.done("editMessage", {"messageId": sent["id"], "body": "Other"})
        assert await talk.cleo.ask(query, id=talk.room) == before
        await talk.cleo.done("deleteMessage", {"messageId": sent["id"]})
        assert await talk.cleo.ask(query, id=talk.room) == before

    async def test_mutes_and_marks_of_others_are_not_ones_own(self, talk: Talk) -> None:
        query = "query ($id: ID!) { room(id: $id) { muted unreadCount } }"
        await talk.ben.done("setRoomMuted", {"roomId": talk.room, "muted": True})
        await talk.ben.done("markRoomRead", {"roomId": talk.room, "upToMessageId": talk.first})
        assert await talk.cleo.ask(query, id=talk.room) == {"room": {"muted": False, "unreadCount": 2}}
        assert await talk.ben.ask(query, id=talk.room) == {"room": {"muted": True, "unreadCount": 1}}

    async def test_rooms_of_others_are_in_no_list_and_no_total(self, talk: Talk, zoe: Person) -> None:
        await talk.ada.make_room(talk.dan, name="Garden hut")
        await zoe.make_room(name="Garden of another firm")
        for filter in ({}, {"query": "garden"}, {"archived": None}, {"query": "GARDEN", "archived": None}):
            found = await talk.cleo.ask(
                "query ($filter: RoomFilter) { rooms(filter: $filter) { totalCount nodes { id } } }", filter=filter
            )
            assert found == {"rooms": {"totalCount": 1, "nodes": [{"id": talk.room}]}}
        assert await talk.cleo.ask('{ rooms(filter: {query: "hut"}) { totalCount nodes { id } } }') == {
            "rooms": {"totalCount": 0, "nodes": []}
        }

    async def test_users_lists_nobody_of_another_firm(self, ada: Person, zoe: Person) -> None:
        query = '{ users(query: "@") { totalCount nodes { name } } }'
        assert await zoe.ask(query) == {"users": {"totalCount": 1, "nodes": [{"name": "Zoe"}]}}
        names = [node["name"] for node in (await ada.ask(query))["users"]["nodes"]]
        assert names == ["Ada", "Ben", "Cleo", "Dan", "Ivy", "Max"]


KEYS = "query ($id: ID!) { room(id: $id) { messages { nodes { idempotencyKey } } lastMessage { idempotencyKey } } }"


async def test_an_idempotency_key_is_shown_to_its_author_alone(talk: Talk) -> None:
    room = await talk.ada.make_room(talk.ben, talk.cleo)
    await talk.cleo.send(room, "Hello", idempotencyKey="my own key")
    for viewer, wanted in ((talk.cleo, "my own key"), (talk.ada, None), (talk.ben, None)):
        assert leaves(await viewer.ask(KEYS, id=room), "idempotencyKey") == [wanted, wanted]
    (message,) = (await talk.ada.ask("query ($id: ID!) { room(id: $id) { messages { nodes { id } } } }", id=room))[
        "room"
    ]["messages"]["nodes"]
    query = "query ($id: ID!) { node(id: $id) { ... on Message { idempotencyKey } } }"
    assert await talk.ada.ask(query, id=message["id"]) == {"node": {"idempotencyKey": None}}


class TestCursors:
    async def test_an_event_cursor_has_one_length_and_never_the_same_text(self, talk: Talk, zoe: Person) -> None:
        query = "query ($id: ID!) { viewer { eventCursor again: eventCursor } room(id: $id) { eventCursor } }"
        found = []
        for _ in range(3):
            found += leaves(await talk.cleo.ask(query, id=talk.room), "eventCursor")
            found += leaves(await talk.ada.ask(query, id=talk.room), "again")
            for _ in range(20):
                await talk.ada.done("setRoomMuted", {"roomId": talk.room, "muted": True})
                await talk.ada.done("setRoomMuted", {"roomId": talk.room, "muted": False})
        found += leaves(await zoe.ask("{ viewer { eventCursor } }"), "eventCursor")
        assert len(set(found)) == len(found)
        assert len({len(cursor) for cursor in found}) == 1
        # Nor does any part of it stand still but the name of the key, from which nothing can be counted.
        raw = [base64.urlsafe_b64decode(cursor + "==") for cursor in found]
        assert [place for place in range(len(raw[0])) if len({each[place] for each in raw}) == 1] == [0]

    async def test_a_pages_cursors_are_the_same_each_time_for_everybody_and_every_page(self, talk: Talk) -> None:
        for _ in range(3):
            await talk.ada.send(talk.room)
        query = "query ($id: ID!, $n: Int) { room(id: $id) { messages(first: $n) { edges { cursor } } } }"
        pages = [
            leaves(await viewer.ask(query, id=talk.room, n=size), "cursor")
            for viewer in (talk.cleo, talk.ben)
            for size in (5, 3, 1)
        ]
        assert all(page == pages[0][: len(page)] for page in pages)
        assert len(set(pages[0])) == 5

    async def test_a_cursor_says_nothing_that_its_viewer_does_not_see(self, talk: Talk) -> None:
        """A list, a time or a sequence, and an id that the viewer has: nothing that could be counted."""
        found = await talk.cleo.ask(
            "query ($id: ID!) { rooms { edges { cursor } } room(id: $id) { messages { edges { cursor } } } }",
            id=talk.room,
        )
        (rooms,), messages = leaves(found["rooms"], "cursor"), leaves(found["room"], "cursor")
        raw = base64.urlsafe_b64decode(rooms + "==")
        assert raw[:1] == b"r"
        assert raw[9:] == key(talk.room).bytes
        for sequence, cursor in enumerate(messages, 1):
            raw = base64.urlsafe_b64decode(cursor + "==")
            assert raw == b"m" + key(talk.room).bytes + sequence.to_bytes(8, "big")


async def test_a_removed_client_is_answered_like_anybody_who_never_was_in_the_room(talk: Talk) -> None:
    sent = await talk.cleo.send(talk.room)
    await talk.ada.done("removeParticipant", {"roomId": talk.room, "userId": talk.cleo.id})
    for mutation, input in (
        ("sendMessage", {"roomId": talk.room, "body": "Still here?"}),
        ("markRoomRead", {"roomId": talk.room, "upToMessageId": talk.first}),
        ("setRoomMuted", {"roomId": talk.room, "muted": True}),
        ("leaveRoom", {"roomId": talk.room}),
        ("editMessage", {"messageId": sent["id"], "body": "Changed"}),
        ("deleteMessage", {"messageId": sent["id"]}),
    ):
        assert await talk.cleo.do(mutation, input) == await talk.dan.do(mutation, input)
    assert await talk.cleo.ask("query ($id: ID!) { room(id: $id) { id } rooms { totalCount } }", id=talk.room) == {
        "room": None,
        "rooms": {"totalCount": 0},
    }


async def test_an_answer_names_no_faults_of_the_house(talk: Talk, process: Process) -> None:
    """A fault says an id and nothing else: no table, no statement, nobody's name."""
    async with process.pool.connection() as connection:
        await connection.execute("ALTER TABLE message RENAME COLUMN body TO hidden_body")
    found = await talk.cleo.answer("query ($id: ID!) { room(id: $id) { messages { nodes { body } } } }", id=talk.room)
    (error,) = found["errors"]
    assert error["message"] == "Internal server error"
    assert error["extensions"].keys() == {"code", "errorId"}
    assert "body" not in str(error["extensions"])
