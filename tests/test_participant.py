"""Participants: adding, removing, leaving, and what a newcomer finds."""

from typing import Any
from uuid import UUID

import pytest

from schema.node_id import NodeKind, node_id
from tests.cast import Person
from tests.ledger import Ledger, Written, key

READ = """
query ($id: ID!) {
  room(id: $id) {
    unreadCount firstUnreadMessage { id } muted
    messages { nodes { body } }
    participants { nodes { id user { name } addedBy { name } addedAt } }
  }
}
"""


async def names(person: Person, room: str) -> list[str]:
    found = await person.ask(READ, id=room)
    return [node["user"]["name"] for node in found["room"]["participants"]["nodes"]]


class TestAdding:
    async def test_gives_each_who_was_named_once_in_that_order(
        self, ada: Person, ben: Person, cleo: Person, dan: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        async with ledger.watching(ada) as written:
            payload = await ada.done(
                "addParticipants",
                {"roomId": room, "userIds": [dan.id, cleo.id, ben.id, dan.id]},
                "room { id participants { totalCount } } participants { user { name } addedBy { name } }",
            )
        assert [each["user"]["name"] for each in payload["participants"]] == ["Dan", "Cleo", "Ben"]
        assert {each["addedBy"]["name"] for each in payload["participants"]} == {"Ada"}
        assert payload["room"] == {"id": room, "participants": {"totalCount": 4}}
        assert written == [Written("PARTICIPANT_ADDED", key(room), user_id=person.user_id) for person in (dan, ben)]
        assert await names(ada, room) == ["Ada", "Cleo", "Dan", "Ben"]

    async def test_of_who_is_there_already_is_no_error_and_changes_nothing(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        before = await ada.ask(READ, id=room)
        async with ledger.unchanged():
            payload = await ada.done(
                "addParticipants", {"roomId": room, "userIds": [cleo.id, ada.id]}, "participants { id }"
            )
        there = {node["user"]["name"]: node["id"] for node in before["room"]["participants"]["nodes"]}
        assert payload["participants"] == [{"id": there["Cleo"]}, {"id": there["Ada"]}]

    async def test_of_nobody_does_nothing(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        async with ledger.unchanged():
            payload = await ada.done("addParticipants", {"roomId": room, "userIds": []}, "participants { id }")
        assert payload["participants"] == []

    async def test_adds_all_or_none_and_names_each_who_cannot_be_added(
        self, ada: Person, cleo: Person, dan: Person, ivy: Person, max_: Person, zoe: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        people = [dan.id, ivy.id, "rubbish", max_.id, cleo.id, zoe.id, room]
        async with ledger.unchanged():
            refused = await ada.refused("addParticipants", {"roomId": room, "userIds": people})
        assert refused == [
            ("NOT_ACTIVE", ["userIds", "1"]),
            ("NOT_FOUND", ["userIds", "2"]),
            ("NOT_ACTIVE", ["userIds", "3"]),
            ("NOT_FOUND", ["userIds", "5"]),
            ("NOT_FOUND", ["userIds", "6"]),
        ]
        await ada.done("addParticipants", {"roomId": room, "userIds": [dan.id]})
        assert await names(ada, room) == ["Ada", "Cleo", "Dan"]

    async def test_of_somebody_deactivated_who_is_there_already_is_no_error(
        self, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(ben)
        await ledger.set_status(ben, "DEACTIVATED")
        async with ledger.unchanged():
            await ada.done("addParticipants", {"roomId": room, "userIds": [ben.id]})

    async def test_has_no_limit_that_a_large_client_would_meet(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        await ledger.sql(
            """
            INSERT INTO "user" (workspace_id, id, kind, status, name, name_key, email, email_key)
            SELECT %s, gen_random_uuid(), 'CLIENT', 'ACTIVE', 'C' || n, 'c' || n, n || '@many.test', n || '@many.test'
            FROM generate_series(1, 2000) n
            """,
            ada.workspace_id,
        )
        ids: list[str] = []
        after = None
        while True:
            page = (
                await ada.ask(
                    'query ($after: String) { users(query: "@many.test", first: 100, after: $after) '
                    "{ nodes { id } pageInfo { hasNextPage endCursor } } }",
                    after=after,
                )
            )["users"]
            ids += [node["id"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert len(set(ids)) == 2000
        async with ledger.watching(ada) as written:
            payload = await ada.done(
                "addParticipants", {"roomId": room, "userIds": ids}, "participants { user { id } } room { id }"
            )
        assert [each["user"]["id"] for each in payload["participants"]] == ids
        assert [event.user_id for event in written] == [key(id) for id in ids]
        found = await ada.ask("query ($id: ID!) { room(id: $id) { participants { totalCount } } }", id=room)
        assert found == {"room": {"participants": {"totalCount": 2001}}}


class TestANewcomer:
    async def test_reads_the_whole_history_and_starts_with_nothing_unread(
        self, ada: Person, cleo: Person, dan: Person
    ) -> None:
        room = await ada.make_room(cleo)
        await ada.send(room, "One")
        await cleo.send(room, "Two")
        await ada.done("addParticipants", {"roomId": room, "userIds": [dan.id]})
        found = (await dan.ask(READ, id=room))["room"]
        assert [node["body"] for node in found["messages"]["nodes"]] == ["One", "Two"]
        assert (found["unreadCount"], found["firstUnreadMessage"]) == (0, None)
        third = await ada.send(room, "Three")
        found = (await dan.ask(READ, id=room))["room"]
        assert (found["unreadCount"], found["firstUnreadMessage"]) == (1, {"id": third["id"]})

    async def test_who_comes_back_starts_with_nothing_unread_again(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        first = await ada.send(room, "Seen")
        await cleo.done("markRoomRead", {"roomId": room, "upToMessageId": first["id"]})
        await cleo.done("setRoomMuted", {"roomId": room, "muted": True})
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Meanwhile")
        async with ledger.watching(ada) as written:
            await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
        assert written == [Written("PARTICIPANT_ADDED", key(room), user_id=cleo.user_id)]
        found = (await cleo.ask(READ, id=room))["room"]
        assert (found["unreadCount"], found["muted"]) == (0, False)
        assert [node["body"] for node in found["messages"]["nodes"]] == ["Seen", "Meanwhile"]
        # Whoever was away is not who has been there longest.
        assert await names(ada, room) == ["Ada", "Cleo"]

    async def test_who_comes_back_is_another_participant_than_before(self, ada: Person, ben: Person) -> None:
        room = await ada.make_room(ben)
        before = {node["id"] for node in (await ada.ask(READ, id=room))["room"]["participants"]["nodes"]}
        await ben.done("leaveRoom", {"roomId": room})
        await ada.done("addParticipants", {"roomId": room, "userIds": [ben.id]})
        after = {node["id"] for node in (await ada.ask(READ, id=room))["room"]["participants"]["nodes"]}
        assert len(before & after) == 1
        (gone,) = before - after
        assert await ada.ask("query ($id: ID!) { node(id: $id) { id } }", id=gone) == {"node": None}

    async def test_sees_the_room_in_the_list_and_the_others_see_them(
        self, ada: Person, ben: Person, dan: Person
    ) -> None:
        room = await ada.make_room(ben)
        assert await dan.ask("{ rooms { totalCount } }") == {"rooms": {"totalCount": 0}}
        await ada.done("addParticipants", {"roomId": room, "userIds": [dan.id]})
        assert await dan.ask("{ rooms { totalCount nodes { id } } }") == {
            "rooms": {"totalCount": 1, "nodes": [{"id": room}]}
        }
        assert await names(ben, room) == ["Ada", "Ben", "Dan"]


class TestRemoving:
    async def test_ends_everything_at_once_and_what_they_wrote_stays(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        await cleo.send(room, "I was here")
        async with ledger.watching(ada) as written:
            payload = await ada.done(
                "removeParticipant",
                {"roomId": room, "userId": cleo.id},
                "removedUserId room { id participants { totalCount } }",
            )
        assert payload["removedUserId"] == cleo.id
        assert payload["room"] == {"id": room, "participants": {"totalCount": 1}}
        assert written == [Written("PARTICIPANT_REMOVED", key(room), user_id=cleo.user_id)]
        assert await cleo.ask("query ($id: ID!) { room(id: $id) { id } }", id=room) == {"room": None}
        assert await cleo.refused("sendMessage", {"roomId": room, "body": "Hello?"}) == [("NOT_FOUND", ["roomId"])]
        found = await ada.ask(
            "query ($id: ID!) { room(id: $id) { messages { nodes { body author { name } } } } }", id=room
        )
        assert found["room"]["messages"]["nodes"] == [{"body": "I was here", "author": {"name": "Cleo"}}]

    async def test_of_who_is_not_in_it_is_done_already(
        self, ada: Person, cleo: Person, dan: Person, ivy: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        async with ledger.unchanged():
            for person in (cleo, dan, ivy):
                payload = await ada.done("removeParticipant", {"roomId": room, "userId": person.id}, "removedUserId")
                assert payload["removedUserId"] == person.id

    async def test_of_somebody_of_another_firm_is_not_found(self, ada: Person, zoe: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        async with ledger.unchanged():
            for id in (zoe.id, "rubbish", room):
                refused = await ada.refused("removeParticipant", {"roomId": room, "userId": id})
                assert refused == [("NOT_FOUND", ["userId"])]

    async def test_of_somebody_deactivated_works(self, ada: Person, ben: Person, ledger: Ledger) -> None:
        room = await ada.make_room(ben)
        await ledger.set_status(ben, "DEACTIVATED")
        await ada.done("removeParticipant", {"roomId": room, "userId": ben.id})
        assert await names(ada, room) == ["Ada"]


class TestLeaving:
    @pytest.mark.parametrize("who", ["ben", "cleo"])
    async def test_is_for_everybody_but_the_creator(
        self, who: str, ada: Person, ben: Person, cleo: Person, people: dict[str, Person], ledger: Ledger
    ) -> None:
        room = await ada.make_room(ben, cleo)
        async with ledger.watching(ada) as written:
            payload = await people[who].done("leaveRoom", {"roomId": room}, "leftRoomId")
        assert payload["leftRoomId"] == room
        assert written == [Written("PARTICIPANT_REMOVED", key(room), user_id=people[who].user_id)]
        assert await people[who].ask("{ rooms { totalCount } }") == {"rooms": {"totalCount": 0}}
        assert who.title() not in await names(ada, room)

    async def test_again_is_not_found_as_the_room_is_gone(self, ada: Person, cleo: Person, ledger: Ledger) -> None:
        room = await ada.make_room(cleo)
        await cleo.done("leaveRoom", {"roomId": room})
        async with ledger.unchanged():
            assert await cleo.refused("leaveRoom", {"roomId": room}) == [("NOT_FOUND", ["roomId"])]


async def test_a_participants_read_mark_is_told_to_colleagues(ada: Person, ben: Person, cleo: Person) -> None:
    room = await ada.make_room(ben, cleo)
    sent = await ada.send(room)
    query = (
        "query ($id: ID!) { room(id: $id) { participants { nodes"
        " { user { name } lastReadAt lastReadMessage { id author { name } } } } } }"
    )

    async def marks() -> dict[str, Any]:
        nodes = (await ben.ask(query, id=room))["room"]["participants"]["nodes"]
        return {node["user"]["name"]: (node["lastReadAt"] is not None, node["lastReadMessage"]) for node in nodes}

    # Receipts know real marks only: having written is not one.
    assert await marks() == {"Ada": (False, None), "Ben": (False, None), "Cleo": (False, None)}
    await cleo.done("markRoomRead", {"roomId": room, "upToMessageId": sent["id"]})
    assert await marks() == {
        "Ada": (False, None),
        "Ben": (False, None),
        "Cleo": (True, {"id": sent["id"], "author": {"name": "Ada"}}),
    }


class TestManyAtOnce:
    async def test_a_room_of_thousands_is_made_and_left_by_one_request(self, ada: Person, ledger: Ledger) -> None:
        """Statements larger than a socket's buffer, one behind the other, are sent whole."""
        await ledger.sql(
            """
            INSERT INTO "user" (workspace_id, id, kind, status, name, name_key, email, email_key)
            SELECT %s, gen_random_uuid(), 'CLIENT', 'ACTIVE', n, n, n || '@many.test', n || '@many.test'
            FROM generate_series(1, 5000) n
            """,
            ada.workspace_id,
        )
        found = await ledger.sql("SELECT id FROM \"user\" WHERE email LIKE '%%@many.test'")
        many = [node_id(NodeKind.USER, user_id) for (user_id,) in found]
        payload = await ada.done(
            "createRoom", {"name": "Everybody", "participantIds": many}, "room { id participants { totalCount } }"
        )
        assert payload["room"]["participants"]["totalCount"] == 5001
        other = await ada.make_room()
        payload = await ada.done(
            "addParticipants", {"roomId": other, "userIds": many}, "room { participants { totalCount } }"
        )
        assert payload["room"]["participants"]["totalCount"] == 5001

    async def test_more_than_that_is_refused_at_its_field_whoever_they_are(self, ada: Person) -> None:
        room = await ada.make_room()
        many = [node_id(NodeKind.USER, UUID(int=number)) for number in range(32_000)]
        assert await ada.refused("createRoom", {"name": "All", "participantIds": many}) == [
            ("TOO_LONG", ["participantIds"])
        ]
        assert await ada.refused("addParticipants", {"roomId": room, "userIds": many}) == [("TOO_LONG", ["userIds"])]
