"""What is handed out together: what it holds back, and what it gives to one socket at once."""

import asyncio
import tracemalloc
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from models.event import Position
from resolvers import stream, user
from resolvers.process import Process
from resolvers.session import identify
from resolvers.stream import RoomTopic
from server.connections import Backlog, Bounds
from server.hub.counts import Counts
from server.hub.handful import _KEPT_BYTES, BREATH, Handful, Together
from server.hub.roster import Roster
from server.hub.subscriber import Key, Listener, Outcome, Subscriber
from server.hub.watch import _Live
from server.websocket.operation import Operation
from server.websocket.outgoing import Outgoing
from tests.cast import Person
from tests.live.hold import Hold
from tests.live.phone import Phone, Switchboard
from tests.live.streams import STREAMS
from tests.live.test_bursts import AUTHORS


async def test_what_is_there_waits_for_no_execution_of_a_later_event(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two rooms in one batch: the second one's execution is not answered for long."""
    first, second = await ada.make_room(ben), await ada.make_room(cleo)
    quick, slow = await live.call(ben, first, query=AUTHORS), await live.call(cleo, second, query=AUTHORS)
    reading = Hold(monkeypatch, stream, "read_on")
    await ada.send(first, "Quick")
    await reading.reached.wait()
    await ada.send(second, "Slow")
    authors, go_on = user.authors, asyncio.Event()
    asked: list[Any] = []

    async def held(*arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) == 2:
            await go_on.wait()
        return await authors(*arguments)

    monkeypatch.setattr(user, "authors", held)
    reading.let_go()
    try:
        await quick.has("Quick")
        assert slow.texts == []
    finally:
        go_on.set()
    await slow.has("Slow")


async def test_what_fails_for_ever_holds_up_nothing_before_it(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await ada.make_room(ben), await ada.make_room(cleo)
    quick, _ = await live.call(ben, first), await live.call(cleo, second, query=AUTHORS)
    reading = Hold(monkeypatch, stream, "read_on")
    await ada.send(first, "Quick")
    await reading.reached.wait()
    await ada.send(second, "Poison")

    async def fails(*arguments: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr(user, "authors", fails)
    reading.let_go()
    await quick.has("Quick")


class Socket:
    """A client that takes everything as soon as the loop runs."""

    def __init__(self, bounds: Bounds) -> None:
        self.frames: list[Any] = []
        self.outgoing = Outgoing(
            self.send,
            most_frames=bounds.frames,
            most_bytes=bounds.bytes,
            backlog=Backlog(bounds.bytes_together),
            stalled=lambda: None,
        )
        self.writer = asyncio.create_task(self.outgoing.write())

    async def send(self, message: Any) -> None:
        self.frames.append(message)

    def operation(self, number: int) -> Operation:
        return Operation(str(number), self.outgoing, length=0, ended=lambda _: None, expel=lambda _: None)


@pytest.mark.parametrize("query", ["texts", "authors"])
@pytest.mark.parametrize("operations", [20, 100])
async def test_who_takes_everything_at_once_is_not_cut(
    live: Switchboard, ada: Person, ben: Person, monkeypatch: pytest.MonkeyPatch, query: str, operations: int
) -> None:
    messages = 60 if operations == 20 else 15
    document = AUTHORS if query == "authors" else AUTHORS.replace("author { name }", "")
    room = await ada.make_room(ben)
    socket = Socket(Bounds())
    phones: list[Any] = [socket.operation(number) for number in range(operations)]
    for phone in phones:
        await live.call(ben, room, query=document, phone=phone)
    witness = await live.call(ada, room, query=document)
    reading = Hold(monkeypatch, stream, "read_on")
    await ada.send(room, "0")
    await reading.reached.wait()
    for number in range(1, messages):
        await ada.send(room, str(number))
    reading.let_go()
    await witness.has(*map(str, range(messages)))
    async with asyncio.timeout(20):
        while len(socket.frames) < operations * messages and not any(phone.over for phone in phones):
            await asyncio.sleep(0.005)
    socket.writer.cancel()
    assert [phone for phone in phones if phone.over] == []


async def test_others_run_while_one_user_is_given_much(
    live: Switchboard, ada: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribers, messages = 1_500, 12
    room = await ada.make_room(ben)
    witness = await live.call(ada, room, query=AUTHORS)
    rounds = 0
    given: list[int] = []

    class Noted(Phone):
        def next(self, payload: bytes) -> bool:
            given.append(rounds)
            return True

    await asyncio.gather(*[live.call(ben, room, query=AUTHORS, phone=Noted()) for _ in range(subscribers)])

    def turn() -> None:
        nonlocal rounds, turning
        rounds += 1
        turning = loop.call_soon(turn)

    loop = asyncio.get_running_loop()
    reading = Hold(monkeypatch, stream, "read_on")
    await ada.send(room, "0")
    await reading.reached.wait()
    for number in range(1, messages):
        await ada.send(room, str(number))
    turning = loop.call_soon(turn)
    reading.let_go()
    await witness.has(*map(str, range(messages)))
    async with asyncio.timeout(20):
        while len(given) < subscribers * messages:
            await asyncio.sleep(0.01)
    turning.cancel()
    assert max(Counter(given).values()) <= 2 * BREATH


class Line(Phone):
    """One of the streams of a socket, which notes in which order they are given."""

    def __init__(self, name: str, wire: list[str]) -> None:
        super().__init__()
        self._name, self._wire = name, wire

    @property
    def connection(self) -> int:
        return id(self._wire)

    def next(self, payload: bytes) -> bool:
        took = super().next(payload)
        self._wire.append(f"{self._name}{len(self.payloads)}")
        return took


@pytest.mark.parametrize("meanwhile", ["nothing", "somebody signs out", "much for somebody else"])
async def test_the_order_of_ones_own_frames_tells_of_nobody_else(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Where a handful ends others decide, too: two streams of one socket are given event by event."""
    monkeypatch.setattr("server.hub.watch._Live.together", Together(20_000, 40, 60))
    room, hidden = await ada.make_room(cleo), await ada.make_room(ben)
    wire: list[str] = []
    one, other = Line("A", wire), Line("B", wire)
    await live.call(cleo, room, phone=one)
    await live.call(cleo, room, query=STREAMS["roomEvents"], phone=other)
    for _ in range(40):
        await live.call(ben, hidden)
    reading = Hold(monkeypatch, stream, "read_on")
    await ada.send(room, "0")
    await reading.reached.wait()
    if meanwhile == "somebody signs out":
        await ben.ask("mutation { signOut { userErrors { code } } }")
    elif meanwhile != "nothing":
        await ada.send(hidden, "Secret")
    await ada.send(room, "1")
    reading.let_go()
    await one.has("0", "1")
    await other.until(lambda phone: len(phone.payloads) == 2)
    assert wire == ["A1", "B1", "A2", "B2"]


class Wide:
    """A transport that takes everything."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.unsent = 0

    def write(self, frame: bytes) -> bool:
        return bool(frame)

    def pass_on(self, frames: bytes) -> bool:
        return bool(frames)

    def charge(self, messages: int) -> None: ...

    def leave(self) -> None: ...


async def test_what_is_made_for_many_is_not_kept_for_long(process: Process, ada: Person) -> None:
    """However many are given something else each, under ids of whatever lengths."""
    listener = Listener(identify(process, str(ada.token)))
    key = Key(RoomTopic(uuid4(), None), "", None, "", 1)
    bounds = Bounds()
    subscribers = []
    for number in range(500):
        outgoing = Outgoing(
            Socket.send,  # type: ignore[arg-type]
            Wide(),
            most_frames=bounds.frames,
            most_bytes=bounds.bytes,
            backlog=Backlog(bounds.bytes_together),
            stalled=lambda: None,
        )
        operation = Operation("x" * number, outgoing, length=0, ended=lambda _: None, expel=lambda _: None)
        subscribers.append(Subscriber(key, listener, Position(1, 1), operation))
        subscribers[-1].live = True
    handful = Handful(_Live(Roster()), Counts())
    for event in range(60):
        outcome = Outcome(bytes(1_000))
        takers = [each for each in subscribers if event < 40 or (each.number >> (event - 40)) % 2]
        handful.add(Position(2 + event, 1), [(each, outcome) for each in takers])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await handful.hand_out()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A piece for each would be 25 MB.
    assert most - before < 3 * _KEPT_BYTES
