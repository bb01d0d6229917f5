"""What Valkey says on the channels that are wanted: broadcaster's backend.

Broadcaster's own loses what comes while its connection is away, and all that comes later. This one stands behind
whatever connection there is: it says on each which channels are wanted, and what was missed meanwhile is told as
LOOK. Its methods wait for nothing, so what broadcaster does around them is never interleaved (of two first
subscribers at once it would lose one), and it never has two events of one channel at hand, so that broadcaster's
queues, which have no bound, stay short.
"""

import asyncio
import contextlib
from typing import Any

from broadcaster import BroadcastBackend, Event
from redis import ConnectionError as Disconnected

from server.broadcast.link import Link, Outage
from server.broadcast.sender import Sender

LOOK = ""  # instead of a position: look for yourself

CONNECT_SECONDS = 2.0
PING_SECONDS = 2.0
SILENCE_SECONDS = 4.0  # twice that: a PING had the second half to be answered in
HIGHEST = 2**63 - 1


class Listener(BroadcastBackend):
    def __init__(self, url: str, sender: Sender) -> None:
        self._link = Link(url)
        self._sender = sender
        self._outage = Outage("hints from other processes")
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted: set[str] = set()
        # Of this connection. A channel has one command on its way at most, so its answer leaves no doubt.
        self._subscribed: set[str] = set()
        self._unanswered: set[str] = set()
        self._changed: set[str] = set()
        self._stirred = asyncio.Event()
        # What broadcaster has not taken yet; None is LOOK, of which the highest position is a part.
        self._heard: dict[str, int | None] = {}
        self._arrived = asyncio.Event()

    def hears(self, channel: str) -> bool:
        """Whether Valkey has said that it sends what is published there."""
        return channel in self._subscribed

    async def connect(self) -> None:
        self._tasks = [asyncio.create_task(self._supervise()), asyncio.create_task(self._sender.run())]

    async def disconnect(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def subscribe(self, group: str) -> None:
        self._wanted.add(group)
        self._change(group)

    async def unsubscribe(self, group: str) -> None:
        self._wanted.discard(group)
        if group in self._subscribed:
            self._change(group)
        else:
            self._changed.discard(group)  # while Valkey is down it must not pile up

    async def publish(self, channel: str, message: Any) -> None:
        self._sender.put(channel, int(message))

    async def next_published(self) -> Event:
        """Never fails: broadcaster would not ask again."""
        while not self._heard:
            self._arrived.clear()
            await self._arrived.wait()
        channel, position = self._heard.popitem()
        return Event(channel, LOOK if position is None else str(position))

    async def _supervise(self) -> None:
        # Without a listener there is no connection: the loop of a Celery worker pauses, and could not keep one.
        await self._stirred.wait()
        while True:
            try:
                await self._converse()
            except Exception as error:
                await asyncio.sleep(self._outage.begin(error))

    async def _converse(self) -> None:
        """Raises when the connection has ended."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._link.connect()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._speak())
                both.create_task(self._listen())
        finally:
            self._subscribed.clear()
            self._unanswered.clear()
            await self._link.cut()

    async def _speak(self) -> None:
        self._changed |= self._wanted
        while True:
            self._stirred.clear()
            changed, self._changed = self._changed - self._unanswered, set()
            join = (changed & self._wanted) - self._subscribed
            leave = (changed & self._subscribed) - self._wanted
            self._subscribed -= leave
            self._unanswered |= join | leave
            commands = [
                (name, *channels) for name, channels in (("SUBSCRIBE", join), ("UNSUBSCRIBE", leave)) if channels
            ]
            await self._link.send(*commands, ("PING",))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self._stirred.wait()

    async def _listen(self) -> None:
        while True:
            match await self._link.read(SILENCE_SECONDS):
                case [b"message", bytes(channel), bytes(payload)]:
                    self._hear(channel.decode(errors="replace"), _position(payload))
                case [b"subscribe", bytes(channel), _]:
                    self._answered(channel.decode(), subscribed=True)
                case [b"unsubscribe", bytes(channel), _]:
                    self._answered(channel.decode(), subscribed=False)
                case [b"pong", _] | b"PONG":
                    # It was asked after the channels, so they are right.
                    self._outage.end()
                case None:
                    raise Disconnected("silent")

    def _hear(self, channel: str, position: int | None) -> None:
        before = self._heard.get(channel, 0)
        self._heard[channel] = None if position is None or before is None else max(before, position)
        self._arrived.set()

    def _answered(self, channel: str, *, subscribed: bool) -> None:
        self._unanswered.discard(channel)
        if subscribed:
            self._subscribed.add(channel)
            self._hear(channel, None)
        if subscribed is not (channel in self._wanted):
            self._change(channel)

    def _change(self, channel: str) -> None:
        self._changed.add(channel)
        self._stirred.set()


def _position(payload: bytes) -> int | None:
    """None for what can't be one: a later version's hints may look different, and what they tell of is to be found."""
    if payload.isdigit() and len(payload) <= len(str(HIGHEST)) and int(payload) <= HIGHEST:
        return int(payload)
    return None
