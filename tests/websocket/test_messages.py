"""What is no message of the protocol ends the socket, and nothing of it reaches the log."""

import asyncio
import contextlib
import json
import logging
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.graphql.payload import encode
from server.websocket import closing
from server.websocket.frame import Frames
from tests.http.toy import SECRET
from tests.websocket.conftest import Client, Dial

SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": "{ hello }"}}

MALFORMED = {
    "empty": "",
    "no JSON": SECRET,
    "half a message": '{"type":"ping"',
    "NaN": '{"type":"ping","payload":{"n":NaN}}',
    "null": "null",
    "a text": json.dumps(SECRET),
    "an array": json.dumps([SUBSCRIBE]),
    "a number": "7",
    "no type": json.dumps({"id": SECRET}),
    "type null": '{"type":null}',
    "type is an object": '{"type":{}}',
    "an unknown type": json.dumps({"type": SECRET}),
    "a type of the legacy protocol": '{"type":"start","id":"1","payload":{"query":"{ hello }"}}',
    "a type of servers": '{"type":"next","id":"1","payload":{}}',
    "an acknowledgement": '{"type":"connection_ack"}',
    "deep": "[" * 500_000,
    "deep and whole": '{"type":"ping","payload":' + '{"a":' * 5_000 + "1" + "}" * 5_001,
    "initialisation with a list": '{"type":"connection_init","payload":[]}',
    "initialisation with a text": '{"type":"connection_init","payload":"x"}',
    "ping with a list": '{"type":"ping","payload":[1]}',
    "ping with zero": '{"type":"ping","payload":0}',
    "pong with a text": '{"type":"pong","payload":"x"}',
    "complete without id": '{"type":"complete"}',
    "complete with a number": '{"type":"complete","id":1}',
    "complete with an empty id": '{"type":"complete","id":""}',
    "subscribe without id": json.dumps({**SUBSCRIBE, "id": None}),
    "subscribe with a number": json.dumps({**SUBSCRIBE, "id": 1}),
    "subscribe with an empty id": json.dumps({**SUBSCRIBE, "id": ""}),
    "subscribe with a huge id": json.dumps({**SUBSCRIBE, "id": "x" * 501}),
    "subscribe without payload": json.dumps({**SUBSCRIBE, "payload": None}),
    "subscribe with a list": json.dumps({**SUBSCRIBE, "payload": []}),
    "no query": json.dumps({**SUBSCRIBE, "payload": {"variables": {}}}),
    "query is null": json.dumps({**SUBSCRIBE, "payload": {"query": None}}),
    "query is an object": json.dumps({**SUBSCRIBE, "payload": {"query": {}}}),
    "variables are a text": json.dumps({**SUBSCRIBE, "payload": {"query": "{ hello }", "variables": "{}"}}),
    "variables are a list": json.dumps({**SUBSCRIBE, "payload": {"query": "{ hello }", "variables": []}}),
    "variables are false": json.dumps({**SUBSCRIBE, "payload": {"query": "{ hello }", "variables": False}}),
    "extensions are a list": json.dumps({**SUBSCRIBE, "payload": {"query": "{ hello }", "extensions": [1]}}),
    "operationName is a number": json.dumps({**SUBSCRIBE, "payload": {"query": "{ hello }", "operationName": 1}}),
}


@pytest.mark.parametrize("acknowledged", [False, True], ids=["before the acknowledgement", "after"])
@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_message_closes_the_socket(
    dial: Dial, caplog: pytest.LogCaptureFixture, text: str, acknowledged: bool
) -> None:
    caplog.set_level(logging.INFO)
    client = await dial()
    if acknowledged:
        await client.init()
    await client.wire.send(text)
    code, reason = await client.closed()
    assert code == 4400
    assert reason
    assert SECRET not in reason + caplog.text


async def test_a_binary_message_closes_the_socket(client: Client) -> None:
    await client.wire.send(json.dumps(SUBSCRIBE).encode())
    assert await client.closed() == (4400, "Messages are text, not binary.")


async def test_what_is_no_text_closes_the_socket(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await client.wire.send(b'{"type":"\xff' + SECRET.encode() + b'"}', text=True)
    assert (await client.closed())[0] == 1007
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_message_larger_than_a_mebibyte_closes_the_socket(client: Client, pieces: int) -> None:
    await client.wire.send(["x" * (1024 * 1024 // pieces + 1)] * pieces)
    assert (await client.closed())[0] == 1009


async def test_a_message_of_nearly_a_mebibyte_is_heard(client: Client) -> None:
    text = "x" * 1_040_000
    query = "query Q($name: String!) { hello(name: $name) }"
    answer = await client.ask(query, variables={"name": text})
    assert answer["payload"] == {"data": {"hello": f"hello {text}"}}


async def test_a_message_in_pieces_is_one_message(client: Client) -> None:
    await client.wire.send(['{"type":', '"ping"', "}"])
    assert await client.hear() == {"type": "pong"}


@pytest.mark.parametrize("member", ["operationName", "variables", "extensions"])
async def test_null_is_as_good_as_absent(client: Client, member: str) -> None:
    assert (await client.ask("{ hello }", **{member: None}))["type"] == "next"


async def test_unknown_members_are_nobody_s_business(client: Client) -> None:
    await client.say(type="ping", id=7, more=[1])
    assert await client.hear() == {"type": "pong"}


async def test_a_ping_is_answered_with_what_it_brought(client: Client) -> None:
    for payload in ({}, {"at": 1}, {"nested": {"text": "\ud800 ä \u0000"}}):
        await client.say(type="ping", payload=payload)
        assert await client.hear() == {"type": "pong", "payload": payload}
    await client.say(type="ping", payload=None)
    assert await client.hear() == {"type": "pong"}


async def test_pongs_and_completes_of_nothing_are_ignored(client: Client) -> None:
    await client.say(type="pong")
    await client.complete("never there")
    await client.settled()


@pytest.mark.parametrize("id", ["1", "", " ", '"}', "\\", "\n\u2028", "ä" * 250, "\ud800", "💬", "__proto__"])
async def test_any_text_is_an_id(client: Client, id: str) -> None:
    if id:
        await client.subscribe(id, "{ hello }")
        assert (await client.hear())["id"] == id
        assert await client.hear() == {"id": id, "type": "complete"}


@pytest.mark.parametrize("id", ["1", "x" * 500, "ä" * 500, "💬" * 100, "\ud800" * 500, "x" * 83 + "ä"])
def test_a_reason_fits_into_its_frame(id: str) -> None:
    code, reason = closing.taken(id)
    assert code == 4409
    assert len(reason.encode()) <= 123
    assert reason.startswith("Subscriber for ")
    assert reason.endswith(" already exists")
    assert len(closing.forbidden("ä" * 200).reason.encode()) <= 123
    assert closing.malformed("short").reason == "short"


@pytest.mark.parametrize("id", ["1", '"', "\ud800", "ä"])
def test_frames_are_json_whatever_the_id(id: str) -> None:
    frames = Frames(id)
    payload: Any = {"data": {"text": "ä"}}
    assert json.loads(frames.next(encode(payload))) == {"id": id, "type": "next", "payload": payload}
    assert json.loads(frames.error([payload])) == {"id": id, "type": "error", "payload": [payload]}
    assert json.loads(frames.complete()) == {"id": id, "type": "complete"}


async def test_messages_behind_the_one_that_closes_are_not_heard(dial: Dial, engine: Any) -> None:
    client = await dial()
    await client.init()
    await asyncio.gather(
        client.wire.send("no JSON"), *(client.subscribe(str(each), "mutation { send }") for each in range(10))
    )
    assert (await client.closed())[0] == 4400
    assert engine.operations == []


async def test_a_ping_whose_payload_cannot_be_written_again_gets_a_plain_pong(client: Client) -> None:
    deep = '{"a":' + "[" * 1_000 + "]" * 1_000 + "}"
    await client.wire.send('{"type":"ping","payload":' + deep + "}")
    assert await client.hear() == {"type": "pong"}


@pytest.mark.parametrize("broken", ["connection.read", "entry.Connection"])
async def test_after_a_fault_of_ours_a_client_tries_again_later(
    dial: Dial, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """By 1011, which says what it is, npm's graphql-ws would give up for good."""

    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(f"server.websocket.{broken}", fails)
    client = await dial()
    with contextlib.suppress(ConnectionClosed):
        await client.say(type="ping")
    assert await client.closed() == (1013, "Internal server error")
    assert "RuntimeError" in caplog.text
    caplog.clear()
