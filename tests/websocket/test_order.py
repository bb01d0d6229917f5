"""What comes behind a `subscribe` waits until its stream has its position; what ends something does not."""

import asyncio
from typing import Any

import pytest

from server.graphql.error import told
from server.graphql.streams import Rejected
from server.websocket import pongs
from tests.http.toy import ToyEngine
from tests.websocket.conftest import SECONDS, Client
from tests.websocket.toy import ToyStreams


@pytest.fixture(autouse=True)
def _no_stream_begins(streams: ToyStreams) -> None:
    streams.open.clear()


async def heard_by_the_server(client: Client, streams: ToyStreams) -> None:
    """Messages are heard in their order, and streams are asked for at once."""
    while not streams.asked.empty():
        streams.asked.get_nowait()
    await client.subscribe("heard")
    await asyncio.wait_for(streams.asked.get(), SECONDS)


@pytest.mark.parametrize("query", ["mutation { send }", "{ hello }"])
async def test_an_operation_waits_for_the_stream_before_it(
    client: Client, streams: ToyStreams, engine: ToyEngine, query: str
) -> None:
    await client.subscribe("stream")
    await client.subscribe("operation", query)
    await heard_by_the_server(client, streams)
    assert engine.journal == []
    streams.open.set()
    assert (await client.hear())["id"] == "operation"
    assert await client.hear() == {"id": "operation", "type": "complete"}
    assert engine.journal == ["opened", "closed"]


async def test_a_mutation_behind_a_subscription_gives_its_event(
    client: Client, streams: ToyStreams, engine: ToyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = engine.open

    def publishes(*arguments: Any) -> Any:
        for feed in streams.feeds:
            feed.give("sent")
        return opened(*arguments)

    monkeypatch.setattr(engine, "open", publishes)
    await client.subscribe("stream")
    await client.subscribe("mutation", "mutation { send }")
    streams.open.set()
    heard = [await client.hear() for _ in range(3)]
    assert [(each["id"], each["type"]) for each in heard] == [
        ("stream", "next"),
        ("mutation", "next"),
        ("mutation", "complete"),
    ]


async def test_a_pong_waits_for_the_stream_before_its_ping(client: Client, streams: ToyStreams) -> None:
    await client.say(type="ping", payload={"n": 0})
    await client.subscribe("stream")
    await client.say(type="ping", payload={"n": 1})
    await client.say(type="ping", payload={"n": 2})
    await heard_by_the_server(client, streams)
    assert (await client.hear())["payload"] == {"n": 0}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.wire.recv(), 0.05)
    streams.open.set()
    assert [(await client.hear())["payload"] for _ in range(2)] == [{"n": 1}, {"n": 2}]
    await client.settled()


async def test_a_pong_does_not_wait_for_ever(
    client: Client, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pongs, "PATIENCE", 0.05)
    await client.subscribe("stream")
    for n in range(3):
        await client.say(type="ping", payload={"n": n})
    assert [(await client.hear())["payload"] for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    streams.open.set()
    await client.settled()


async def test_what_waits_goes_on_when_the_stream_is_rejected(client: Client, streams: ToyStreams) -> None:
    streams.on_subscribe = Rejected([told("Not found.", "NOT_FOUND")])
    await client.subscribe("stream")
    await client.subscribe("operation", "mutation { send }")
    await client.say(type="ping")
    streams.open.set()
    heard = [await client.hear() for _ in range(4)]
    assert heard[0]["type"] == "error"
    assert {"id": "operation", "type": "complete"} in heard
    assert {"type": "pong"} in heard


async def test_what_waits_goes_on_when_the_stream_is_completed(client: Client, engine: ToyEngine) -> None:
    await client.subscribe("stream")
    await client.subscribe("operation", "mutation { send }")
    await client.complete("stream")
    assert (await client.hear())["id"] == "operation"


async def test_streams_do_not_wait_for_each_other(client: Client, streams: ToyStreams) -> None:
    await client.subscribe("1")
    await client.subscribe("2")
    for _ in range(2):
        await asyncio.wait_for(streams.asked.get(), SECONDS)
    assert streams.feeds == []


async def test_nothing_waits_for_a_mutation(client: Client, streams: ToyStreams, engine: ToyEngine) -> None:
    streams.open.set()
    await client.subscribe("slow", "mutation { slow }")
    await client.subscribe("stream")
    await client.subscribe("query", "{ hello }")
    assert (await client.hear())["id"] == "query"
    assert await client.hear() == {"id": "query", "type": "complete"}
    await client.settled()
    engine.go_on.set()


async def test_a_query_that_waits_can_be_completed(client: Client, streams: ToyStreams, engine: ToyEngine) -> None:
    await client.subscribe("stream")
    await client.subscribe("query", "{ hello }")
    await client.complete("query")
    await heard_by_the_server(client, streams)
    streams.open.set()
    await client.settled()
    assert engine.journal == []


async def test_what_is_refused_does_not_wait(client: Client) -> None:
    await client.subscribe("stream")
    await client.subscribe("query", "{ hello")
    assert (await client.hear())["type"] == "error"
