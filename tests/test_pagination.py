"""Pages, against a plain list: the Relay cursor specification in both directions, for every list that there is."""

import asyncio
import base64
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.message import MessageRow
from resolvers.errors import Malformed
from resolvers.message import END, MessagePage
from schema import pagination
from schema.message import around, history
from schema.pagination import page_of, sliced
from tests.cast import Person
from tests.ledger import Ledger, key

SIZE = 7
PAGE = "edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


@dataclass
class Listing:
    """A list of SIZE things, as a viewer asks for pages of it."""

    person: Person
    field: str
    room: str | None = None
    portal: str | None = None
    both_directions: bool = True
    default: str = "first"

    def query(self, asked: list[str]) -> str:
        fields = " ".join(f"p{number}: {self.field}{each} {{ {PAGE} }}" for number, each in enumerate(asked))
        if self.portal:
            return f'{{ portal(id: "{self.portal}") {{ {fields} }} }}'
        return f'{{ room(id: "{self.room}") {{ {fields} }} }}' if self.room else f"{{ {fields} }}"

    @property
    def is_of_something(self) -> bool:
        return self.room is not None or self.portal is not None

    async def pages(self, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Several pages, in as few documents as the limits of one allow."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(asked), 25):
            data = await self.person.ask(self.query([arguments(each) for each in asked[start : start + 25]]))
            found += data.get("room", data.get("portal", data)).values()
        return found

    async def page(self, **asked: Any) -> dict[str, Any]:
        return (await self.pages([asked]))[0]

    async def codes(self, **asked: Any) -> list[str]:
        return await self.person.codes(self.query([arguments(asked)]))

    async def whole(self) -> list[dict[str, Any]]:
        edges: list[dict[str, Any]] = (await self.page(first=100))["edges"]
        assert len(edges) == SIZE
        return edges


def arguments(asked: dict[str, Any]) -> str:
    def shown(value: Any) -> str:
        return "null" if value is None else f'"{value}"' if isinstance(value, str) else str(value)

    return f"({', '.join(f'{name}: {shown(value)}' for name, value in asked.items())})" if asked else ""


async def rooms(ada: Person, ledger: Ledger) -> Listing:
    for number in range(SIZE):
        await ada.make_room(name=str(number))
    # Made at one moment, so that the time alone does not tell one from another.
    await ledger.sql("UPDATE room SET created_at = '2026-01-01T00:00:00Z'")
    return Listing(ada, "rooms")


async def messages(ada: Person, ledger: Ledger) -> Listing:
    room = await ada.make_room()
    for number in range(SIZE):
        await ada.send(room, str(number))
    return Listing(ada, "messages", room, default="last")


async def participants(ada: Person, ledger: Ledger) -> Listing:
    room = await ada.make_room()
    await ledger.sql(
        """
        INSERT INTO participant (workspace_id, room_id, user_id, id, added_at, joined_sequence)
        SELECT workspace_id, %s, id, gen_random_uuid(), '2026-01-01T00:00:00Z', 0 FROM "user"
        WHERE workspace_id = %s AND id != %s
        """,
        key(room),
        ada.workspace_id,
        ada.user_id,
    )
    return Listing(ada, "participants", room)


async def users(ada: Person, ledger: Ledger) -> Listing:
    return Listing(ada, "users", both_directions=False)


async def portals(ada: Person, ledger: Ledger) -> Listing:
    for number in range(SIZE):
        # Several of one name, so that the name alone does not tell one from another.
        await ada.make_portal(f"Portal {number // 2}")
    return Listing(ada, "portals")


async def clients(ada: Person, ledger: Ledger) -> Listing:
    portal = await ada.make_portal()
    await ledger.sql(
        """
        INSERT INTO portal_client (workspace_id, portal_id, user_id)
        SELECT workspace_id, %s, id FROM "user" WHERE workspace_id = %s
        """,
        key(portal),
        ada.workspace_id,
    )
    return Listing(ada, "clients", portal=portal)


async def rooms_of_a_portal(ada: Person, ledger: Ledger) -> Listing:
    portal = await ada.make_portal()
    for number in range(SIZE):
        await ada.make_room(name=str(number), portalId=portal)
    await ada.make_room(name="Linked to none")
    await ledger.sql("UPDATE room SET created_at = '2026-01-01T00:00:00Z'")
    return Listing(ada, "rooms", portal=portal)


LISTS = [rooms, messages, participants, users, portals, clients, rooms_of_a_portal]
Make = Callable[[Person, Ledger], Awaitable[Listing]]


@pytest.fixture(params=LISTS, ids=lambda make: make.__name__)
async def listing(request: pytest.FixtureRequest, ada: Person, ledger: Ledger) -> Listing:
    # One more of the workspace, so that its users and those of a room with everybody are SIZE.
    await ledger.sql(
        """
        INSERT INTO "user" (workspace_id, id, kind, status, name, name_key, email, email_key)
        VALUES (%s, %s, 'CLIENT', 'ACTIVE', 'Cleo', 'cleo', 'c@client.test', 'c@client.test')
        """,
        ada.workspace_id,
        uuid4(),
    )
    make: Make = request.param
    return await make(ada, ledger)


def expected(whole: list[Any], first: int | None, after: int | None, last: int | None, before: int | None) -> list[Any]:
    """The specification's algorithm, with places in the list for cursors."""
    edges = whole[(0 if after is None else after + 1) : before]
    if first is not None:
        return edges[:first]
    assert last is not None
    return edges[len(edges) - last :] if last < len(edges) else edges


def flags(count: int, size: int, first: int | None, after: int | None, before: int | None) -> tuple[bool, bool] | None:
    """Whether something stands before and behind a page of that many. Where a cursor cuts it off on the far side, the
    specification leaves it open."""
    if first is not None:
        if before is not None:
            return None
        start = 0 if after is None else after + 1
    else:
        if after is not None:
            return None
        start = (count if before is None else before) - size
    return start > 0, start + size < count


class TestEveryList:
    async def test_every_page_is_that_of_a_plain_list(self, listing: Listing) -> None:
        whole = await listing.whole()
        places = [None, *range(SIZE)]
        sizes = [(first, None) for first in (0, 1, 3, SIZE, SIZE + 1)]
        befores = [None]
        if listing.both_directions:
            sizes += [(None, last) for _, last in [(0, size) for size, _ in sizes]]
            befores = [None, 0, 1, 3, 6]
        cases = list(itertools.product(sizes, places, befores))
        asked = []
        for (first, last), after, before in cases:
            given = {"first": first, "after": after, "last": last, "before": before}
            asked.append(
                {
                    name: whole[value]["cursor"] if name in ("after", "before") else value
                    for name, value in given.items()
                    if value is not None
                }
            )
        for ((first, last), after, before), page in zip(cases, await listing.pages(asked), strict=True):
            case = (first, after, last, before)
            wanted = expected(whole, first, after, last, before)
            assert page["edges"] == wanted, case
            assert page["nodes"] == [edge["node"] for edge in wanted], case
            info = page["pageInfo"]
            ends = [edge["cursor"] for edge in wanted[:1] + wanted[-1:]] or [None, None]
            assert [info["startCursor"], info["endCursor"]] == ends, case
            truth = flags(SIZE, len(wanted), first, after, before)
            if truth is not None:
                assert (info["hasPreviousPage"], info["hasNextPage"]) == truth, case

    @pytest.mark.parametrize("size", [1, 2, 3, SIZE, 100])
    async def test_walking_all_pages_gives_the_whole_list_exactly(self, size: int, listing: Listing) -> None:
        whole = await listing.whole()
        walked: list[Any] = []
        asked: dict[str, Any] = {"first": size}
        while True:
            page = await listing.page(**asked)
            walked += page["edges"]
            if not page["pageInfo"]["hasNextPage"]:
                break
            asked = {"first": size, "after": page["pageInfo"]["endCursor"]}
        assert walked == whole
        if not listing.both_directions:
            return
        walked, asked = [], {"last": size}
        while True:
            page = await listing.page(**asked)
            walked = page["edges"] + walked
            if not page["pageInfo"]["hasPreviousPage"]:
                break
            asked = {"last": size, "before": page["pageInfo"]["startCursor"]}
        assert walked == whole

    async def test_a_size_is_from_0_to_100_and_only_one_is_given(self, listing: Listing) -> None:
        wrong: list[dict[str, Any]] = [{"first": -1}, {"first": 101}, {"first": 2**31 - 1}, {"first": -(2**31)}]
        right: list[dict[str, Any]] = [{}, {"first": None}, {"first": 100}, {"first": 0}, {"after": None}]
        if listing.both_directions:
            wrong += [{"last": -1}, {"last": 101}, {"first": 1, "last": 1}, {"first": 0, "last": 0}]
            wrong += [{"first": 101, "last": None}]
            right += [{"last": 100}, {"last": 0}, {"first": 1, "last": None}, {"first": None, "last": 1}]
            right += [{"first": None, "last": None, "after": None, "before": None}]
        for asked in wrong:
            assert await listing.codes(**asked) == ["BAD_USER_INPUT"], asked
        for asked in right:
            assert await listing.codes(**asked) == [], asked

    async def test_a_null_size_is_none(self, listing: Listing) -> None:
        whole = await listing.whole()
        for asked in ({}, {"first": None}, {"first": None, "after": None}):
            assert (await listing.page(**asked))["edges"] == whole
        assert (await listing.page(after=whole[2]["cursor"]))["edges"] == whole[3:]
        if listing.both_directions:
            assert (await listing.page(first=2, last=None))["edges"] == whole[:2]
            assert (await listing.page(first=None, last=2))["edges"] == whole[-2:]
            assert (await listing.page(before=whole[3]["cursor"]))["edges"] == whole[:3]

    async def test_a_cursor_of_another_list_is_bad_user_input(
        self, listing: Listing, ada: Person, ben: Person, zoe: Person, ledger: Ledger
    ) -> None:
        portal = await ada.make_portal()
        other = await ada.make_room(ben, portalId=portal)
        await ada.send(other)
        await ledger.admit(portal, ben)
        found = await ada.ask(
            "query ($id: ID!, $portal: ID!) { rooms { edges { cursor } } users { edges { cursor } } "
            "portals { edges { cursor } } "
            "portal(id: $portal) { rooms { edges { cursor } } clients { edges { cursor } } } "
            "room(id: $id) { messages { edges { cursor } } participants { edges { cursor } } } }",
            id=other,
            portal=portal,
        )
        others = {
            "rooms": found["rooms"],
            "users": found["users"],
            "messages": found["room"]["messages"],
            "participants": found["room"]["participants"],
            "portals": found["portals"],
            "rooms of another portal": found["portal"]["rooms"],
            "clients of another portal": found["portal"]["clients"],
        }
        if not listing.is_of_something:
            del others[listing.field]
        if listing.field in ("users", "portals"):
            await zoe.make_portal()
            found = await zoe.ask(f"{{ {listing.field} {{ edges {{ cursor }} }} }}")
            others["those of another firm"] = found[listing.field]
        event = (await ada.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
        for name, cursor in [*((name, page["edges"][0]["cursor"]) for name, page in others.items()), ("events", event)]:
            assert await listing.codes(after=cursor) == ["BAD_USER_INPUT"], name
            if listing.both_directions:
                assert await listing.codes(before=cursor) == ["BAD_USER_INPUT"], name

    async def test_a_garbage_cursor_is_bad_user_input(self, listing: Listing, ada: Person) -> None:
        right = (await listing.whole())[0]["cursor"]
        raw = base64.urlsafe_b64decode(right + "=" * (-len(right) % 4))
        garbage = ["", " ", "x", "💥", "null", "0", right[:-2], right + "AAAA", right * 2, ada.id, "A" * 10_240, "="]
        for bad in (raw[:-1], raw + b"\0", b"\xff" + raw[1:], raw[:1]):
            garbage.append(base64.urlsafe_b64encode(bad).rstrip(b"=").decode())
        if listing.field != "users":
            # A right beginning, and then a number that is too large for a time or a place.
            head = raw[:17] if listing.is_of_something else raw[:1]
            for number in (b"\x7f" + b"\xff" * 40, b"\x80" + b"\0" * 40):
                garbage.append(base64.urlsafe_b64encode((head + number)[: len(raw)]).decode())
        if listing.field == "messages":
            garbage.remove(garbage[-2])  # the largest sequence is one, though there is none so far
        for cursor in garbage:
            assert await listing.codes(after=cursor) == ["BAD_USER_INPUT"], cursor
            if listing.both_directions:
                assert await listing.codes(before=cursor) == ["BAD_USER_INPUT"], cursor

    async def test_pages_asked_for_at_once_are_those_asked_for_one_by_one(self, listing: Listing) -> None:
        whole = await listing.whole()
        pages = await asyncio.gather(*(listing.page(first=2, after=edge["cursor"]) for edge in whole))
        assert [page["edges"] for page in pages] == [whole[place + 1 : place + 3] for place in range(SIZE)]


async def test_totals_are_of_the_whole_list_whatever_the_page(ada: Person, ledger: Ledger) -> None:
    listing = await rooms(ada, ledger)
    query = "{ rooms(first: 2, after: %s) { totalCount } users(first: 0) { totalCount } }"
    for after in ("null", f'"{(await listing.whole())[5]["cursor"]}"'):
        found = await ada.ask(query % after)
        assert found == {"rooms": {"totalCount": SIZE}, "users": {"totalCount": 6}}


async def test_the_default_page_is_50_and_of_messages_the_newest(ada: Person, ledger: Ledger) -> None:
    room = await ada.make_room()
    await ledger.sql(
        """
        INSERT INTO message (workspace_id, room_id, sequence, id, author_id, body, source, created_at)
        SELECT %s, %s, n, gen_random_uuid(), %s, 'x', 'APP', now() FROM generate_series(1, 120) n
        """,
        ada.workspace_id,
        key(room),
        ada.user_id,
    )

    async def sequences(asked: str) -> list[int]:
        query = f"query ($id: ID!) {{ room(id: $id) {{ messages{asked} {{ nodes {{ sequence }} }} }} }}"
        return [node["sequence"] for node in (await ada.ask(query, id=room))["room"]["messages"]["nodes"]]

    at = pagination.messages_cursor(key(room), 60)
    assert await sequences("") == list(range(71, 121))
    assert await sequences(f'(before: "{at}")') == list(range(10, 60))
    assert await sequences(f'(after: "{at}")') == list(range(61, 111))
    assert await sequences("(first: 100)") == list(range(1, 101))
    assert await sequences("(last: 100)") == list(range(21, 121))


async def test_what_moves_while_one_pages_is_neither_lost_nor_shown_twice(ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    for number in range(4):
        await ada.send(room, str(number))
    listing = Listing(cleo, "messages", room)
    page = await listing.page(last=2)
    await ada.send(room, "Meanwhile")
    older = await listing.page(last=10, before=page["pageInfo"]["startCursor"])
    newer = await listing.page(first=10, after=page["pageInfo"]["endCursor"])
    walked = [edge["node"]["id"] for part in (older, page, newer) for edge in part["edges"]]
    assert walked == [edge["node"]["id"] for edge in (await listing.page(first=10))["edges"]]


async def test_a_page_of_each_room_in_one_list_is_the_page_of_that_room(ada: Person, ben: Person, cleo: Person) -> None:
    made = [await ada.make_room(ben), await ada.make_room(cleo, ben), await ada.make_room()]
    for count, room in enumerate(made):
        for number in range(count * 2):
            await ada.send(room, str(number))
    inner = f"id messages(last: 3) {{ {PAGE} }} participants(first: 2) {{ totalCount {PAGE} }} lastMessage {{ id }}"
    found = await ada.ask(f"{{ rooms {{ nodes {{ {inner} }} }} }}")
    assert len(found["rooms"]["nodes"]) == 3
    for node in found["rooms"]["nodes"]:
        alone = await ada.ask(f"query ($id: ID!) {{ room(id: $id) {{ {inner} }} }}", id=node["id"])
        assert alone["room"] == node


AROUND = f"query ($id: ID!, $at: ID, $n: Int) {{ room(id: $id) {{ messages(around: $at, first: $n) {{ {PAGE} }} }} }}"


class TestAround:
    async def test_a_page_has_the_message_in_its_middle_and_says_what_stands_beside_it(
        self, ada: Person, ledger: Ledger
    ) -> None:
        listing = await messages(ada, ledger)
        whole = await listing.whole()
        for place, size in itertools.product(range(SIZE), range(SIZE + 2)):
            found = await ada.ask(AROUND, id=listing.room, at=whole[place]["node"]["id"], n=size)
            page = found["room"]["messages"]
            start = max(min(place - (size - 1) // 2, SIZE - size), 0)
            wanted = whole[start : start + size]
            assert page["edges"] == wanted, (place, size)
            if size:
                assert whole[place] in page["edges"]
                info = page["pageInfo"]
                assert info["hasPreviousPage"] == (start > 0)
                assert info["hasNextPage"] == (start + len(wanted) < SIZE)

    async def test_it_goes_on_in_both_directions(self, ada: Person, ledger: Ledger) -> None:
        listing = await messages(ada, ledger)
        whole = await listing.whole()
        page = (await ada.ask(AROUND, id=listing.room, at=whole[3]["node"]["id"], n=3))["room"]["messages"]
        older = await listing.page(last=10, before=page["pageInfo"]["startCursor"])
        newer = await listing.page(first=10, after=page["pageInfo"]["endCursor"])
        assert older["edges"] + page["edges"] + newer["edges"] == whole

    async def test_it_goes_with_first_alone(self, ada: Person, ledger: Ledger) -> None:
        listing = await messages(ada, ledger)
        edge = (await listing.whole())[3]
        at, cursor = edge["node"]["id"], edge["cursor"]
        for more in ({"last": 3}, {"after": cursor}, {"before": cursor}, {"first": 3, "after": cursor}, {"first": 101}):
            assert await listing.codes(around=at, **more) == ["BAD_USER_INPUT"], more
        for more in ({}, {"first": 3, "last": None, "after": None, "before": None}, {"first": None}):
            assert await listing.codes(around=at, **more) == [], more

    async def test_null_is_no_message(self, ada: Person, ledger: Ledger) -> None:
        listing = await messages(ada, ledger)
        whole = await listing.whole()
        found = await ada.ask(AROUND, id=listing.room, at=None, n=3)
        assert found["room"]["messages"]["edges"] == whole[:3]
        assert (await listing.page(around=None, last=2))["edges"] == whole[-2:]

    async def test_a_tombstone_is_a_message(self, ada: Person, ledger: Ledger) -> None:
        listing = await messages(ada, ledger)
        at = (await listing.whole())[3]["node"]["id"]
        await ada.done("deleteMessage", {"messageId": at})
        found = await ada.ask(AROUND, id=listing.room, at=at, n=1)
        assert found["room"]["messages"]["nodes"] == [{"id": at}]


def asked_for(count: int) -> st.SearchStrategy[Any]:
    """One size, and cursors of places in a list of that many."""
    size = st.integers(0, 100)
    place = st.none() | st.integers(0, max(count - 1, 0))
    one = st.tuples(size, st.none()) | st.tuples(st.none(), size)
    return st.tuples(one, place, place)


lists = st.integers(0, 150).flatmap(lambda count: st.tuples(st.just(count), asked_for(count)))


class TestAgainstAPlainList:
    @given(lists)
    def test_a_page_of_rows(self, case: tuple[int, Any]) -> None:
        count, ((first, last), after, before) = case
        part = sliced(first, after and str(after), last, before and str(before))
        within = list(range(count))[(0 if after is None else after + 1) : before]
        rows = (within[::-1] if part.backward else within)[: part.size + 1]
        part = sliced(first, _cursor(after), last, _cursor(before))
        page, has_previous, has_next = page_of(rows, part)
        assert page == expected(list(range(count)), first, after, last, before)
        truth = flags(count, len(page), first, after, before)
        if truth is not None and count:
            assert (has_previous, has_next) == truth

    @given(lists)
    def test_a_page_of_history(self, case: tuple[int, Any]) -> None:
        count, ((first, last), after, before) = case
        size = first if first is not None else last
        assert size is not None
        asked = MessagePage(
            size + 1,
            0 if after is None else after + 1,
            END if before is None else before + 1,
            backward=first is None,
        )
        found = _history(count, asked)
        sequences = [node.sequence for node in found.nodes]
        assert sequences == [place + 1 for place in expected(list(range(count)), first, after, last, before)]
        truth = flags(count, len(sequences), first, after, before)
        if truth is not None and count:
            assert (found.page_info.has_previous_page, found.page_info.has_next_page) == truth

    @given(st.integers(1, 150), st.data(), st.integers(1, 100))
    def test_a_page_around_a_message(self, count: int, data: st.DataObject, size: int) -> None:
        sequence = data.draw(st.integers(1, count))
        found = _history(count, around(sequence, size, count))
        sequences = [node.sequence for node in found.nodes]
        assert sequence in sequences
        assert len(sequences) == min(size, count)
        assert sequences == list(range(sequences[0], sequences[-1] + 1))
        before, behind = sequence - sequences[0], sequences[-1] - sequence
        if sequences[0] > 1 and sequences[-1] < count:
            assert 0 <= behind - before <= 1
        assert found.page_info.has_previous_page == (sequences[0] > 1)
        assert found.page_info.has_next_page == (sequences[-1] < count)

    @given(st.none() | st.integers(), st.none() | st.integers())
    def test_sizes_outside_the_bounds_or_two_of_them_are_refused(self, first: int | None, last: int | None) -> None:
        fine = (first is None or last is None) and all(size is None or 0 <= size <= 100 for size in (first, last))
        if fine:
            assert sliced(first, None, last).size == next((size for size in (first, last) if size is not None), 50)
        else:
            with pytest.raises(Malformed):
                sliced(first, None, last)

    @given(st.text(st.characters(codec=None, categories=None)), st.uuids())
    def test_no_text_fails_as_a_cursor_in_any_other_way(self, cursor: str, room: UUID) -> None:
        readers: list[Callable[[], Any]] = [
            lambda: pagination.read_users_cursor(cursor),
            lambda: pagination.read_rooms_cursor(cursor),
            lambda: pagination.read_participants_cursor(cursor, room),
            lambda: pagination.read_messages_cursor(cursor, room),
            lambda: pagination.read_portals_cursor(cursor),
            lambda: pagination.read_clients_cursor(cursor, room),
            lambda: pagination.read_portal_rooms_cursor(cursor, room),
        ]
        for read in readers:
            with pytest.raises(Malformed):
                read()

    @given(st.uuids(), st.uuids(), st.datetimes(timezones=st.just(UTC)), st.integers(0, 2**63 - 1))
    def test_a_cursor_reads_as_it_was_written(self, room: UUID, id: UUID, moment: datetime, sequence: int) -> None:
        assert pagination.read_users_cursor(pagination.users_cursor(id)) == id
        assert pagination.read_rooms_cursor(pagination.rooms_cursor(moment, id)) == (moment, id)
        participant = pagination.participants_cursor(room, moment, id)
        assert pagination.read_participants_cursor(participant, room) == (moment, id)
        assert pagination.read_messages_cursor(pagination.messages_cursor(room, sequence), room) == sequence
        assert pagination.read_portals_cursor(pagination.portals_cursor(id)) == id
        assert pagination.read_clients_cursor(pagination.clients_cursor(room, id), room) == id
        of_portal = pagination.portal_rooms_cursor(room, moment, id)
        assert pagination.read_portal_rooms_cursor(of_portal, room) == (moment, id)

    @given(st.binary(max_size=60), st.sampled_from([b"r", b"u", b"p", b"m", b"o", b"c", b"h"]), st.uuids())
    def test_any_bytes_are_a_cursor_or_none(self, raw: bytes, name: bytes, room: UUID) -> None:
        cursor = base64.urlsafe_b64encode(name + room.bytes + raw).rstrip(b"=").decode()
        readers: list[Callable[[], Any]] = [
            lambda: pagination.read_users_cursor(cursor),
            lambda: pagination.read_rooms_cursor(cursor),
            lambda: pagination.read_participants_cursor(cursor, room),
            lambda: pagination.read_messages_cursor(cursor, room),
            lambda: pagination.read_portals_cursor(cursor),
            lambda: pagination.read_clients_cursor(cursor, room),
            lambda: pagination.read_portal_rooms_cursor(cursor, room),
        ]
        assert sum(_reads(read) for read in readers) <= 1


def _reads(read: Callable[[], Any]) -> bool:
    try:
        read()
    except Malformed:
        return False
    return True


def _cursor(place: int | None) -> str | None:
    return None if place is None else str(place)


def _history(count: int, page: MessagePage) -> Any:
    """What a room of that many messages gives, read as the database reads it."""
    within = [sequence for sequence in range(1, count + 1) if page.after < sequence < page.before]
    rows = (within[::-1] if page.backward else within)[: page.limit]
    return history([_row(sequence) for sequence in rows], page, count)


ROOM = UUID(int=1)
NOON = datetime(2026, 1, 1, tzinfo=UTC)


def _row(sequence: int) -> MessageRow:
    return MessageRow(ROOM, sequence, UUID(int=sequence), ROOM, "x", "APP", NOON, None, None, None, None)


async def test_a_cursor_without_a_size_says_by_itself_which_way_to_go(ada: Person) -> None:
    made = [await ada.make_room(name=f"{number}") for number in range(53)]
    edges = (await ada.ask("{ rooms(first: 100) { edges { cursor node { id } } } }"))["rooms"]["edges"]
    page = "{ rooms(%s) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }"
    newest_first = made[::-1]

    async def asked(arguments: str) -> tuple[list[str], bool, bool]:
        found = (await ada.ask(page % arguments))["rooms"]
        info = found["pageInfo"]
        return [node["id"] for node in found["nodes"]], info["hasPreviousPage"], info["hasNextPage"]

    assert await asked(f'after: "{edges[0]["cursor"]}"') == (newest_first[1:51], True, True)
    assert await asked(f'before: "{edges[52]["cursor"]}"') == (newest_first[2:52], True, True)
