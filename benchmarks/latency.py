"""From the commit to the frame: messages one after the other, to five thousand subscribers.

The commit is the moment that PostgreSQL's clock gives to the event, in the last statement before the COMMIT: the time
of writing it to the disk is counted as well. Of the bare broadcast it is the moment at which the event is asked for.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence

import psycopg

from benchmarks.delivering import PLAIN, SUBSCRIBED, frame_of, says, sends
from benchmarks.ears import Ears
from benchmarks.listener import subscribing
from benchmarks.load import connect, post
from benchmarks.people import audience
from benchmarks.stage import Server, Stage
from benchmarks.table import Aim, percentile, show_times

SUBSCRIBERS = 5_000
MESSAGES = 30
WARM_UP = 5
PAUSE = 0.2  # seconds
PAUSE_WITHOUT_HINTS = 0.43  # no part of the sweep's second, so that messages fall into all parts of it
PATIENCE = 30.0

Times = list[float]  # milliseconds


async def measure(stage: Stage) -> None:
    people = await audience(stage)
    everybody = says(people, PLAIN, SUBSCRIBERS)
    with stage.serving("parley") as server, await _ears(server, everybody) as ears:
        together = await _commit_to_frame(stage, server, ears, [people.room], PAUSE)
        stage.hints.stop()
        try:
            without = await _commit_to_frame(stage, server, ears, [people.room], PAUSE_WITHOUT_HINTS)
        finally:
            stage.hints.start()
    tokens, rooms = people.tokens, people.rooms
    spread = [
        subscribing(tokens[each % len(tokens)], PLAIN, {"room": rooms[each % len(rooms)]}, each)
        for each in range(SUBSCRIBERS)
    ]
    with stage.serving("parley") as server, await _ears(server, spread) as ears:
        apart = await _commit_to_frame(stage, server, ears, rooms, PAUSE)
    strangers, frame = says(people, PLAIN, SUBSCRIBERS, stranger=True), frame_of(stage, people.room)
    with stage.serving("broadcast", BENCH_BYTES=str(frame)) as server, await _ears(server, strangers) as ears:
        _, bare = await _heard(server, ears, itertools.repeat(post(b"{}")), SUBSCRIBERS, PAUSE)
    show_times(
        f"From the commit to the frame, {SUBSCRIBERS:,} subscribers, {1 / PAUSE:.0f} messages a second",
        [
            ("all in one room", together),
            ("a bare broadcast to all, from the request on", bare),
            (f"in {len(rooms)} rooms, each message to {SUBSCRIBERS // len(rooms)}", apart),
            ("all in one room, Valkey down", without),
        ],
    )
    stage.aims += [
        Aim("commit to frame, one room: p50", percentile(together, 50), 5, " ms", limit=percentile(bare, 50)),
        Aim("commit to frame, one room: p99", percentile(together, 99), 50, " ms", limit=percentile(bare, 99)),
        Aim(f"commit to frame, {len(rooms)} rooms: p50", percentile(apart, 50), 5, " ms"),
        Aim(f"commit to frame, {len(rooms)} rooms: p99", percentile(apart, 99), 50, " ms"),
        Aim("commit to frame, Valkey down: the longest", max(without), 1_100, " ms"),
    ]


async def _ears(server: Server, texts: Sequence[Sequence[bytes]]) -> Ears:
    return await asyncio.to_thread(Ears, server.port, texts, SUBSCRIBED)


async def _commit_to_frame(stage: Stage, server: Server, ears: Ears, rooms: Sequence[str], pause: float) -> Times:
    each_room = [sends(stage, room) for room in rooms]
    requests = (next(room) for room in itertools.cycle(each_room))
    heard, _ = await _heard(server, ears, requests, SUBSCRIBERS // len(rooms), pause)
    with psycopg.connect(stage.database) as connection:
        found = connection.execute(
            "SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint FROM event "
            "WHERE workspace_id = %s AND kind = 'MESSAGE_ADDED' ORDER BY position DESC LIMIT %s",
            [stage.sample.workspace_id, len(heard)],
        ).fetchall()
    commits = [micro * 1_000 for (micro,) in reversed(found)]
    return [(at - commit) / 1e6 for commit, frames in zip(commits, heard, strict=True) for at in frames]


async def _heard(
    server: Server, ears: Ears, requests: Iterator[bytes], listening: int, pause: float
) -> tuple[list[list[int]], Times]:
    """When each frame of each message came; and how long after its request."""
    connection = await connect(server.port)
    messages: list[list[int]] = []
    times: Times = []
    for number in range(WARM_UP + MESSAGES):
        first, asked = len(ears.heard), time.time_ns()
        await connection.ask(next(requests))
        async with asyncio.timeout(PATIENCE):
            while len(ears.heard) < first + listening:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        if number >= WARM_UP:
            messages.append(ears.heard[first:])
            times += [(at - asked) / 1e6 for at in messages[-1]]
        await asyncio.sleep(max(0.0, pause - (time.time_ns() - asked) / 1e9))
    connection.close()
    return messages, times
