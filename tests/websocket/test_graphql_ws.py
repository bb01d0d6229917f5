"""npm's graphql-ws, the client that front ends have, against a real server."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from server.graphql.error import told
from tests.http.toy import GOOD_TOKEN
from tests.websocket.conftest import Server
from tests.websocket.toy import Feed, ToyStreams

GOODBYE = {"closed": 1000, "reason": "Normal Closure"}
FORBIDDEN = {"closed": 4403, "reason": "Forbidden: The access token is invalid or has expired."}


class Script:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def printed(self) -> Any:
        async with asyncio.timeout(30):
            out, said = await self._process.communicate()
        assert self._process.returncode == 0, said.decode()
        return json.loads(out)


@pytest.fixture
def play(server: Server, clients: Path) -> Any:
    async def play(scene: str, *tokens: str) -> Script:
        arguments = ("graphql-ws.mjs", f"ws://{server.address}/graphql", scene, *tokens)
        pipe = asyncio.subprocess.PIPE
        return Script(await asyncio.create_subprocess_exec("node", *arguments, cwd=clients, stdout=pipe, stderr=pipe))

    return play


async def begun(streams: ToyStreams) -> Feed:
    async with asyncio.timeout(30):
        return await streams.asked.get()


@pytest.mark.parametrize(("scene", "data"), [("query", {"hello": "hello world"}), ("mutation", {"send": "sent"})])
async def test_a_query_and_a_mutation(play: Any, scene: str, data: Any) -> None:
    assert await (await play(scene)).printed() == {"connections": 1, "seen": [{"data": data}, "complete"]}


async def test_an_error(play: Any) -> None:
    printed = await (await play("error", GOOD_TOKEN)).printed()
    assert printed == {"connections": 1, "seen": [{"error": ["GRAPHQL_VALIDATION_FAILED"]}]}


async def test_a_subscription_that_the_server_completes(play: Any, streams: ToyStreams) -> None:
    script = await play("subscription", GOOD_TOKEN)
    feed = await begun(streams)
    feed.give(1)
    feed.give(2)
    feed.outlet.complete()
    assert await script.printed() == {
        "connections": 1,
        "seen": [{"data": {"tick": 1}}, {"data": {"tick": 2}}, "complete"],
    }
    assert feed.who == GOOD_TOKEN


async def test_a_subscription_that_the_client_completes(play: Any, streams: ToyStreams) -> None:
    script = await play("completed")
    feed = await begun(streams)
    feed.give(1)
    await asyncio.wait_for(feed.was_closed.wait(), 30)
    assert not feed.give(2)
    assert (await script.printed())["seen"] == [{"data": {"tick": 1}}, "complete"]
    assert feed.closed == 1


async def test_a_subscription_that_fails(play: Any, streams: ToyStreams) -> None:
    script = await play("subscription")
    (await begun(streams)).outlet.error([told("Query anew.", "CURSOR_EXPIRED")])
    assert (await script.printed())["seen"] == [{"error": ["CURSOR_EXPIRED"]}]


async def test_an_expired_token_is_renewed(play: Any) -> None:
    printed = await (await play("query", "expired", "expired", GOOD_TOKEN)).printed()
    assert printed["connections"] == 3
    assert printed["seen"] == [FORBIDDEN, FORBIDDEN, {"data": {"hello": "hello world"}}, "complete"]


async def test_a_subscription_goes_on_with_a_new_sign_in(play: Any, streams: ToyStreams) -> None:
    script = await play("subscription", GOOD_TOKEN)
    first = await begun(streams)
    first.give(1)
    first.outlet.expel("The sign-in has ended.")
    second = await begun(streams)
    second.give(2)
    second.outlet.complete()
    printed = await script.printed()
    assert printed["connections"] == 2
    assert printed["seen"][-3:] == [
        {"closed": 4403, "reason": "Forbidden: The sign-in has ended."},
        {"data": {"tick": 2}},
        "complete",
    ]


async def test_the_connection_is_kept_alive(play: Any, streams: ToyStreams) -> None:
    script = await play("keepAlive")
    feed = await begun(streams)
    feed.give(1)
    printed = await script.printed()
    assert printed["connections"] == 1
    assert printed["seen"].count("pong") >= 3
    assert printed["seen"][-1] == "complete"
