"""What is costly and never urgent: one at a time, and then a rest."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# How many times as long as it took.
RESTS = 2


class Sparingly:
    """A third of the event loop's time at the most, however many ask for it at once."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        await self._turn.acquire()
        began = time.monotonic()
        try:
            yield
        finally:
            # Whoever had the turn need not wait for the rest.
            asyncio.get_running_loop().call_later(RESTS * (time.monotonic() - began), self._turn.release)
