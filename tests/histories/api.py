"""Processes of the API, each with its own line to the database, and phones that call them."""

import asyncio
import copy
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.embedded.valkey import EmbeddedValkey
from server.websocket.entry import PROTOCOL
from tests.api import somebody
from tests.cast import Person
from tests.live.phone import PATIENCE, TEXTS, Phone
from tests.live.test_silent_database import Relay
from tests.running import free_port, running, until_ready

SECRET = "a secret of the tests, which both processes have"


class Line(Relay):
    """To the database, by TCP. It can be taken away for a while, and lead to another server then."""

    _up = True

    def take_away(self) -> None:
        self._up = False
        self.cut()

    def lead_to(self, url: str) -> None:
        if self._parts != urlsplit(url):
            self._parts = urlsplit(url)
            self.cut()
        self._up = True

    async def left(self) -> None:
        """Nobody is connected any more."""
        async with asyncio.timeout(PATIENCE):
            while self._writers:
                await asyncio.sleep(0)

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._up:
            await super()._relay(client, to_client)
        else:
            to_client.transport.abort()


class Caller(Phone):
    """A phone at the end of a socket."""

    def __init__(self, wire: ClientConnection) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.takes = asyncio.Event()
        """Cleared, it takes nothing from its socket."""
        self.takes.set()
        self._wire = wire

    async def subscribe(self, token: str | None, query: str, **variables: Any) -> None:
        await self._say(type="connection_init", payload={"authorization": f"Bearer {token}"})
        assert json.loads(await self._wire.recv()) == {"type": "connection_ack"}
        await self._say(id="1", type="subscribe", payload={"query": query, "variables": variables})
        await self._say(type="ping")

    async def hear(self) -> None:
        try:
            while True:
                await self.takes.wait()
                self._take(json.loads(await self._wire.recv()))
        except ConnectionClosed as closed:
            self._end(f"closed: {closed}")

    async def _say(self, **message: Any) -> None:
        await self._wire.send(json.dumps(message))

    def _take(self, message: Any) -> None:
        match message["type"]:
            case "next":
                self.next(json.dumps(message["payload"]).encode())
            case "error":
                self.error(message["payload"])
            case "complete":
                self.complete()
            case "pong":
                # Whatever was said before has been heard: the subscription has begun.
                self.begun.set()


class Api:
    """One process, and whom it serves."""

    def __init__(self, port: int, line: Line, http: httpx.AsyncClient, stack: AsyncExitStack) -> None:
        self.port = port
        self.line = line
        self._http = http
        self._stack = stack

    async def sign_in(self, name: str) -> Person:
        return await somebody(self._http, name)

    def serving(self, person: Person) -> Person:
        """The same person, who asks this process."""
        here = copy.copy(person)
        here.client = self._http
        return here

    async def call(self, person: Person, room: str, after: str | None = None) -> Caller:
        """Subscribe, and wait until it has begun or been refused."""
        phone = await self._dial(person, TEXTS, room, after)
        async with asyncio.timeout(PATIENCE):
            await phone.begun.wait()
        return phone

    async def call_and_stop_taking(self, person: Person, room: str, after: str, query: str) -> Caller:
        """Subscribe, take one event, and then none."""
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", self.port))
        phone = await self._dial(person, query, room, after, sock=narrow, max_queue=1)
        await phone.until(lambda phone: len(phone.payloads) > 0)
        phone.takes.clear()
        return phone

    async def _dial(self, person: Person, query: str, room: str, after: str | None, **options: Any) -> Caller:
        wire = await self._stack.enter_async_context(
            connect(
                f"ws://127.0.0.1:{self.port}/graphql",
                subprotocols=[Subprotocol(PROTOCOL)],
                close_timeout=1,
                max_size=None,
                **options,
            )
        )
        phone = Caller(wire)
        await phone.subscribe(person.token, query, room=room, after=after)
        hearing = asyncio.create_task(phone.hear())
        self._stack.callback(hearing.cancel)
        return phone


@asynccontextmanager
async def api_on(database_url: str, valkey: EmbeddedValkey, folder: Path) -> AsyncIterator[Api]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        line = Line(database_url)
        stack.push_async_callback(line.left)
        await stack.enter_async_context(line.between())
        settings = {"port": port, "data_dir": folder, "database_url": line.url, "valkey_url": valkey.url}
        server = stack.enter_context(running("serve", folder, **settings, secret_key=SECRET))
        # It would take leave of the database, through a line that this loop carries.
        stack.callback(server.kill)
        await asyncio.to_thread(until_ready, server, url)
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=PATIENCE))
        yield Api(port, line, http, stack)
