"""Whose turn it is to read a page of the log.

A page takes a connection and the event loop's time, so few are read at once in the process. Workspaces have their turns
one after another, and within a workspace so have those who read alone and those who read together; so nobody waits for
the many pages of one who came first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

# Who reads alone; None: those who read together.
Lane = UUID | None


class Turns:
    def __init__(self, most: int) -> None:
        self._free = most
        # Both levels in the order in which they come next.
        self._waiting: dict[UUID, dict[Lane, deque[asyncio.Future[None]]]] = {}
        self._reading_alone: set[UUID] = set()
        self._resting = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, workspace_id: UUID, lane: Lane) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Whoever reads alone has one at a time."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(workspace_id, {}).setdefault(lane, deque()).append(mine)
        self._call_next()
        try:
            await mine
            yield
        finally:
            if mine.done() and not mine.cancelled():
                self._free += 1
                if lane is not None:
                    self._reading_alone.discard(lane)
            self._call_next()

    @property
    def are_waited_for(self) -> bool:
        """Whether somebody waits who could read, if there were a turn."""
        return any(
            lane not in self._reading_alone and any(not waiter.done() for waiter in waiters)
            for lanes in self._waiting.values()
            for lane, waiters in lanes.items()
        )

    async def rest(self, seconds: float) -> None:
        """Leave the event loop to others. All who rest do so one after another: together they leave as much."""
        async with self._resting:
            await asyncio.sleep(seconds)

    def _call_next(self) -> None:
        while self._free and (called := self._next()) is not None:
            lane, waiter = called
            self._free -= 1
            if lane is not None:
                self._reading_alone.add(lane)
            waiter.set_result(None)

    def _next(self) -> tuple[Lane, "asyncio.Future[None]"] | None:
        for workspace_id, lanes in list(self._waiting.items()):
            for lane, waiters in list(lanes.items()):
                while waiters and waiters[0].done():  # cancelled while it waited
                    waiters.popleft()
                if waiters and lane in self._reading_alone:
                    continue
                del lanes[lane]
                if not waiters:
                    continue
                waiter = waiters.popleft()
                if waiters:
                    lanes[lane] = waiters
                del self._waiting[workspace_id]
                if lanes:
                    self._waiting[workspace_id] = lanes
                return lane, waiter
            if not lanes:
                del self._waiting[workspace_id]
        return None
