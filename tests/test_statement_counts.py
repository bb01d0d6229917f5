"""How many statements each operation asks, exactly, and that more rows don't make it more.

The frame of a transaction (BEGIN, its timeouts, COMMIT) is left out of the counts.
"""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import FieldNode, TypeInfo, TypeInfoVisitor, Visitor, parse, visit
from psycopg_pool import AsyncConnectionPool

from models.link import LinkPurpose
from models.user import UserKind
from resolvers.operation import Transaction, operate
from resolvers.portal import admit_client
from resolvers.process import Pool, Process
from resolvers.user import create_user
from schema.build import schema
from schema.node_id import NodeKind, node_id
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.http.app import build_app
from tests.cast import PASSWORD, Person, link_of, make_portal, sign_in_of, user_of
from tests.conftest import ORIGIN, make_process
from tests.ledger import key
from tests.recorder import Recorded, Trips, asked


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with recorded_pool(database_url) as opened:
        yield opened


def recorded_pool(url: str) -> Any:
    return AsyncConnectionPool(
        url, connection_class=Recorded, min_size=1, max_size=4, open=False, kwargs={"autocommit": True}
    )


PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
PLAIN = "id sequence body source createdAt editedAt deletedAt idempotencyKey viewerCanEdit viewerCanDelete"

numbers = itertools.count(1)

# Who is signed in is 1 of each: the sign-in and its user are one statement.
QUERIES = {
    "the viewer": (1, "{ viewer { id emailNotifications timeZone user { id name kind email status avatarUrl } } }"),
    "where one is signed in": (2, "{ viewer { signIns { id method createdAt lastUsedAt expiresAt current } } }"),
    "where now is": (2, "{ viewer { eventCursor } }"),
    "what is unread": (3, "{ viewer { unreadMessageCount unreadRoomCount } }"),
    "rooms": (2, f"{{ rooms {{ edges {{ cursor }} nodes {{ id name muted archivedAt lastActivityAt }} {PAGE} }} }}"),
    "rooms and how many": (3, "{ rooms { nodes { id } totalCount } }"),
    "rooms, searched": (3, '{ rooms(filter: {query: "room", archived: null}) { nodes { id } totalCount } }'),
    "rooms with their last message": (3, f"{{ rooms {{ nodes {{ lastMessage {{ {PLAIN} }} }} }} }}"),
    "… and its author": (4, "{ rooms { nodes { lastMessage { author { name } } } } }"),
    "rooms with what is unread": (3, "{ rooms { nodes { unreadCount } } }"),
    "rooms with the first unread message": (4, "{ rooms { nodes { firstUnreadMessage { id author { name } } } } }"),
    "rooms with who made them": (3, "{ rooms { nodes { createdBy { name } } } }"),
    "rooms with who manages them": (4, "{ rooms { nodes { managedBy { name } viewerCanManage } } }"),
    "rooms with whether one manages them": (3, "{ rooms { nodes { viewerCanManage } } }"),
    "rooms with their cursors": (3, "{ rooms { nodes { eventCursor } } }"),
    "rooms with participants": (4, "{ rooms { nodes { participants { nodes { id addedAt } totalCount } } } }"),
    "… and who they are": (4, "{ rooms { nodes { participants { nodes { user { name } addedBy { name } } } } } }"),
    "… and how far they have read": (
        5,
        "{ rooms { nodes { participants { nodes { lastReadAt lastReadMessage { id } } } } } }",
    ),
    "rooms with messages": (3, f"{{ rooms {{ nodes {{ messages {{ nodes {{ {PLAIN} }} {PAGE} }} }} }} }}"),
    "… and their authors": (4, "{ rooms { nodes { messages { nodes { author { name email } } } } } }"),
    "… and their rooms": (4, "{ rooms { nodes { messages { nodes { room { name } } } } } }"),
    "… and what they answer": (
        5,
        "{ rooms { nodes { messages { nodes { inReplyTo { id author { name } } } } } } }",
    ),
    "a room": (2, "query ($room: ID!) { room(id: $room) { id name createdAt } }"),
    "a page of history": (
        4,
        f"query ($room: ID!) {{ room(id: $room) {{ messages {{ nodes {{ {PLAIN} author {{ name }} }} {PAGE} }} }} }}",
    ),
    "a page around a message": (
        4,
        "query ($room: ID!, $message: ID!) { room(id: $room) { messages(around: $message) { nodes { id } } } }",
    ),
    "a start of an app": (
        9,
        """
        {
          viewer { eventCursor unreadMessageCount }
          rooms { nodes { name unreadCount viewerCanManage lastMessage { body author { name } } } totalCount }
        }
        """,
    ),
    "a user by id": (2, "query ($user: ID!) { node(id: $user) { ... on User { name } } }"),
    "a room by id": (2, "query ($room: ID!) { node(id: $room) { ... on Room { name } } }"),
    "a message by id": (2, "query ($message: ID!) { node(id: $message) { ... on Message { body } } }"),
    "a participant by id": (2, "query ($participant: ID!) { node(id: $participant) { id } }"),
    "things by their ids": (
        5,
        """
        query ($users: [ID!]!, $rooms: [ID!]!, $messages: [ID!]!, $participants: [ID!]!) {
          users: nodes(ids: $users) { id }
          rooms: nodes(ids: $rooms) { id }
          messages: nodes(ids: $messages) { id }
          participants: nodes(ids: $participants) { id }
        }
        """,
    ),
    "users": (2, f"{{ users {{ nodes {{ id name email }} edges {{ cursor }} {PAGE} }} }}"),
    "portals": (2, f"{{ portals {{ nodes {{ id name createdAt }} edges {{ cursor }} {PAGE} }} }}"),
    "portals and how many": (3, "{ portals { totalCount } }"),
    "portals with their clients": (
        4,
        f"{{ portals {{ nodes {{ clients {{ nodes {{ name status }} totalCount {PAGE} }} }} }} }}",
    ),
    "… and what portals these have": (4, "{ portals { nodes { clients { nodes { portals { name } } } } } }"),
    "portals with their rooms": (4, f"{{ portals {{ nodes {{ rooms {{ nodes {{ name }} totalCount {PAGE} }} }} }} }}"),
    "… and their portals": (4, "{ portals { nodes { rooms { nodes { portal { name } } } } } }"),
    "rooms with their portals": (3, "{ rooms { nodes { portal { name } } } }"),
    "rooms of a portal": (
        3,
        "query ($portal: ID!) { rooms(filter: {portalId: $portal}) { nodes { id } totalCount } }",
    ),
    "a portal": (2, "query ($portal: ID!) { portal(id: $portal) { name } }"),
    "a portal by id": (2, "query ($portal: ID!) { node(id: $portal) { ... on Portal { name } } }"),
    "users with their portals": (3, "{ users { nodes { portals { name } } } }"),
    "users and how many": (3, '{ users(query: "a", kind: CLIENT, status: ACTIVE) { nodes { id } totalCount } }'),
}


async def test_a_query_asks_so_often_and_no_oftener_for_more_rows(
    process: Process, ada: Person, ben: Person, cleo: Person, dan: Person
) -> None:
    for _ in range(2):
        named = await furnish(process, ada, ben, cleo, dan)
        for name, (expected, query) in QUERIES.items():
            async with asked() as statements:
                await ada.ask(query, **named)
            assert len(statements) == expected, (name, statements)


def test_every_field_that_can_be_read_is_counted() -> None:
    graphql = schema._schema
    counted: set[tuple[str, str]] = set()
    types = TypeInfo(graphql)

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            kind = types.get_parent_type()
            assert kind is not None
            counted.add((kind.name, node.name.value))

    for _, query in QUERIES.values():
        visit(parse(query), TypeInfoVisitor(types, Fields()))
    read = ["Query", "Viewer", "User", "Room", "Message", "Participant", "Portal", "PageInfo"]
    assert {(name, field) for name in read for field in graphql.type_map[name].fields} - counted == set()


async def furnish(process: Process, ada: Person, *others: Person) -> dict[str, Any]:
    """Three more rooms, each with people, messages, answers and marks; and the ids of everything that is there."""

    async def newcomer(transaction: Transaction) -> str:
        number = next(numbers)
        user_id = await create_user(
            transaction,
            kind=UserKind.CLIENT,
            name=f"Newcomer {number}",
            email=f"newcomer.{number}@client.test",
            password_hash=None,
        )
        return node_id(NodeKind.USER, user_id)

    people = [await operate(process, ada.workspace_id, newcomer) for _ in range(3)]
    for _ in range(3):
        portal = await portal_with(process, ada, people)
        await ada.make_room(portalId=portal)
        room = await ada.make_room(*others, name="A room", portalId=portal)
        await ada.done("addParticipants", {"roomId": room, "userIds": people})
        for person in (ada, *others):
            message = await person.send(room)
            await person.send(room, inReplyToId=message["id"])
            await person.done("markRoomRead", {"roomId": room, "upToMessageId": message["id"]})
    found = await ada.ask(
        "{ users { nodes { id } } rooms { nodes { id messages { nodes { id } } participants { nodes { id } } } } }"
    )
    rooms = found["rooms"]["nodes"]
    ids = {
        "users": [user["id"] for user in found["users"]["nodes"]],
        "rooms": [room["id"] for room in rooms],
        "messages": [message["id"] for room in rooms for message in room["messages"]["nodes"]][:100],
        "participants": [each["id"] for room in rooms for each in room["participants"]["nodes"]][:100],
    }
    first = {"user": ids["users"][0], "room": rooms[0]["id"], "participant": ids["participants"][0], "portal": portal}
    return {**ids, **first, "message": rooms[0]["messages"]["nodes"][0]["id"]}


async def portal_with(process: Process, ada: Person, people: list[str]) -> str:
    portal = await ada.make_portal()

    async def put_in(transaction: Transaction) -> None:
        for person in people:
            await admit_client(transaction, key(portal), key(person))

    await operate(process, ada.workspace_id, put_in)
    return portal


async def test_a_client_asks_no_oftener_than_the_firm(
    process: Process, ada: Person, ben: Person, cleo: Person, dan: Person
) -> None:
    query = "{ rooms { nodes { participants { totalCount } messages { nodes { author { name email } } } } } }"
    for _ in range(2):
        await furnish(process, ada, ben, cleo, dan)
        async with asked() as statements:
            await cleo.ask(query)
        assert len(statements) == 4, statements


async def test_a_mutation_asks_so_often(process: Process, ada: Person, ben: Person, cleo: Person, dan: Person) -> None:
    await furnish(process, ada, ben, cleo, dan)
    room = await ada.make_room(ben, cleo)
    message = await ada.send(room)
    session = (await sign_in(dan))["session"]
    this = {"roomId": room}
    counted = set()

    async def costs(
        person: Person, expected: int, mutation: str, input: dict[str, Any] | None, select: str = ""
    ) -> None:
        async with asked() as statements:
            payload = await person.do(mutation, input, select)
        assert payload["userErrors"] == []
        assert len(statements) == expected, (mutation, statements)
        counted.add(mutation)

    await costs(ada, 11, "createRoom", {"name": "New", "participantIds": [cleo.id, dan.id]}, "room { id }")
    await costs(ada, 8, "renameRoom", {**this, "name": "Renamed"}, "room { name }")
    portal = await portal_with(process, ada, [dan.id])
    that = {"portalId": portal}
    await costs(ada, 5, "createPortal", {"name": "New"}, "portal { id } portalEdge { cursor }")
    await costs(ada, 6, "renamePortal", {**that, "name": "Renamed"}, "portal { name }")
    await costs(ada, 10, "linkRoomToPortal", {**this, **that}, "room { portal { name } }")
    await costs(ada, 7, "removeClientFromPortal", {**that, "userId": dan.id}, "portal { name }")
    await costs(ada, 7, "setRoomMuted", {**this, "muted": True}, "room { muted }")
    await costs(ada, 12, "addParticipants", {**this, "userIds": [dan.id]}, "participants { id }")
    await costs(ada, 9, "removeParticipant", {**this, "userId": dan.id}, "removedUserId")
    await costs(ben, 7, "leaveRoom", this, "leftRoomId")
    await costs(ada, 9, "sendMessage", {**this, "body": "Hello", "idempotencyKey": "a key"}, "message { id }")
    await costs(ada, 6, "sendMessage", {**this, "body": "Hello", "idempotencyKey": "a key"}, "message { id }")
    await costs(ada, 9, "sendMessage", {**this, "body": "Yes", "inReplyToId": message["id"]}, "message { id }")
    await costs(ada, 7, "editMessage", {"messageId": message["id"], "body": "Changed"}, "message { body }")
    await costs(cleo, 4, "markRoomRead", {**this, "upToMessageId": message["id"]}, "room { unreadCount }")
    await costs(ada, 7, "deleteMessage", {"messageId": message["id"]}, "message { body }")
    await costs(ada, 8, "archiveRoom", this, "room { archivedAt }")
    await costs(ada, 8, "unarchiveRoom", this, "room { archivedAt }")
    await costs(ada, 5, "setEmailNotifications", {"enabled": False}, "viewer { emailNotifications }")
    await costs(ada, 7, "updateProfile", {"timeZone": "Europe/Berlin"}, "viewer { timeZone }")
    password = {"currentPassword": PASSWORD, "newPassword": "another password"}
    await costs(ben, 12, "changePassword", password, "viewer { id }")
    firm = {"email": "new@firm.test", "name": "New"}
    await costs(ada, 12, "inviteTeammate", firm, "user { id }")
    await costs(ada, 10, "inviteTeammate", firm, "user { id }")
    portal = await make_portal(process, ada)
    client = {"portalId": portal, "email": "new@client.test", "name": "New"}
    await costs(ada, 14, "inviteClient", client, "user { id }")
    await costs(ada, 9, "inviteClient", {**client, "email": cleo.member.email}, "user { id }")
    invited = await user_of(process, "new@client.test")
    await costs(ada, 10, "cancelInvitation", {"userId": node_id(NodeKind.USER, invited)})
    links = {
        purpose: await link_of(process, dan.workspace_id, user_id, purpose)
        for purpose, user_id in (
            (LinkPurpose.INVITATION, await user_of(process, "ivy@client.test")),
            (LinkPurpose.SIGN_IN, dan.user_id),
            (LinkPurpose.RESET, ben.user_id),
        )
    }
    tokens = "session { accessToken } viewer { id }"
    accepting = {"token": links[LinkPurpose.INVITATION], "name": "Ivy", "password": "another password"}
    await costs(dan, 12, "acceptInvitation", accepting, tokens)
    await costs(dan, 8, "signInWithToken", {"token": links[LinkPurpose.SIGN_IN]}, tokens)
    resetting = {"token": links[LinkPurpose.RESET], "password": "a third password"}
    await costs(dan, 13, "resetPassword", resetting, tokens)
    await costs(dan, 1, "requestSignInLink", {"email": dan.member.email})
    await costs(dan, 1, "requestPasswordReset", {"email": "nobody@client.test"})
    await costs(dan, 5, "signIn", {"email": dan.member.email, "password": PASSWORD}, "session { accessToken }")
    await costs(ada, 13, "deactivateUser", {"userId": ben.id}, "user { status }")
    await costs(ada, 11, "activateUser", {"userId": ben.id}, "user { status }")
    await costs(dan, 4, "refreshSession", {"refreshToken": session["refreshToken"]}, "session { accessToken }")
    other = (await sign_in_of(process, dan.workspace_id, dan.user_id)).viewer.session_id
    await costs(dan, 8, "endSignIn", {"signInId": node_id(NodeKind.SIGN_IN, other)})
    await costs(dan, 5, "signOut", None)
    mutations = schema._schema.mutation_type
    assert mutations is not None
    assert counted == set(mutations.fields)


async def sign_in(person: Person) -> Any:
    return await person.done("signIn", {"email": person.member.email, "password": PASSWORD}, "session { refreshToken }")


async def test_adding_many_asks_no_oftener_than_adding_one(process: Process, ada: Person, cleo: Person) -> None:
    named = await furnish(process, ada, cleo)
    costs = []
    for users in (named["users"][-1:], named["users"][:-3]):
        people = [user for user in users if user in await addable(ada)]
        room = await ada.make_room()
        async with asked() as statements:
            await ada.done("addParticipants", {"roomId": room, "userIds": people})
        costs.append(len(statements))
    assert costs[0] == costs[1]


async def addable(person: Person) -> list[str]:
    found = await person.ask("{ users(status: ACTIVE) { nodes { id } } }")
    return [user["id"] for user in found["users"]["nodes"]]


async def test_sending_takes_three_trips(database_url: str, tmp_path: Path, ada: Person, cleo: Person) -> None:
    """Who is signed in; the lock with all questions behind it; the message with its event and the COMMIT."""
    room = await ada.make_room(cleo)
    trips = Trips()
    async with trips.before(database_url, tmp_path) as relayed, recorded_pool(relayed) as pool, api(pool) as client:
        ada.client = client
        for _ in range(7):  # until every statement is prepared
            before = trips.count
            await ada.send(room)
        assert trips.count - before == 3


async def test_a_page_of_history_takes_six_trips(database_url: str, tmp_path: Path, ada: Person, cleo: Person) -> None:
    """The beginning of the snapshot, who is signed in, the room, the page, its authors, and the end."""
    room = await ada.make_room(cleo)
    await ada.send(room)
    trips = Trips()
    async with trips.before(database_url, tmp_path) as relayed, recorded_pool(relayed) as pool, api(pool) as client:
        ada.client = client
        for _ in range(7):
            before = trips.count
            await ada.ask(QUERIES["a page of history"][1], room=room)
        assert trips.count - before == 6


@asynccontextmanager
async def api(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> None:
        return None

    app = build_app(Execution(ParleyEngine(make_process(pool))), allowed_origins=[ORIGIN], ready=ready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        yield client
