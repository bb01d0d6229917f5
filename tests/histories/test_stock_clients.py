"""Apps on graphql-ws and Apollo come to show what a database holds that has lost what they showed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.cast import Person
from tests.clients.npm import installed
from tests.histories.api import Api
from tests.histories.database import Database
from tests.histories.test_streams import LOST, send
from tests.live.phone import PATIENCE
from tests.test_readme import Network

APPS = ["app-graphql-ws.mjs", "app-apollo.mjs"]


class App:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.queries = 0
        self._process = process
        self._screen: list[str] = []

    async def shows(self, texts: list[str]) -> None:
        """Wait until it shows these, and sees nothing twice on the way."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                while self._screen != texts:
                    line = await self._process.stdout.readline()
                    assert line, f"it has ended, showing {self._screen}"
                    shown = json.loads(line)
                    self.queries, self._screen = shown["asked"], shown["texts"]
                    assert len(set(self._screen)) == len(self._screen)
        except TimeoutError:
            raise AssertionError(f"it shows {self._screen} after {self.queries} queries") from None


@asynccontextmanager
async def started(name: str, port: int, person: Person, room: str) -> AsyncIterator[App]:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(installed() / name),
        f"ws://127.0.0.1:{port}/graphql",
        person.token or "",
        room,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield App(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def shown_by_a_fresh_query(person: Person, room: str) -> list[str]:
    found: Any = await person.ask(
        "query ($room: ID!) { room(id: $room) { messages(last: 100) { nodes { body } } } }", room=room
    )
    return [message["body"] for message in found["room"]["messages"]["nodes"]]


@pytest.mark.parametrize("written", [0, LOST + 2], ids=["before anything else", "behind the old end"])
async def test_an_app_that_shows_what_is_lost_queries_anew_and_the_others_go_on(
    database: Database, ahead: Api, behind: Api, stack: AsyncExitStack, written: int
) -> None:
    """Also one that was in a tunnel meanwhile."""
    ada, cleo = [await behind.sign_in(name) for name in ("ada", "cleo")]
    room = await ada.make_room(cleo)
    texts = await send(ada, room, "Kept", "Kept, too")
    tunnel = Network(ahead.port)
    entry = await stack.enter_async_context(tunnel.between())

    async def start(port: int) -> list[App]:
        return [await stack.enter_async_context(started(name, port, cleo, room)) for name in APPS]

    falling, away, standing = [await start(port) for port in (ahead.port, entry, behind.port)]
    for app in (*falling, *away, *standing):
        await app.shows(texts)

    await database.keep()
    behind.line.take_away()
    lost = await send(ahead.serving(ada), room, *(f"Lost {number}" for number in range(LOST)))
    for app in (*falling, *away):
        await app.shows(texts + lost)
    tunnel.cut()

    if written:
        ahead.line.take_away()
    await database.lose()
    behind.line.lead_to(database.url)
    texts += await send(ada, room, *(f"New {number}" for number in range(written)))
    ahead.line.lead_to(database.url)
    tunnel.up = True
    for app in (*falling, *away, *standing):
        await app.shows(texts)
        texts += await send(ada, room, f"Live {len(texts)}")
    assert await shown_by_a_fresh_query(cleo, room) == texts
    for app in (*falling, *away, *standing):
        await app.shows(texts)
    assert [app.queries for app in (*falling, *away, *standing)] == [2, 2, 2, 2, 1, 1]
