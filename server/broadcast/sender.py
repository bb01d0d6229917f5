"""The hints of this process, on their way to Valkey."""

import asyncio
import time
from typing import NamedTuple

from server.broadcast.link import Link, Outage

MOST = 4096  # channels whose hints may wait
FRESH_SECONDS = 2.0  # the sweep has found it by then
ANSWER_SECONDS = 1.0


class Hint(NamedTuple):
    position: int
    at: float  # by time.monotonic()


class Sender:
    """Keeps the highest position of each channel, and sends all of them in one go."""

    def __init__(self, url: str) -> None:
        self._link = Link(url)
        self._outage = Outage("hints to other processes")
        self._waiting: dict[str, Hint] = {}
        self._stirred = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, channel: str, position: int) -> None:
        """Returns at once and never fails."""
        self._keep(channel, Hint(position, time.monotonic()))
        self._stirred.set()
        self.idle.clear()

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await self._stirred.wait()
                await self._send()
                if not self._waiting:
                    self._stirred.clear()
                    self.idle.set()
        finally:
            self._waiting.clear()
            self.idle.set()
            await self._link.cut()

    async def _send(self) -> None:
        taken, self._waiting = self._waiting, {}
        oldest = time.monotonic() - FRESH_SECONDS
        fresh = {channel: hint for channel, hint in taken.items() if hint.at > oldest}
        if not fresh:
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._publish(fresh)
            self._outage.end()
        except Exception as error:
            await self._link.cut()
            for channel, hint in fresh.items():
                self._keep(channel, hint)
            await asyncio.sleep(self._outage.begin(error))

    async def _publish(self, hints: dict[str, Hint]) -> None:
        await self._link.connect()
        await self._link.send(*(("PUBLISH", channel, hint.position) for channel, hint in hints.items()))
        for _ in hints:
            await self._link.read()

    def _keep(self, channel: str, hint: Hint) -> None:
        other = self._waiting.get(channel)
        if other is not None:
            self._waiting[channel] = Hint(max(other.position, hint.position), max(other.at, hint.at))
        elif len(self._waiting) < MOST:
            self._waiting[channel] = hint
