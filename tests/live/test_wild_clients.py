"""Clients that break every rule, with the real hub behind their sockets: typed answers, nothing left, and others get
what they are owed."""

import asyncio
import contextlib
import gc
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.cast import Person
from tests.live.hold import cursor_of, reader
from tests.live.phone import PATIENCE, TEXTS, Switchboard
from tests.live.served import Served, hears, signed_in
from tests.live.streams import STREAMS
from tests.websocket.conftest import Client
from tests.websocket.test_messages import MALFORMED


async def only(live: Switchboard, person: Person, count: int) -> None:
    """Wait until of all that was let in, or was on its way, so many streams are left, and nothing else is kept."""
    watch = reader(live, person)
    async with asyncio.timeout(PATIENCE):
        while len(list(watch._roster)) != count or watch._executors or watch._unjudged or watch._replay.busy:
            await asyncio.sleep(0.005)
    assert len(live.hub._kept._users) == count


@pytest.fixture
async def room(ada: Person, cleo: Person) -> str:
    return await ada.make_room(cleo)


@pytest.fixture
async def calm(served: Served, ada: Person, room: str) -> Client:
    """Somebody else in the room."""
    return await served.listener(ada, TEXTS, room=room)


async def test_of_ten_thousand_subscriptions_a_hundred_begin(
    served: Served, live: Switchboard, calm: Client, ada: Person, cleo: Person, room: str
) -> None:
    wild = await served.socket(cleo)
    for number in range(10_000):
        await wild.subscribe(f"{number}", TEXTS, variables={"room": room})
    refused = [await wild.hear() for _ in range(9_900)]
    assert {each["type"] for each in refused} == {"error"}
    assert {each["payload"][0]["extensions"]["code"] for each in refused} == {"RATE_LIMITED"}
    await wild.settled()
    executions = live.hub.counts.executions
    await ada.send(room, "For all of them")
    await hears(calm, "For all of them")
    assert {(await wild.hear())["id"] for _ in range(100)} == {str(number) for number in range(100)}
    # Ada and cleo see the same in it.
    assert live.hub.counts.executions == executions + 1
    wild.wire.transport.abort()
    await only(live, ada, 1)


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("name", STREAMS)
async def test_a_storm_of_subscribing_and_completing_leaves_nothing(
    served: Served,
    live: Switchboard,
    calm: Client,
    ada: Person,
    cleo: Person,
    room: str,
    name: str,
    resumes: bool,
) -> None:
    cursor = await cursor_of(cleo) if resumes else None
    await ada.send(room, "Before")
    await hears(calm, "Before")
    wild = await served.socket(cleo)
    for number in range(1_500):
        await wild.subscribe(f"{number % 3}", STREAMS[name], variables={"room": room, "after": cursor})
        await wild.complete(f"{number % 3}")
        if number % 500 == 0:
            await ada.send(room, f"At {number}")
    await hears(calm, "At 0", "At 500", "At 1000")
    await wild.heard_until_settled()
    await only(live, ada, 1)
    await wild.subscribe("1", STREAMS[name], variables={"room": room})
    await wild.settled()
    await ada.send(room, "Behind the storm")
    for client in (wild, calm):
        await hears(client, "Behind the storm")


async def test_an_id_that_is_used_again_gives_nothing_of_before(
    served: Served, live: Switchboard, ada: Person, cleo: Person
) -> None:
    rooms = [await ada.make_room(cleo) for _ in range(5)]
    client = await served.socket(cleo)
    for room in rooms:
        await client.subscribe("1", TEXTS, variables={"room": room})
        await client.complete("1")
    await client.subscribe("1", TEXTS, variables={"room": rooms[0]})
    await client.settled()
    for number, room in enumerate(reversed(rooms)):
        await ada.send(room, f"In {4 - number}")
    await hears(client, "In 0")
    await client.subscribe("1", TEXTS, variables={"room": rooms[1]})
    assert await client.closed() == (4409, "Subscriber for 1 already exists")
    await served.server.left()
    await only(live, cleo, 0)


async def test_what_is_no_message_ends_its_socket_and_no_other(
    served: Served, live: Switchboard, calm: Client, ada: Person, cleo: Person, room: str
) -> None:
    for number, text in enumerate(MALFORMED.values()):
        wild = await served.listener(cleo, TEXTS, room=room)
        await wild.wire.send(text)
        code, reason = await wild.closed()
        assert (code, bool(reason)) == (4400, True), text[:100]
        await ada.send(room, f"Number {number}")
        await hears(calm, f"Number {number}")
    await only(live, ada, 1)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no document": ({"query": "subscription {"}, "GRAPHQL_PARSE_FAILED"),
    "no field of that name": ({"query": "subscription { messagesAdded { cursor } }"}, "GRAPHQL_VALIDATION_FAILED"),
    "two fields at once": (
        {"query": "subscription { a: viewerEvents { cursor } b: viewerEvents { cursor } }"},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "no variable": ({"query": TEXTS}, "BAD_USER_INPUT"),
    "a variable of a wrong type": ({"query": TEXTS, "variables": {"room": ["x"]}}, "BAD_USER_INPUT"),
    "another operation": ({"query": TEXTS, "operationName": "Other"}, "BAD_USER_INPUT"),
    "a room that is none": ({"query": TEXTS, "variables": {"room": "rubbish"}}, "NOT_FOUND"),
    "a cursor that is none": (
        {"query": 'subscription { viewerEvents(after: "rubbish") { cursor } }'},
        "BAD_USER_INPUT",
    ),
    "a cursor that is large": (
        {
            "query": "subscription ($a: String) { viewerEvents(after: $a) { cursor } }",
            "variables": {"a": "x" * 500_000},
        },
        "BAD_USER_INPUT",
    ),
    "too much": (
        {"query": f"subscription {{ viewerEvents {{ {' '.join(f'a{n}: cursor' for n in range(12_000))} }} }}"},
        "QUERY_TOO_COMPLEX",
    ),
}


@pytest.mark.parametrize(("members", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_is_an_error_of_that_operation_alone(
    served: Served, live: Switchboard, ada: Person, cleo: Person, room: str, members: dict[str, Any], code: str
) -> None:
    client = await served.listener(cleo, TEXTS, room=room)
    for _ in range(3):
        answer = await client.ask(**members)
        assert (answer["type"], [each["extensions"]["code"] for each in answer["payload"]]) == ("error", [code])
    await ada.send(room, "Still here")
    await hears(client, "Still here")
    await only(live, cleo, 1)


async def test_nothing_is_left_of_whoever_came_and_went(
    served: Served, live: Switchboard, calm: Client, ada: Person, cleo: Person, room: str
) -> None:
    """However they went, and however far they had come by then."""
    cursor = await cursor_of(cleo)
    await ada.send(room, "Missed")
    await hears(calm, "Missed")

    async def come_and_go(number: int) -> None:
        async with served.server.dial() as client:
            await client.init(**signed_in(cleo))
            for each, name in enumerate(STREAMS):
                variables = {"room": room, "after": cursor if number % 8 < 4 else None}
                await client.subscribe(f"{each}", STREAMS[name], variables=variables)
            match number % 4:
                case 0:
                    client.wire.transport.abort()
                case 1:
                    await client.wire.send("no JSON")
                    with contextlib.suppress(ConnectionClosed):
                        while True:
                            await client.hear()
                case 2:
                    await client.heard_until_settled()
                    client.wire.transport.abort()
                case _:
                    await client.wire.close()

    async def things() -> int:
        async with asyncio.timeout(PATIENCE):
            while len(served.server.connections) > 1:
                await asyncio.sleep(0.005)
        await only(live, ada, 1)
        gc.collect()
        return len(gc.get_objects())

    for number in range(16):  # what is made once, and kept
        await come_and_go(number)
    before = await things()
    for number in range(80):
        await come_and_go(number)
    # Of each that was forgotten, dozens would be left.
    assert await things() - before < 80 * 3
    await ada.send(room, "All is well")
    await hears(calm, "All is well")


async def test_a_flood_of_wrong_messages_keeps_nobody_waiting(
    served: Served, calm: Client, ada: Person, cleo: Person, room: str
) -> None:
    """A socket of theirs after another one ends, as fast as they come."""
    ended = 0

    async def flood() -> None:
        nonlocal ended
        while True:
            wild = await served.socket(cleo)
            await wild.subscribe("1", TEXTS, variables={"room": room})
            await wild.wire.send(json.dumps(["subscribe"]))
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await wild.hear()
            ended += 1

    flooding = [asyncio.create_task(flood()) for _ in range(4)]
    for number in range(20):
        before = ended
        await ada.send(room, f"Number {number}")
        await hears(calm, f"Number {number}")
        async with asyncio.timeout(PATIENCE):
            while ended == before:
                await asyncio.sleep(0)
    for task in flooding:
        task.cancel()
    outcomes = await asyncio.gather(*flooding, return_exceptions=True)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError] * 4
