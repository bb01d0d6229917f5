"""Delivering: messages that go to a thousand subscribers each, beside a loop that does the least, and two peers."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import orjson

from benchmarks.cores import Disturbance
from benchmarks.listener import Listener, listeners, subscribing
from benchmarks.load import Connection, Rate, connect, post
from benchmarks.people import Audience, audience
from benchmarks.sending import BODY, SEND
from benchmarks.stage import Server, Stage
from benchmarks.table import Aim, show_deliveries

SUBSCRIBERS = 1_000
MESSAGES = 100
MESSAGES_OF_STOCK = 20
WARM_UP = 10
AT_ONCE = 4
PATIENCE = 120.0  # seconds
SUBSCRIBED = b'"pong"'
FIELDS = "id sequence body createdAt editedAt author { id name }"
PLAIN = f"""subscription ($room: ID!, $after: String) {{
  messageAdded(roomId: $room, after: $after) {{ cursor message {{ {FIELDS} }} }}
}}"""
PERSONAL = PLAIN.replace("editedAt", "editedAt viewerCanEdit").replace("cursor", "cursor room { unreadCount }")
VIEWER = f"""subscription ($after: String) {{
  viewerEvents(after: $after) {{ cursor ... on MessageAdded {{ message {{ {FIELDS} }} }} }}
}}"""


async def measure(stage: Stage) -> None:
    people = await audience(stage)
    send = sends(stage, people.room)
    rates: dict[str, Rate] = {}
    for name, query in (("Parley", PLAIN), ("personal", PERSONAL), ("viewerEvents", VIEWER)):
        with stage.serving("parley") as server:
            rates[name] = await _delivered(server, says(people, query, SUBSCRIBERS), send, MESSAGES)
    frame = frame_of(stage, people.room)
    for name, messages in (("broadcast", MESSAGES), ("node", MESSAGES), ("stock", MESSAGES_OF_STOCK)):
        with stage.serving(name, BENCH_BYTES=str(frame)) as server:
            ask = itertools.repeat(post(b"{}"))
            rates[name] = await _delivered(server, says(people, PLAIN, SUBSCRIBERS, stranger=True), ask, messages)
    stage.first_row = rates["Parley"]
    names = {
        "Parley": "Parley, 8 fields",
        "personal": "the same with viewerCanEdit and unreadCount",
        "viewerEvents": "through viewerEvents",
        "broadcast": "a bare Starlette broadcast of the same bytes",
        "node": "graphql-ws with ws on Node.js",
        "stock": "Strawberry as it comes, over broadcaster",
    }
    shown = [(names[name], rate) for name, rate in rates.items()]
    show_deliveries(f"Delivering {MESSAGES} messages to {SUBSCRIBERS:,} subscribers", shown)
    for ours, theirs, bound in (
        ("Parley", "broadcast", 0.7),
        ("Parley", "node", 2.0),
        ("Parley", "stock", 12.0),
        ("personal", "broadcast", 0.6),
        ("viewerEvents", "broadcast", 0.6),
    ):
        ratio = rates[ours].a_second / rates[theirs].a_second
        by_cpu = f"{rates[theirs].cpu_ms / rates[ours].cpu_ms:.2f} by the time of the server's core"
        disturbed = max(rates[ours].disturbed, rates[theirs].disturbed)
        stage.aims.append(
            Aim(f"{names[ours]} / {theirs}", ratio, bound, at_least=True, note=by_cpu, disturbed=disturbed)
        )


def sends(stage: Stage, room: str) -> Iterator[bytes]:
    """Requests that send a message each."""
    while True:
        key = str(uuid4())
        yield stage.request(SEND, {"input": {"roomId": room, "body": BODY, "idempotencyKey": key}})


def says(people: Audience, query: str, count: int, *, stranger: bool = False) -> list[list[bytes]]:
    """What so many clients say, one of the people after the other."""
    variables: dict[str, object] = {"room": people.room} if "$room" in query else {}
    tokens = [""] if stranger else people.tokens
    return [subscribing(tokens[each % len(tokens)], query, variables, each) for each in range(count)]


async def _delivered(server: Server, texts: list[list[bytes]], send: Iterator[bytes], messages: int) -> Rate:
    listening = await listeners(server.port, texts, SUBSCRIBED)
    connections = [await connect(server.port) for _ in range(AT_ONCE)]
    await _deliver(connections, listening, send, WARM_UP)
    disturbance = Disturbance()
    began, cpu = monotonic(), server.cpu_seconds()
    await _deliver(connections, listening, send, messages)
    took, deliveries = monotonic() - began, messages * len(listening)
    rate = Rate(deliveries / took, (server.cpu_seconds() - cpu) / deliveries * 1000, disturbance.share())
    for listener in listening:
        listener.close()
    for connection in connections:
        connection.close()
    return rate


async def _deliver(
    connections: Sequence[Connection], listening: Sequence[Listener], send: Iterator[bytes], messages: int
) -> None:
    waiting = list(itertools.islice(send, messages))

    async def keep_sending(connection: Connection) -> None:
        while waiting:
            await connection.ask(waiting.pop())

    before = heard(listening)
    await asyncio.gather(*(keep_sending(each) for each in connections))
    await all_heard(listening, before + messages * len(listening))


def heard(listening: Sequence[Listener]) -> int:
    return sum(each.frames for each in listening)


async def all_heard(listening: Sequence[Listener], frames: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while heard(listening) < frames:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def frame_of(stage: Stage, room: str) -> Path:
    """A file with a frame such as Parley sends."""
    message = {
        "id": room,
        "sequence": 12_345,
        "body": BODY,
        "createdAt": "2026-01-01T00:00:00.000000Z",
        "editedAt": None,
        "author": {"id": room, "name": "Somebody Somewhere"},
    }
    event: dict[str, Any] = {"cursor": "x" * 60, "message": message}
    file = stage.folder / "frame.json"
    file.write_bytes(orjson.dumps({"id": "op-123", "type": "next", "payload": {"data": {"messageAdded": event}}}))
    return file
