"""README's own programs do what it says: they are run as they stand there, through a cut of the network."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from resolvers.process import Process
from server.embedded.valkey import EmbeddedValkey
from server.engine import ParleyEngine
from server.graphql.error import told as told_error
from server.graphql.execution import Execution
from server.graphql.streams import TOO_SLOW
from server.http.app import build_app
from tests.api import somebody
from tests.cast import Person
from tests.clients.npm import installed
from tests.running import free_port, running, until_ready
from tests.websocket.conftest import serving
from tests.websocket.toy import ToyStreams

README = Path(__file__).parent.parent / "README.md"
URL = "ws://localhost:8000/graphql"
PATIENCE = 30.0
TOLD_EXPIRED = told_error("Query anew.", "CURSOR_EXPIRED")


def programs() -> dict[str, str]:
    """The JavaScript of README, each whole: the second continues the first's client."""
    first, second = re.findall(r"^```js\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    client = first[: first.index("const query")]
    return {"graphql-ws": first, "Apollo": client + second}


class Network:
    """A relay that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: set[asyncio.StreamWriter] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()
        self.up = True

    @asynccontextmanager
    async def between(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            self.cut()
            server.close()

    def cut(self) -> None:
        self.up = False
        for writer in self._connections:
            writer.transport.abort()

    def swallow(self) -> None:
        """Let connections be dead from now on, and nobody told: new ones are not."""
        self._swallowed |= self._connections

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up:
            writer.transport.abort()
            return
        answers, behind = await asyncio.open_connection("127.0.0.1", self._port)
        ours = {writer, behind}
        self._connections |= ours
        await asyncio.gather(self._pass(reader, behind), self._pass(answers, writer))
        self._connections -= ours

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(2**16):
                if writer in self._swallowed:
                    continue
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


async def said(program: asyncio.subprocess.Process) -> str:
    assert program.stdout is not None
    async with asyncio.timeout(PATIENCE):
        line = await program.stdout.readline()
    return line.decode().rstrip("\n")


class Programme:
    """A program of README that runs, with who writes into its room."""

    def __init__(self, process: asyncio.subprocess.Process, ada: Person, room: str, network: Network) -> None:
        self._process = process
        self._ada = ada
        self._room = room
        self.network = network

    async def send(self, text: str) -> None:
        await self._ada.send(self._room, text)

    async def said(self) -> str:
        return await said(self._process)

    async def has_begun(self) -> list[str]:
        """It says nothing of having begun: the first that it prints of these tells."""
        heard = asyncio.create_task(self.said())
        sent = 0
        while not heard.done():
            sent += 1
            await self.send(f"Are you there? {sent}")
            await asyncio.wait([heard], timeout=0.2)
        texts = [await heard]
        while texts[-1] != f"Are you there? {sent}":
            texts.append(await self.said())
        return texts


@pytest.fixture(params=["graphql-ws", "Apollo"])
async def programme(
    request: pytest.FixtureRequest, database_url: str, valkey: EmbeddedValkey, tmp_path: Path, stack: AsyncExitStack
) -> AsyncIterator[Programme]:
    port = free_port()
    settings = {"port": port, "data_dir": tmp_path, "database_url": database_url, "valkey_url": valkey.url}
    server = stack.enter_context(running("serve", tmp_path, **settings))
    url = f"http://127.0.0.1:{port}"
    until_ready(server, url)
    http = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
    ada, cleo = [await somebody(http, each) for each in ("ada", "cleo")]
    room = await ada.make_room(cleo)
    network = Network(port)
    relay = await stack.enter_async_context(network.between())
    async with playing(request.param, f"127.0.0.1:{relay}", cleo, room, tmp_path) as process:
        yield Programme(process, ada, room, network)


@asynccontextmanager
async def playing(
    name: str, address: str, person: Person, room: str, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of README's programs, which asks more often whether its connection is alive."""
    (folder / "node_modules").symlink_to(installed() / "node_modules")
    text = programs()[name].replace(URL, f"ws://{address}/graphql")
    for written, quicker in (("10_000", "1_000"), ("5_000", "1_000")):
        assert written in text
        text = text.replace(written, quicker)
    script = folder / "live.mjs"
    script.write_text(text)
    process = await asyncio.create_subprocess_exec(
        "node",
        str(script),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TOKEN": person.token or "", "ROOM": room},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_program_of_readme_goes_on_exactly_through_a_cut(programme: Programme) -> None:
    texts = await programme.has_begun()
    programme.network.cut()
    for text in ("In the tunnel", "Still in the tunnel"):
        await programme.send(text)
    programme.network.up = True
    assert [await programme.said() for _ in range(2)] == ["In the tunnel", "Still in the tunnel"]
    await programme.send("Behind the tunnel")
    assert await programme.said() == "Behind the tunnel"
    assert len(set(texts)) == len(texts)


async def test_it_notices_by_itself_that_its_connection_is_dead(programme: Programme) -> None:
    await programme.has_begun()
    programme.network.swallow()
    await programme.send("Into the dark")
    assert await programme.said() == "Into the dark"


@pytest.mark.parametrize("name", ["graphql-ws", "Apollo"])
async def test_it_goes_on_from_its_cursor_where_too_much_has_gathered_for_it(
    name: str, process: Process, cleo: Person, tmp_path: Path
) -> None:
    async def ready() -> None: ...

    def told(text: str) -> bytes:
        message = {"id": text, "body": text, "__typename": "Message"}
        event = {"cursor": f"behind {text}", "message": message, "__typename": "MessageAdded"}
        return json.dumps({"data": {"messageAdded": event}}).encode()

    streams = ToyStreams()
    app = build_app(Execution(ParleyEngine(process)), allowed_origins=[], ready=ready, streams=streams)
    async with serving(app) as server, playing(name, server.address, cleo, "a room", tmp_path) as program:
        feed = await asyncio.wait_for(streams.asked.get(), PATIENCE)
        assert feed.outlet.next(told("One"))
        assert await said(program) == "One"
        feed.outlet.error([TOO_SLOW])
        feed = await asyncio.wait_for(streams.asked.get(), PATIENCE)
        assert feed.prepared.asked.variables["after"] == "behind One"
        assert feed.outlet.next(told("Two"))
        assert await said(program) == "Two"
        feed.outlet.error([TOLD_EXPIRED])
        assert await asyncio.wait_for(program.wait(), PATIENCE) != 0
