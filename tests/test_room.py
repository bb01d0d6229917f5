"""Rooms: making, renaming, archiving, muting and listing them; and who manages one."""

from typing import Any
from uuid import UUID

import pytest

from resolvers import work
from tests.cast import Person
from tests.ledger import Ledger, Written, key

ROOM = "query ($id: ID!) { room(id: $id) { name archivedAt muted viewerCanManage lastActivityAt createdAt } }"
PEOPLE = """
query ($id: ID!) {
  room(id: $id) {
    participants { totalCount nodes { user { name } addedBy { name } lastReadAt lastReadMessage { id } } }
  }
}
"""
MANAGERS = "query ($id: ID!) { room(id: $id) { createdBy { name } managedBy { name } viewerCanManage } }"


async def names(person: Person, room: str) -> list[str]:
    found = await person.ask(PEOPLE, id=room)
    return [node["user"]["name"] for node in found["room"]["participants"]["nodes"]]


async def listed(person: Person, filter: dict[str, Any] | None = None) -> list[str]:
    found = await person.ask(
        "query ($filter: RoomFilter) { rooms(filter: $filter) { totalCount nodes { name } } }", filter=filter
    )
    names = [node["name"] for node in found["rooms"]["nodes"]]
    assert found["rooms"]["totalCount"] == len(names)
    return names


class TestMaking:
    async def test_its_creator_is_its_first_participant_and_the_others_follow_as_named(
        self, ada: Person, ben: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo, ben)
        found = await ada.ask(PEOPLE, id=room)
        assert found["room"]["participants"] == {
            "totalCount": 3,
            "nodes": [
                {"user": {"name": name}, "addedBy": by, "lastReadAt": None, "lastReadMessage": None}
                for name, by in (("Ada", None), ("Cleo", {"name": "Ada"}), ("Ben", {"name": "Ada"}))
            ],
        }

    async def test_a_new_room_is_in_use_unmuted_and_as_active_as_it_is_old(self, ada: Person) -> None:
        found = (await ada.ask(ROOM, id=await ada.make_room()))["room"]
        assert found["lastActivityAt"] == found["createdAt"]
        assert (found["archivedAt"], found["muted"], found["viewerCanManage"]) == (None, False, True)

    async def test_it_writes_the_room_and_each_participant_in_order(
        self, ada: Person, ben: Person, cleo: Person, ledger: Ledger
    ) -> None:
        async with ledger.watching(ada) as written:
            room = key(await ada.make_room(cleo, ben))
        assert written == [
            Written("ROOM_CREATED", room, user_id=ada.user_id),
            *(Written("PARTICIPANT_ADDED", room, user_id=person.user_id) for person in (ada, cleo, ben)),
        ]

    async def test_naming_somebody_twice_or_oneself_is_naming_them_once(
        self, ada: Person, ben: Person, cleo: Person
    ) -> None:
        assert await names(ada, await ada.make_room(cleo, ada, ben, cleo)) == ["Ada", "Cleo", "Ben"]

    async def test_a_room_of_colleagues_only_is_an_ordinary_room(self, ada: Person, ben: Person) -> None:
        room = await ada.make_room(ben)
        await ada.send(room)
        await ben.send(room)
        assert await listed(ben) == ["Garden house"]

    async def test_all_participants_come_in_or_none_and_each_who_cannot_is_named(
        self, ada: Person, cleo: Person, ivy: Person, max_: Person, zoe: Person, ledger: Ledger
    ) -> None:
        people = [cleo.id, ivy.id, zoe.id, "rubbish", max_.id, ada.id]
        async with ledger.unchanged():
            refused = await ada.refused("createRoom", {"name": "Lake", "participantIds": people})
        assert refused == [
            ("NOT_ACTIVE", ["participantIds", "1"]),
            ("NOT_FOUND", ["participantIds", "2"]),
            ("NOT_FOUND", ["participantIds", "3"]),
            ("NOT_ACTIVE", ["participantIds", "4"]),
        ]

    async def test_its_edge_is_ready_for_the_top_of_the_list(self, ada: Person) -> None:
        await ada.make_room(name="Older")
        made = await ada.done("createRoom", {"name": "Newer"}, "room { id } roomEdge { cursor node { id } }")
        found = await ada.ask("{ rooms(first: 1) { edges { cursor node { id } } } }")
        assert found["rooms"]["edges"] == [made["roomEdge"]]
        assert made["room"] == made["roomEdge"]["node"]

    async def test_the_same_key_gives_back_the_first_room_whatever_else_is_asked(
        self, ada: Person, cleo: Person, ivy: Person, ledger: Ledger
    ) -> None:
        first = await ada.make_room(cleo, name="First", idempotencyKey="k")
        await ada.done("archiveRoom", {"roomId": first})
        async with ledger.unchanged():
            for input in ({"name": "Other"}, {"name": ""}, {"name": "x", "participantIds": [ivy.id, "rubbish"]}):
                again = await ada.done("createRoom", {**input, "idempotencyKey": "k"}, "room { id name }")
                assert again["room"] == {"id": first, "name": "First"}
        assert await names(ada, first) == ["Ada", "Cleo"]

    async def test_a_key_is_its_creators_own(self, ada: Person, ben: Person, zoe: Person) -> None:
        rooms = [await person.make_room(idempotencyKey="k") for person in (ada, ben, zoe)]
        assert len(set(rooms)) == 3
        assert await ada.make_room(idempotencyKey="K") not in rooms

    async def test_a_refused_making_leaves_its_key_free(self, ada: Person, ivy: Person) -> None:
        input = {"name": "Lake", "participantIds": [ivy.id], "idempotencyKey": "k"}
        assert await ada.refused("createRoom", input) == [("NOT_ACTIVE", ["participantIds", "0"])]
        assert await ada.make_room(name="Lake", idempotencyKey="k")


class TestChanging:
    async def test_a_name_is_trimmed_and_normalised_and_seen_by_everybody(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        async with ledger.watching(ada) as written:
            payload = await ada.done("renameRoom", {"roomId": room, "name": "  Cafe\u0301 \n"}, "room { name }")
        assert payload["room"] == {"name": "Café"}
        assert (await cleo.ask(ROOM, id=room))["room"]["name"] == "Café"
        assert written == [Written("ROOM_UPDATED", key(room))]

    async def test_the_same_name_again_changes_nothing(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room(name="Lake")
        async with ledger.unchanged():
            await ada.done("renameRoom", {"roomId": room, "name": " Lake "})

    async def test_two_rooms_may_have_one_name(self, ada: Person) -> None:
        assert await ada.make_room(name="Lake") != await ada.make_room(name="Lake")

    async def test_archiving_takes_a_room_out_of_the_default_list_and_keeps_it_readable(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        await ada.send(room, "Before")
        async with ledger.watching(ada) as written:
            payload = await ada.done("archiveRoom", {"roomId": room}, "room { archivedAt }")
        assert payload["room"]["archivedAt"] is not None
        assert written == [Written("ROOM_UPDATED", key(room))]
        for person in (ada, cleo):
            assert await listed(person) == []
            assert await listed(person, {"archived": True}) == ["Garden house"]
            assert await listed(person, {"archived": None}) == ["Garden house"]
            found = await person.ask(
                "query ($id: ID!) { room(id: $id) { archivedAt messages { nodes { body } } } }", id=room
            )
            assert found["room"] == {
                "archivedAt": payload["room"]["archivedAt"],
                "messages": {"nodes": [{"body": "Before"}]},
            }

    async def test_an_archived_room_takes_no_messages_until_it_is_unarchived(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        await ada.done("archiveRoom", {"roomId": room})
        async with ledger.unchanged():
            for person in (ada, cleo):
                refused = await person.refused("sendMessage", {"roomId": room, "body": "Hello"})
                assert refused == [("ROOM_ARCHIVED", ["roomId"])]
        async with ledger.watching(ada) as written:
            payload = await ada.done("unarchiveRoom", {"roomId": room}, "room { archivedAt }")
        assert payload["room"] == {"archivedAt": None}
        assert written == [Written("ROOM_UPDATED", key(room))]
        assert (await cleo.send(room))["sequence"] == 1
        assert await listed(cleo) == ["Garden house"]

    async def test_archiving_and_unarchiving_twice_is_once(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        async with ledger.unchanged():
            await ada.done("unarchiveRoom", {"roomId": room})
        first = await ada.done("archiveRoom", {"roomId": room}, "room { archivedAt }")
        async with ledger.unchanged():
            assert await ada.done("archiveRoom", {"roomId": room}, "room { archivedAt }") == first

    async def test_an_archived_room_is_still_managed_and_left(self, ada: Person, ben: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        await ada.done("archiveRoom", {"roomId": room})
        await ada.done("renameRoom", {"roomId": room, "name": "Old"})
        await ada.done("addParticipants", {"roomId": room, "userIds": [ben.id]})
        await cleo.done("leaveRoom", {"roomId": room})
        assert await names(ada, room) == ["Ada", "Ben"]

    async def test_muting_is_ones_own_and_twice_is_once(self, ada: Person, cleo: Person, ledger: Ledger) -> None:
        room = await ada.make_room(cleo)
        async with ledger.watching(ada) as written:
            payload = await cleo.done("setRoomMuted", {"roomId": room, "muted": True}, "room { muted }")
        assert payload["room"] == {"muted": True}
        assert written == [Written("ROOM_MUTED", key(room), user_id=cleo.user_id)]
        async with ledger.unchanged():
            await cleo.done("setRoomMuted", {"roomId": room, "muted": True})
            await ada.done("setRoomMuted", {"roomId": room, "muted": False})
        assert [(await person.ask(ROOM, id=room))["room"]["muted"] for person in (ada, cleo)] == [False, True]
        await cleo.done("setRoomMuted", {"roomId": room, "muted": False})
        assert (await cleo.ask(ROOM, id=room))["room"]["muted"] is False

    async def test_no_event_holds_any_text(self, ada: Person, cleo: Person, ledger: Ledger) -> None:
        room = await ada.make_room(cleo, name="Secretname", idempotencyKey="Secretkey")
        sent = await cleo.send(room, "Secretbody", idempotencyKey="Secretkey")
        await cleo.done("editMessage", {"messageId": sent["id"], "body": "Secretedit"})
        await ada.done("renameRoom", {"roomId": room, "name": "Secretrename"})
        rows = await ledger.rows()
        assert "Secret" in str(rows["room"])
        assert "Secret" in str(rows["message"])
        assert "Secret" not in str(rows["event"])


class TestListing:
    async def test_rooms_stand_by_their_latest_message_and_then_by_their_making(
        self, ada: Person, cleo: Person
    ) -> None:
        rooms = {name: await ada.make_room(cleo, name=name) for name in ("One", "Two", "Three")}
        assert await listed(cleo) == ["Three", "Two", "One"]
        await cleo.send(rooms["One"])
        await ada.send(rooms["Two"])
        assert await listed(ada) == await listed(cleo) == ["Two", "One", "Three"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("garden", ["GARDEN house", "The garden"]),
            ("GARDEN", ["GARDEN house", "The garden"]),
            (" garden ", ["GARDEN house", "The garden"]),
            ("den h", ["GARDEN house"]),
            ("cafe\u0301", ["Café ÉTÉ"]),
            ("CAFÉ été", ["Café ÉTÉ"]),
            ("STRASSE", ["Straße 100%_"]),
            ("%", ["Straße 100%_"]),
            ("_", ["Straße 100%_"]),
            ("0%_", ["Straße 100%_"]),
            ("\\", []),
            ("nothing of the kind", []),
            ("", ["Straße 100%_", "Café ÉTÉ", "GARDEN house", "The garden"]),
            (None, ["Straße 100%_", "Café ÉTÉ", "GARDEN house", "The garden"]),
        ],
    )
    async def test_a_query_finds_names_whatever_their_case_and_takes_nothing_for_a_pattern(
        self, query: str, found: list[str], ada: Person
    ) -> None:
        for name in ("The garden", "GARDEN house", "Café ÉTÉ", "Straße 100%_"):
            await ada.make_room(name=name)
        assert await listed(ada, {"query": query}) == found

    async def test_a_query_finds_a_room_by_its_new_name_and_not_by_its_old_one(self, ada: Person) -> None:
        room = await ada.make_room(name="Old")
        await ada.done("renameRoom", {"roomId": room, "name": "NEW"})
        assert await listed(ada, {"query": "new"}) == ["NEW"]
        assert await listed(ada, {"query": "old"}) == []

    async def test_a_null_filter_is_no_filter(self, ada: Person) -> None:
        await ada.make_room()
        assert await listed(ada, None) == ["Garden house"]

    @pytest.mark.parametrize("query", ["\0", "a\ud800"])
    async def test_a_query_that_is_no_text_is_bad_user_input(self, query: str, ada: Person) -> None:
        asked = "query ($q: String) { rooms(filter: {query: $q}) { totalCount } }"
        assert await ada.codes(asked, q=query) == ["BAD_USER_INPUT"]


class TestManagement:
    """The creator while ACTIVE, else the active internal participant who has been there longest, else nobody."""

    async def managers(self, person: Person, room: str) -> tuple[str | None, bool]:
        found = (await person.ask(MANAGERS, id=room))["room"]
        assert found["createdBy"] == {"name": "Ada"}
        return found["managedBy"] and found["managedBy"]["name"], found["viewerCanManage"]

    async def test_the_creator_manages(self, ada: Person, ben: Person, cleo: Person) -> None:
        room = await ada.make_room(ben, cleo)
        assert await self.managers(ada, room) == ("Ada", True)
        assert await self.managers(ben, room) == ("Ada", False)

    async def test_a_client_is_told_only_that_they_do_not(self, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        found = await cleo.ask(MANAGERS, id=room)
        assert found["room"] == {"createdBy": None, "managedBy": None, "viewerCanManage": False}

    async def test_a_stand_in_manages_while_the_creator_is_not_active_and_no_longer(
        self, ada: Person, ben: Person, dan: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo, ben)
        assert await ben.refused("renameRoom", {"roomId": room, "name": "Ben's"}) == [("FORBIDDEN", ["roomId"])]
        await ledger.set_status(ada, "DEACTIVATED")
        assert await self.managers(ben, room) == ("Ben", True)
        await ben.done("renameRoom", {"roomId": room, "name": "Ben's"})
        await ben.done("addParticipants", {"roomId": room, "userIds": [dan.id]})
        await ben.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ben.done("archiveRoom", {"roomId": room})
        await ben.done("unarchiveRoom", {"roomId": room})
        await ledger.set_status(ada, "ACTIVE")
        assert await self.managers(ben, room) == ("Ada", False)
        assert await ben.refused("renameRoom", {"roomId": room, "name": "Mine"}) == [("FORBIDDEN", ["roomId"])]
        await ada.done("renameRoom", {"roomId": room, "name": "Ada's again"})
        assert await names(ada, room) == ["Ada", "Ben", "Dan"]

    async def test_a_stand_in_never_removes_the_creator(self, ada: Person, ben: Person, ledger: Ledger) -> None:
        room = await ada.make_room(ben)
        await ledger.set_status(ada, "DEACTIVATED")
        async with ledger.unchanged():
            refused = await ben.refused("removeParticipant", {"roomId": room, "userId": ada.id})
        assert refused == [("FORBIDDEN", ["userId"])]

    async def test_no_client_ever_stands_in(self, ada: Person, cleo: Person, ben: Person, ledger: Ledger) -> None:
        room = await ada.make_room(cleo)
        await ledger.set_status(ada, "DEACTIVATED")
        found = await cleo.ask(MANAGERS, id=room)
        assert found["room"]["viewerCanManage"] is False
        assert await cleo.refused("renameRoom", {"roomId": room, "name": "Mine"}) == [("FORBIDDEN", None)]
        assert (await cleo.send(room))["sequence"] == 1

    async def test_who_has_been_there_longest_stands_in_and_not_who_is_deactivated(
        self, ada: Person, ben: Person, max_: Person, ledger: Ledger
    ) -> None:
        await ledger.set_status(max_, "ACTIVE")
        room = await ada.make_room(max_)
        await ada.done("addParticipants", {"roomId": room, "userIds": [ben.id]})
        await ledger.set_status(ada, "DEACTIVATED")
        assert await self.managers(ben, room) == ("Max", False)
        await ledger.set_status(max_, "DEACTIVATED")
        assert await self.managers(ben, room) == ("Ben", True)

    async def test_of_those_who_came_in_at_once_the_first_named_stands_in(
        self, ada: Person, ben: Person, max_: Person, ledger: Ledger
    ) -> None:
        await ledger.set_status(max_, "ACTIVE")
        rooms = [await ada.make_room(max_, ben), await ada.make_room(ben, max_)]
        await ledger.set_status(ada, "DEACTIVATED")
        assert [await self.managers(ben, room) for room in rooms] == [("Max", False), ("Ben", True)]

    async def test_a_stand_in_may_leave_and_it_is_told_once_that_another_manages(
        self, ada: Person, ben: Person, max_: Person, cleo: Person, ledger: Ledger
    ) -> None:
        await ledger.set_status(max_, "ACTIVE")
        room = await ada.make_room(cleo, ben, max_)
        await ledger.set_status(ada, "DEACTIVATED")
        async with ledger.watching(ada) as written:
            await ben.done("leaveRoom", {"roomId": room})
        assert written == [Written("PARTICIPANT_REMOVED", key(room), user_id=ben.user_id)]
        ((name, workspace, id),) = ledger.queued
        assert name == "work.do"
        assert await ledger.sql("SELECT workspace_id, id, kind, room_id FROM work") == [
            (UUID(workspace), UUID(id), "TELL_MANAGER_CHANGED", key(room))
        ]
        async with ledger.watching(ada) as told:
            assert await work.do(ledger.process, UUID(workspace), UUID(id)) is True
            assert await work.do(ledger.process, UUID(workspace), UUID(id)) is False
        assert told == [Written("ROOM_MANAGER_CHANGED", key(room))]
        assert await ledger.sql("SELECT 1 FROM work") == []

    async def test_a_stand_in_who_takes_themself_out_has_left(self, ada: Person, ben: Person, ledger: Ledger) -> None:
        room = await ada.make_room(ben)
        await ledger.set_status(ada, "DEACTIVATED")
        gone = await ben.done("removeParticipant", {"roomId": room, "userId": ben.id}, "room { id } removedUserId")
        assert (gone["room"], gone["removedUserId"]) == (None, ben.id)
        assert len(ledger.queued) == 1

    async def test_who_does_not_manage_leaves_without_anybody_being_told(
        self, ada: Person, ben: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo, ben)
        await ben.done("leaveRoom", {"roomId": room})
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        assert ledger.queued == []
        assert await ledger.sql("SELECT 1 FROM work") == []

    async def test_a_room_that_nobody_manages_is_read_and_written_in_and_managed_by_its_creator_again(
        self, ada: Person, ben: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo, ben)
        await ledger.set_status(ada, "DEACTIVATED")
        await ben.done("leaveRoom", {"roomId": room})
        await cleo.send(room, "Anybody?")
        await ledger.set_status(ada, "ACTIVE")
        assert await self.managers(ada, room) == ("Ada", True)
        assert await names(ada, room) == ["Ada", "Cleo"]

    async def test_a_creator_never_leaves_and_is_never_removed(self, ada: Person, ben: Person, ledger: Ledger) -> None:
        room = await ada.make_room(ben)
        async with ledger.unchanged():
            assert await ada.refused("leaveRoom", {"roomId": room}) == [("FORBIDDEN", ["roomId"])]
            refused = await ada.refused("removeParticipant", {"roomId": room, "userId": ada.id})
            assert refused == [("FORBIDDEN", ["userId"])]
