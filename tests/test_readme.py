"""README's own programs do what it says: they are run as they stand there, through a cut of the network."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from schema.node_id import read_node_id
from server.embedded.valkey import EmbeddedValkey
from tests.cast import MEMBERS, PASSWORD, Person
from tests.clients.npm import installed
from tests.running import free_port, running, until_ready

README = Path(__file__).parent.parent / "README.md"
URL = "ws://localhost:8000/graphql"
PATIENCE = 30.0


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


@pytest.mark.parametrize("name", ["graphql-ws", "Apollo"])
async def test_a_program_of_readme_goes_on_exactly_through_a_cut(
    name: str, database_url: str, valkey: EmbeddedValkey, tmp_path: Path, stack: AsyncExitStack
) -> None:
    port = free_port()
    settings = {"port": port, "data_dir": tmp_path, "database_url": database_url, "valkey_url": valkey.url}
    server = stack.enter_context(running("serve", tmp_path, **settings))
    url = f"http://127.0.0.1:{port}"
    until_ready(server, url)
    http = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
    ada, cleo = [await _signed_in(http, each) for each in ("ada", "cleo")]
    room = await ada.make_room(cleo)
    network = Network(port)
    relay = await stack.enter_async_context(network.between())
    (tmp_path / "node_modules").symlink_to(installed() / "node_modules")
    script = tmp_path / "live.mjs"
    script.write_text(programs()[name].replace(URL, f"ws://127.0.0.1:{relay}/graphql"))
    program = await asyncio.create_subprocess_exec(
        "node",
        str(script),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TOKEN": cleo.token or "", "ROOM": room},
    )
    try:
        # It says nothing of having begun: the first that it prints of these tells.
        heard = asyncio.create_task(said(program))
        sent = 0
        while not heard.done():
            sent += 1
            await ada.send(room, f"Are you there? {sent}")
            await asyncio.wait([heard], timeout=0.2)
        texts = [await heard]
        while texts[-1] != f"Are you there? {sent}":
            texts.append(await said(program))
        network.cut()
        for text in ("In the tunnel", "Still in the tunnel"):
            await ada.send(room, text)
        network.up = True
        assert [await said(program) for _ in range(2)] == ["In the tunnel", "Still in the tunnel"]
        await ada.send(room, "Behind the tunnel")
        assert await said(program) == "Behind the tunnel"
        assert len(set(texts)) == len(texts)
    finally:
        program.kill()
        await program.wait()


async def _signed_in(http: httpx.AsyncClient, name: str) -> Person:
    member = next(member for member in MEMBERS if member.name == name)
    person = Person(member, UUID(int=0), UUID(int=0), http)
    payload = await person.done(
        "signIn", {"email": member.email, "password": PASSWORD}, "session { accessToken } viewer { user { id } }"
    )
    person.token = payload["session"]["accessToken"]
    named = read_node_id(payload["viewer"]["user"]["id"])
    assert named is not None
    person.user_id = named[1]
    return person
