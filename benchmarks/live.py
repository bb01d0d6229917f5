"""Live delivery: messages that go to a thousand subscribers each, beside a loop that does the least, and a peer."""

import asyncio
import json
from functools import partial
from time import monotonic
from typing import Any

import psycopg
from pydantic import SecretStr

from benchmarks.cores import Disturbance
from benchmarks.listener import listeners, subscribing
from benchmarks.load import Rate, connect, post
from benchmarks.sending import SEND
from benchmarks.stage import Server, Stage
from benchmarks.table import show
from resolvers.operation import operate
from resolvers.session import begin
from schema.node_id import NodeKind, node_id
from server.process import make_pool, make_process
from server.settings import Settings

SUBSCRIBERS = 1_000
USERS = 20
MESSAGES = 100
AT_ONCE = 4
BODY = "Thank you, the second draft has come back and I think we can go on."
FIELDS = "id sequence body createdAt editedAt author { id name }"
PLAIN = f"""subscription ($room: ID!, $after: String) {{
  messageAdded(roomId: $room, after: $after) {{ cursor message {{ {FIELDS} }} }}
}}"""
PERSONAL = PLAIN.replace("editedAt", "editedAt viewerCanEdit").replace("cursor", "cursor room { unreadCount }")
VIEWER = f"""subscription ($after: String) {{
  viewerEvents(after: $after) {{ cursor ... on MessageAdded {{ message {{ {FIELDS} }} }} }}
}}"""


async def measure(stage: Stage) -> None:
    tokens, room = await _people(stage)
    sends = [
        stage.request(SEND, {"input": {"roomId": room, "body": BODY, "idempotencyKey": f"live {number}"}})
        for number in range(10 * MESSAGES)
    ]
    rates: list[tuple[str, Rate]] = []
    for name, query in (
        ("Parley, 8 fields", PLAIN),
        ("with what is each one's own", PERSONAL),
        ("viewerEvents", VIEWER),
    ):
        with stage.serving("parley") as server:
            variables = {} if query is VIEWER else {"room": room}
            says = [subscribing(tokens[each % USERS], query, variables, each) for each in range(SUBSCRIBERS)]
            batch = [sends.pop() for _ in range(MESSAGES + 10)]
            rates.append((name, await _delivered(server, says, b'"pong"', batch)))
    frame = stage.folder / "frame.json"
    frame.write_text(json.dumps(_event(room)))
    says = [subscribing("", PLAIN, {"room": room}, each) for each in range(SUBSCRIBERS)]
    for name, application in (("a bare broadcast of the same bytes", "broadcast"), ("Strawberry as it comes", "stock")):
        with stage.serving(application, BENCH_BYTES=str(frame)) as server:
            rates.append((name, await _delivered(server, says, b'"pong"', [post(b"{}")] * (MESSAGES + 10))))
    show(f"Delivering {MESSAGES} messages to {SUBSCRIBERS:,} subscribers", "deliveries/s", rates)


async def _delivered(server: Server, says: list[Any], ready: bytes, sends: list[bytes]) -> Rate:
    listening = await listeners(server.port, says, ready)
    connections = [await connect(server.port) for _ in range(AT_ONCE)]

    async def send(some: list[bytes]) -> None:
        waiting = list(some)

        async def keep_sending(connection: Any) -> None:
            while waiting:
                await connection.ask(waiting.pop())

        before = sum(each.frames for each in listening)
        await asyncio.gather(*(keep_sending(each) for each in connections))
        async with asyncio.timeout(120):
            while sum(each.frames for each in listening) - before < len(some) * len(listening):  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    await send(sends[:10])
    disturbance = Disturbance()
    began, cpu = monotonic(), server.cpu_seconds()
    await send(sends[10:])
    took, deliveries = monotonic() - began, (len(sends) - 10) * len(listening)
    rate = Rate(deliveries / took, (server.cpu_seconds() - cpu) / deliveries * 1000, disturbance.share())
    for each in (*listening, *connections):
        each.close()
    return rate


async def _people(stage: Stage) -> tuple[list[str], str]:
    """Sign-ins of people of both kinds in one room."""
    settings = Settings(database_url=SecretStr(stage.database), data_dir=stage.folder)
    settings = settings.model_copy(update={"secret_key": SecretStr((stage.folder / "secret-key").read_text().strip())})
    at = stage.sample
    with psycopg.connect(stage.database) as connection:
        users = connection.execute(
            b"SELECT user_id FROM participant WHERE workspace_id = %s AND room_id = %s LIMIT %s",
            [at.workspace_id, at.crowded, USERS],
        ).fetchall()
        connection.execute(
            b"INSERT INTO participant (workspace_id, room_id, user_id, id, joined_sequence) "
            b"VALUES (%s, %s, %s, gen_random_uuid(), 0) ON CONFLICT DO NOTHING",
            [at.workspace_id, at.crowded, at.internal.id],
        )
    async with make_pool(settings) as pool:
        process = make_process(settings, pool, lambda *_: None, lambda *_: None)
        signed_in = [await operate(process, at.workspace_id, partial(begin, user_id=user)) for (user,) in users]
    return [each.access_token for each in signed_in], node_id(NodeKind.ROOM, at.crowded)


def _event(room: str) -> dict[str, Any]:
    message = {
        "id": room,
        "sequence": 12_345,
        "body": BODY,
        "createdAt": "2026-01-01T00:00:00.000000Z",
        "editedAt": None,
        "author": {"id": room, "name": "Somebody Somewhere"},
    }
    event = {"cursor": "x" * 60, "message": message}
    return {"id": "op-123", "type": "next", "payload": {"data": {"messageAdded": event}}}
