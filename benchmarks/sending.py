"""Sending: messages of one firm into several rooms, many at once, each answered once it is safely on the disk."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from time import monotonic, process_time
from uuid import UUID, uuid4

from benchmarks.cores import pin_to_server_core
from benchmarks.load import Rate, rate
from benchmarks.stage import Stage
from benchmarks.table import show
from models.event import insert_events, lock_line
from models.ids import new_id
from models.message import insert_message, last_of_room
from models.room import lock_room
from schema.node_id import NodeKind, node_id
from server.process import make_pool
from server.settings import load

CONCURRENCY = 32
ROOMS = 8
BODY = "Thank you, the second draft has come back and I think we can go on."
SEND = """
mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) { message { id sequence createdAt } userErrors { code } }
}
"""


async def measure(stage: Stage) -> None:
    with stage.serving("parley") as server:
        ours = await rate(server, requests(stage), seconds=stage.seconds, concurrency=CONCURRENCY)
    show(
        f"Sending into {ROOMS} rooms, {CONCURRENCY} at once",
        "messages/s",
        [("Parley", ours), ("a loop of the same inserts and commits through psycopg", _bare(stage))],
    )


def requests(stage: Stage) -> Callable[[], bytes]:
    """A request each time, with a key of its own, for one room after the other."""
    numbers = itertools.count()
    rooms = [node_id(NodeKind.ROOM, room_id) for room_id in stage.sample.rooms[:ROOMS]]

    def request() -> bytes:
        number = next(numbers)
        room = rooms[number % ROOMS]
        return stage.request(SEND, {"input": {"roomId": room, "body": BODY, "idempotencyKey": str(uuid4())}})

    return request


def _bare(stage: Stage) -> Rate:
    """In a process of its own, on the core of the servers."""
    at = stage.sample
    environment = {
        "PARLEY_DATABASE_URL": stage.database,
        "PARLEY_DATA_DIR": str(stage.folder),
        "BENCH_KEYS": " ".join(map(str, (at.workspace_id, at.internal.id, *at.rooms[:ROOMS]))),
        "BENCH_SECONDS": str(stage.seconds),
    }
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.sending"],
        env={**os.environ, **environment},
        preexec_fn=pin_to_server_core,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Rate(*map(float, said.stdout.split()))


async def _loop() -> Rate:
    workspace_id, viewer_id, *rooms = map(UUID, os.environ["BENCH_KEYS"].split())
    end = monotonic() + float(os.environ["BENCH_SECONDS"])
    done = 0

    async def send(room_id: UUID) -> None:
        here = {"workspace_id": workspace_id, "room_id": room_id}
        async with pool.connection() as connection, connection.batch():
            await connection.execute("BEGIN")
            await lock_room.send(connection, viewer_id=viewer_id, **here)
            last = await last_of_room.one(connection, **here)
            await insert_message.send(
                connection,
                sequence=last.sequence + 1,
                id=new_id(),
                viewer_id=viewer_id,
                body=BODY,
                source="APP",
                not_before=last.created_at,
                in_reply_to=None,
                idempotency_key=str(new_id()),
                **here,
            )
            await lock_line.send(connection, workspace_id=workspace_id)
            await insert_events.send(
                connection,
                workspace_id=workspace_id,
                stamps=[1],
                kinds=["MESSAGE_ADDED"],
                room_ids=[room_id],
                sequences=[last.sequence + 1],
                user_ids=[viewer_id],
                session_ids=[None],
                lists_of_user_ids=[None],
            )
            await connection.execute("COMMIT")

    async def keep_sending(number: int) -> None:
        nonlocal done
        while monotonic() < end:
            await send(rooms[(number + done) % len(rooms)])
            done += 1

    async with make_pool(load()) as pool:
        began, cpu = monotonic(), process_time()
        await asyncio.gather(*(keep_sending(number) for number in range(CONCURRENCY)))
        return Rate(done / (monotonic() - began), (process_time() - cpu) / done * 1000)


if __name__ == "__main__":
    import uvloop

    print(*uvloop.run(_loop()))
