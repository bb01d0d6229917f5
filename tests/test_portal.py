"""Portals: making, renaming and listing them; who is in one; and the rooms that are linked to one."""

import asyncio
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from resolvers import portal as portals
from resolvers import room as rooms
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from schema.node_id import NodeKind, node_id
from schema.pagination import clients_cursor
from tests.cast import Person
from tests.ledger import Ledger, Written, key
from tests.races import blocked, held, viewer_of

UNKNOWN = node_id(NodeKind.PORTAL, UUID("01900000-0000-7000-8000-000000000000"))
BAKERY, PARTNERS = "Harbor Bakery", "Lind & Partners"
LINKED = "query ($id: ID!) { room(id: $id) { portal { name } lastActivityAt } }"


class Entry(NamedTuple):
    """What the audit log says of who did what to whom."""

    action: str
    actor_id: UUID | None = None
    user_id: UUID | None = None
    room_id: UUID | None = None
    portal_id: UUID | None = None
    details: dict[str, Any] = {}  # noqa: RUF012  never written to


async def audited(ledger: Ledger, person: Person) -> list[Entry]:
    """What the audit log says beside the making of the cast."""
    found = await ledger.sql(
        "SELECT action, actor_id, user_id, room_id, portal_id, details FROM audit "
        "WHERE workspace_id = %s AND action NOT IN ('SIGNED_IN', 'WORKSPACE_CREATED') ORDER BY id",
        person.workspace_id,
    )
    return [Entry(*row) for row in found]


async def named(person: Person, arguments: str = "") -> list[str]:
    found = await person.ask(f"{{ portals{arguments} {{ totalCount nodes {{ name }} }} }}")
    return [node["name"] for node in found["portals"]["nodes"]]


async def portal_of(person: Person, room: str) -> str | None:
    portal = (await person.ask(LINKED, id=room))["room"]["portal"]
    return portal and str(portal["name"])


async def clients_of(person: Person, portal: str) -> list[str]:
    query = "query ($id: ID!) { portal(id: $id) { clients { totalCount nodes { name } } } }"
    found = (await person.ask(query, id=portal))["portal"]["clients"]
    names = [node["name"] for node in found["nodes"]]
    assert found["totalCount"] == len(names)
    return names


async def rooms_of(person: Person, portal: str) -> list[str]:
    query = "query ($id: ID!) { portal(id: $id) { rooms { totalCount nodes { name } } } }"
    found = (await person.ask(query, id=portal))["portal"]["rooms"]
    names = [node["name"] for node in found["nodes"]]
    assert found["totalCount"] == len(names)
    return names


class TestMaking:
    async def test_one_has_its_name_and_stands_in_the_list_where_its_edge_says(self, ada: Person, ben: Person) -> None:
        await ada.make_portal(PARTNERS)
        made = await ada.done(
            "createPortal",
            {"name": f"  {BAKERY} "},
            "portal { id name createdAt clients { totalCount } rooms { totalCount } } "
            "portalEdge { cursor node { id } }",
        )
        empty = {"totalCount": 0}
        assert made["portal"] | {"id": "", "createdAt": ""} == {
            "id": "",
            "name": BAKERY,
            "createdAt": "",
            "clients": empty,
            "rooms": empty,
        }
        found = await ben.ask("{ portals { totalCount edges { cursor node { id } } } }")
        assert found["portals"]["edges"][0] == made["portalEdge"]
        assert made["portalEdge"]["node"]["id"] == made["portal"]["id"]
        assert found["portals"]["totalCount"] == 2

    async def test_writes_no_event_and_stands_in_the_audit_log(self, ada: Person, ledger: Ledger) -> None:
        async with ledger.watching(ada) as written:
            portal = await ada.make_portal()
        assert written == []
        assert await audited(ledger, ada) == [Entry("PORTAL_CREATED", ada.user_id, portal_id=key(portal))]

    async def test_two_of_one_name_are_two(self, ada: Person) -> None:
        assert len({await ada.make_portal() for _ in range(2)}) == 2
        assert await named(ada) == [BAKERY, BAKERY]

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("", "BLANK"),
            (" \u200b\n", "BLANK"),
            ("x" * 201, "TOO_LONG"),
            ("a\0b", "INVALID"),
            ("a\nb", "INVALID"),
            ("\ud800", "INVALID"),
        ],
    )
    async def test_a_name_is_as_a_rooms_is(self, name: str, code: str, ada: Person, ledger: Ledger) -> None:
        portal = await ada.make_portal("x" * 200)
        async with ledger.unchanged():
            assert await ada.refused("createPortal", {"name": name}) == [(code, ["name"])]
            assert await ada.refused("renamePortal", {"portalId": portal, "name": name}) == [(code, ["name"])]

    async def test_the_list_is_in_the_order_of_names_whatever_their_case(self, ada: Person, zoe: Person) -> None:
        for name in ("lind", "Harbor", "anchor", "Öresund"):
            await ada.make_portal(name)
        await zoe.make_portal("Of another firm")
        assert await named(ada) == ["anchor", "Harbor", "lind", "Öresund"]
        assert await named(ada, "(last: 2)") == ["lind", "Öresund"]
        assert await named(zoe) == ["Of another firm"]


class TestRenaming:
    async def test_is_any_colleagues_and_stands_in_the_audit_log_once(
        self, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        async with ledger.watching(ada) as written:
            renamed = await ben.done(
                "renamePortal", {"portalId": portal, "name": f" {PARTNERS} "}, "portal { id name }"
            )
        assert renamed["portal"] == {"id": portal, "name": PARTNERS}
        assert written == []
        assert await named(ada) == [PARTNERS]
        async with ledger.unchanged():
            await ben.done("renamePortal", {"portalId": portal, "name": PARTNERS})
        assert (await audited(ledger, ada))[1:] == [Entry("PORTAL_RENAMED", ben.user_id, portal_id=key(portal))]

    async def test_one_that_is_not_there_is_like_one_of_another_firm_whatever_the_name(
        self, ada: Person, zoe: Person, ledger: Ledger
    ) -> None:
        foreign, room = await zoe.make_portal(), await ada.make_room()
        async with ledger.unchanged():
            for portal in (foreign, UNKNOWN, room, "rubbish", ""):
                for name in ("Another", ""):
                    refused = await ada.refused("renamePortal", {"portalId": portal, "name": name})
                    assert refused == [("NOT_FOUND", ["portalId"])]


class TestClients:
    async def test_are_in_the_order_of_names_and_their_status_tells_who_has_not_come_or_is_gone(
        self, ada: Person, cleo: Person, dan: Person, ivy: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        await ledger.admit(portal, ivy, dan, cleo)
        await ledger.set_status(dan, "DEACTIVATED")
        query = """
            query ($id: ID!) {
              portal(id: $id) {
                all: clients { totalCount nodes { name status email portals { name } } }
                first: clients(first: 1) { nodes { name } pageInfo { hasNextPage hasPreviousPage } }
                last: clients(last: 2) { nodes { name } pageInfo { hasNextPage hasPreviousPage } }
              }
            }
        """
        found = (await ada.ask(query, id=portal))["portal"]
        assert found["all"] == {
            "totalCount": 3,
            "nodes": [
                {
                    "name": person.member.name.title(),
                    "status": status,
                    "email": person.member.email,
                    "portals": [{"name": BAKERY}],
                }
                for person, status in ((cleo, "ACTIVE"), (dan, "DEACTIVATED"), (ivy, "INVITED"))
            ],
        }
        assert found["first"] == {
            "nodes": [{"name": "Cleo"}],
            "pageInfo": {"hasNextPage": True, "hasPreviousPage": False},
        }
        assert found["last"] == {
            "nodes": [{"name": "Dan"}, {"name": "Ivy"}],
            "pageInfo": {"hasNextPage": False, "hasPreviousPage": True},
        }

    async def test_each_portal_has_its_own_and_a_client_can_be_of_several(
        self, ada: Person, ben: Person, cleo: Person, dan: Person, ledger: Ledger
    ) -> None:
        bakery, partners = await ada.make_portal(BAKERY), await ada.make_portal(PARTNERS)
        await ledger.admit(partners, cleo, dan)
        await ledger.admit(bakery, cleo)
        query = "{ portals { nodes { clients(first: 1) { totalCount nodes { name portals { name } } } } } }"
        found = await ada.ask(query)
        both = {"name": "Cleo", "portals": [{"name": BAKERY}, {"name": PARTNERS}]}
        assert [node["clients"] for node in found["portals"]["nodes"]] == [
            {"totalCount": 1, "nodes": [both]},
            {"totalCount": 2, "nodes": [both]},
        ]
        users = await ada.ask("{ users { nodes { name portals { name } } } }")
        assert {user["name"]: [each["name"] for each in user["portals"]] for user in users["users"]["nodes"]} == {
            **{name: [] for name in ("Ada", "Ben", "Ivy", "Max")},
            "Cleo": [BAKERY, PARTNERS],
            "Dan": [PARTNERS],
        }

    async def test_a_page_goes_on_behind_a_client_who_was_taken_out_meanwhile(
        self, ada: Person, cleo: Person, dan: Person, ivy: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        await ledger.admit(portal, cleo, dan, ivy)
        query = """
            query ($id: ID!, $after: String) {
              portal(id: $id) { clients(first: 1, after: $after) { nodes { name } pageInfo { endCursor } } }
            }
        """
        first = (await ada.ask(query, id=portal))["portal"]["clients"]
        await ada.done("removeClientFromPortal", {"portalId": portal, "userId": cleo.id})
        then = await ada.ask(query, id=portal, after=first["pageInfo"]["endCursor"])
        assert then["portal"]["clients"]["nodes"] == [{"name": "Dan"}]

    async def test_a_cursor_that_names_somebody_of_another_firm_is_bad_user_input(
        self, ada: Person, zoe: Person, cleo: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        await ledger.admit(portal, cleo)
        query = "query ($id: ID!, $at: String) { portal(id: $id) { clients(%s: $at) { nodes { name } } } }"
        for edge in ("after", "before"):
            at = clients_cursor(key(portal), zoe.user_id)
            assert await ada.codes(query % edge, id=portal, at=at) == ["BAD_USER_INPUT"]

    async def test_putting_somebody_in_twice_is_putting_them_in_once(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        portal = key(await ada.make_portal())

        async def admit(transaction: Transaction) -> bool:
            return await portals.admit_client(transaction, portal, cleo.user_id)

        assert [await operate(process, ada.workspace_id, admit) for _ in range(2)] == [True, False]


class TestTakingAClientOut:
    async def test_leaves_them_in_their_rooms_and_other_portals(
        self, ada: Person, ben: Person, cleo: Person, dan: Person, ledger: Ledger
    ) -> None:
        bakery, partners = await ada.make_portal(BAKERY), await ada.make_portal(PARTNERS)
        await ledger.admit(bakery, cleo, dan)
        await ledger.admit(partners, cleo)
        room = await ada.make_room(cleo, portalId=bakery)
        async with ledger.watching(ada) as written:
            payload = await ben.done(
                "removeClientFromPortal",
                {"portalId": bakery, "userId": cleo.id},
                "removedUserId portal { id clients { nodes { name } } }",
            )
        assert payload["removedUserId"] == cleo.id
        assert payload["portal"] == {"id": bakery, "clients": {"nodes": [{"name": "Dan"}]}}
        assert written == []
        assert await clients_of(ada, partners) == ["Cleo"]
        assert (await cleo.send(room))["sequence"] == 1
        assert (await audited(ledger, ada))[-1] == Entry("CLIENT_REMOVED", ben.user_id, cleo.user_id, None, key(bakery))

    async def test_who_is_not_in_it_is_out_already(self, ada: Person, ben: Person, dan: Person, ledger: Ledger) -> None:
        portal = await ada.make_portal()
        async with ledger.unchanged():
            for person in (dan, ben):
                payload = await ada.done(
                    "removeClientFromPortal", {"portalId": portal, "userId": person.id}, "removedUserId portal { id }"
                )
                assert (payload["removedUserId"], payload["portal"]) == (person.id, {"id": portal})

    async def test_the_portal_is_looked_at_before_the_user(
        self, ada: Person, zoe: Person, cleo: Person, ledger: Ledger
    ) -> None:
        portal, foreign = await ada.make_portal(), await zoe.make_portal()
        async with ledger.unchanged():
            for wrong in (foreign, UNKNOWN, "rubbish"):
                for user in (cleo.id, zoe.id, "rubbish"):
                    refused = await ada.refused("removeClientFromPortal", {"portalId": wrong, "userId": user})
                    assert refused == [("NOT_FOUND", ["portalId"])]
            for user in (zoe.id, portal, "rubbish"):
                refused = await ada.refused("removeClientFromPortal", {"portalId": portal, "userId": user})
                assert refused == [("NOT_FOUND", ["userId"])]


class TestLinking:
    async def test_is_seen_by_the_firm_and_not_by_clients_and_moves_no_activity(
        self, ada: Person, ben: Person, cleo: Person, ledger: Ledger
    ) -> None:
        bakery, partners = await ada.make_portal(BAKERY), await ada.make_portal(PARTNERS)
        room = await ada.make_room(ben, cleo)
        before = await ada.ask(LINKED, id=room)
        assert before["room"]["portal"] is None
        for input, name in (({"portalId": bakery}, BAKERY), ({"portalId": partners}, PARTNERS)):
            async with ledger.watching(ada) as written:
                payload = await ada.done("linkRoomToPortal", {"roomId": room, **input}, "room { id portal { name } }")
            assert payload["room"] == {"id": room, "portal": {"name": name}}
            assert written == [Written("ROOM_MANAGER_CHANGED", key(room))]
            assert await portal_of(ben, room) == name
            assert await portal_of(cleo, room) is None
        assert (await ada.ask(LINKED, id=room))["room"]["lastActivityAt"] == before["room"]["lastActivityAt"]

    @pytest.mark.parametrize("none", [{}, {"portalId": None}], ids=["left out", "null"])
    async def test_to_none_unlinks(self, none: dict[str, Any], ada: Person, ledger: Ledger) -> None:
        portal = await ada.make_portal()
        room = await ada.make_room(portalId=portal)
        async with ledger.watching(ada) as written:
            payload = await ada.done("linkRoomToPortal", {"roomId": room, **none}, "room { portal { name } }")
        assert payload["room"] == {"portal": None}
        assert written == [Written("ROOM_MANAGER_CHANGED", key(room))]
        assert await rooms_of(ada, portal) == []

    async def test_what_is_so_already_is_no_error_and_changes_nothing(self, ada: Person, ledger: Ledger) -> None:
        portal = await ada.make_portal()
        linked, unlinked = await ada.make_room(portalId=portal), await ada.make_room()
        async with ledger.unchanged():
            for room, input in ((linked, {"portalId": portal}), (unlinked, {"portalId": None})):
                payload = await ada.done("linkRoomToPortal", {"roomId": room, **input}, "room { id }")
                assert payload["room"] == {"id": room}

    async def test_a_portal_that_is_not_there_is_like_one_of_another_firm(
        self, ada: Person, zoe: Person, ledger: Ledger
    ) -> None:
        foreign, portal = await zoe.make_portal(), await ada.make_portal()
        room = await ada.make_room(portalId=portal)
        async with ledger.unchanged():
            for wrong in (foreign, UNKNOWN, room, "rubbish", ""):
                refused = await ada.refused("linkRoomToPortal", {"roomId": room, "portalId": wrong})
                assert refused == [("NOT_FOUND", ["portalId"])]
        assert await portal_of(ada, room) == BAKERY

    async def test_an_archived_room_is_linked_as_any(self, ada: Person) -> None:
        room, portal = await ada.make_room(), await ada.make_portal()
        await ada.done("archiveRoom", {"roomId": room})
        await ada.done("linkRoomToPortal", {"roomId": room, "portalId": portal})
        assert await portal_of(ada, room) == BAKERY

    async def test_is_the_stand_ins_while_the_creator_is_not_active(
        self, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        room, portal = await ada.make_room(ben), await ada.make_portal()
        assert await ben.refused("linkRoomToPortal", {"roomId": room, "portalId": portal}) == [
            ("FORBIDDEN", ["roomId"])
        ]
        await ledger.set_status(ada, "DEACTIVATED")
        await ben.done("linkRoomToPortal", {"roomId": room, "portalId": portal})
        assert await portal_of(ben, room) == BAKERY


class TestMakingARoomInAPortal:
    async def test_it_is_linked_from_the_start_by_no_event_of_its_own(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        async with ledger.watching(ada) as written:
            room = await ada.make_room(cleo, portalId=portal)
        assert [event.kind for event in written] == ["ROOM_CREATED", "PARTICIPANT_ADDED", "PARTICIPANT_ADDED"]
        assert await portal_of(ada, room) == BAKERY
        assert await portal_of(cleo, room) is None
        assert await portal_of(ada, await ada.make_room(portalId=None)) is None

    async def test_a_portal_that_is_not_there_is_not_found_behind_the_name_and_the_people(
        self, ada: Person, ivy: Person, zoe: Person, ledger: Ledger
    ) -> None:
        foreign = await zoe.make_portal()
        async with ledger.unchanged():
            for wrong in (foreign, UNKNOWN, ada.id, "rubbish", ""):
                for others, refused in (
                    ({}, ("NOT_FOUND", ["portalId"])),
                    ({"name": ""}, ("BLANK", ["name"])),
                    ({"participantIds": [ivy.id]}, ("NOT_ACTIVE", ["participantIds", "0"])),
                ):
                    assert await ada.refused("createRoom", {"name": "Lake", "portalId": wrong, **others}) == [refused]

    async def test_a_key_that_was_used_gives_back_the_first_room_whatever_the_portal(
        self, ada: Person, ledger: Ledger
    ) -> None:
        portal, other = await ada.make_portal(), await ada.make_portal(PARTNERS)
        room = await ada.make_room(portalId=portal, idempotencyKey="k")
        async with ledger.unchanged():
            for again in (other, UNKNOWN, None):
                assert await ada.make_room(portalId=again, idempotencyKey="k") == room
        assert await portal_of(ada, room) == BAKERY


class TestItsRooms:
    async def test_are_those_that_the_viewer_is_in_latest_activity_first_and_archived_ones_too(
        self, ada: Person, ben: Person, cleo: Person
    ) -> None:
        portal, other = await ada.make_portal(), await ada.make_portal(PARTNERS)
        older = await ada.make_room(ben, cleo, name="Older", portalId=portal)
        await ada.make_room(name="Ada's own", portalId=portal)
        await ben.make_room(name="Ben's own", portalId=portal)
        await ada.make_room(ben, name="Elsewhere", portalId=other)
        await ada.make_room(ben, name="Nowhere")
        assert await rooms_of(ada, portal) == ["Ada's own", "Older"]
        assert await rooms_of(ben, portal) == ["Ben's own", "Older"]
        await cleo.send(older)
        await ada.done("archiveRoom", {"roomId": older})
        assert await rooms_of(ada, portal) == ["Older", "Ada's own"]
        found = await ada.ask("{ portals { nodes { rooms(last: 1) { totalCount nodes { name } } } } }")
        assert [node["rooms"] for node in found["portals"]["nodes"]] == [
            {"totalCount": 2, "nodes": [{"name": "Ada's own"}]},
            {"totalCount": 1, "nodes": [{"name": "Elsewhere"}]},
        ]

    async def test_a_colleague_who_leaves_a_room_does_not_see_it_in_its_portal(self, ada: Person, ben: Person) -> None:
        portal = await ada.make_portal()
        room = await ada.make_room(ben, portalId=portal)
        await ben.done("leaveRoom", {"roomId": room})
        assert await rooms_of(ben, portal) == []

    async def test_the_list_of_rooms_can_be_of_one_portal_with_its_other_filters(
        self, ada: Person, zoe: Person
    ) -> None:
        portal, other = await ada.make_portal(), await ada.make_portal(PARTNERS)
        for name in ("Lake", "Lake house", "Garden"):
            await ada.make_room(name=name, portalId=portal)
        await ada.make_room(name="Lake shore", portalId=other)
        archived = await ada.make_room(name="Old lake", portalId=portal)
        await ada.done("archiveRoom", {"roomId": archived})
        query = "query ($filter: RoomFilter) { rooms(filter: $filter) { totalCount nodes { name } } }"
        for filter, names in (
            ({"portalId": portal}, ["Garden", "Lake house", "Lake"]),
            ({"portalId": portal, "query": "lake"}, ["Lake house", "Lake"]),
            ({"portalId": portal, "archived": True}, ["Old lake"]),
            ({"portalId": other}, ["Lake shore"]),
            ({"portalId": None}, ["Lake shore", "Garden", "Lake house", "Lake"]),
            ({"portalId": await zoe.make_portal()}, []),
            ({"portalId": UNKNOWN}, []),
            ({"portalId": "rubbish"}, []),
        ):
            found = (await ada.ask(query, filter=filter))["rooms"]
            assert ([node["name"] for node in found["nodes"]], found["totalCount"]) == (names, len(names)), filter


class TestAClient:
    async def test_is_forbidden_to_look_for_rooms_by_portal_whatever_the_portal(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        await ledger.admit(portal, cleo)
        await ada.make_room(cleo, portalId=portal)
        query = "query ($filter: RoomFilter) { viewer { id } rooms(filter: $filter) { totalCount } }"
        answers = [
            await cleo.answer(query, filter={"portalId": id}) for id in (portal, UNKNOWN, cleo.id, "rubbish", "")
        ]
        assert all(answer == answers[0] for answer in answers)
        (error,) = answers[0]["errors"]
        assert (error["extensions"]["code"], error["path"]) == ("FORBIDDEN", ["rooms"])
        assert answers[0]["data"]["viewer"] is not None
        assert (await cleo.ask(query, filter={"portalId": None}))["rooms"] == {"totalCount": 1}

    async def test_learns_of_no_portal_through_anything_that_names_one(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        await ledger.admit(portal, cleo)
        room = await ada.make_room(cleo, portalId=portal)
        await ada.send(room)
        query = """
            query ($portal: ID!, $room: ID!, $me: ID!) {
              portal(id: $portal) { id }
              portals(first: -1) { totalCount }
              node(id: $portal) { id }
              nodes(ids: [$portal]) { id }
              viewer { user { portals { id } } }
              room(id: $room) { portal { id } messages { nodes { author { portals { id } } } } }
              me: node(id: $me) { ... on User { portals { id } } }
            }
        """
        assert await cleo.ask(query, portal=portal, room=room, me=cleo.id) == {
            "portal": None,
            "portals": None,
            "node": None,
            "nodes": [None],
            "viewer": {"user": {"portals": None}},
            "room": {"portal": None, "messages": {"nodes": [{"author": {"portals": None}}]}},
            "me": {"portals": None},
        }


class TestTheAuditLog:
    async def test_has_each_step_of_managing_a_room_with_ids_alone_and_nothing_that_changed_nothing(
        self, ada: Person, ben: Person, cleo: Person, dan: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        made = await ada.make_room(cleo, portalId=portal)
        room, this = key(made), {"roomId": made}
        for _ in range(2):  # what is so already leaves no entry
            await ada.done("renameRoom", {**this, "name": "A secret name"})
            await ada.done("archiveRoom", this)
            await ada.done("archiveRoom", this)
            await ada.done("addParticipants", {**this, "userIds": [cleo.id, dan.id, ben.id]})
        await ada.done("unarchiveRoom", this)
        await ada.done("unarchiveRoom", this)
        await ada.done("linkRoomToPortal", this)
        await ada.done("linkRoomToPortal", {**this, "portalId": portal})
        await ada.done("linkRoomToPortal", {**this, "portalId": portal})
        for _ in range(2):
            await ada.done("removeParticipant", {**this, "userId": dan.id})
        await ben.done("leaveRoom", this)
        await cleo.done("leaveRoom", this)
        entries = await audited(ledger, ada)
        assert entries == [
            Entry("PORTAL_CREATED", ada.user_id, portal_id=key(portal)),
            Entry("ROOM_CREATED", ada.user_id, None, room, key(portal)),
            Entry("PARTICIPANT_ADDED", ada.user_id, cleo.user_id, room),
            Entry("ROOM_RENAMED", ada.user_id, None, room),
            Entry("ROOM_ARCHIVED", ada.user_id, None, room),
            Entry("PARTICIPANT_ADDED", ada.user_id, dan.user_id, room),
            Entry("PARTICIPANT_ADDED", ada.user_id, ben.user_id, room),
            Entry("ROOM_UNARCHIVED", ada.user_id, None, room),
            Entry("ROOM_LINKED", ada.user_id, None, room, None, {"was": str(key(portal))}),
            Entry("ROOM_LINKED", ada.user_id, None, room, key(portal), {"was": None}),
            Entry("PARTICIPANT_REMOVED", ada.user_id, dan.user_id, room),
            Entry("PARTICIPANT_LEFT", ben.user_id, ben.user_id, room),
            Entry("PARTICIPANT_LEFT", cleo.user_id, cleo.user_id, room),
        ]

    async def test_keeps_nothing_of_what_was_refused(self, ada: Person, ben: Person, ledger: Ledger) -> None:
        room = await ada.make_room(ben)
        before = await audited(ledger, ada)
        await ben.refused("renameRoom", {"roomId": room, "name": "Mine"})
        await ada.refused("linkRoomToPortal", {"roomId": room, "portalId": UNKNOWN})
        await ada.refused("leaveRoom", {"roomId": room})
        assert await audited(ledger, ada) == before


class TestAtOnce:
    async def test_the_second_of_two_links_waits_and_finds_what_the_first_did(
        self, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        bakery, partners, room = await ada.make_portal(), await ada.make_portal(PARTNERS), await ada.make_room()
        viewer = await viewer_of(process, ada)

        def link(portal: str) -> Any:
            return lambda transaction: rooms.link_room_to_portal(transaction, viewer, key(room), key(portal))

        for second, events in ((bakery, 1), (partners, 2)):
            await ada.done("linkRoomToPortal", {"roomId": room})
            before = len(await audited(ledger, ada))
            async with ledger.watching(ada) as written, held(process, ada.workspace_id, link(bakery)) as first:
                later = asyncio.create_task(operate(process, ada.workspace_id, link(second)))
                await blocked(process, later)
                await first.commit()
                await later
            assert len(written) == events
            was = [entry.details["was"] for entry in (await audited(ledger, ada))[before:]]
            assert was == [None, str(key(bakery))][:events]
        assert await portal_of(ada, room) == PARTNERS

    async def test_taking_a_client_out_waits_for_their_being_invited_and_then_takes_them_out(
        self, process: Process, ada: Person, ben: Person, cleo: Person
    ) -> None:
        portal = await ada.make_portal()
        viewer = await viewer_of(process, ada)

        async def invite(transaction: Transaction) -> bool:
            found = await portals.portal_for(transaction, viewer, key(portal))
            return await portals.admit_client(transaction, found.id, cleo.user_id)

        async with held(process, ada.workspace_id, invite) as inviting:
            removing = asyncio.create_task(ben.done("removeClientFromPortal", {"portalId": portal, "userId": cleo.id}))
            await blocked(process, removing)
            assert await inviting.commit() is True
            await removing
        assert await clients_of(ada, portal) == []

    async def test_two_who_invite_do_not_wait_for_each_other(
        self, process: Process, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        portal = await ada.make_portal()

        async def inviting(person: Person, client: Person) -> Any:
            viewer = await viewer_of(process, person)

            async def invite(transaction: Transaction) -> bool:
                found = await portals.portal_for(transaction, viewer, key(portal))
                return await portals.admit_client(transaction, found.id, client.user_id)

            return invite

        async with held(process, ada.workspace_id, await inviting(ada, cleo)) as first:
            assert await operate(process, ada.workspace_id, await inviting(ben, dan)) is True
            assert await first.commit() is True
        assert await clients_of(ada, portal) == ["Cleo", "Dan"]

    async def test_many_links_and_renames_and_removals_end_without_a_deadlock(
        self, ada: Person, ben: Person, cleo: Person, ledger: Ledger
    ) -> None:
        both = [await ada.make_portal(), await ada.make_portal(PARTNERS)]
        rooms = [await ada.make_room(), await ada.make_room()]
        for portal in both:
            await ledger.admit(portal, cleo)
        asked = []
        for number in range(24):
            portal, room = both[number % 2], rooms[number // 2 % 2]
            asked.append(ada.done("linkRoomToPortal", {"roomId": room, "portalId": portal}))
            asked.append(ben.done("renamePortal", {"portalId": portal, "name": f"Name {number}"}))
            asked.append(ben.done("removeClientFromPortal", {"portalId": portal, "userId": cleo.id}))
            asked.append(ada.make_room(cleo, portalId=portal))
        await asyncio.gather(*asked)
        assert [await clients_of(ada, portal) for portal in both] == [[], []]
