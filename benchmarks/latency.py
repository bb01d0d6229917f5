"""From the commit to the frame: messages one after the other, to five thousand subscribers.

The commit is the moment that PostgreSQL's clock gives to the event, in the last statement before the COMMIT: the time
of writing it to the disk is counted as well. Of the bare broadcast it is the moment at which the event is asked for.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Sequence

import psycopg

from benchmarks.cores import Disturbance
from benchmarks.delivering import PLAIN, SUBSCRIBED, frame_of, says, sends
from benchmarks.ears import Ears
from benchmarks.listener import subscribing
from benchmarks.load import connect, post
from benchmarks.people import audience
from benchmarks.stage import Server, Stage
from benchmarks.table import Aim, Times, show_times

SUBSCRIBERS = 5_000
MESSAGES = 30
WARM_UP = 5
MESSAGES_WITHOUT_HINTS = 20
PAUSE = 0.15  # seconds, on average, from the last frame of a message to the next one
PAUSE_WITHOUT_HINTS = 0.5  # from 0 to 1, so that messages fall into all parts of the sweep's second
PATIENCE = 30.0


async def measure(stage: Stage) -> None:
    people = await audience(stage)
    everybody = says(people, PLAIN, SUBSCRIBERS)
    with stage.serving("parley") as server, await _ears(server, everybody) as ears:
        together = await _commit_to_frame(stage, server, ears, [people.room], MESSAGES, PAUSE)
        stage.hints.stop()
        try:
            without = await _commit_to_frame(
                stage, server, ears, [people.room], MESSAGES_WITHOUT_HINTS, PAUSE_WITHOUT_HINTS
            )
        finally:
            stage.hints.start()
    tokens, rooms = people.tokens, people.rooms
    spread = [
        subscribing(tokens[each % len(tokens)], PLAIN, {"room": rooms[each % len(rooms)]}, each)
        for each in range(SUBSCRIBERS)
    ]
    with stage.serving("parley") as server, await _ears(server, spread) as ears:
        apart = await _commit_to_frame(stage, server, ears, rooms, MESSAGES, PAUSE)
    strangers, frame = says(people, PLAIN, SUBSCRIBERS, stranger=True), frame_of(stage, people.room)
    with stage.serving("broadcast", BENCH_BYTES=str(frame)) as server, await _ears(server, strangers) as ears:
        _, bare = await _heard(server, ears, itertools.repeat(post(b"{}")), SUBSCRIBERS, MESSAGES, PAUSE)
    show_times(
        f"From the commit to the frame, {SUBSCRIBERS:,} subscribers, one message after the other",
        [
            ("all in one room", together),
            ("a bare broadcast to all, from the request on", bare),
            (f"in {len(rooms)} rooms, each message to {SUBSCRIBERS // len(rooms)}", apart),
            ("all in one room, Valkey down", without),
        ],
    )
    limits = [f"a bare broadcast: {bare.percentile(percent):.0f} ms" for percent in (50, 99)]
    stage.aims += [
        Aim(
            "commit to frame, one room: p50",
            together.percentile(50),
            5,
            " ms",
            note=limits[0],
            disturbed=together.disturbed,
        ),
        Aim(
            "commit to frame, one room: p99",
            together.percentile(99),
            50,
            " ms",
            note=limits[1],
            disturbed=together.disturbed,
        ),
        Aim(f"commit to frame, {len(rooms)} rooms: p50", apart.percentile(50), 5, " ms", disturbed=apart.disturbed),
        Aim(f"commit to frame, {len(rooms)} rooms: p99", apart.percentile(99), 50, " ms", disturbed=apart.disturbed),
        Aim("commit to frame, Valkey down: the longest", max(without.ms), 1_100, " ms", disturbed=without.disturbed),
    ]


async def _ears(server: Server, texts: Sequence[Sequence[bytes]]) -> Ears:
    return await asyncio.to_thread(Ears, server.port, texts, SUBSCRIBED)


async def _commit_to_frame(
    stage: Stage, server: Server, ears: Ears, rooms: Sequence[str], messages: int, pause: float
) -> Times:
    each_room = [sends(stage, room) for room in rooms]
    requests = (next(room) for room in itertools.cycle(each_room))
    heard, from_request = await _heard(server, ears, requests, SUBSCRIBERS // len(rooms), messages, pause)
    with psycopg.connect(stage.database) as connection:
        found = connection.execute(
            "SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint FROM event "
            "WHERE workspace_id = %s AND kind = 'MESSAGE_ADDED' ORDER BY position DESC LIMIT %s",
            [stage.sample.workspace_id, len(heard)],
        ).fetchall()
    commits = [micro * 1_000 for (micro,) in reversed(found)]
    times = [(at - commit) / 1e6 for commit, frames in zip(commits, heard, strict=True) for at in frames]
    return Times(times, from_request.disturbed)


async def _heard(
    server: Server, ears: Ears, requests: Iterator[bytes], listening: int, messages: int, pause: float
) -> tuple[list[list[int]], Times]:
    """When each frame of each message came; and how long after its request."""
    connection = await connect(server.port)
    came: list[list[int]] = []
    times: list[float] = []
    disturbance = Disturbance()
    for number in range(WARM_UP + messages):
        first, asked = len(ears.heard), time.time_ns()
        await connection.ask(next(requests))
        async with asyncio.timeout(PATIENCE):
            while len(ears.heard) < first + listening:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        if number >= WARM_UP:
            came.append(ears.heard[first:])
            times += [(at - asked) / 1e6 for at in came[-1]]
        await asyncio.sleep(random.uniform(0, 2 * pause))
    connection.close()
    return came, Times(times, disturbance.share())
