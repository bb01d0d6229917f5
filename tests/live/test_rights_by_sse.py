"""The rights of who listens by Server-Sent Events, with the real hub behind them: how a stream ends, and how none
begins."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from resolvers import stream
from resolvers.process import Process
from server.connections import Bounds
from tests.cast import Person
from tests.clients.npm import installed
from tests.live.endings import Ending, ends
from tests.live.hold import Hold, cursor_of, has_read, reader
from tests.live.phone import PATIENCE, Switchboard
from tests.live.served import Served, expire_after, signed_in, until_expired
from tests.live.streams import STREAMS, follows
from tests.sse.events import Events, played
from tests.sse.events import stream as events_of


def listening(
    served: Served, person: Person, name: str, room: str, after: str | None = None
) -> AbstractAsyncContextManager[Events]:
    members = {"variables": {"room": room, "after": after}}
    return events_of(served.server, STREAMS[name], headers=signed_in(person), members=members)


async def hears(events: Events, *texts: str) -> None:
    """These are the next messages that it tells."""
    for text in texts:
        event = await events.next()
        assert isinstance(event, tuple)
        (told,) = event[1]["data"].values()
        assert (event[0], told["message"]["body"]) == ("next", text)


async def hears_the_end(events: Events, reason: str) -> None:
    event = await events.next()
    told = {"errors": [{"message": reason, "extensions": {"code": "UNAUTHENTICATED"}}]}
    assert event == ("next", told)
    assert await events.next() == ("complete", None)
    assert await events.next() is None


async def hears_that_she_left(events: Events, name: str, ada: Person, other: str) -> None:
    """That, and nothing else of that room; then only `viewerEvents` goes on."""
    if name != "messageAdded":
        event = await events.next()
        assert isinstance(event, tuple)
        assert event[1]["data"][name]["__typename"] == "RoomLeft"
    if name == "viewerEvents":
        await ada.send(other, "Elsewhere")
        await hears(events, "Elsewhere")
    else:
        assert await events.next() == ("complete", None)
        assert await events.next() is None


async def refusal(asking: Callable[[], AbstractAsyncContextManager[Events]]) -> tuple[int, list[str]]:
    """The status of a stream that does not begin, and the codes that it tells."""
    async with asyncio.timeout(PATIENCE), asking() as events:
        await events.response.aread()
        return events.response.status_code, [each["extensions"]["code"] for each in events.response.json()["errors"]]


class TestASignInThatEnds:
    """By a sign-out, by a deactivation, or because its time has run out."""

    @ends
    @follows
    async def test_is_told_and_ends_the_stream_though_nothing_happens_in_the_room(
        self, served: Served, process: Process, ada: Person, cleo: Person, end: Ending, name: str
    ) -> None:
        room = await ada.make_room(cleo)
        async with listening(served, cleo, name, room) as events, listening(served, ada, name, room) as others:
            await end(process, cleo)
            await hears_the_end(events, "This sign-in has ended.")
            await ada.send(room, "Behind it")
            await hears(others, "Behind it")

    @ends
    @follows
    @pytest.mark.parametrize("read", [True, False], ids=["and told", "and not told yet"])
    async def test_while_one_subscribes_is_told_however_far_it_has_come(
        self,
        served: Served,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        end: Ending,
        name: str,
        read: bool,
    ) -> None:
        """The judgement is from before it. Then the reader comes to it, or has come to it already."""
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        held = Hold(monkeypatch, stream, "judge", behind=True)

        async def ask() -> None:
            if read:
                refused = await refusal(lambda: listening(served, cleo, name, room))
                assert refused == (401, ["UNAUTHENTICATED"])
                return
            async with listening(served, cleo, name, room) as events:
                reading.let_go()
                await hears_the_end(events, "This sign-in has ended.")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask())
            await held.reached.wait()
            reading = Hold(monkeypatch, stream, "read_on")
            await end(process, cleo)
            await ada.send(room, "Behind it")
            if read:
                reading.let_go()
                await has_read(live, ada, process)
            held.let_go()

    @ends
    @follows
    async def test_begins_no_stream(
        self, served: Served, process: Process, ada: Person, cleo: Person, end: Ending, name: str
    ) -> None:
        room = await ada.make_room(cleo)
        await end(process, cleo)
        assert await refusal(lambda: listening(served, cleo, name, room)) == (401, ["UNAUTHENTICATED"])


class TestAnAccessTokenThatExpires:
    async def test_cuts_no_stream(self, served: Served, process: Process, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        expire_after(process, cleo, 3)
        async with listening(served, cleo, "viewerEvents", room) as events:
            await until_expired(cleo)
            await ada.send(room, "Still heard")
            await hears(events, "Still heard")

    @follows
    async def test_begins_none(self, served: Served, process: Process, ada: Person, cleo: Person, name: str) -> None:
        room = await ada.make_room(cleo)
        expire_after(process, cleo, -1)
        assert await refusal(lambda: listening(served, cleo, name, room)) == (401, ["UNAUTHENTICATED"])

    @pytest.mark.parametrize("bounds", [Bounds(seconds=0.2)])
    @follows
    async def test_counts_again_when_the_connection_has_lived_its_time(
        self, served: Served, live: Switchboard, ada: Person, cleo: Person, name: str
    ) -> None:
        room = await ada.make_room(cleo)
        async with listening(served, cleo, name, room) as events:
            await hears_the_end(events, "This connection has lived its time.")
        await served.server.left()
        assert list(reader(live, cleo)._roster) == []


class TestWhoCanKnowThatTheyAreSubscribed:
    @follows
    @pytest.mark.parametrize("behind", [False, True], ids=["before the database", "behind the database"])
    async def test_misses_nothing_that_is_written_from_then_on(
        self,
        served: Served,
        live: Switchboard,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        behind: bool,
    ) -> None:
        """By the answer's head, which may be all that comes for long. It is held at the moment of its judgement: a head
        that came now would promise what isn't so."""
        room = await ada.make_room(cleo)
        await live.call(ada, room)
        held = Hold(monkeypatch, stream, "judge", behind=behind)
        known = False

        async def ask() -> None:
            nonlocal known
            async with listening(served, cleo, name, room) as events:
                known = True
                await ada.send(room, "At once")
                await hears(events, "At once")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask())
            await held.reached.wait()
            # Whoever asks later for what need not wait has their answer meanwhile.
            async with events_of(served.server, "{") as refused:
                assert isinstance(await refused.next(), tuple)
            assert not known
            held.let_go()


class TestARemoval:
    @follows
    async def test_ends_the_stream_of_a_room_and_is_told_in_the_others(
        self, served: Served, live: Switchboard, process: Process, ada: Person, cleo: Person, name: str
    ) -> None:
        room, other = await ada.make_room(cleo), await ada.make_room(cleo)
        async with listening(served, cleo, name, room) as events:
            await ada.send(room, "For all of us")
            await hears(events, "For all of us")
            await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
            await ada.send(room, "Among ourselves")
            await hears_that_she_left(events, name, ada, other)

    @follows
    async def test_while_the_process_is_behind_keeps_later_texts_from_who_is_gone(
        self,
        served: Served,
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        room, other = await ada.make_room(cleo), await ada.make_room(cleo)
        async with listening(served, cleo, name, room) as events:
            reading = Hold(monkeypatch, stream, "read_on")
            message = await ada.send(room, "For all of us")
            await reading.reached.wait()
            await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
            await ada.done("editMessage", {"messageId": message["id"], "body": "Not for cleo"})
            reading.let_go()
            await hears_that_she_left(events, name, ada, other)

    @follows
    async def test_of_who_was_away_is_not_found(self, served: Served, ada: Person, cleo: Person, name: str) -> None:
        room = await ada.make_room(cleo)
        cursor = await cursor_of(cleo)
        await ada.send(room, "Among ourselves, by then")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        async with listening(served, cleo, name, room, cursor) as events:
            event = await events.next()
            assert isinstance(event, tuple)
            if name == "viewerEvents":
                assert event[1]["data"]["viewerEvents"]["__typename"] == "RoomLeft"
            else:
                assert [each["extensions"]["code"] for each in event[1]["errors"]] == ["NOT_FOUND"]
                assert await events.next() == ("complete", None)


@pytest.mark.parametrize("bounds", [Bounds(connections_of_user=1)])
async def test_streams_and_sockets_of_a_user_count_together(served: Served, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    await served.socket(cleo)
    assert await refusal(lambda: listening(served, cleo, "messageAdded", room)) == (503, ["RATE_LIMITED"])
    async with listening(served, ada, "messageAdded", room) as events:
        await ada.send(room, "For ada")
        await hears(events, "For ada")


@pytest.fixture(scope="module")
def clients() -> Path:
    return installed()


class TestNpmsGraphqlSse:
    @pytest.fixture
    def play(self, served: Served, clients: Path) -> Callable[..., Awaitable[Any]]:
        return partial(played, clients, served.server.address)

    @ends
    async def test_is_told_that_a_sign_in_has_ended(
        self,
        play: Callable[..., Awaitable[Any]],
        live: Switchboard,
        process: Process,
        ada: Person,
        cleo: Person,
        monkeypatch: pytest.MonkeyPatch,
        end: Ending,
    ) -> None:
        room = await ada.make_room(cleo)
        judged = Hold(monkeypatch, stream, "judge", behind=True)
        assert cleo.token is not None
        playing = asyncio.create_task(play("subscription { viewerEvents { __typename } }", cleo.token))
        async with asyncio.timeout(30):
            await judged.reached.wait()
        judged.let_go()
        async with asyncio.timeout(PATIENCE):
            while not any(each.live for each in reader(live, cleo)._roster):
                await asyncio.sleep(0.005)
        await ada.send(room, "Hello")
        await has_read(live, cleo, process)
        await end(process, cleo)
        assert await playing == [
            {"data": {"viewerEvents": {"__typename": "MessageAdded"}}},
            {"errors": [{"message": "This sign-in has ended.", "extensions": {"code": "UNAUTHENTICATED"}}]},
            "complete",
        ]
