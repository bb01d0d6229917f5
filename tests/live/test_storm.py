"""A server that comes back is met by all of its clients at once, each of them behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from resolvers import stream
from tests.cast import Person
from tests.live.phone import PATIENCE, Phone, Switchboard

CLIENTS, BEHIND = 500, 100
READS = 5

ROOM = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) { cursor room { unreadCount } message { sequence viewerCanEdit } }
    }
"""
EVERYTHING = """
    subscription ($after: String) {
      viewerEvents(after: $after) { ... on MessageAdded { cursor message { sequence viewerCanEdit } } }
    }
"""


class Gate:
    """Who calls a function waits before it until the gate is opened; calls are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.calls = 0
        self.reached, self._opened = asyncio.Event(), asyncio.Event()
        work: Callable[..., Awaitable[Any]] = getattr(stream, name)

        async def held(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            self.reached.set()
            await self._opened.wait()
            return await work(*arguments, **more)

        monkeypatch.setattr(stream, name, held)

    def open(self) -> None:
        self._opened.set()


def sequences(phone: Phone) -> list[int]:
    return [next(iter(each["data"].values()))["message"]["sequence"] for each in phone.told]


async def test_five_hundred_resume_at_once_by_a_handful_of_reads_while_sending_goes_on(
    live: Switchboard, ada: Person, ben: Person, cleo: Person, dan: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long a page takes is the machine's; that long ones are cut short is tried elsewhere.
    monkeypatch.setattr("server.hub.replay.PAGE_SECONDS", 60.0)
    monkeypatch.setattr("server.hub.replay.ALONE_SECONDS", 60.0)
    room = await ada.make_room(ben, cleo, dan)
    cast = (ada, ben, cleo, dan)
    cursors = [(await person.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"] for person in cast]
    for _ in range(BEHIND):
        await ben.send(room)

    judging, log = Gate(monkeypatch, "judge"), Gate(monkeypatch, "log_about")

    async def resume(number: int) -> Phone:
        which = number % len(cast)
        if number < CLIENTS // 2:
            return await live.call(cast[which], room, cursors[which], query=ROOM)
        return await live.follow(cast[which], EVERYTHING, after=cursors[which])

    resuming = [asyncio.create_task(resume(number)) for number in range(CLIENTS)]
    await judging.reached.wait()
    judging.open()
    phones = await asyncio.gather(*resuming)
    assert judging.calls <= READS

    await log.reached.wait()
    # While they are being brought up to the present.
    await ben.send(room)
    log.open()
    sending = asyncio.create_task(dan.send(room))
    for phone in phones:
        await phone.until(lambda phone: len(phone.payloads) >= BEHIND + 2)
    await sending
    whole = list(range(1, BEHIND + 3))
    assert [sequences(phone) for phone in phones] == [whole] * CLIENTS
    async with asyncio.timeout(PATIENCE):
        while not all(phone.stream is not None and phone.stream.live for phone in phones):
            await asyncio.sleep(0.01)
    assert log.calls <= READS

    await cleo.send(room)
    for phone in phones:
        await phone.until(lambda phone: len(phone.payloads) >= BEHIND + 3)
    assert [sequences(phone)[BEHIND + 2 :] for phone in phones] == [[BEHIND + 3]] * CLIENTS
    assert log.calls <= READS
