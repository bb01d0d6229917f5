import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.connections import Bounds
from server.graphql.execution import Execution
from server.http.app import build_app
from server.http.protocol import HttpProtocol
from server.serve import SOCKETS, say_nothing_of_single_sockets
from server.websocket.entry import PROTOCOL
from tests.clients.npm import installed
from tests.http.toy import GOOD_TOKEN, ToyEngine
from tests.websocket.toy import ToyStreams

ORIGIN = "https://portal.example"
SECONDS = 10  # for whatever should come at once

SIGNED_IN = {"authorization": f"Bearer {GOOD_TOKEN}"}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop}


async def until(condition: Callable[[], bool]) -> None:
    """Let others go on until it holds."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0)


class Client:
    """A bare client: says messages of the protocol and hears them."""

    def __init__(self, wire: ClientConnection) -> None:
        self.wire = wire

    async def say(self, **message: Any) -> None:
        await self.wire.send(json.dumps(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(SECONDS):
            return json.loads(await self.wire.recv())

    async def init(self, **payload: Any) -> None:
        await self.say(type="connection_init", payload=payload)
        assert await self.hear() == {"type": "connection_ack"}

    async def subscribe(self, id: str, query: str = "subscription { tick }", **members: Any) -> None:
        await self.say(id=id, type="subscribe", payload={"query": query, **members})

    async def complete(self, id: str) -> None:
        await self.say(id=id, type="complete")

    async def ask(self, query: str, **members: Any) -> Any:
        """Give the one message before `complete`, or the error."""
        await self.subscribe("asked", query, **members)
        answer = await self.hear()
        assert answer["id"] == "asked"
        if answer["type"] == "next":
            assert await self.hear() == {"id": "asked", "type": "complete"}
        return answer

    async def settled(self) -> None:
        """All that was said before has been heard, and every subscription has begun; and nothing was said to it."""
        assert await self.heard_until_settled() == []

    async def heard_until_settled(self) -> list[Any]:
        await self.say(type="ping", payload={"settled": True})
        heard = []
        while (message := await self.hear()) != {"type": "pong", "payload": {"settled": True}}:
            heard.append(message)
        return heard

    async def closed(self) -> tuple[int | None, str | None]:
        """The code and reason with which the server closes; fails when it says something before."""
        async with asyncio.timeout(SECONDS):
            with pytest.raises(ConnectionClosed) as caught:
                raise AssertionError(await self.wire.recv())
        return (caught.value.rcvd.code, caught.value.rcvd.reason) if caught.value.rcvd else (None, None)


Dial = Callable[..., Awaitable[Client]]


@pytest.fixture
def engine() -> ToyEngine:
    return ToyEngine()


@pytest.fixture
def streams() -> ToyStreams:
    return ToyStreams()


@pytest.fixture
def bounds() -> Bounds:
    return Bounds()


@pytest.fixture
def app(engine: ToyEngine, streams: ToyStreams, bounds: Bounds) -> Starlette:
    async def ready() -> None: ...

    return build_app(Execution(engine), allowed_origins=[ORIGIN], ready=ready, streams=streams, bounds=bounds)


class Server:
    """Uvicorn as `server.serve` has it, in the loop of the test."""

    def __init__(self, app: Starlette, **options: Any) -> None:
        say_nothing_of_single_sockets()
        self._listener = socket.create_server(("127.0.0.1", 0))
        usual = {"log_config": None, "http": HttpProtocol, "timeout_graceful_shutdown": 5, **SOCKETS}
        config = uvicorn.Config(app, **usual | options)
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._up = False

    async def start(self) -> None:
        await self._server.startup(sockets=[self._listener])
        self._up = True

    async def stop(self) -> None:
        """What uvicorn does on SIGTERM."""
        self._up = False
        await self._server.shutdown(sockets=[self._listener])

    async def close(self) -> None:
        """The same without uvicorn's pauses."""
        if self._up:
            for each in self._server.servers:
                each.close()
            self._listener.close()
            for connection in list(self._server.server_state.connections):
                connection.shutdown()
            await self.left()
            await self._server.lifespan.shutdown()

    @asynccontextmanager
    async def dial(self, subprotocols: Sequence[str] = (PROTOCOL,), **options: Any) -> AsyncIterator[Client]:
        names = [Subprotocol(each) for each in subprotocols] or None
        usual = {"max_queue": None, "close_timeout": 1}
        async with connect(f"ws://{self.address}/graphql", subprotocols=names, **usual | options) as wire:
            yield Client(wire)

    @property
    def connections(self) -> set[Any]:
        """Those that the server has not seen the last of."""
        return self._server.server_state.connections

    def unsent(self) -> int:
        """Bytes that wait in the server's own memory for clients to take them."""
        return sum(each.transport.get_write_buffer_size() for each in self.connections)

    async def left(self) -> None:
        """Every client has been seen to leave."""
        if self._server.server_state.tasks:
            async with asyncio.timeout(SECONDS):
                await asyncio.wait(self._server.server_state.tasks)


@asynccontextmanager
async def serving(app: Starlette, **options: Any) -> AsyncIterator[Server]:
    server = Server(app, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def server(app: Starlette, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Server]:
    """Whatever a test does to it: nothing unexpected stands in the log afterwards, unless the test took it out."""
    async with serving(app) as server:
        yield server
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.fixture
async def dial(server: Server) -> AsyncIterator[Dial]:
    """Connect a bare client."""
    async with AsyncExitStack() as wires:

        async def dial(subprotocols: Sequence[str] = (PROTOCOL,), **options: Any) -> Client:
            return await wires.enter_async_context(server.dial(subprotocols, **options))

        yield dial


@pytest.fixture
async def client(dial: Dial) -> Client:
    """An anonymous one, acknowledged."""
    client = await dial()
    await client.init()
    return client


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder of JavaScript clients, with what they need installed."""
    return installed()
