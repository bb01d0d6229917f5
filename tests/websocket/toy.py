"""A hub of a few lines, which feeds what a test tells it to."""

import asyncio
from collections.abc import Callable
from typing import Any

from server.graphql.execution import Prepared
from server.graphql.payload import encode
from server.graphql.streams import Outlet


class Feed:
    """One subscription: its stream to the server, and to a test the hub's end of it."""

    def __init__(self, prepared: Prepared, who: Any, outlet: Outlet) -> None:
        self.prepared = prepared
        self.who = who
        self.outlet = outlet
        self.closed = 0
        self.was_closed = asyncio.Event()

    def give(self, value: object) -> bool:
        return self.outlet.next(encode({"data": {"tick": value}}))

    def close(self) -> None:
        self.closed += 1
        self.was_closed.set()


class ToyStreams:
    def __init__(self) -> None:
        self.asked: asyncio.Queue[Feed] = asyncio.Queue()
        """Subscriptions that want to begin, as they come."""
        self.feeds: list[Feed] = []
        """Those that have begun."""
        self.cancelled: asyncio.Queue[Feed] = asyncio.Queue()
        self.open = asyncio.Event()
        """Cleared, subscriptions wait before they begin."""
        self.open.set()
        self.stubborn = False
        """Subscriptions begin although they have been cancelled."""
        self.at_once: Callable[[Feed], object] = lambda _: None
        self.on_subscribe: Exception | None = None

        self.verified: list[Any] = []
        self.on_verify: Exception | None = None
        self.verifies = asyncio.Event()
        self.verifies.set()

    async def verify(self, who: Any) -> None:
        self.verified.append(who)
        await self.verifies.wait()
        if self.on_verify is not None:
            raise self.on_verify

    async def subscribe(self, prepared: Prepared, who: Any | None, outlet: Outlet) -> Feed:
        feed = Feed(prepared, who, outlet)
        self.asked.put_nowait(feed)
        self.at_once(feed)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.put_nowait(feed)
            if not self.stubborn:
                raise
        if self.on_subscribe is not None:
            raise self.on_subscribe
        self.feeds.append(feed)
        return feed
