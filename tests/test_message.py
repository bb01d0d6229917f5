"""Messages: sending, editing, deleting, and keys under which a send is repeated."""

import re
from typing import Any

import pytest

from resolvers.operation import operate
from tests.cast import Person
from tests.ledger import Ledger, Written, key

WHOLE = (
    "id sequence body source createdAt editedAt deletedAt idempotencyKey viewerCanEdit viewerCanDelete"
    " author { name } room { id } inReplyTo { id body }"
)
HISTORY = f"query ($id: ID!) {{ room(id: $id) {{ messages {{ nodes {{ {WHOLE} }} }} lastMessage {{ id }} }} }}"


async def history(person: Person, room: str) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await person.ask(HISTORY, id=room))["room"]["messages"]["nodes"]
    return nodes


class TestSending:
    async def test_gives_the_message_as_everybody_then_reads_it(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        async with ledger.watching(ada) as written:
            payload = await cleo.done(
                "sendMessage",
                {"roomId": room, "body": " Hello,\r\nworld "},
                f"message {{ {WHOLE} }} messageEdge {{ cursor node {{ id }} }}",
            )
        message = payload["message"]
        assert message == {
            "id": message["id"],
            "sequence": 1,
            "body": " Hello,\nworld ",
            "source": "APP",
            "createdAt": message["createdAt"],
            "editedAt": None,
            "deletedAt": None,
            "idempotencyKey": None,
            "viewerCanEdit": True,
            "viewerCanDelete": True,
            "author": {"name": "Cleo"},
            "room": {"id": room},
            "inReplyTo": None,
        }
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message["createdAt"])
        assert written == [Written("MESSAGE_ADDED", key(room), 1, cleo.user_id)]
        assert await history(cleo, room) == [message]
        assert await history(ada, room) == [{**message, "viewerCanEdit": False, "viewerCanDelete": False}]

    async def test_its_edge_stands_at_the_end_of_the_history(self, ada: Person) -> None:
        room = await ada.make_room()
        await ada.send(room)
        payload = await ada.done("sendMessage", {"roomId": room, "body": "Hi"}, "messageEdge { cursor node { id } }")
        found = await ada.ask(
            "query ($id: ID!) { room(id: $id) { messages(last: 1) { edges { cursor node { id } } } } }", id=room
        )
        assert found["room"]["messages"]["edges"] == [payload["messageEdge"]]

    async def test_sequences_are_each_rooms_own_and_times_follow_them(self, ada: Person, cleo: Person) -> None:
        one, other = await ada.make_room(cleo), await ada.make_room(cleo)
        sent = [(await person.send(room))["sequence"] for room in (one, other) for person in (ada, cleo, ada)]
        assert sent == [1, 2, 3, 1, 2, 3]
        times = [message["createdAt"] for message in await history(ada, one)]
        assert times == sorted(times)

    async def test_a_reply_shows_what_it_answers_also_once_that_is_deleted(self, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        first = await ada.send(room, "Question?")
        await cleo.send(room, "Answer.", inReplyToId=first["id"])
        assert (await history(ada, room))[1]["inReplyTo"] == {"id": first["id"], "body": "Question?"}
        await ada.done("deleteMessage", {"messageId": first["id"]})
        assert (await history(ada, room))[1]["inReplyTo"] == {"id": first["id"], "body": None}
        again = await cleo.send(room, "Was that it?", inReplyToId=first["id"])
        assert again["sequence"] == 3

    async def test_null_for_what_is_optional_is_leaving_it_out(self, ada: Person) -> None:
        room = await ada.make_room()
        sent = await ada.send(room, "Hello", inReplyToId=None, idempotencyKey=None)
        assert sent["sequence"] == 1

    async def test_nothing_at_all_is_blank(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        async with ledger.unchanged():
            assert await ada.refused("sendMessage", {"roomId": room}) == [("BLANK", ["body"])]


class TestKeys:
    async def test_a_repeat_gives_back_the_first_message_whatever_else_is_asked(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        select = "message { id sequence body idempotencyKey } messageEdge { cursor }"
        first = await cleo.done("sendMessage", {"roomId": room, "body": "First", "idempotencyKey": "k"}, select)
        assert first["message"]["idempotencyKey"] == "k"
        async with ledger.unchanged():
            for more in (
                {"body": "First"},
                {"body": "Another"},
                {"body": ""},
                {"body": "x" * 20_001},
                {"body": "\0"},
                {"body": "Re", "inReplyToId": "rubbish"},
            ):
                again = await cleo.done("sendMessage", {"roomId": room, "idempotencyKey": "k", **more}, select)
                assert again == first
        assert (await cleo.send(room))["sequence"] == 2

    async def test_a_repeat_also_works_once_the_room_is_archived(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        first = await cleo.send(room, "First", idempotencyKey="k")
        await ada.done("archiveRoom", {"roomId": room})
        async with ledger.unchanged():
            assert await cleo.send(room, "First", idempotencyKey="k") == first
            refused = await cleo.refused("sendMessage", {"roomId": room, "body": "Second", "idempotencyKey": "l"})
            assert refused == [("ROOM_ARCHIVED", ["roomId"])]

    async def test_a_repeat_gives_the_message_as_it_is_by_now(self, ada: Person) -> None:
        room = await ada.make_room()
        sent = await ada.send(room, "First", idempotencyKey="k")
        await ada.done("editMessage", {"messageId": sent["id"], "body": "Edited"})
        again = await ada.done(
            "sendMessage", {"roomId": room, "body": "First", "idempotencyKey": "k"}, "message { id body }"
        )
        assert again["message"] == {"id": sent["id"], "body": "Edited"}
        await ada.done("deleteMessage", {"messageId": sent["id"]})
        again = await ada.done(
            "sendMessage", {"roomId": room, "body": "First", "idempotencyKey": "k"}, "message { id body }"
        )
        assert again["message"] == {"id": sent["id"], "body": None}

    async def test_who_is_no_participant_any_more_is_refused_before_the_key_is_looked_at(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        await cleo.send(room, "First", idempotencyKey="k")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        async with ledger.unchanged():
            for name in ("k", "", "x" * 201):
                refused = await cleo.refused("sendMessage", {"roomId": room, "body": "First", "idempotencyKey": name})
                assert refused == [("NOT_FOUND", ["roomId"])]

    async def test_a_key_belongs_to_its_author_its_room_and_its_letters(self, ada: Person, cleo: Person) -> None:
        one, other = await ada.make_room(cleo), await ada.make_room(cleo)
        sent = [
            await person.send(room, "Hello", idempotencyKey=name)
            for person in (ada, cleo)
            for room in (one, other)
            for name in ("k", "K", " k", "\u00e9", "e\u0301", "💥" * 200)
        ]
        assert len({message["id"] for message in sent}) == len(sent)

    @pytest.mark.parametrize(
        ("name", "code"),
        [("", "BLANK"), ("x" * 201, "TOO_LONG"), ("x" * 10_240, "TOO_LONG"), ("a\0", "INVALID"), ("\ud800", "INVALID")],
        ids=["empty", "201", "10 KB", "NUL", "a lone surrogate"],
    )
    async def test_a_bad_key_is_refused_before_the_archive_and_the_body_are_looked_at(
        self, name: str, code: str, ada: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room()
        await ada.done("archiveRoom", {"roomId": room})
        async with ledger.unchanged():
            refused = await ada.refused("sendMessage", {"roomId": room, "body": "", "idempotencyKey": name})
            assert refused == [(code, ["idempotencyKey"])]
            refused = await ada.refused("createRoom", {"name": "", "idempotencyKey": name})
            assert refused == [(code, ["idempotencyKey"])]

    async def test_a_refused_send_leaves_its_key_free(self, ada: Person) -> None:
        room = await ada.make_room()
        assert await ada.refused("sendMessage", {"roomId": room, "body": " ", "idempotencyKey": "k"}) == [
            ("BLANK", ["body"])
        ]
        assert (await ada.send(room, "Now", idempotencyKey="k"))["sequence"] == 1


class TestEditing:
    async def test_changes_the_text_for_everybody_and_says_when(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        sent = await cleo.send(room, "Helo")
        await ada.send(room)
        before = (await history(cleo, room))[0]
        async with ledger.watching(ada) as written:
            payload = await cleo.done(
                "editMessage", {"messageId": sent["id"], "body": "Hello\r"}, f"message {{ {WHOLE} }}"
            )
        message = payload["message"]
        assert message == {**before, "body": "Hello\n", "editedAt": message["editedAt"]}
        assert message["editedAt"] > message["createdAt"]
        assert written == [Written("MESSAGE_UPDATED", key(room), 1, cleo.user_id)]
        assert (await history(ada, room))[0]["body"] == "Hello\n"

    async def test_to_the_same_text_changes_nothing(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        sent = await ada.send(room, "Caf\u00e9\n")
        async with ledger.unchanged():
            payload = await ada.done(
                "editMessage", {"messageId": sent["id"], "body": "Cafe\u0301\r\n"}, "message { editedAt }"
            )
        assert payload["message"] == {"editedAt": None}

    async def test_follows_the_same_rules_as_sending(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        sent = await ada.send(room)
        async with ledger.unchanged():
            for body, code in ((" \u200b", "BLANK"), ("x" * 10_001, "TOO_LONG"), ("\0", "INVALID")):
                assert await ada.refused("editMessage", {"messageId": sent["id"], "body": body}) == [(code, ["body"])]

    async def test_a_deleted_message_is_refused_whatever_the_text(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        sent = await ada.send(room)
        await ada.done("deleteMessage", {"messageId": sent["id"]})
        async with ledger.unchanged():
            for body in ("Back again", ""):
                refused = await ada.refused("editMessage", {"messageId": sent["id"], "body": body})
                assert refused == [("MESSAGE_DELETED", ["messageId"])]

    async def test_is_not_for_the_creator_of_the_room_where_another_wrote(
        self, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        room = await ada.make_room(cleo)
        sent = await cleo.send(room)
        async with ledger.unchanged():
            for input in ({"body": "Mine now"}, {"body": ""}):
                refused = await ada.refused("editMessage", {"messageId": sent["id"], **input})
                assert refused == [("FORBIDDEN", ["messageId"])]
            assert await ada.refused("deleteMessage", {"messageId": sent["id"]}) == [("FORBIDDEN", ["messageId"])]


class TestDeleting:
    async def test_wipes_the_text_for_good_and_keeps_the_place(self, ada: Person, cleo: Person, ledger: Ledger) -> None:
        room = await ada.make_room(cleo)
        sent = await cleo.send(room, "Regrettable words")
        await cleo.done("editMessage", {"messageId": sent["id"], "body": "Regrettable words too"})
        async with ledger.watching(ada) as written:
            payload = await cleo.done("deleteMessage", {"messageId": sent["id"]}, f"message {{ {WHOLE} }}")
        tombstone = payload["message"]
        assert (tombstone["sequence"], tombstone["body"]) == (1, None)
        assert (tombstone["viewerCanEdit"], tombstone["viewerCanDelete"]) == (False, False)
        assert tombstone["deletedAt"] is not None
        assert tombstone["author"] == {"name": "Cleo"}
        assert written == [Written("MESSAGE_DELETED", key(room), 1, cleo.user_id)]
        assert await history(ada, room) == [tombstone]
        assert "Regrettable" not in str(await ledger.rows())
        assert (await ada.send(room))["sequence"] == 2

    async def test_twice_is_once(self, ada: Person, ledger: Ledger) -> None:
        room = await ada.make_room()
        sent = await ada.send(room)
        first = await ada.done("deleteMessage", {"messageId": sent["id"]}, "message { deletedAt }")
        async with ledger.unchanged():
            assert await ada.done("deleteMessage", {"messageId": sent["id"]}, "message { deletedAt }") == first

    async def test_a_tombstone_is_the_last_message_where_it_is_last(self, ada: Person) -> None:
        room = await ada.make_room()
        await ada.send(room)
        sent = await ada.send(room)
        await ada.done("deleteMessage", {"messageId": sent["id"]})
        assert (await ada.ask(HISTORY, id=room))["room"]["lastMessage"] == {"id": sent["id"]}


async def test_one_asks_for_a_message_by_its_id_only_inside_its_room(ada: Person, ben: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    sent = await ada.send(room, "Hello")
    query = "query ($id: ID!) { node(id: $id) { id ... on Message { body room { name } author { name } } } }"
    assert (await cleo.ask(query, id=sent["id"]))["node"] == {
        "id": sent["id"],
        "body": "Hello",
        "room": {"name": "Garden house"},
        "author": {"name": "Ada"},
    }
    assert (await ben.ask(query, id=sent["id"]))["node"] is None


async def test_an_empty_room_has_no_last_message(ada: Person) -> None:
    assert (await ada.ask(HISTORY, id=await ada.make_room()))["room"] == {
        "messages": {"nodes": []},
        "lastMessage": None,
    }


async def test_what_a_deactivated_author_wrote_stays(ada: Person, cleo: Person, ledger: Ledger) -> None:
    room = await ada.make_room(cleo)
    await cleo.send(room, "Still here")
    await ledger.set_status(cleo, "DEACTIVATED")
    (message,) = await history(ada, room)
    assert (message["body"], message["author"]) == ("Still here", {"name": "Cleo"})


async def test_who_is_removed_between_a_send_and_its_payload_is_told_not_found_and_has_sent(
    ada: Person, cleo: Person, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await ada.make_room(cleo)

    async def removed_behind(*arguments: Any, **more: Any) -> Any:
        done = await operate(*arguments, **more)
        await ledger.sql("DELETE FROM participant WHERE user_id = %s", cleo.user_id)
        return done

    monkeypatch.setattr("schema.context.operate", removed_behind)
    query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id room { id } } } }"
    found = await cleo.answer(query, input={"roomId": room, "body": "Last words"})
    assert found["data"] == {"sendMessage": {"message": None}}
    assert [error["extensions"]["code"] for error in found["errors"]] == ["NOT_FOUND"]
    assert [message["body"] for message in await history(ada, room)] == ["Last words"]


async def test_mutations_of_one_document_go_in_order_and_a_refusal_keeps_the_others(ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    found = await cleo.ask(
        """
        mutation ($id: ID!) {
          a: sendMessage(input: {roomId: $id, body: "A"}) { message { sequence room { unreadCount } } }
          b: sendMessage(input: {roomId: $id, body: ""}) { message { sequence } userErrors { code } }
          c: sendMessage(input: {roomId: $id, body: "C"}) { message { sequence } }
          d: leaveRoom(input: {roomId: $id}) { leftRoomId }
          e: sendMessage(input: {roomId: $id, body: "E"}) { userErrors { code } }
        }
        """,
        id=room,
    )
    assert found == {
        "a": {"message": {"sequence": 1, "room": {"unreadCount": 0}}},
        "b": {"message": None, "userErrors": [{"code": "BLANK"}]},
        "c": {"message": {"sequence": 2}},
        "d": {"leftRoomId": room},
        "e": {"userErrors": [{"code": "NOT_FOUND"}]},
    }


async def test_an_author_edits_and_deletes_in_an_archived_room_too(ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    sent = await cleo.send(room, "First")
    await ada.done("archiveRoom", {"roomId": room})
    edited = await cleo.done("editMessage", {"messageId": sent["id"], "body": "Second"}, "message { body }")
    assert edited["message"] == {"body": "Second"}
    deleted = await cleo.done("deleteMessage", {"messageId": sent["id"]}, "message { body deletedAt }")
    assert deleted["message"]["body"] is None
    assert deleted["message"]["deletedAt"]
