"""What a process publishes and hears."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from broadcaster import Broadcast

from server.broadcast.listener import LOOK, Listener
from server.broadcast.sender import Sender
from server.fault import record

log = logging.getLogger("parley.broadcast")

Tell = Callable[[int | None], None]


class Hints:
    """One per process. Everything of it is called in one event loop; there may be pauses in which that doesn't run."""

    def __init__(self, url: str, namespace: str = "parley") -> None:
        """`url` is a redis://, rediss:// or unix:// address of redis-py's; nothing is connected yet.

        `namespace` tells installations apart that share a Valkey server: its channels are the same in all of its
        databases. Raises ValueError for an address that can't be read.
        """
        self._namespace = namespace
        self._sender = Sender(url)
        self._listener = Listener(url, self._sender)
        self._broadcast = Broadcast(backend=self._listener)
        self._opened = False

    async def open(self) -> None:
        """Returns at once, with Valkey down as well. Connections are made when there is something to say or hear."""
        await self._broadcast.connect()
        self._opened = True

    async def close(self) -> None:
        """Forget what waits, and end all connections, within a moment. Does nothing where it isn't open."""
        if self._opened:
            self._opened = False
            await self._broadcast.disconnect()

    def publish(self, workspace_id: UUID, position: int) -> None:
        """After a commit: the workspace's line has come to `position`. Returns at once and never fails.

        While Valkey can't be reached the highest position of each workspace waits for 2 seconds, then it is dropped.
        """
        self._sender.put(self._channel(workspace_id), position)

    async def flush(self, seconds: float) -> None:
        """Wait until everything published is sent or dropped, at most so long. Never fails.

        For a process whose event loop is about to pause.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._sender.idle.wait()

    @property
    def waiting(self) -> int:
        """How many workspaces' hints have not been sent yet."""
        return self._sender.waiting

    @asynccontextmanager
    async def heard(self, workspace_id: UUID, tell: Tell) -> AsyncIterator[None]:
        """Within it, `tell` is called with the positions of that workspace that are published, by whatever process.

        Several at once may come as the highest of them, and a lower one may come after a higher one. `tell(None)`
        means "look for yourself": hints may have been missed. It is called when the subscription has become
        effective, first and after each loss of the connection, and for what isn't a position. Entering and leaving
        wait for nothing. What `tell` raises is logged.
        """
        channel = self._channel(workspace_id)
        async with self._broadcast.subscribe(channel) as subscriber:

            async def listen() -> None:
                if self._listener.hears(channel):  # for somebody else already, so Valkey won't say that it does
                    _call(tell, None)
                while True:
                    message = (await subscriber.get()).message
                    _call(tell, None if message == LOOK else int(message))

            listening = asyncio.create_task(listen())
            try:
                yield
            finally:
                listening.cancel()  # it waits, or has not begun: nothing more is told

    def _channel(self, workspace_id: UUID) -> str:
        return f"{self._namespace}:events:{workspace_id}"


def _call(tell: Tell, position: int | None) -> None:
    try:
        tell(position)
    except Exception as error:
        record(log, error, "in who was told of a hint")
