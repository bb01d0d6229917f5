"""Mutations run to their end, whoever hangs up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Mutations:
    """Those that run now, each in a task of its own: a client that is gone, or a server that stops, leaves nothing
    half done."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def finish(self, seconds: float = 10.0) -> None:
        """Wait for those that nobody waits for any more, before what they need is taken down."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
