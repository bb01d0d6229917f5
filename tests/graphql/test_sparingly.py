import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from server.graphql import sparingly
from server.graphql.sparingly import Sparingly


async def test_one_at_a_time_with_a_rest_that_nobody_who_is_done_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    rests: list[float] = []
    loop = asyncio.get_running_loop()

    def call_later(seconds: float, release: Callable[[], None]) -> None:
        rests.append(seconds)
        loop.call_soon(release)

    monkeypatch.setattr(sparingly, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: SimpleNamespace(call_later=call_later))
    turns = Sparingly()
    within = []

    async def take(seconds: float) -> None:
        async with turns.turn():
            within.append(seconds)
            assert len(within) == 1
            await asyncio.sleep(0)
            clock[0] += seconds
            within.remove(seconds)

    await asyncio.gather(*(take(seconds) for seconds in (1.0, 2.0, 3.0)))
    assert rests == [2.0, 4.0, 6.0]


async def test_who_gives_up_leaves_its_turn() -> None:
    turns = Sparingly()
    holding = asyncio.Event()

    async def hold() -> None:
        async with turns.turn():
            holding.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await holding.wait()
    task.cancel()
    await asyncio.wait([task])
    async with asyncio.timeout(20), turns.turn():
        pass
