"""Read marks: they only move forward, are kept as a log, and say what is unread."""

from typing import Any

import pytest

from tests.cast import Person
from tests.ledger import Ledger, key

UNREAD = "query ($id: ID!) { room(id: $id) { unreadCount firstUnreadMessage { sequence } } }"
TOTALS = "{ viewer { unreadMessageCount unreadRoomCount } }"


async def unread(person: Person, room: str) -> tuple[int, int | None]:
    """How many are unread, and the sequence of the first."""
    found = (await person.ask(UNREAD, id=room))["room"]
    first = found["firstUnreadMessage"]
    return found["unreadCount"], first and first["sequence"]


async def totals(person: Person) -> tuple[int, int]:
    found = (await person.ask(TOTALS))["viewer"]
    return found["unreadMessageCount"], found["unreadRoomCount"]


async def mark(person: Person, room: str, message: dict[str, Any]) -> int:
    payload = await person.done(
        "markRoomRead", {"roomId": room, "upToMessageId": message["id"]}, "room { unreadCount }"
    )
    count: int = payload["room"]["unreadCount"]
    return count


@pytest.fixture
async def room(ada: Person, ben: Person, cleo: Person) -> str:
    return await ada.make_room(ben, cleo)


async def fill(person: Person, room: str, count: int) -> list[dict[str, Any]]:
    return [await person.send(room, str(number)) for number in range(count)]


async def test_what_others_wrote_is_unread_until_it_is_marked(room: str, ada: Person, cleo: Person) -> None:
    assert await unread(cleo, room) == (0, None)
    sent = await fill(ada, room, 3)
    assert await unread(cleo, room) == (3, 1)
    assert await mark(cleo, room, sent[1]) == 1
    assert await unread(cleo, room) == (1, 3)
    assert await mark(cleo, room, sent[2]) == 0
    assert await unread(cleo, room) == (0, None)


async def test_ones_own_messages_are_read(room: str, ada: Person, cleo: Person) -> None:
    await fill(cleo, room, 2)
    assert await unread(cleo, room) == (0, None)
    await fill(ada, room, 1)
    await fill(cleo, room, 1)
    assert await unread(cleo, room) == (1, 3)


async def test_a_mark_never_goes_back(room: str, ada: Person, cleo: Person, ledger: Ledger) -> None:
    sent = await fill(ada, room, 3)
    await mark(cleo, room, sent[2])
    async with ledger.unchanged():
        for message in sent:
            assert await mark(cleo, room, message) == 0


async def test_marks_are_kept_as_a_log_and_write_no_event(room: str, ada: Person, cleo: Person, ledger: Ledger) -> None:
    sent = await fill(ada, room, 3)
    async with ledger.watching(ada) as written:
        for message in sent:
            await mark(cleo, room, message)
            await mark(cleo, room, message)
    assert written == []
    log = await ledger.sql(
        "SELECT room_id, user_id, sequence FROM read_mark ORDER BY sequence",
    )
    assert log == [(key(room), cleo.user_id, sequence) for sequence in (1, 2, 3)]
    assert ledger.queued == []


async def test_deleted_messages_are_not_unread(room: str, ada: Person, cleo: Person) -> None:
    sent = await fill(ada, room, 3)
    await ada.done("deleteMessage", {"messageId": sent[0]["id"]})
    assert await unread(cleo, room) == (2, 2)
    assert await totals(cleo) == (2, 1)


async def test_one_marks_up_to_a_tombstone_and_up_to_ones_own(room: str, ada: Person, cleo: Person) -> None:
    sent = await fill(ada, room, 2)
    await ada.done("deleteMessage", {"messageId": sent[1]["id"]})
    assert await mark(cleo, room, sent[1]) == 0
    await fill(ada, room, 1)
    own = await cleo.send(room)
    assert await mark(cleo, room, own) == 0


async def test_an_edit_makes_nothing_unread(room: str, ada: Person, cleo: Person) -> None:
    (sent,) = await fill(ada, room, 1)
    await mark(cleo, room, sent)
    await ada.done("editMessage", {"messageId": sent["id"], "body": "Changed"})
    assert await unread(cleo, room) == (0, None)


async def test_a_mark_is_ones_own(room: str, ada: Person, ben: Person, cleo: Person) -> None:
    sent = await fill(ada, room, 2)
    await mark(ben, room, sent[1])
    assert await unread(ben, room) == (0, None)
    assert await unread(cleo, room) == (2, 1)


async def test_an_archived_room_is_marked_but_counts_in_no_total(room: str, ada: Person, cleo: Person) -> None:
    sent = await fill(ada, room, 2)
    await ada.done("archiveRoom", {"roomId": room})
    assert await unread(cleo, room) == (2, 1)
    assert await totals(cleo) == (0, 0)
    await mark(cleo, room, sent[0])
    await ada.done("unarchiveRoom", {"roomId": room})
    assert await totals(cleo) == (1, 1)


async def test_totals_are_over_the_rooms_that_one_is_in(room: str, ada: Person, cleo: Person) -> None:
    other = await ada.make_room(cleo)
    await fill(ada, room, 2)
    sent = await fill(ada, other, 3)
    assert await totals(cleo) == (5, 2)
    await mark(cleo, other, sent[2])
    assert await totals(cleo) == (2, 1)
    assert await totals(ada) == (0, 0)
    await cleo.done("leaveRoom", {"roomId": room})
    assert await totals(cleo) == (0, 0)


async def test_muted_rooms_count_as_any_other(room: str, ada: Person, cleo: Person) -> None:
    await cleo.done("setRoomMuted", {"roomId": room, "muted": True})
    await fill(ada, room, 2)
    assert await totals(cleo) == (2, 1)


async def test_counts_stop_at_a_thousand(room: str, ada: Person, cleo: Person, ledger: Ledger) -> None:
    other = await ada.make_room(cleo)
    for filled, count in ((room, 1001), (other, 999)):
        await ledger.sql(
            """
            INSERT INTO message (workspace_id, room_id, sequence, id, author_id, body, source, created_at)
            SELECT %s, %s, n, gen_random_uuid(), %s, 'x', 'APP', now() FROM generate_series(1, %s) n
            """,
            ada.workspace_id,
            key(filled),
            ada.user_id,
            count,
        )
    assert await unread(cleo, room) == (1000, 1)
    assert await unread(cleo, other) == (999, 1)
    assert await totals(cleo) == (1000, 2)


async def test_no_mark_is_set_in_the_name_of_who_is_not_in_the_room(
    room: str, ada: Person, dan: Person, zoe: Person, ledger: Ledger
) -> None:
    (sent,) = await fill(ada, room, 1)
    async with ledger.unchanged():
        for person in (dan, zoe):
            refused = await person.refused("markRoomRead", {"roomId": room, "upToMessageId": sent["id"]})
            assert refused == [("NOT_FOUND", ["roomId"])]


async def test_where_a_colleague_has_read_to_is_their_latest_mark(room: str, ada: Person, ben: Person) -> None:
    sent = await fill(ada, room, 2)
    query = "query ($id: ID!) { room(id: $id) { participants { nodes { lastReadAt lastReadMessage { sequence } } } } }"

    async def marks() -> list[Any]:
        return [
            (node["lastReadAt"], node["lastReadMessage"])
            for node in (await ada.ask(query, id=room))["room"]["participants"]["nodes"]
        ]

    await mark(ben, room, sent[0])
    _, (first, message), _ = await marks()
    assert message == {"sequence": 1}
    await mark(ben, room, sent[1])
    _, (second, message), _ = await marks()
    assert message == {"sequence": 2}
    assert second > first
    await mark(ben, room, sent[0])
    assert (await marks())[1] == (second, message)
