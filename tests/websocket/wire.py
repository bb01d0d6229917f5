"""A socket without a network: a test says what comes in, and when what goes out is taken."""

import asyncio
import base64
import itertools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from server.connections import Bounds, Service
from server.graphql.execution import Execution
from server.graphql.mutations import Mutations
from server.graphql.streams import Streams
from server.websocket.entry import PROTOCOL, GraphQLSocket
from server.websocket.protocol import EXTENSION
from tests.http.toy import ToyEngine

HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: parley.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
).encode()

SUBSCRIBE: dict[str, Any] = {
    "id": "1",
    "type": "subscribe",
    "payload": {"query": "subscription { tick }"},
}


def said(message: dict[str, Any]) -> bytes:
    """A short message of a client as a frame, masked with zeros."""
    text = json.dumps(message).encode()
    assert len(text) < 126
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


class Road:
    """The straight way of a wire: a test says whether it is congested."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.unsent = 0
        self.sent: list[Any] = []
        self.left = 0
        self.charged = 0

    def write(self, frame: bytes) -> bool:
        if self.writable.is_set():
            self.sent.append(json.loads(frame))
        return self.writable.is_set()

    def pass_on(self, frames: bytes) -> bool:
        if not self.writable.is_set():
            return False
        while frames:
            assert frames[0] == 0x81
            long = frames[1] == 126
            start = 4 if long else 2
            end = start + (int.from_bytes(frames[2:4], "big") if long else frames[1])
            self.write(frames[start:end])
            frames = frames[end:]
        return True

    def charge(self, messages: int) -> None:
        self.charged += messages

    def leave(self) -> None:
        self.left += 1


class Wire:
    def __init__(
        self,
        engine: ToyEngine,
        streams: Streams,
        bounds: Bounds,
        road: Road | None = None,
        *,
        beside: "Wire | None" = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        """beside: a wire of the same process. payload: of its `connection_init`."""
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.say(type="connection_init", payload=payload)
        self.sent: list[Any] = []
        self.closed: dict[str, Any] | None = None
        self.received = 0
        self._endless: Iterator[dict[str, Any]] | None = None
        self.taken = asyncio.Event()
        """Cleared, the client takes nothing."""
        self.taken.set()
        self.mutations = Mutations()
        self.service = beside.service if beside else Service(Execution(engine), self.mutations, streams, bounds)
        endpoint = GraphQLSocket(self.service, ())
        scope: dict[str, Any] = {"type": "websocket", "path": "/graphql", "headers": [], "subprotocols": [PROTOCOL]}
        if road is not None:
            road.sent = self.sent
            scope["extensions"] = {EXTENSION: {"straight": road}}
        self.task = asyncio.create_task(endpoint(scope, self._receive, self._send))

    def say(self, **message: Any) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    def subscribe(self, id: str, query: str = "subscription { tick }") -> None:
        self.say(id=id, type="subscribe", payload={"query": query})

    def flood(self, messages: Callable[[int], dict[str, Any]]) -> None:
        """Say these, by their number, whenever nothing else is said."""
        self._endless = map(messages, itertools.count())
        self.say(**next(self._endless))

    async def settled(self) -> None:
        """Nothing goes on any more: what could be done without waiting has been done."""
        for _ in range(300):
            await asyncio.sleep(0)

    async def take_one(self) -> None:
        """Take what is being sent, and no more."""
        self.taken.set()
        self.taken.clear()  # who waits by now has been let go all the same
        await self.settled()

    async def hang_up(self) -> None:
        self._endless = None
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await self.ended()

    async def ended(self) -> None:
        """By itself: `wait_for` would cancel it in the end, and the endpoint takes that for the server's stop."""
        done, _ = await asyncio.wait((self.task,), timeout=10)
        assert done

    async def _receive(self) -> dict[str, Any]:
        self.received += 1
        if self._endless is not None and self.incoming.empty():
            return {"type": "websocket.receive", "text": json.dumps(next(self._endless))}
        return await self.incoming.get()

    async def _send(self, message: Any) -> None:
        await self.taken.wait()
        if message["type"] == "websocket.send":
            self.sent.append(json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self.closed = message
            self.incoming.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
