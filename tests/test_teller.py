"""Read marks are told about once a second, those of a workspace together."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from models.event import EventKind
from resolvers.process import Pool, Process
from server.teller import Teller, until_next
from tests.cast import Person
from tests.conftest import make_process
from tests.races import rows


@pytest.fixture
async def teller() -> AsyncIterator[Teller]:
    teller = Teller()
    yield teller
    await teller.close()


@pytest.fixture
def process(pool: Pool, teller: Teller) -> Process:
    process = make_process(pool, marks_moved=teller.moved)
    teller.open(process)
    return process


async def told(process: Process) -> list[Any]:
    return await rows(process, "SELECT room_id, user_ids FROM event WHERE kind = %s", EventKind.ROOM_READ.value)


async def mark(person: Person, room: str, message: dict[str, Any]) -> None:
    await person.done("markRoomRead", {"roomId": room, "upToMessageId": message["id"]})


async def until_told(process: Process, count: int) -> list[Any]:
    async with asyncio.timeout(20):
        while len(found := await told(process)) < count:
            await asyncio.sleep(0.01)
    return found


async def test_marks_of_a_while_are_told_together(
    process: Process, ada: Person, ben: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.teller.TOGETHER", 1.0)
    rooms = [await ada.make_room(ben, cleo) for _ in range(2)]
    messages = [await ada.send(room) for room in rooms]
    for person in (ben, cleo):
        await mark(person, rooms[0], messages[0])
    await mark(cleo, rooms[1], messages[1])
    assert await told(process) == []
    found = await until_told(process, 2)
    assert sorted(len(users) for _, users in found) == [1, 2]
    await mark(ben, rooms[1], messages[1])
    assert len(await until_told(process, 3)) == 3


async def test_what_waits_is_told_when_the_process_ends(
    process: Process, teller: Teller, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.teller.TOGETHER", 3600)
    room = await ada.make_room(cleo)
    await mark(cleo, room, await ada.send(room))
    await teller.close()
    assert len(await told(process)) == 1


async def test_a_mark_that_moves_nothing_has_nothing_told(
    process: Process, teller: Teller, ada: Person, cleo: Person
) -> None:
    room = await ada.make_room(cleo)
    message = await ada.send(room)
    await mark(cleo, room, message)
    await mark(cleo, room, message)
    await teller.close()
    assert len(await told(process)) == 1


def test_when_marks_are_told_hangs_on_the_clock_alone() -> None:
    """Else the time until one's own mark is told would say when others have read."""
    workspace, other = UUID(int=12_345), UUID(int=77_777)
    moments = {round((now := 1_000_000 + step * 0.137) + until_next(workspace, now), 6) % 1 for step in range(50)}
    assert max(moments) - min(moments) < 1e-5
    assert all(0 < until_next(each, step * 0.1) <= 1 for each in (workspace, other) for step in range(50))
    assert abs(until_next(workspace, 0.5) - until_next(other, 0.5)) > 0.01
