"""How many queries of one user are executed at once."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# In one process, whatever ways they come. An app asks for a few; what hundreds of large ones take of the event loop,
# everybody else would wait for.
MOST = 8


@dataclass(slots=True)
class _Gate:
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST))
    # Who is inside, or waits.
    there: int = 0


class AtOnce:
    def __init__(self) -> None:
        self._gates: dict[Hashable, _Gate] = {}

    @asynccontextmanager
    async def turn(self, user: Hashable) -> AsyncIterator[None]:
        """Wait until one of the user's turns is free, and hold it."""
        gate = self._gates.setdefault(user, _Gate())
        gate.there += 1
        try:
            async with gate.free:
                yield
        finally:
            gate.there -= 1
            if not gate.there:
                del self._gates[user]
