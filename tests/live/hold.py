"""Stop the hub at a critical point, and see where its reader is."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from resolvers.event import newest
from resolvers.process import Process
from tests.cast import Person
from tests.live.phone import PATIENCE, Switchboard


class Hold:
    """A function of a module that stops once, before its work or behind it, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, behind: bool = False) -> None:
        self.reached, self._go_on = asyncio.Event(), asyncio.Event()
        work: Callable[..., Awaitable[Any]] = getattr(where, name)

        async def held(*arguments: Any, **more: Any) -> Any:
            if self.reached.is_set():
                return await work(*arguments, **more)
            if not behind:
                await self._stop()
                return await work(*arguments, **more)
            found = await work(*arguments, **more)
            await self._stop()
            return found

        monkeypatch.setattr(where, name, held)

    async def _stop(self) -> None:
        self.reached.set()
        # Where a test has failed nobody lets go, and the hub would wait for it without end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._go_on.wait()

    def let_go(self) -> None:
        self._go_on.set()


async def cursor_of(person: Person) -> str:
    found: str = (await person.ask("{ viewer { eventCursor } }"))["viewer"]["eventCursor"]
    return found


def reader(live: Switchboard, person: Person) -> Any:
    return live.hub._watches[person.workspace_id][0]


async def has_read(live: Switchboard, person: Person, process: Process) -> None:
    """Wait until the reader has come to the end of the line."""
    async with process.pool.connection() as connection:
        end = await newest(connection, person.workspace_id)
    async with asyncio.timeout(20):
        while reader(live, person).at != end:
            await asyncio.sleep(0.005)
