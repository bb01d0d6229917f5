"""Answers to pings, in their turn.

A client may learn from a pong that a subscription before it has its position, so a pong waits for those.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

# A client that hears nothing for so long thinks that the connection is dead, in seconds.
PATIENCE = 5.0

# So many pongs may wait, with so many bytes; then nothing more is read. A ping brings up to 1 MiB to be sent back.
_MOST = 100
_MOST_BYTES = 1024 * 1024


class _Owed(NamedTuple):
    frame: bytes
    after: tuple[asyncio.Task[Any], ...]
    until: float


class Pongs:
    def __init__(self, append: Callable[[bytes], None]) -> None:
        self._append = append
        self._owed: list[_Owed] = []  # few, and mostly none: an empty deque takes 0.7 kB
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def owe(self, frame: bytes, after: Iterable[asyncio.Task[Any]]) -> None:
        """Send it when those tasks have ended."""
        tasks = tuple(after)
        if self._task is None and not tasks:
            self._append(frame)
            return
        self._owed.append(_Owed(frame, tasks, self._loop.time() + PATIENCE))
        self._bytes += len(frame)
        if self._task is None:
            self._task = asyncio.create_task(self._answer())

    async def room(self) -> None:
        """Wait while too many wait."""
        if (len(self._owed) >= _MOST or self._bytes >= _MOST_BYTES) and self._task is not None:
            await asyncio.wait((self._task,))

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _answer(self) -> None:
        while self._owed:
            owed = self._owed[0]
            pending = [task for task in owed.after if not task.done()]
            if pending:
                await asyncio.wait(pending, timeout=max(0.0, owed.until - self._loop.time()))
            self._owed.pop(0)
            self._bytes -= len(owed.frame)
            self._append(owed.frame)
        self._task = None
