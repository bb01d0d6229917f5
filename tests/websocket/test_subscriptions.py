"""Subscriptions: how they begin, what they give, and that they end once, whoever ends them."""

import asyncio
from typing import Any

import pytest

from server.graphql.engine import Unauthenticated
from server.graphql.error import told
from server.graphql.execution import Execution
from server.graphql.streams import Rejected, Unavailable
from server.http.app import build_app
from tests.http.toy import GOOD_TOKEN, SECRET, Code, Row, ToyEngine, ToyError
from tests.websocket.conftest import SECONDS, SIGNED_IN, Client, Dial, Server, serving
from tests.websocket.toy import Feed, ToyStreams


def tick(id: str, value: object) -> dict[str, Any]:
    return {"id": id, "type": "next", "payload": {"data": {"tick": value}}}


@pytest.fixture
async def feed(client: Client, streams: ToyStreams) -> Feed:
    """The hub's end of a subscription with the id "1"."""
    await client.subscribe("1")
    await client.settled()
    return streams.feeds[0]


async def test_a_subscription_gives_what_its_stream_gives(client: Client, feed: Feed) -> None:
    assert feed.give(1)
    assert feed.give("zwei")
    assert await client.heard_until_settled() == [tick("1", 1), tick("1", "zwei")]


async def test_a_stream_knows_what_was_asked_and_by_whom(dial: Dial, streams: ToyStreams) -> None:
    client = await dial()
    await client.init(**SIGNED_IN)
    document = "subscription A { tick } query B { hello }"
    await client.subscribe("1", document, operationName="A", variables={"on": True}, extensions={"x": 1})
    await client.settled()
    (feed,) = streams.feeds
    assert feed.who == GOOD_TOKEN
    assert feed.prepared.operation.name == "A"
    assert (feed.prepared.asked.variables, feed.prepared.asked.extensions) == ({"on": True}, {"x": 1})


async def test_a_stream_comes_to_its_end_once(client: Client, feed: Feed) -> None:
    feed.outlet.complete()
    feed.outlet.complete()
    feed.outlet.error([told("late", "LATE")])
    assert not feed.give(1)
    assert not feed.outlet.full
    await feed.outlet.room()
    assert await client.heard_until_settled() == [{"id": "1", "type": "complete"}]


async def test_a_stream_ends_with_an_error_once(client: Client, feed: Feed) -> None:
    error = told("Query anew.", "CURSOR_EXPIRED")
    feed.give(1)
    feed.outlet.error([error])
    feed.outlet.error([error])
    feed.outlet.complete()
    assert not feed.give(2)
    assert await client.heard_until_settled() == [tick("1", 1), {"id": "1", "type": "error", "payload": [error]}]


async def test_a_client_completes_and_hears_no_more(client: Client, feed: Feed) -> None:
    await client.complete("1")
    await client.settled()
    assert feed.closed == 1
    assert not feed.give(1)
    feed.outlet.complete()
    feed.outlet.error([told("late", "LATE")])
    feed.outlet.expel("late")
    await client.complete("1")
    await client.settled()
    assert feed.closed == 1


async def test_both_complete_at_once(client: Client, feed: Feed) -> None:
    feed.outlet.complete()
    await client.complete("1")
    assert await client.heard_until_settled() == [{"id": "1", "type": "complete"}]


@pytest.mark.parametrize("end", ["goes", "says goodbye", "breaks the protocol", "is stopped by the server"])
async def test_streams_are_closed_when_the_client_goes(
    client: Client, feed: Feed, streams: ToyStreams, server: Server, end: str
) -> None:
    await client.subscribe("2")
    await client.settled()
    match end:
        case "goes":
            client.wire.transport.abort()
        case "says goodbye":
            await client.wire.close()
        case "breaks the protocol":
            await client.wire.send("no JSON")
        case _:
            await server.stop()
    await server.left()
    assert [each.closed for each in streams.feeds] == [1, 1]
    assert not feed.give(1)
    feed.outlet.complete()
    feed.outlet.expel("late")
    await feed.outlet.room()


async def test_a_subscription_can_be_rejected(client: Client, streams: ToyStreams) -> None:
    errors = [told("Not found.", "NOT_FOUND"), told("Another.", "FORBIDDEN")]
    streams.on_subscribe = Rejected(errors)
    await client.subscribe("1")
    assert await client.hear() == {"id": "1", "type": "error", "payload": errors}
    streams.on_subscribe = None
    await client.subscribe("1")
    await client.settled()
    assert streams.feeds[0].give(1)


async def test_a_public_exception_rejects_a_subscription(client: Client, streams: ToyStreams) -> None:
    streams.on_subscribe = ToyError(Code.RATE_LIMITED, "Slowly.")
    await client.subscribe("1")
    error = {"message": "Slowly.", "extensions": {"code": "RATE_LIMITED"}}
    assert await client.hear() == {"id": "1", "type": "error", "payload": [error]}


async def test_a_fault_when_a_stream_begins_has_an_id_and_no_text(
    client: Client, streams: ToyStreams, caplog: pytest.LogCaptureFixture
) -> None:
    streams.on_subscribe = Row()
    await client.subscribe("1")
    (error,) = (await client.hear())["payload"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["errorId"] in caplog.text
    assert SECRET not in caplog.text
    caplog.clear()


async def test_who_is_not_signed_in_is_told_so(client: Client, streams: ToyStreams) -> None:
    streams.on_subscribe = Unauthenticated()
    await client.subscribe("1")
    answer = await client.hear()
    assert (answer["type"], answer["payload"][0]["extensions"]) == ("error", {"code": "UNAUTHENTICATED"})
    await client.settled()


async def test_a_sign_in_that_has_ended_closes_the_socket(dial: Dial, streams: ToyStreams) -> None:
    client = await dial()
    await client.init(**SIGNED_IN)
    streams.on_subscribe = Unauthenticated()
    await client.subscribe("1")
    assert await client.closed() == (4403, "Forbidden: The access token is invalid or has expired.")


async def test_who_is_expelled_hears_nothing_more(client: Client, feed: Feed, streams: ToyStreams) -> None:
    await client.subscribe("2")
    await client.settled()
    feed.outlet.expel("The sign-in has ended.")
    feed.outlet.expel("The sign-in has ended.")
    assert not feed.give(1)
    assert not streams.feeds[1].give(2)
    assert await client.closed() == (4403, "Forbidden: The sign-in has ended.")
    assert [each.closed for each in streams.feeds] == [1, 1]


async def test_a_document_that_is_refused_begins_no_stream(client: Client, streams: ToyStreams) -> None:
    for query in ("subscription { tock }", "subscription { tick tick2: tick }", "subscription {"):
        await client.subscribe("1", query)
        assert (await client.hear())["type"] == "error"
    assert streams.asked.empty()


async def test_without_streams_there_are_no_subscriptions(engine: ToyEngine) -> None:
    async def ready() -> None: ...

    app = build_app(Execution(engine), allowed_origins=[], ready=ready)
    async with serving(app) as server, server.dial() as client:
        await client.init(**SIGNED_IN)
        answer = await client.ask("subscription { tick }")
        assert answer["payload"] == [told("Subscriptions are not served here.", "BAD_USER_INPUT")]
        assert (await client.ask("{ hello }"))["type"] == "next"


async def test_a_stream_may_speak_before_it_has_begun(client: Client, streams: ToyStreams) -> None:
    streams.open.clear()
    streams.at_once = lambda feed: (feed.give(1), feed.give(2))
    await client.subscribe("1")
    assert [await client.hear(), await client.hear()] == [tick("1", 1), tick("1", 2)]
    streams.open.set()
    await client.settled()
    assert streams.feeds[0].give(3)
    assert await client.hear() == tick("1", 3)


async def test_a_stream_may_end_before_it_has_begun(client: Client, streams: ToyStreams) -> None:
    streams.at_once = lambda feed: feed.outlet.complete()
    await client.subscribe("1")
    assert await client.hear() == {"id": "1", "type": "complete"}
    await client.settled()
    assert streams.feeds[0].closed == 1


async def test_who_is_expelled_before_the_stream_has_begun_is_expelled(client: Client, streams: ToyStreams) -> None:
    streams.at_once = lambda feed: feed.outlet.expel("The sign-in has ended.")
    await client.subscribe("1")
    assert await client.closed() == (4403, "Forbidden: The sign-in has ended.")


@pytest.mark.parametrize("stubborn", [False, True], ids=["that ends when cancelled", "that begins when cancelled"])
@pytest.mark.parametrize("end", ["completes", "goes"])
async def test_a_client_may_leave_a_stream_that_has_not_begun(
    client: Client, streams: ToyStreams, server: Server, stubborn: bool, end: str
) -> None:
    streams.open.clear()
    streams.stubborn = stubborn
    await client.subscribe("1")
    feed = await streams.asked.get()
    if end == "completes":
        await client.complete("1")
    else:
        client.wire.transport.abort()
    assert await asyncio.wait_for(streams.cancelled.get(), SECONDS) is feed
    if end == "completes":
        await client.settled()
    else:
        await server.left()
    assert not feed.give(1)
    assert feed.closed == (1 if stubborn else 0)


async def test_an_id_is_used_again_at_once(client: Client, streams: ToyStreams) -> None:
    streams.open.clear()
    for _ in range(3):
        await client.subscribe("1")
        await client.complete("1")
    await client.subscribe("1")
    feeds = [await asyncio.wait_for(streams.asked.get(), SECONDS) for _ in range(1)]
    while streams.asked.qsize():
        feeds.append(streams.asked.get_nowait())
    streams.open.set()
    await client.settled()
    (feed,) = streams.feeds
    assert [each.give("old") for each in feeds if each is not feed] == [False] * (len(feeds) - 1)
    assert feed.give("new")
    assert await client.heard_until_settled() == [tick("1", "new")]


async def test_a_stream_that_fails_to_close_harms_nobody(
    client: Client, feed: Feed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise Row

    monkeypatch.setattr(feed, "close", fail)
    await client.complete("1")
    await client.settled()
    assert "when a stream was closed" in caplog.text
    assert SECRET not in caplog.text
    caplog.clear()


async def test_one_that_cannot_begin_now_closes_the_socket_with_a_code_that_is_tried_again(
    client: Client, streams: ToyStreams
) -> None:
    streams.on_subscribe = Unavailable()
    await client.subscribe("1")
    assert await client.closed() == (1013, "Try again later")
