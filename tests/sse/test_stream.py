"""GraphQL over Server-Sent Events, one operation a connection."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.connections import Backlog, Bounds
from server.graphql.engine import Unauthenticated
from server.graphql.error import told
from server.graphql.execution import Execution
from server.graphql.strangers import Strangers
from server.graphql.streams import Rejected, Unavailable
from server.http.app import build_app
from server.http.protocol import HttpProtocol
from server.sse import outlet as outlets
from tests.http.toy import GOOD_TOKEN, ToyEngine
from tests.sse.events import played, stream
from tests.websocket.conftest import SECONDS, Server, serving, until
from tests.websocket.toy import Feed, ToyStreams

TICK = "subscription { tick }"
SIGNED_IN = {"authorization": f"Bearer {GOOD_TOKEN}"}


async def begun(streams: ToyStreams) -> Feed:
    async with asyncio.timeout(SECONDS):
        return await streams.asked.get()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_subscription_is_a_stream_of_events(server: Server, streams: ToyStreams, method: str) -> None:
    streams.at_once = lambda feed: feed.give("at once")
    async with stream(server, TICK, method=method, headers=SIGNED_IN) as events:
        assert events.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert events.response.headers["cache-control"] == "no-store"
        feed = await begun(streams)
        assert feed.who == GOOD_TOKEN
        assert await events.next() == ("next", {"data": {"tick": "at once"}})
        feed.give("line\nbreak ü")
        assert await events.next() == ("next", {"data": {"tick": "line\nbreak ü"}})
        feed.outlet.complete()
        assert await events.next() == ("complete", None)
        assert await events.next() is None
    await server.left()
    assert feed.closed == 1


async def test_nothing_is_answered_before_it_has_its_position(server: Server, streams: ToyStreams) -> None:
    streams.open.clear()

    async def ask() -> None:
        async with stream(server, TICK) as events:
            await events.next()

    asking = asyncio.create_task(ask())
    feed = await begun(streams)
    await asyncio.sleep(0.05)
    assert not asking.done()
    streams.open.set()
    feed.give(1)
    await asyncio.wait_for(asking, SECONDS)


async def test_a_client_that_goes_is_forgotten(server: Server, streams: ToyStreams) -> None:
    async with stream(server, TICK) as events:
        feed = await begun(streams)
        feed.give(1)
        await events.next()
    async with asyncio.timeout(SECONDS):
        await feed.was_closed.wait()
    assert not feed.give(2)


@pytest.mark.parametrize(
    ("query", "data"), [("{ hello }", {"hello": "hello world"}), ("mutation { send }", {"send": "sent"})]
)
async def test_a_query_and_a_mutation_are_one_event(server: Server, query: str, data: Any) -> None:
    async with stream(server, query) as events:
        assert await events.next() == ("next", {"data": data})
        assert await events.next() == ("complete", None)


@pytest.mark.parametrize(("query", "code"), [("{ hullo }", "GRAPHQL_VALIDATION_FAILED"), ("{", "GRAPHQL_PARSE_FAILED")])
async def test_a_document_that_is_refused_is_told_in_the_stream(server: Server, query: str, code: str) -> None:
    async with stream(server, query) as events:
        assert events.response.status_code == 200
        event = await events.next()
        assert isinstance(event, tuple)
        assert [each["extensions"]["code"] for each in event[1]["errors"]] == [code]
        assert await events.next() == ("complete", None)


async def test_new_documents_of_strangers_are_bounded_here_too(engine: ToyEngine, streams: ToyStreams) -> None:
    async def ready() -> None: ...

    execution = Execution(engine, strangers=Strangers(seconds=0))
    large = "{ hello } #" + "x" * 1_000
    answers = []
    async with serving(build_app(execution, allowed_origins=[], ready=ready, streams=streams)) as server:
        for headers in ({}, SIGNED_IN):
            async with stream(server, large, headers=headers) as events:
                event = await events.next()
                assert isinstance(event, tuple)
                answers.append([each["extensions"]["code"] for each in event[1].get("errors", ())])
    assert answers == [["RATE_LIMITED"], []]


async def test_a_subscription_that_is_rejected_is_told_in_the_stream(server: Server, streams: ToyStreams) -> None:
    streams.on_subscribe = Rejected([told("No such room.", "NOT_FOUND")])
    async with stream(server, TICK) as events:
        event = await events.next()
        assert isinstance(event, tuple)
        assert event[1]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert await events.next() == ("complete", None)


@pytest.mark.parametrize(
    ("raised", "status"), [(Unauthenticated(), 401), (Unavailable(), 503), (RuntimeError("secret"), 500)]
)
async def test_what_cannot_begin_has_a_status(
    server: Server, streams: ToyStreams, raised: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    streams.on_subscribe = raised
    async with stream(server, TICK, headers=SIGNED_IN) as events:
        assert events.response.status_code == status
        assert b"secret" not in await events.response.aread()
    caplog.clear()


async def test_a_bad_token_is_401(server: Server) -> None:
    async with stream(server, TICK, headers={"authorization": "Bearer bad"}) as events:
        assert events.response.status_code == 401
        assert events.response.headers["www-authenticate"] == "Bearer"


async def test_what_is_no_request_has_a_status_of_its_own(server: Server) -> None:
    url = f"http://{server.address}/graphql/stream"
    async with httpx.AsyncClient() as client:
        accept = {"accept": "text/event-stream"}
        assert (await client.post(url, json=[], headers=accept)).status_code == 400
        assert (await client.post(url, content="{}", headers=accept)).status_code == 415
        assert (await client.put(url, json={}, headers=accept)).status_code == 405
        assert (await client.get(url, params={"query": "mutation { send }"}, headers=accept)).status_code == 405
        assert (await client.post(url, json={"query": TICK}, headers={"accept": "text/html"})).status_code == 406
        assert (await client.post(url, json={"query": "x" * 1_100_000}, headers=accept)).status_code == 413


async def test_the_end_of_a_sign_in_is_told_and_ends_the_stream(server: Server, streams: ToyStreams) -> None:
    async with stream(server, TICK, headers=SIGNED_IN) as events:
        feed = await begun(streams)
        feed.outlet.expel("This sign-in has ended.")
        event = await events.next()
        assert isinstance(event, tuple)
        assert event[1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await events.next() == ("complete", None)


async def test_a_quiet_stream_shows_that_it_lives(
    server: Server, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlets, "KEEP_ALIVE", 0.02)
    async with stream(server, TICK) as events:
        await begun(streams)
        assert await events.next() == "comment"
        assert await events.next() == "comment"


@pytest.mark.parametrize("bounds", [Bounds(frames=10, bytes=1_000)])
async def test_who_reads_too_slowly_is_cut_and_told_to_resume(server: Server, streams: ToyStreams) -> None:
    async with stream(server, TICK) as events:
        feed = await begun(streams)
        given = 0
        while feed.give(given):
            given += 1
        for number in range(given):
            assert await events.next() == ("next", {"data": {"tick": number}})
        event = await events.next()
        assert isinstance(event, tuple)
        assert event[1]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert await events.next() == ("complete", None)


async def test_what_waits_counts_for_all_together_until_its_client_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backlog, "ALWAYS", 500)
    backlog = Backlog(1_000)
    behind, bursting = (outlets.EventOutlet(most_frames=100, most_bytes=100_000, backlog=backlog) for _ in range(2))
    while behind.next(b"x" * 100):
        pass
    assert 1_000 < backlog.bytes < 1_500
    assert all(bursting.next(b"x" * 100) for _ in range(4))
    assert bursting.full
    behind.leave()
    behind.leave()
    assert all(bursting.next(b"x" * 100) for _ in range(4))
    bursting.leave()
    assert not bursting.next(b"late")
    assert backlog.bytes == 0


@pytest.mark.parametrize("bounds", [Bounds(frames=10, bytes=1_000)])
async def test_a_result_larger_than_the_bound_ends_the_stream(server: Server, streams: ToyStreams) -> None:
    async with stream(server, TICK) as events:
        feed = await begun(streams)
        assert not feed.give("x" * 2_000)
        event = await events.next()
        assert isinstance(event, tuple)
        assert event[1]["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


@pytest.mark.parametrize("bounds", [Bounds(bytes=64 * 1024 * 1024, frames=10_000)])
async def test_who_takes_nothing_is_let_go(
    server: Server, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HttpProtocol, "taking_seconds", 0.1)
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1_000)
    body = json.dumps({"query": TICK}).encode()
    writer.write(
        b"POST /graphql/stream HTTP/1.1\r\nHost: parley.test\r\nContent-Type: application/json\r\n"
        b"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    feed = await begun(streams)
    await until(lambda: bool(streams.feeds))
    for _ in range(10):
        feed.give("x" * 1_000_000)
    async with asyncio.timeout(SECONDS):
        await feed.was_closed.wait()
    writer.close()
    assert reader


@pytest.mark.parametrize("bounds", [Bounds(connections_of_user=1)])
async def test_streams_count_as_connections_of_their_user(server: Server, streams: ToyStreams) -> None:
    async with stream(server, TICK, headers=SIGNED_IN):
        await begun(streams)
        async with stream(server, TICK, headers=SIGNED_IN) as second:
            assert second.response.status_code == 503
    await until(lambda: streams.feeds[0].closed == 1)
    async with stream(server, TICK, headers=SIGNED_IN) as third:
        assert third.response.status_code == 200


async def test_when_the_server_stops_streams_end(server: Server, streams: ToyStreams) -> None:
    async with stream(server, TICK) as events:
        feed = await begun(streams)
        feed.give(1)
        await events.next()
        stopping = asyncio.create_task(server.stop())
        with pytest.raises(httpx.RemoteProtocolError):
            await events.next()
        await asyncio.wait_for(stopping, SECONDS)
    assert feed.closed == 1


class TestNpmsGraphqlSse:
    @pytest.fixture
    def play(self, server: Server, clients: Path) -> Any:
        return partial(played, clients, server.address)

    async def test_asks(self, play: Any) -> None:
        assert await play("{ hello }") == [{"data": {"hello": "hello world"}}, "complete"]

    async def test_subscribes(self, play: Any, streams: ToyStreams) -> None:
        playing = asyncio.create_task(play(TICK, GOOD_TOKEN))
        async with asyncio.timeout(30):
            feed = await streams.asked.get()
        for number in range(3):
            feed.give(number)
        feed.outlet.complete()
        assert await playing == [*({"data": {"tick": number}} for number in range(3)), "complete"]

    async def test_leaves(self, play: Any, streams: ToyStreams) -> None:
        playing = asyncio.create_task(play(TICK, GOOD_TOKEN, "1"))
        async with asyncio.timeout(30):
            feed = await streams.asked.get()
        feed.give(1)
        await playing
        async with asyncio.timeout(SECONDS):
            await feed.was_closed.wait()

    async def test_is_refused_by_a_bad_token(self, play: Any) -> None:
        assert await play(TICK, "bad") == [{"error": 401}]
