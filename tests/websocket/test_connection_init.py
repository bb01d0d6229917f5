"""`connection_init`: when, with which token, and what becomes of a client without one."""

import asyncio
import time
from typing import Any

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from server.connections import Bounds
from server.graphql.engine import Unauthenticated
from tests.http.toy import GOOD_TOKEN, SECRET, Row, ToyEngine
from tests.websocket.conftest import SECONDS, SIGNED_IN, Client, Dial, Server, until
from tests.websocket.toy import ToyStreams
from tests.websocket.wire import Wire

FORBIDDEN = (4403, "Forbidden: The access token is invalid or has expired.")
QUICK = pytest.mark.parametrize("bounds", [Bounds(init_seconds=0.2)])


@QUICK
async def test_a_client_that_says_nothing_is_closed(dial: Dial) -> None:
    begun = time.monotonic()
    assert await (await dial()).closed() == (4408, "Connection initialisation timeout")
    assert time.monotonic() - begun >= 0.2


@QUICK
async def test_pings_are_no_initialisation(dial: Dial) -> None:
    client = await dial()
    await client.settled()
    assert await client.closed() == (4408, "Connection initialisation timeout")


@QUICK
async def test_who_has_initialised_may_stay(client: Client) -> None:
    await asyncio.sleep(0.3)
    await client.settled()


async def test_a_second_initialisation_is_too_many(client: Client) -> None:
    await client.say(type="connection_init")
    assert await client.closed() == (4429, "Too many initialisation requests")


async def test_a_second_initialisation_is_too_many_while_the_first_is_verified(dial: Dial, streams: ToyStreams) -> None:
    streams.verifies.clear()
    client = await dial()
    await client.say(type="connection_init", payload=SIGNED_IN)
    await client.say(type="connection_init", payload=SIGNED_IN)
    assert await client.closed() == (4429, "Too many initialisation requests")


async def test_an_operation_before_the_initialisation_is_unauthorized(dial: Dial) -> None:
    client = await dial()
    await client.subscribe("1", "{ hello }")
    assert await client.closed() == (4401, "Unauthorized")


async def test_an_operation_before_the_acknowledgement_is_unauthorized(dial: Dial, streams: ToyStreams) -> None:
    streams.verifies.clear()
    client = await dial()
    await client.say(type="connection_init", payload=SIGNED_IN)
    await client.subscribe("1", "{ hello }")
    assert await client.closed() == (4401, "Unauthorized")


async def test_pings_and_pongs_may_come_before_the_acknowledgement(dial: Dial, streams: ToyStreams) -> None:
    streams.verifies.clear()
    client = await dial()
    await client.say(type="pong", payload={"anything": 1})
    await client.settled()
    await client.say(type="connection_init", payload=SIGNED_IN)
    await client.say(type="pong")
    await client.settled()
    streams.verifies.set()
    assert await client.hear() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "payload", [None, {}, {"authorization": None}, {"theme": "dark", "nested": {"authorization": 1}}]
)
async def test_without_a_token_one_is_anonymous(
    dial: Dial, engine: ToyEngine, streams: ToyStreams, payload: dict[str, Any] | None
) -> None:
    client = await dial()
    await client.say(type="connection_init", payload=payload)
    assert await client.hear() == {"type": "connection_ack"}
    assert (await client.ask("{ hello }"))["payload"] == {"data": {"hello": "hello world"}}
    assert (engine.tokens, streams.verified) == ([None], [])


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("value", [f"Bearer {GOOD_TOKEN}", f"bearer  {GOOD_TOKEN} "])
async def test_the_token_counts_for_every_operation(
    dial: Dial, engine: ToyEngine, streams: ToyStreams, name: str, value: str
) -> None:
    client = await dial()
    await client.init(**{name: value})
    await client.ask("{ hello }")
    await client.ask("mutation { send }")
    await client.subscribe("1")
    await client.settled()
    assert engine.tokens == [GOOD_TOKEN] * 2
    assert streams.feeds[0].who == GOOD_TOKEN
    assert streams.verified == [GOOD_TOKEN]


@pytest.mark.parametrize(
    "payload",
    [
        {"authorization": "Bearer expired"},
        {"authorization": f"Basic {GOOD_TOKEN}"},
        {"authorization": GOOD_TOKEN},
        {"authorization": "Bearer"},
        {"authorization": ""},
        {"authorization": 7},
        {"authorization": {"Bearer": GOOD_TOKEN}},
        {"authorization": [f"Bearer {GOOD_TOKEN}"]},
        {"authorization": f"Bearer {GOOD_TOKEN}", "Authorization": f"Bearer {GOOD_TOKEN}"},
        {"authorization": "Bearer \ud800"},
    ],
)
async def test_a_bad_token_is_forbidden(dial: Dial, streams: ToyStreams, payload: dict[str, Any]) -> None:
    client = await dial()
    await client.say(type="connection_init", payload=payload)
    assert await client.closed() == FORBIDDEN
    assert streams.verified == []


async def test_a_sign_in_that_has_ended_is_forbidden(dial: Dial, streams: ToyStreams) -> None:
    streams.on_verify = Unauthenticated()
    client = await dial()
    await client.say(type="connection_init", payload=SIGNED_IN)
    assert await client.closed() == FORBIDDEN


@pytest.mark.parametrize("failure", [Row(), psycopg.OperationalError(SECRET), TimeoutError(), OSError(SECRET)])
async def test_when_the_database_is_down_a_client_tries_again_later(
    dial: Dial, streams: ToyStreams, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    streams.on_verify = failure
    client = await dial()
    await client.say(type="connection_init", payload=SIGNED_IN)
    assert await client.closed() == (1013, "Try again later")
    assert type(failure).__qualname__ in caplog.text
    assert isinstance(failure, OSError) or SECRET not in caplog.text
    caplog.clear()


@QUICK
async def test_when_the_database_hangs_a_client_tries_again_later(
    dial: Dial, streams: ToyStreams, caplog: pytest.LogCaptureFixture
) -> None:
    streams.verifies.clear()
    client = await dial()
    await client.say(type="connection_init", payload=SIGNED_IN)
    assert await client.closed() == (1013, "Try again later")
    assert "TimeoutError" in caplog.text
    caplog.clear()


async def test_a_client_that_goes_while_its_sign_in_is_verified_leaves_nothing(
    dial: Dial, streams: ToyStreams, server: Any
) -> None:
    streams.verifies.clear()
    client = await dial()
    await client.say(type="connection_init", payload=SIGNED_IN)
    await client.settled()
    client.wire.transport.abort()
    await server.left()
    assert [task for task in asyncio.all_tasks() if "_verify" in repr(task)] == []


@pytest.mark.parametrize("bounds", [Bounds(connections_of_user=2)])
async def test_one_user_has_so_many_connections(dial: Dial, server: Server) -> None:
    first, second, third = [await dial() for _ in range(3)]
    for client in (first, second):
        await client.init(**SIGNED_IN)
    await third.say(type="connection_init", payload=SIGNED_IN)
    assert await third.closed() == (1013, "Too many connections")
    anonymous = await dial()
    await anonymous.init()
    await second.settled()
    await first.wire.close()
    fourth = await dial()
    async with asyncio.timeout(SECONDS):
        # The server may see the end of the first a little later.
        while True:
            await fourth.say(type="connection_init", payload=SIGNED_IN)
            try:
                assert await fourth.hear() == {"type": "connection_ack"}
                break
            except ConnectionClosed:
                fourth = await dial()
    await second.settled()


ONE = Bounds(connections_of_user=1)


async def test_a_connection_counts_until_it_is_gone(engine: ToyEngine, streams: ToyStreams) -> None:
    """Else one that takes nothing could be closed and replaced without end, while what it takes is still held."""
    first = Wire(engine, streams, ONE, payload=SIGNED_IN)
    await first.settled()
    first.taken.clear()
    first.say(type="nonsense")
    await first.settled()
    second = Wire(engine, streams, ONE, beside=first, payload=SIGNED_IN)
    await second.ended()
    assert second.closed == {"type": "websocket.close", "code": 1013, "reason": "Too many connections"}
    first.taken.set()
    await first.ended()
    third = Wire(engine, streams, ONE, beside=first, payload=SIGNED_IN)
    await third.settled()
    assert third.sent == [{"type": "connection_ack"}]
    await third.hang_up()


async def test_who_has_gone_is_not_counted_in_afterwards(
    engine: ToyEngine, streams: ToyStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.websocket.connection._FAREWELL", 0.01)
    verify, verified = streams.verify, asyncio.Event()

    async def stubborn(who: Any) -> None:
        try:
            await verify(who)
        except asyncio.CancelledError:
            await verified.wait()

    monkeypatch.setattr(streams, "verify", stubborn)
    streams.verifies.clear()
    first = Wire(engine, streams, ONE, payload=SIGNED_IN)
    await until(lambda: bool(streams.verified))
    await first.hang_up()
    verified.set()
    streams.verifies.set()
    await first.settled()
    second = Wire(engine, streams, ONE, beside=first, payload=SIGNED_IN)
    await second.settled()
    assert second.sent == [{"type": "connection_ack"}]
    await second.hang_up()


@pytest.mark.parametrize("bounds", [Bounds(connections=2)])
async def test_a_process_has_so_many_connections(dial: Dial, server: Server) -> None:
    first, _ = [await dial() for _ in range(2)]
    assert await (await dial()).closed() == (1013, "Too many connections")
    await first.init()
    await first.wire.close()
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await (await dial()).init()
                break
            except ConnectionClosed:
                pass


@pytest.mark.parametrize("bounds", [Bounds(seconds=0.2)])
async def test_a_connection_lives_so_long(dial: Dial) -> None:
    client = await dial()
    await client.init(**SIGNED_IN)
    assert await client.closed() == (4403, "Forbidden: This connection has lived its time.")
