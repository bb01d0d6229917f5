"""Many clients, many operations, many messages: nothing grows, and nothing is left of them."""

import asyncio
import contextlib
import gc
import logging
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.websocket.connection import Connection
from server.websocket.message import read
from server.websocket.operation import Operation
from tests.http.toy import ToyEngine
from tests.websocket.conftest import SIGNED_IN, Client, Dial, Server
from tests.websocket.toy import ToyStreams


def alive(kind: type) -> int:
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


async def test_nothing_is_left_of_a_thousand_connections(
    server: Server, streams: ToyStreams, engine: ToyEngine
) -> None:
    tasks = asyncio.all_tasks()
    before = alive(Connection), alive(Operation)  # of tests before this one
    for batch in range(10):
        async with AsyncExitStack() as wires:
            for number in range(100):
                client = await wires.enter_async_context(server.dial())
                await client.init(**SIGNED_IN)
                await client.subscribe("stream")
                await client.subscribe("query", "{ slow }")
                match (batch + number) % 4:
                    case 0:
                        client.wire.transport.abort()
                    case 1:
                        await client.wire.send("no JSON")
                    case 2:
                        await client.settled()
                        streams.feeds[-1].outlet.expel("The sign-in has ended.")
                    case _:
                        await client.complete("stream")
    await server.left()
    assert {task for task in asyncio.all_tasks() if not task.done()} == tasks
    assert [feed.closed for feed in streams.feeds] == [1] * len(streams.feeds)
    assert engine.journal.count("opened") == engine.journal.count("closed")
    streams.feeds.clear()
    while not streams.asked.empty():
        streams.asked.get_nowait()
    assert alive(Connection) <= before[0]
    assert alive(Operation) <= before[1]


async def test_ten_thousand_subscriptions_at_once_are_too_many(client: Client, streams: ToyStreams) -> None:
    streams.open.clear()
    for number in range(10_000):
        await client.subscribe(f"{number}")
    refused = [await client.hear() for _ in range(9_900)]
    assert {each["type"] for each in refused} == {"error"}
    assert {each["payload"][0]["extensions"]["code"] for each in refused} == {"RATE_LIMITED"}
    streams.open.set()
    await client.settled()
    assert len(streams.feeds) == 100
    assert streams.feeds[99].give(1)
    assert (await client.hear())["id"] == "99"


async def test_a_storm_of_subscribing_and_completing(client: Client, streams: ToyStreams) -> None:
    for number in range(5_000):
        await client.subscribe(f"{number % 3}")
        await client.complete(f"{number % 3}")
    await client.settled()
    assert sum(feed.closed for feed in streams.feeds) == len(streams.feeds)
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Operation) and not each.over]


async def test_a_storm_of_queries(client: Client, engine: ToyEngine) -> None:
    for number in range(2_000):
        await client.subscribe(f"{number}", "{ hello }")
    heard: list[Any] = []
    while sum(each["type"] != "next" for each in heard) < 2_000:
        heard.append(await client.hear())
    assert sum(each["type"] == "complete" for each in heard) >= 100
    assert engine.journal.count("opened") == engine.journal.count("closed")


async def test_a_storm_of_one_client_harms_no_other(
    dial: Dial, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = 0

    def counted(text: str) -> Any:
        nonlocal heard
        heard += 1
        return read(text)

    monkeypatch.setattr("server.websocket.connection.read", counted)
    wild, calm = await dial(), await dial()
    for client in (wild, calm):
        await client.init()
    await calm.subscribe("1")
    await calm.settled()

    async def storm() -> None:
        with contextlib.suppress(ConnectionClosed):
            for number in range(100_000):
                await wild.say(id=f"{number}", type="subscribe", payload={"query": f"{{ hello{number} }}"})
                if number % 1_000 == 0:
                    await asyncio.sleep(0)

    storming = asyncio.create_task(storm())
    most = 0
    for number in range(50):
        before = heard
        assert streams.feeds[0].give(number)
        assert (await calm.hear())["payload"] == {"data": {"tick": number}}
        most = max(most, heard - before)
    storming.cancel()
    wild.wire.transport.abort()
    # While one message goes to a client, of another a few are read, and never all of its thousand that have come.
    assert 0 < most < 300


async def test_the_whole_of_a_storm_says_nothing_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture, server: Server
) -> None:
    caplog.set_level(logging.INFO)
    for number in range(500):
        await client.subscribe("1", ("{ hello }", "{", "subscription { tick }", "mutation { send }")[number % 4])
        await client.complete("1")
    client.wire.transport.abort()
    await server.left()
    assert _records(caplog) == []


def _records(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [each for each in caplog.records if each.name.startswith(("uvicorn", "parley", "asyncio"))]
