"""An API process of its own, with the cast signed in at it, and clients of its socket."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from schema.node_id import NodeKind, key_of
from server.embedded.valkey import EmbeddedValkey
from tests.cast import MEMBERS, PASSWORD, Person
from tests.running import free_port, running, until_ready

PATIENCE = 120.0

SIGN_IN = """
    mutation ($email: String!, $password: String!) {
      signIn(input: {email: $email, password: $password}) { session { accessToken } }
    }
"""

NUMBERS = """
    subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) { cursor message { sequence } }
    }
"""


class Api(NamedTuple):
    process: subprocess.Popen[bytes]
    client: httpx.AsyncClient
    folder: Path

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text()


@asynccontextmanager
async def serving(folder: Path, database_url: str, valkey: EmbeddedValkey, **settings: object) -> AsyncIterator[Api]:
    """`parley serve`, until the block ends. Those of one test have one data folder, and so one secret."""
    port = free_port()
    await asyncio.to_thread(folder.mkdir)
    servers = {"database_url": database_url, "valkey_url": valkey.url, "broker_url": valkey.broker_url}
    with running("serve", folder, port=port, data_dir=folder.parent, **servers, **settings) as process:
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(until_ready, process, url)
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            yield Api(process, client, folder)


async def sign_in(people: Sequence[Person], client: httpx.AsyncClient) -> None:
    """From now on they act through this client."""
    for person in people:
        person.client, person.token = client, None
        answer = await person.ask(SIGN_IN, email=person.member.email, password=PASSWORD)
        person.token = answer["signIn"]["session"]["accessToken"]


async def somebody(client: httpx.AsyncClient, name: str) -> Person:
    """One of the cast, who signs in through this client; of their ids only the user's is known."""
    member = next(member for member in MEMBERS if member.name == name)
    person = Person(member, UUID(int=0), UUID(int=0), client)
    signed_in = await person.done(
        "signIn", {"email": member.email, "password": PASSWORD}, "session { accessToken } viewer { user { id } }"
    )
    person.token = signed_in["session"]["accessToken"]
    user_id = key_of(NodeKind.USER, signed_in["viewer"]["user"]["id"])
    assert user_id is not None
    person.user_id = user_id
    return person


class Listener:
    """One subscription at a socket of its own to the messages of a room: their numbers, in the order in which they
    came."""

    def __init__(self, wire: ClientConnection, room: str, after: "Listener | None" = None) -> None:
        """after: it continues what that one has seen."""
        self.seen: list[int] = [] if after is None else after.seen
        self.cursor: str | None = None if after is None else after.cursor
        self._wire = wire
        self._room = room

    async def subscribe(self, query: str = NUMBERS) -> None:
        """Behind what it has seen. Its place is on the line when this returns."""
        variables = {"room": self._room, "after": self.cursor}
        await self._say(id="1", type="subscribe", payload={"query": query, "variables": variables})
        await self._say(type="ping")
        while (message := await self._hear())["type"] != "pong":
            self._take(message)

    async def read(self, most: int) -> Any:
        """Until it has seen so many, or its stream ends; the end."""
        while len(self.seen) < most:
            message = await self._hear()
            if message["type"] != "next":
                return message
            self._take(message)
        return None

    def say_goodbye(self) -> None:
        """Close it as a client that takes nothing more: what was sent to it stays on its way."""
        self._wire.transport.write(b"\x88\x82\0\0\0\0\x03\xe8")

    def _take(self, message: Any) -> None:
        event = message["payload"]["data"]["messageAdded"]
        self.seen.append(event["message"]["sequence"])
        self.cursor = event["cursor"]

    async def _say(self, **message: Any) -> None:
        await self._wire.send(json.dumps(message))

    async def _hear(self) -> Any:
        return json.loads(await self._wire.recv())


@asynccontextmanager
async def dialled(person: Person) -> AsyncIterator[ClientConnection]:
    """Connected and acknowledged. What it does not read stays with the server: the system keeps little for it."""
    address = person.client.base_url
    assert address.port is not None
    plug = socket.create_connection((address.host, address.port))
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    async with connect(
        f"ws://{address.host}:{address.port}/graphql",
        sock=plug,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        compression=None,
        max_queue=1,
        ping_interval=None,
        open_timeout=PATIENCE,
        close_timeout=0,
    ) as wire:
        await wire.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {person.token}"}}))
        assert json.loads(await wire.recv()) == {"type": "connection_ack"}
        yield wire
