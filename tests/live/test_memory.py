"""What one request may read, and that nothing of it stays."""

import gc
from collections.abc import Iterator

import pytest

from models.message import MessageRow
from resolvers.budget import Budget
from schema.loaders import Loaders
from tests.cast import Person
from tests.live.phone import Switchboard

PAGES = "query ($room: ID!) {{ room(id: $room) {{ {pages} }} }}"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget of ten thousand bytes."""
    make = Loaders.__init__

    def made(self: Loaders, snapshot: object, viewer: object, budget: Budget | None = None) -> None:
        make(self, snapshot, viewer, budget or Budget(10_000))  # type: ignore[arg-type]

    monkeypatch.setattr(Loaders, "__init__", made)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def room_of(person: Person, count: int, body: str) -> str:
    room = await person.make_room()
    for _ in range(count):
        await person.send(room, body)
    return room


@pytest.mark.usefixtures("small")
class TestTheBudget:
    async def test_a_page_within_it_is_read(self, ada: Person) -> None:
        room = await room_of(ada, 3, "x" * 3_000)
        query = PAGES.format(pages="messages(first: 3) { nodes { body } }")
        assert len((await ada.ask(query, room=room))["room"]["messages"]["nodes"]) == 3

    @pytest.mark.parametrize("body", ["x" * 3_000, "ü" * 1_500])
    async def test_texts_count_though_they_are_not_selected(self, ada: Person, body: str) -> None:
        room = await room_of(ada, 4, body)
        query = PAGES.format(pages="messages(first: 4) { __typename }")
        assert await ada.codes(query, room=room) == ["QUERY_TOO_COMPLEX"]

    async def test_pages_of_other_bounds_share_it(self, ada: Person) -> None:
        room = await room_of(ada, 3, "x" * 1_500)
        pages = " ".join(f"a{size}: messages(first: {size}) {{ __typename }}" for size in (1, 2))
        assert await ada.codes(PAGES.format(pages=pages), room=room) == []
        pages = " ".join(f"a{size}: messages(first: {size}) {{ __typename }}" for size in (1, 2, 3))
        assert await ada.codes(PAGES.format(pages=pages), room=room) == ["QUERY_TOO_COMPLEX"]

    async def test_so_do_messages_by_their_ids_and_those_that_are_answered(self, ada: Person) -> None:
        room = await ada.make_room()
        answered = [await ada.send(room, "x" * 4_000) for _ in range(3)]
        for message in answered:
            await ada.send(room, "short", inReplyToId=message["id"])
        query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Message { id } } }"
        assert await ada.codes(query, ids=[message["id"] for message in answered]) == ["QUERY_TOO_COMPLEX"]
        query = PAGES.format(pages="messages(last: 3) { nodes { inReplyTo { id } } }")
        assert set(await ada.codes(query, room=room)) == {"QUERY_TOO_COMPLEX"}

    async def test_deleted_messages_have_no_text_and_are_no_excess(self, ada: Person) -> None:
        room = await ada.make_room()
        for _ in range(4):
            message = await ada.send(room, "x" * 4_000)
            await ada.done("deleteMessage", {"messageId": message["id"]})
        query = PAGES.format(pages="messages(first: 4) { nodes { body deletedAt } }")
        assert len((await ada.ask(query, room=room))["room"]["messages"]["nodes"]) == 4


@pytest.mark.usefixtures("uncollected")
class TestNothingStays:
    """Where the collector does not run: it does so too seldom for texts."""

    async def test_of_a_query(self, ada: Person) -> None:
        room = await room_of(ada, 5, "Hello")
        gc.collect()
        pages = "lastMessage { body } messages(first: 5) { nodes { body author { name } inReplyTo { body } } }"
        await ada.ask(PAGES.format(pages=pages), room=room)
        assert kept() == 0

    async def test_of_a_query_with_an_error(self, ada: Person) -> None:
        room = await room_of(ada, 5, "Hello")
        gc.collect()
        pages = "messages(first: 5) { nodes { body room { messages(first: -1) { totalCount } } } }"
        assert await ada.codes(PAGES.format(pages=pages), room=room)
        assert kept() == 0

    async def test_of_an_event(self, live: Switchboard, ada: Person) -> None:
        room = await room_of(ada, 5, "Hello")
        query = """subscription ($room: ID!, $after: String) {
          messageAdded(roomId: $room, after: $after) {
            message { body author { name } } room { messages(first: 5) { nodes { body } } }
          }
        }"""
        phone = await live.call(ada, room, query=query)
        gc.collect()
        await ada.send(room, "Last")
        await phone.until(lambda phone: len(phone.payloads) == 1)
        assert kept() <= 1  # its own, in what the reader has just let go of


def kept() -> int:
    return sum(isinstance(each, MessageRow) for each in gc.get_objects())
