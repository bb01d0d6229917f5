"""A queue and an event for sockets on which nothing happens. Those of asyncio have deques, which take 0.7 kB each while
they are empty: a queue has four."""

import asyncio
from typing import Any


class Inbox:
    """What the one task that reads has still to take, in order."""

    __slots__ = ("_messages", "_news")

    def __init__(self) -> None:
        self._messages: list[Any] = []  # hundreds at the most: reading stops meanwhile
        self._news: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def get(self) -> Any:
        while not self._messages:
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        return self._messages.pop(0)


class Gate:
    """Open, or waited for."""

    __slots__ = ("_opening",)

    def __init__(self) -> None:
        self._opening: asyncio.Future[None] | None = None

    def is_set(self) -> bool:
        return self._opening is None

    def set(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.set_result(None)

    def clear(self) -> None:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        if self._opening is not None:
            # One who gives up does not so for the others.
            await asyncio.shield(self._opening)
