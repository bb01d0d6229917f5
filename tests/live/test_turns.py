"""Whose turn it is to read a page of the log."""

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from server.hub.turns import Lane, Turns

FIRM, OTHER_FIRM, USER, COLLEAGUE = (uuid4() for _ in range(4))


class Reader:
    """Takes a turn, and keeps it until it is told to give it back."""

    def __init__(self, turns: Turns, workspace: UUID, lane: Lane) -> None:
        self.reads = False
        self._done = asyncio.Event()
        self._task = asyncio.create_task(self._read(turns, workspace, lane))

    async def _read(self, turns: Turns, workspace: UUID, lane: Lane) -> None:
        async with turns.turn(workspace, lane):
            self.reads = True
            await self._done.wait()
        self.reads = False

    async def end(self) -> None:
        self._done.set()
        await self._task
        await settle()

    async def give_up(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await settle()


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def reader(turns: Turns, workspace: UUID, lane: Lane = None) -> Reader:
    made = Reader(turns, workspace, lane)
    await settle()
    return made


async def test_as_many_read_at_once_as_there_are_turns() -> None:
    turns = Turns(2)
    first, second, third = [await reader(turns, FIRM) for _ in range(3)]
    assert (first.reads, second.reads, third.reads) == (True, True, False)
    await first.end()
    assert third.reads
    for each in (second, third):
        await each.end()


async def test_who_reads_alone_has_one_turn_at_a_time() -> None:
    turns = Turns(3)
    first, second = [await reader(turns, FIRM, USER) for _ in range(2)]
    assert (first.reads, second.reads) == (True, False)
    colleague = await reader(turns, FIRM, COLLEAGUE)
    assert colleague.reads, "they are passed by"
    await first.end()
    assert second.reads
    for each in (second, colleague):
        await each.end()


async def test_workspaces_and_lanes_have_their_turns_one_after_another() -> None:
    turns = Turns(1)
    holding = await reader(turns, FIRM, USER)
    waiting = {
        "first of the user": await reader(turns, FIRM, USER),
        "second of the user": await reader(turns, FIRM, USER),
        "colleague": await reader(turns, FIRM, COLLEAGUE),
        "together": await reader(turns, FIRM),
        "other firm": await reader(turns, OTHER_FIRM),
    }
    order = []
    current = holding
    for _ in range(len(waiting)):
        await current.end()
        (name,) = [name for name, each in waiting.items() if each.reads]
        order.append(name)
        current = waiting.pop(name)
    await current.end()
    assert order == ["first of the user", "other firm", "colleague", "together", "second of the user"]


async def test_who_gives_up_leaves_its_turn_to_others() -> None:
    turns = Turns(1)
    holding, waiting, last = [await reader(turns, FIRM, USER) for _ in range(3)]
    await waiting.give_up()
    await holding.give_up()
    assert last.reads
    await last.end()


async def test_rests_are_one_after_another() -> None:
    turns = Turns(3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(turns.rest(0.02) for _ in range(3)))
    assert loop.time() - began >= 0.06 * 0.99


@given(
    st.lists(st.tuples(st.sampled_from([FIRM, OTHER_FIRM]), st.sampled_from([None, USER, COLLEAGUE]), st.booleans()))
)
async def test_everybody_has_a_turn_and_none_is_lost(asked: list[tuple[UUID, Lane, bool]]) -> None:
    turns = Turns(2)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(turns.turn(uuid4(), None))
        readers = [Reader(turns, workspace, lane) for workspace, lane, _ in asked]
        await settle()
        for each, (_, _, gives_up) in zip(readers, asked, strict=True):
            if gives_up:
                await each.give_up()
    staying = [each for each, (_, _, gives_up) in zip(readers, asked, strict=True) if not gives_up]
    await settle()
    while staying:
        reading = [each for each in staying if each.reads]
        assert 1 <= len(reading) <= 2
        await reading[0].end()
        staying.remove(reading[0])
    async with turns.turn(FIRM, USER), turns.turn(FIRM, None):
        pass
    assert turns._waiting == {}
