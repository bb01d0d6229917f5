"""Nobody waits for what is executed for somebody else alone."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import parse

from resolvers import stream
from server.graphql.asked import Asked
from server.graphql.execution import encoded
from server.hub.allowance import BURST, REFILL, VALUE, Allowance
from server.hub.kept import Kept
from tests.cast import Person
from tests.live.hold import Hold, cursor_of, has_read, reader
from tests.live.phone import TEXTS, Switchboard

# Another document than `TEXTS`, so that its results are shared with nobody.
HEAVY = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) {
        cursor message { sequence body author { name } } room { participants { nodes { user { name } } } }
      }
    }
"""


HEAVIER = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) {
        cursor message { body } room { messages(last: 20) { nodes { id } } }
      }
    }
"""


def numbered(count: int) -> list[str]:
    return [f"Number {number}" for number in range(count)]


async def missed(count: int, sender: Person, *people: Person) -> tuple[str, str]:
    """A room in which so much was said, and a cursor of before."""
    room = await sender.make_room(*people)
    cursor = await cursor_of(sender)
    for text in numbered(count):
        await sender.send(room, text)
    return room, cursor


class Spent(Allowance):
    """As if some had spent it."""

    def __init__(self, *people: Person) -> None:
        super().__init__()
        self.people = {person.user_id for person in people}

    def spent(self, user: Any) -> bool:
        return user in self.people


class TestTheAllowance:
    def test_what_is_shared_is_charged_in_parts(self) -> None:
        now = 0.0
        allowance = Allowance(clock=lambda: now)
        allowance.charge(["ada", "ben"], BURST)  # type: ignore[list-item]
        assert not allowance.spent("ada")  # type: ignore[arg-type]
        allowance.charge(["ada"], BURST // 2)  # type: ignore[list-item]
        assert allowance.spent("ada")  # type: ignore[arg-type]
        assert not allowance.spent("ben")  # type: ignore[arg-type]
        now = BURST / REFILL / 1_000
        assert not allowance.spent("ada")  # type: ignore[arg-type]

    def test_it_is_never_more_than_at_the_beginning_and_who_has_all_is_forgotten(self) -> None:
        now = 0.0
        allowance = Allowance(clock=lambda: now)
        for user in range(1_000):
            allowance.charge([user], 1)  # type: ignore[list-item]
        now = 3600.0
        allowance.charge(["ada"], BURST)  # type: ignore[list-item]
        assert allowance.spent("ada")  # type: ignore[arg-type]
        assert list(allowance._left) == ["ada"]


class TestTheLiveLine:
    async def test_who_has_spent_it_is_left_to_the_log_and_nobody_waits_for_them(
        self, live: Switchboard, process: Any, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(ben, cleo)
        light, heavy = await live.call(ben, room), await live.call(cleo, room, query=HEAVY)
        reader(live, ada)._way._allowance = Spent(cleo)
        held = Hold(monkeypatch, stream, "log_about")
        for text in numbered(5):
            await ada.send(room, text)
        await held.reached.wait()
        await light.has(*numbered(5))
        assert heavy.payloads == []
        held.let_go()
        await heavy.has(*numbered(5))
        await has_read(live, ada, process)
        assert live.hub.counts.put_off >= 1

    @pytest.mark.parametrize("others", [False, True], ids=["alone", "beside others"])
    async def test_whether_others_listen_cannot_be_told_from_it(
        self,
        live: Switchboard,
        process: Any,
        ada: Person,
        ben: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        others: bool,
    ) -> None:
        """Who has spent it waits for the log, also where somebody else's result would do."""
        room = await ada.make_room(ben, cleo)
        other = await live.call(ben, room) if others else None
        phone = await live.call(cleo, room)
        reader(live, ada)._way._allowance = Spent(cleo)
        held = Hold(monkeypatch, stream, "log_about")
        await ada.send(room, "Hello")
        await held.reached.wait()
        if other is not None:
            await other.has("Hello")
        await has_read(live, ada, process)
        assert phone.payloads == []
        held.let_go()
        await phone.has("Hello")

    @pytest.mark.parametrize("few", [1, 2])
    async def test_what_few_share_is_charged_and_what_many_share_is_not(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, few: int
    ) -> None:
        monkeypatch.setattr("server.hub.delivery.FEW", few)
        room = await ada.make_room(ben, cleo)
        phones = [await live.call(person, room) for person in (cleo, ben)]
        await ada.send(room, "Hello")
        for phone in phones:
            await phone.has("Hello")
        assert len(reader(live, ada)._way._allowance._left) == (2 if few == 2 else 0)

    @pytest.mark.parametrize("fails", [False, True])
    async def test_what_an_error_sweeps_away_is_charged_too(
        self, live: Switchboard, ada: Person, cleo: Person, fails: bool
    ) -> None:
        """A field that fails at the end of a large result takes all of it away, but not the time that it took."""
        room = await ada.make_room(cleo)
        inner = f"room {{ messages(first: {-1 if fails else 1}) {{ __typename }} }}"
        query = f"""subscription ($room: ID!) {{
          messageAdded(roomId: $room) {{ message {{ room {{ messages(first: 100) {{ nodes {{ id {inner} }} }} }} }} }}
        }}"""
        phone = await live.call(cleo, room, query=query)
        await ada.send(room, "Hello")
        await phone.until(lambda phone: len(phone.payloads) == 1)
        (left, _) = reader(live, ada)._way._allowance._left[cleo.user_id]
        charged = BURST - left
        values = live.execution.prepare(Asked(query, None, {"room": room}, {})).values
        assert (charged > VALUE * values) == fails

    async def test_texts_that_were_read_are_charged_though_they_are_not_told(
        self, live: Switchboard, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        for _ in range(5):
            await ada.send(room, "x" * 9_000)
        pages = " ".join(f"a{size}: messages(first: {size}) {{ __typename }}" for size in range(1, 6))
        phone = await live.call(
            cleo, room, query=f"subscription ($room: ID!) {{ messageAdded(roomId: $room) {{ room {{ {pages} }} }} }}"
        )
        await ada.send(room, "Hello")
        await phone.until(lambda phone: len(phone.payloads) == 1)
        (left, _) = reader(live, ada)._way._allowance._left[cleo.user_id]
        assert BURST - left > 5 * 9_000

    async def test_who_is_removed_meanwhile_gets_their_departure_and_nothing_later(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)
        reader(live, ada)._way._allowance = Spent(cleo)
        held = Hold(monkeypatch, stream, "log_about", behind=False)
        await ada.send(room, "Before")
        await held.reached.wait()
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        await ada.send(room, "Behind their back")
        held.let_go()
        await phone.until(lambda phone: phone.ended is not None)
        assert phone.ended == "complete"
        assert phone.texts in ([], ["Before"])

    async def test_whoever_is_put_off_while_being_brought_misses_nothing(
        self, live: Switchboard, process: Any, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        await ada.send(room, "Number 0")
        held = Hold(monkeypatch, stream, "log_about", behind=True)
        phone = await live.call(cleo, room, cursor)
        await held.reached.wait()
        reader(live, ada)._way._allowance = Spent(cleo)
        await ada.send(room, "Number 1")
        await has_read(live, ada, process)
        assert live.hub.counts.put_off == 1
        held.let_go()
        await phone.has(*numbered(2))

    async def test_it_stands_where_the_reader_stood(
        self, live: Switchboard, process: Any, ada: Person, cleo: Person
    ) -> None:
        """Its own last event may be long gone from the log when its room was quiet."""
        room, busy = await ada.make_room(cleo), await ada.make_room()
        phone = await live.call(cleo, room)
        for _ in range(3):
            await ada.send(busy)
        await has_read(live, ada, process)
        async with process.pool.connection() as connection:
            await connection.execute(
                b"DELETE FROM event WHERE workspace_id = %s AND position < (SELECT max(position) FROM event)",
                [ada.workspace_id],
            )
        reader(live, ada)._way._allowance = Spent(cleo)
        await ada.send(room, "Hello")
        await phone.has("Hello")

    async def test_a_batch_that_takes_long_is_gone_on_with(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("server.hub.watch.BATCH_SECONDS", 0)
        room = await ada.make_room(cleo)
        phone = await live.call(cleo, room)

        async def look() -> None:
            """Nothing is found by a sweep."""

        monkeypatch.setattr(live.hub, "_look", look)
        held = Hold(monkeypatch, stream, "read_on")
        await ada.send(room, "Number 0")
        await held.reached.wait()
        for text in numbered(4)[1:]:
            await ada.send(room, text)
        async with asyncio.timeout(20):
            while not reader(live, ada)._news.is_set():
                await asyncio.sleep(0.005)
        held.let_go()
        await phone.has(*numbered(4))


class TestTheLog:
    async def test_one_client_with_many_pages_holds_up_nobody(
        self,
        live: Switchboard,
        ada: Person,
        ben: Person,
        cleo: Person,
        zoe: Person,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        rooms = {ada: await ada.make_room(ben, cleo), zoe: await zoe.make_room()}
        cursors = {person: await cursor_of(person) for person in (ben, cleo, zoe)}
        for sender, room in rooms.items():
            await sender.send(room, "Missed")
        held = Hold(monkeypatch, stream, "log_about")
        greedy = []
        for _ in range(5):
            greedy.append(await live.call(cleo, rooms[ada], cursors[cleo], query=HEAVY))
        await held.reached.wait()
        await (await live.call(ben, rooms[ada], cursors[ben])).has("Missed")
        await (await live.call(zoe, rooms[zoe], cursors[zoe])).has("Missed")
        assert not any(phone.payloads for phone in greedy)
        held.let_go()
        for phone in greedy:
            await phone.has("Missed")

    async def test_whoever_takes_far_more_than_the_others_goes_on_alone(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("server.hub.replay.GREEDY", 3_000)
        monkeypatch.setattr("server.hub.replay.PAGE", 2)
        room, cursor = await missed(6, ada, ben, cleo)
        await live.call(ada, room)
        alone = []
        begin_alone = reader(live, ada)._replay.begin_alone
        monkeypatch.setattr(
            reader(live, ada)._replay,
            "begin_alone",
            lambda some: (alone.append({each.listener.user_id for each in some}), begin_alone(some)),
        )
        phones = await asyncio.gather(
            live.call(ben, room, cursor), live.call(cleo, room, cursor, query=HEAVY), live.call(ben, room, cursor)
        )
        for phone in phones:
            await phone.has(*numbered(6))
        assert {frozenset(users) for users in alone if users} == {frozenset({cleo.user_id})}

    async def test_those_who_take_alike_stay_together(
        self, live: Switchboard, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("server.hub.replay.GREEDY", 0)
        monkeypatch.setattr("server.hub.replay.PAGE", 2)
        room, cursor = await missed(6, ada, ben, cleo)
        await live.call(ada, room)
        reads = live.hub.counts.reads
        phones = await asyncio.gather(*(live.call(person, room, cursor, query=HEAVY) for person in (ben, cleo, ada)))
        for phone in phones:
            await phone.has(*numbered(6))
        assert live.hub.counts.reads - reads <= 4

    async def test_a_page_that_takes_long_goes_on_in_its_next_turn(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("server.hub.replay.PAGE_SECONDS", 0)
        monkeypatch.setattr("server.hub.replay.ALONE_SECONDS", 0)
        room, cursor = await missed(4, ada, cleo)
        await live.call(ada, room)
        reads = live.hub.counts.reads
        phones = await asyncio.gather(*(live.call(cleo, room, cursor, query=query) for query in (TEXTS, HEAVY)))
        await ada.send(room, "Number 4")
        for phone in phones:
            await phone.has(*numbered(5))
        # An event of two documents is two pages.
        assert live.hub.counts.reads - reads >= 8

    @pytest.mark.parametrize(("behind", "query"), [(20, TEXTS), (2, HEAVIER)], ids=["light", "nearly there"])
    async def test_who_is_light_or_nearly_there_waits_for_no_heavy_ones_not_even_of_the_same_user(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, behind: int, query: str
    ) -> None:
        # A clock that goes by what is executed: a page has room for a few heavy results, or for all light ones.
        executed = [0]

        def counted(result: Any) -> bytes:
            payload = encoded(result)
            executed[0] += len(payload)
            return payload

        monkeypatch.setattr("server.hub.delivery.encoded", counted)
        for module in ("delivery", "replay"):
            monkeypatch.setattr(f"server.hub.{module}.time", SimpleNamespace(monotonic=lambda: executed[0]))
        monkeypatch.setattr("server.hub.replay.PAGE_SECONDS", 12_000)
        monkeypatch.setattr("server.hub.replay.ALONE_SECONDS", 12_000)
        room = await ada.make_room(cleo)
        far, near = await cursor_of(cleo), ""
        for number, text in enumerate(numbered(20)):
            if number == 20 - behind:
                near = await cursor_of(cleo)
            await ada.send(room, text)
        await live.call(ada, room)
        *heavy, light = await asyncio.gather(
            *(live.call(cleo, room, far, query=f"# {number}{HEAVIER}") for number in range(8)),
            live.call(cleo, room, near, query=query),
        )
        await light.has(*numbered(20)[20 - behind :])
        assert sum(len(phone.payloads) for phone in heavy) < 8 * 20 / 2
        for phone in heavy:
            await phone.has(*numbered(20))

    @pytest.mark.parametrize("has_spent", [True, False])
    async def test_who_takes_much_alone_leaves_time_to_others(
        self, live: Switchboard, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, has_spent: bool
    ) -> None:
        rests = []

        async def rest(seconds: float) -> None:
            rests.append(seconds)

        monkeypatch.setattr("server.hub.allowance.STRETCH", 0)
        monkeypatch.setattr("server.hub.replay.BURST", 0 if has_spent else BURST)
        room, cursor = await missed(3, ada, cleo)
        monkeypatch.setattr(live.hub._turns, "rest", rest)
        await (await live.call(cleo, room, cursor)).has(*numbered(3))
        assert [each > 0 for each in rests] == ([True] * 2 if has_spent else [])


class TestWhatSubscriptionsKeep:
    async def test_documents_of_one_user_are_bounded(self, live: Switchboard, ada: Person, ben: Person) -> None:
        each = live.hub._kept.keep(ben.user_id, TEXTS, parse(TEXTS), "{}")
        live.hub._kept = Kept(int(2.5 * live.hub._kept._users[ben.user_id].bytes))
        each.let_go()
        room, other = await ada.make_room(ben), await ada.make_room()
        phones = [await live.call(ada, room, query=f"# {number}{TEXTS}") for number in range(2)]
        assert await live.refused(ada, room, query=f"# Another{TEXTS}") == ["RATE_LIMITED"]
        phones += [await live.call(ada, each, query=f"# 1{TEXTS}") for each in (room, other)]
        phones.append(await live.call(ben, room, query=f"# 2{TEXTS}"))
        for phone in phones[:4]:
            assert phone.stream is not None
            phone.stream.close()
        assert set(live.hub._kept._users) == {ben.user_id}
        await live.call(ada, room, query=f"# Another{TEXTS}")

    async def test_nothing_is_kept_of_what_was_refused(self, live: Switchboard, ada: Person, zoe: Person) -> None:
        room = await zoe.make_room()
        assert await live.refused(ada, room) == ["NOT_FOUND"]
        assert live.hub._kept._users == {}

    async def test_what_has_ended_before_it_was_told_of_is_let_go(self, live: Switchboard, ada: Person) -> None:
        room = await ada.make_room()
        phone = await live.call(ada, room)
        assert phone.stream is not None
        let_go = []
        phone.stream.close()
        phone.stream.on_end(let_go.append)
        phone.stream.close()
        assert let_go == [phone.stream]
