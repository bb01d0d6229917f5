"""A client that reads slowly, or not at all, costs a bounded amount of memory and nobody else anything."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from starlette.applications import Starlette

from server.connections import Backlog, Bounds
from server.websocket import outgoing
from tests.http.toy import ToyEngine
from tests.websocket.conftest import SECONDS, SIGNED_IN, Dial, Server, serving, until
from tests.websocket.toy import Feed, ToyStreams
from tests.websocket.wire import HANDSHAKE, SUBSCRIBE, Road, Wire, said

TOO_SLOW = {
    "message": "This client reads too slowly. Subscribe again behind the last cursor that it has.",
    "extensions": {"code": "RATE_LIMITED"},
}


@pytest.fixture
def bounds() -> Bounds:
    return Bounds(frames=20, bytes=10_000)


@pytest.fixture
async def wire(engine: ToyEngine, streams: ToyStreams, bounds: Bounds) -> Wire:
    """A client that is subscribed, and from now on takes nothing."""
    wire = Wire(engine, streams, bounds)
    wire.subscribe("1")
    await until(lambda: bool(streams.feeds))
    await wire.settled()
    wire.sent.clear()
    wire.taken.clear()
    return wire


class Watch:
    """Looks at a client whenever a test says so, instead of by the clock."""

    def __init__(self) -> None:
        self.next: Callable[[], None] | None = None

    def look(self) -> None:
        assert self.next is not None, "nothing waits for the client"
        look, self.next = self.next, None
        look()


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()

    def watch_over(self: Any) -> None:
        if watch.next is None:
            watch.next = partial(self._look, self._passed, self._unsent)

    monkeypatch.setattr(outgoing.Outgoing, "_watch_over", watch_over)
    return watch


def give_all(feed: Feed, text: str = "") -> int:
    """Give until there is no room; how many were taken."""
    for number in range(100_000):
        if not feed.give(f"{number}{text}"):
            return number
    raise AssertionError("there is no bound")


async def test_past_the_bound_of_frames_the_subscription_is_cut(wire: Wire, streams: ToyStreams) -> None:
    (feed,) = streams.feeds
    assert give_all(feed) == 20
    assert not feed.give("late")
    feed.outlet.complete()
    await wire.settled()
    assert feed.closed == 1
    wire.taken.set()
    await wire.settled()
    assert [each["payload"]["data"]["tick"] for each in wire.sent[:-1]] == [str(number) for number in range(20)]
    assert wire.sent[-1] == {"id": "1", "type": "error", "payload": [TOO_SLOW]}
    await wire.hang_up()


async def test_past_the_bound_of_bytes_the_subscription_is_cut(wire: Wire, streams: ToyStreams) -> None:
    assert give_all(streams.feeds[0], "x" * 1_900) == 5
    wire.taken.set()
    await wire.settled()
    assert [each["type"] for each in wire.sent] == ["next"] * 5 + ["error"]
    await wire.hang_up()


async def test_a_result_larger_than_the_bound_ends_the_subscription(wire: Wire, streams: ToyStreams) -> None:
    """Not as one who reads too slowly: resumed, it would meet the same result again."""
    (feed,) = streams.feeds
    assert feed.give("small")
    assert not feed.give("x" * 20_000)
    wire.taken.set()
    await wire.settled()
    assert [each["type"] for each in wire.sent] == ["next", "error"]
    assert wire.sent[-1]["payload"][0]["extensions"] == {"code": "QUERY_TOO_COMPLEX"}
    assert feed.closed == 1
    await wire.hang_up()


async def test_a_client_that_was_cut_subscribes_again(wire: Wire, streams: ToyStreams) -> None:
    give_all(streams.feeds[0])
    wire.taken.set()
    await wire.settled()
    wire.subscribe("1")
    await until(lambda: len(streams.feeds) == 2)
    await wire.settled()
    assert streams.feeds[1].give("anew")
    await wire.settled()
    assert wire.sent[-1]["payload"]["data"]["tick"] == "anew"
    await wire.hang_up()


async def test_the_end_of_a_stream_always_fits(wire: Wire, streams: ToyStreams) -> None:
    wire.subscribe("2")
    await wire.settled()
    full, ends = streams.feeds
    give_all(full)
    ends.outlet.complete()
    wire.taken.set()
    await wire.settled()
    assert wire.sent[-1] == {"id": "2", "type": "complete"}
    await wire.hang_up()


async def test_a_replay_waits_for_room(wire: Wire, streams: ToyStreams) -> None:
    (feed,) = streams.feeds

    async def replay() -> None:
        for number in range(200):
            if feed.outlet.full:
                await feed.outlet.room()
            assert feed.give(number)

    replaying = asyncio.create_task(replay())
    await wire.settled()
    assert not replaying.done()
    wire.taken.set()
    await asyncio.wait_for(replaying, SECONDS)
    await wire.settled()
    assert [each["payload"]["data"]["tick"] for each in wire.sent] == list(range(200))
    await wire.hang_up()


async def test_replays_beside_each_other_leave_each_other_room(wire: Wire, streams: ToyStreams) -> None:
    wire.taken.set()
    for id in range(2, 31):
        wire.subscribe(str(id))
    await wire.settled()
    wire.taken.clear()

    async def replay(feed: Feed) -> None:
        for batch in range(3):
            if feed.outlet.full:
                await feed.outlet.room()
            for part in range(5):
                assert feed.give([batch, part])

    replaying = asyncio.gather(*map(replay, streams.feeds))
    await wire.settled()
    wire.taken.set()
    await asyncio.wait_for(replaying, SECONDS)
    await wire.settled()
    assert len(wire.sent) == 30 * 3 * 5
    await wire.hang_up()


@pytest.mark.parametrize("end", ["completes", "goes", "is expelled"])
async def test_nobody_waits_for_room_at_a_client_that_has_left(wire: Wire, streams: ToyStreams, end: str) -> None:
    (feed,) = streams.feeds
    for number in range(15):
        feed.give(number)
    waiting = asyncio.create_task(feed.outlet.room())
    await wire.settled()
    assert not waiting.done()
    if end == "completes":
        wire.say(id="1", type="complete")
        wire.taken.set()
    elif end == "goes":
        await wire.hang_up()
    else:
        feed.outlet.expel("The sign-in has ended.")
    await asyncio.wait_for(waiting, SECONDS)
    if end == "completes":
        await wire.hang_up()
    wire.taken.set()
    await wire.ended()


FLOODS: dict[str, Any] = {
    "pings": lambda number: {"type": "ping", "payload": {"n": number}},
    "what is refused": lambda number: {"id": f"r{number}", "type": "subscribe", "payload": {"query": "{"}},
    "queries": lambda number: {"id": f"q{number}", "type": "subscribe", "payload": {"query": "{ hello }"}},
    "mutations": lambda number: {"id": f"m{number}", "type": "subscribe", "payload": {"query": "mutation { send }"}},
    "one id": lambda number: {"id": "2", "type": ("complete", "subscribe")[number % 2], "payload": {"query": "{"}},
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_nothing_is_read_from_a_client_that_does_not_read(wire: Wire, flood: Any) -> None:
    before = wire.received
    wire.flood(flood)
    await wire.settled()
    await wire.settled()
    stopped_at = wire.received
    assert stopped_at - before < 2 * 20 + 2 * 100 + 10
    await wire.settled()
    assert wire.received == stopped_at
    wire.taken.set()
    await wire.settled()
    assert wire.received > stopped_at
    await wire.hang_up()


async def test_pings_that_wait_are_bounded(engine: ToyEngine, streams: ToyStreams) -> None:
    streams.open.clear()
    wire = Wire(engine, streams, Bounds())
    wire.subscribe("1")
    await until(lambda: not streams.asked.empty())
    wire.flood(FLOODS["pings"])
    await wire.settled()
    stopped_at = wire.received
    assert stopped_at < 120
    await wire.settled()
    assert wire.received == stopped_at
    streams.open.set()
    await wire.settled()
    assert wire.received > stopped_at
    await wire.hang_up()


async def test_pings_that_wait_are_bounded_in_bytes(engine: ToyEngine, streams: ToyStreams) -> None:
    streams.open.clear()
    wire = Wire(engine, streams, Bounds())
    wire.subscribe("1")
    await until(lambda: not streams.asked.empty())
    before = wire.received
    for _ in range(5):
        wire.say(type="ping", payload={"large": "x" * 400_000})
    await wire.settled()
    assert wire.received - before < 4
    streams.open.set()
    await until(lambda: sum(each["type"] == "pong" for each in wire.sent) == 5)
    # What has been answered does not count any more.
    streams.open.clear()
    wire.subscribe("2")
    await until(lambda: streams.asked.qsize() == 2)
    before = wire.received
    wire.flood(FLOODS["pings"])
    await wire.settled()
    assert wire.received - before > 90
    streams.open.set()
    await wire.hang_up()


async def test_results_that_nothing_holds_back_are_bounded_in_the_end(engine: ToyEngine, streams: ToyStreams) -> None:
    wire = Wire(engine, streams, Bounds(bytes=1_000))
    await wire.settled()
    wire.taken.clear()
    for number in range(50):
        wire.subscribe(f"{number}{'x' * 490}", "mutation { slow }")
    await until(lambda: engine.journal.count("begun") == 50)
    engine.go_on.set()
    await until(lambda: engine.journal.count("closed") == 50)
    await wire.settled()
    wire.taken.set()
    await wire.ended()
    assert wire.closed is not None
    assert wire.closed["code"] == 1013
    assert len(wire.sent) == 2  # the acknowledgement, and what was on its way


async def test_what_was_completed_and_still_runs_is_bounded(engine: ToyEngine, streams: ToyStreams) -> None:
    wire = Wire(engine, streams, Bounds(operations=5))
    await wire.settled()
    slow = {"id": "1", "type": "subscribe", "payload": {"query": "mutation { slow }"}}
    wire.flood(lambda number: {"id": "1", "type": "complete"} if number % 2 else slow)
    await wire.settled()
    assert len(engine.operations) == 10
    engine.go_on.set()
    await wire.settled()
    assert len(engine.operations) > 10
    await wire.hang_up()
    await wire.mutations.finish()


async def test_what_a_client_has_completed_is_not_sent_to_it_any_more(wire: Wire, streams: ToyStreams) -> None:
    for number in range(3):
        streams.feeds[0].give(number)
    await wire.settled()
    wire.say(id="1", type="complete")
    wire.subscribe("1")
    await until(lambda: len(streams.feeds) == 2)
    await wire.settled()
    streams.feeds[1].give("new")
    wire.taken.set()
    await wire.settled()
    # The first had left already.
    assert [each["payload"]["data"]["tick"] for each in wire.sent] == [0, "new"]
    await wire.hang_up()


@pytest.mark.parametrize("end", ["complete", "error"])
async def test_an_end_that_waits_does_not_hit_the_next_of_that_id(wire: Wire, streams: ToyStreams, end: str) -> None:
    """Server and client end it at once, and the client uses the id again before it has read the server's end."""
    (feed,) = streams.feeds
    feed.give(0)
    feed.give(1)
    if end == "complete":
        feed.outlet.complete()
    else:
        feed.outlet.error([TOO_SLOW])
    await wire.settled()
    wire.say(id="1", type="complete")
    wire.subscribe("1")
    await until(lambda: len(streams.feeds) == 2)
    await wire.settled()
    streams.feeds[1].give("new")
    wire.taken.set()
    await wire.settled()
    assert [each["payload"]["data"]["tick"] for each in wire.sent] == [0, "new"]
    await wire.hang_up()


async def test_a_client_that_takes_nothing_is_let_go(
    wire: Wire, streams: ToyStreams, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.websocket.connection._FAREWELL", 0.05)
    for number in range(3):
        streams.feeds[0].give(number)
    await wire.settled()
    watch.look()
    await wire.ended()
    assert streams.feeds[0].closed == 1


async def test_a_client_that_takes_a_little_is_not_let_go(wire: Wire, streams: ToyStreams, watch: Watch) -> None:
    for number in range(20):
        assert streams.feeds[0].give(number)
    await wire.settled()
    for number in range(19):
        await wire.take_one()
        assert wire.sent[-1]["payload"]["data"]["tick"] == number
        watch.look()
        await wire.settled()
        assert streams.feeds[0].closed == 0
    watch.look()
    await wire.settled()
    assert streams.feeds[0].closed == 1
    wire.taken.set()
    await wire.ended()


async def test_who_is_expelled_gets_nothing_that_waited(wire: Wire, streams: ToyStreams) -> None:
    (feed,) = streams.feeds
    for number in range(5):
        feed.give(number)
    await wire.settled()
    feed.outlet.expel("The sign-in has ended.")
    wire.taken.set()
    await wire.ended()
    assert [each["payload"]["data"]["tick"] for each in wire.sent] == [0]  # which had left already
    assert wire.closed is not None
    assert wire.closed["code"] == 4403


async def test_a_close_that_is_not_taken_is_not_waited_for_long(
    wire: Wire, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.websocket.connection._FAREWELL", 0.05)
    streams.feeds[0].give(0)
    await wire.settled()
    streams.feeds[0].outlet.expel("The sign-in has ended.")
    await wire.ended()
    assert wire.closed is None


async def test_what_goes_straight_overtakes_nothing(engine: ToyEngine, streams: ToyStreams) -> None:
    road = Road()
    way = Wire(engine, streams, Bounds(), road)
    way.subscribe("1")
    await until(lambda: bool(streams.feeds))
    await way.settled()
    way.sent.clear()
    (feed,) = streams.feeds
    feed.give(0)
    assert len(way.sent) == 1
    way.taken.clear()
    road.writable.clear()
    feed.give(1)
    feed.give(2)
    road.writable.set()
    feed.give(3)  # while two wait
    road.writable.clear()
    await way.settled()
    road.writable.set()
    await way.take_one()
    await way.settled()
    road.writable.clear()
    feed.give(4)
    await way.settled()
    road.writable.set()
    feed.give(5)  # while one is being sent and none waits
    way.taken.set()
    await way.settled()
    assert [each["payload"]["data"]["tick"] for each in way.sent] == list(range(6))
    await way.hang_up()
    assert road.left == 1


async def test_a_large_frame_counts_until_it_is_passed_on(engine: ToyEngine, streams: ToyStreams) -> None:
    class Narrow(Road):
        def write(self, frame: bytes) -> bool:
            written = super().write(frame)
            if len(frame) > 80_000:
                self.writable.clear()  # it is with the transport, which has passed on nothing
            return written

    road = Narrow()
    way = Wire(engine, streams, Bounds(bytes=100_000), road)
    way.subscribe("1")
    await until(lambda: bool(streams.feeds))
    await way.settled()
    (feed,) = streams.feeds
    assert feed.give("x" * 90_000)
    await way.settled()
    assert feed.outlet.full
    waiting = asyncio.create_task(feed.outlet.room())
    await way.settled()
    assert not waiting.done()
    assert not feed.give("x" * 90_000)
    road.writable.set()
    await asyncio.wait_for(waiting, SECONDS)
    await way.settled()
    assert [each["type"] for each in way.sent[-2:]] == ["next", "error"]
    await way.hang_up()


@pytest.mark.parametrize("progress", [False, True])
async def test_who_takes_nothing_of_what_went_straight_is_let_go(
    engine: ToyEngine, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch, progress: bool
) -> None:
    monkeypatch.setattr(outgoing, "STALLED", 0.02)
    monkeypatch.setattr("server.websocket.connection._FAREWELL", 0.02)
    looks = []

    class Congested(Road):
        def write(self, frame: bytes) -> bool:
            self.sent.append(json.loads(frame))
            self.writable.clear()  # it took the last frame that it could
            return True

        @property
        def unsent(self) -> int:  # type: ignore[override]
            looks.append(None)
            return 100_000 - (len(looks) if progress else 0)

        @unsent.setter
        def unsent(self, _: int) -> None: ...

    way = Wire(engine, streams, Bounds(), Congested())
    await way.settled()
    way.taken.clear()
    if progress:
        async with asyncio.timeout(SECONDS):
            while len(looks) < 20:
                await asyncio.sleep(0.005)
        assert not way.task.done()
        await way.hang_up()
    else:
        await way.ended()
        assert len(looks) == 2


async def test_who_took_all_that_waited_before_is_not_let_go(
    engine: ToyEngine, streams: ToyStreams, watch: Watch
) -> None:
    """However full the transport is whenever it is looked at."""

    class Filled(Road):
        def write(self, frame: bytes) -> bool:
            written = super().write(frame)
            if b"tick" in frame:
                self.writable.clear()
            return written

        unsent = 70_000

    road = Filled()
    way = Wire(engine, streams, Bounds(), road)
    way.subscribe("1")
    await until(lambda: bool(streams.feeds))
    await way.settled()
    (feed,) = streams.feeds
    assert feed.give(0)
    road.writable.set()
    assert feed.give(1)
    watch.look()
    await way.settled()
    assert feed.closed == 0
    watch.look()
    await way.settled()
    assert feed.closed == 1
    await way.hang_up()


@pytest.mark.parametrize("bounds", [Bounds(bytes=8_000_000)])
async def test_what_a_client_does_not_take_is_thrown_away(
    app: Starlette, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To close a transport is not enough: it would wait for ever to be rid of what was written to it."""
    monkeypatch.setattr(outgoing, "STALLED", 0.1)
    monkeypatch.setattr("server.websocket.connection._FAREWELL", 0.05)
    monkeypatch.setattr("server.websocket.protocol._FLUSH", 0.05)
    async with serving(app) as server:
        dialling = await asyncio.open_connection(*server.address.split(":"), limit=1_000)
        reader, writer = dialling
        writer.write(HANDSHAKE)
        assert b" 101 " in await reader.readline()
        writer.write(said({"type": "connection_init"}) + said(SUBSCRIBE))
        feed = await asyncio.wait_for(streams.asked.get(), SECONDS)
        await until(lambda: bool(streams.feeds))
        assert feed.give("x" * 6_000_000)
        await until(lambda: server.unsent() > 1_000_000)
        async with asyncio.timeout(SECONDS):
            while server.unsent() or not feed.closed:
                await asyncio.sleep(0.01)
        await server.left()
        writer.close()


@pytest.mark.parametrize("bounds", [Bounds(bytes=200_000)])
async def test_what_comes_in_one_breath_is_bounded_too(dial: Dial, streams: ToyStreams, server: Server) -> None:
    client = await dial(max_queue=1)
    await client.init()
    await client.subscribe("1")
    await client.settled()
    given = give_all(streams.feeds[0], "x" * 10_000)
    assert server.unsent() < 100_000  # of uvloop's own, besides the queue's
    heard = [await client.hear() for _ in range(given + 1)]
    assert [each["type"] for each in heard] == ["next"] * given + ["error"]


@pytest.mark.parametrize("bounds", [Bounds(bytes=200_000)])
async def test_a_slow_client_slows_nobody(dial: Dial, streams: ToyStreams) -> None:
    slow, quick = await dial(max_queue=1), await dial()
    for client in (slow, quick):
        await client.init()
        await client.subscribe("1")
        await client.settled()
    behind, ahead = streams.feeds
    number = 0
    while behind.give(f"{number}{'x' * 50_000}"):
        assert ahead.give(number)
        assert (await quick.hear())["payload"]["data"]["tick"] == number
        number += 1
    heard = [await slow.hear() for _ in range(number + 1)]
    assert [each["type"] for each in heard] == ["next"] * number + ["error"]
    assert [int(each["payload"]["data"]["tick"].rstrip("x")) for each in heard[:-1]] == list(range(number))
    await slow.settled()


async def test_past_what_may_wait_for_all_together_who_is_far_behind_is_cut(
    engine: ToyEngine, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for itself has room. Who is only taking a burst keeps its own, and all is as before once they are gone."""
    monkeypatch.setattr(Backlog, "ALWAYS", 4_000)
    behind = [Wire(engine, streams, Bounds(bytes_together=10_000))]
    behind += [Wire(engine, streams, Bounds(), beside=behind[0]) for _ in range(3)]
    bursting = Wire(engine, streams, Bounds(), beside=behind[0])
    for number, wire in enumerate((*behind, bursting)):
        wire.subscribe("1")
        await until(lambda number=number: len(streams.feeds) == number + 1)
        await wire.settled()
        wire.taken.clear()
    *slow, last = streams.feeds
    given = [0, 0, 0, 0]
    for _ in range(10):
        for number, feed in enumerate(slow):
            given[number] += feed.give("x" * 1_000)
    assert max(given) < 10
    assert sum(given) * 1_000 < 10_000 + 4 * (4_000 + 2 * 1_100)
    for _ in range(3):
        assert last.give("x" * 1_000)
    assert last.outlet.full
    for wire in behind:
        wire.taken.set()
        await wire.settled()
        assert wire.sent[-1] == {"id": "1", "type": "error", "payload": [TOO_SLOW]}
        await wire.hang_up()
    assert not last.outlet.full
    for _ in range(5):
        assert last.give("x" * 1_000)
    await bursting.hang_up()
    assert bursting.service.backlog.bytes == 0


async def test_for_whom_too_much_waits_already_nothing_more_is_asked(engine: ToyEngine, streams: ToyStreams) -> None:
    """By one connection of theirs or another: each for itself has room."""
    behind = Wire(engine, streams, Bounds(bytes_of_user=5_000), payload=SIGNED_IN)
    other = Wire(engine, streams, Bounds(), beside=behind, payload=SIGNED_IN)
    await behind.settled()
    behind.subscribe("1")
    await until(lambda: bool(streams.feeds))
    await behind.settled()
    behind.taken.clear()
    for _ in range(6):
        assert streams.feeds[0].give("x" * 1_000)
    other.sent.clear()
    other.subscribe("1", "{ hello }")
    await other.settled()
    assert [each["type"] for each in other.sent] == ["error"]
    assert other.sent[0]["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}
    behind.taken.set()
    await behind.settled()
    other.subscribe("2", "{ hello }")
    await other.settled()
    assert [each["type"] for each in other.sent[1:]] == ["next", "complete"]
    for wire in (behind, other):
        await wire.hang_up()
