"""A reconnect storm: five thousand clients of one workspace resume at once, each a hundred events behind, while
somebody goes on sending.

Twice: on connections that are acknowledged already, which is what resuming alone takes; and from nothing, as after a
restart of what stands in front, with connections to make, tokens to verify and documents to read.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import orjson

from benchmarks.cores import Disturbance
from benchmarks.delivering import PLAIN, all_heard, heard, sends
from benchmarks.listener import RESULT, Listener, listen, listeners, subscribing
from benchmarks.load import connect
from benchmarks.people import Audience, audience
from benchmarks.stage import Server, Stage
from benchmarks.statements import counted
from benchmarks.table import Aim, Times, show_times

CLIENTS = 5_000
BEHIND = 100
PAUSE = 0.05  # seconds, between two messages of who goes on sending
QUIET = 1.5  # seconds of sending before, to compare with
CURSOR = "{ viewer { eventCursor } }"


async def measure(stage: Stage) -> None:
    people = await audience(stage)
    print(f"\nA reconnect storm: {CLIENTS:,} clients, each {BEHIND} events behind", flush=True)
    shown: list[tuple[str, Times]] = []
    with counted(stage) as count:
        for name, connected in (("on open connections", True), ("from nothing", False)):
            with stage.serving("parley") as server:
                async with _sending(stage, server, people) as before:
                    await asyncio.sleep(QUIET)
                after = await _fall_behind(stage, server, people)
                texts = [_resuming(people, each, after) for each in range(CLIENTS)]
                ready = (
                    await listeners(server.port, [(text[0], text[2]) for text in texts], b'"pong"') if connected else []
                )
                count.begin()
                disturbance, cpu, began = Disturbance(), server.cpu_seconds(), monotonic()
                async with _sending(stage, server, people) as meanwhile:
                    if connected:
                        for listener, text in zip(ready, texts, strict=True):
                            listener.say(text[1])
                        listening = ready
                    else:
                        listening = await asyncio.gather(*(listen(server.port, text[:2], RESULT) for text in texts))
                        await asyncio.gather(*(each.acknowledged for each in listening))
                    acknowledged = monotonic() - began
                    await _all_have(listening, BEHIND)
                    took, cpu, asked = monotonic() - began, server.cpu_seconds() - cpu, count.asked()
                disturbed = disturbance.share()
                await all_heard(listening, CLIENTS * (BEHIND + len(meanwhile)))
                assert heard(listening) == CLIENTS * (BEHIND + len(meanwhile)), "each event once"
                for each in listening:
                    each.close()
            print(
                f"  {name}: all live within {took:.2f} s"
                + ("" if connected else f", acknowledged within {acknowledged:.2f} s")
                + f"; {asked.pages} pages of the log read, {asked.reads} reads for who was live; {cpu:.2f} s of a core",
                flush=True,
            )
            shown += [(f"sending before, {name}", Times(before)), ("meanwhile", Times(meanwhile, disturbed))]
            stage.aims += [
                Aim(f"storm {name}: seconds until all are live", took, 3, " s", disturbed=disturbed),
                Aim(f"storm {name}: pages of the log", asked.pages, 5, disturbed=disturbed),
            ]
    show_times("Sending beside the storm, one message after the other", shown)


async def _fall_behind(stage: Stage, server: Server, people: Audience) -> str:
    """A cursor, and then so many events."""
    connection = await connect(server.port)
    answer = orjson.loads(await connection.ask(stage.request(CURSOR, {})))
    for request in itertools.islice(sends(stage, people.room), BEHIND):
        await connection.ask(request)
    connection.close()
    cursor: str = answer["data"]["viewer"]["eventCursor"]
    return cursor


def _resuming(people: Audience, number: int, after: str) -> list[bytes]:
    token = people.tokens[number % len(people.tokens)]
    return subscribing(token, PLAIN, {"room": people.room, "after": after}, number)


@asynccontextmanager
async def _sending(stage: Stage, server: Server, people: Audience) -> AsyncIterator[list[float]]:
    """Somebody sends one message after the other; how many milliseconds each took to be answered."""
    times: list[float] = []
    connection = await connect(server.port)
    over = False

    async def keep_sending() -> None:
        for request in sends(stage, people.room):
            if over:
                return
            asked = monotonic()
            await connection.ask(request)
            times.append((monotonic() - asked) * 1000)
            await asyncio.sleep(PAUSE)

    sending = asyncio.create_task(keep_sending())
    try:
        yield times
    finally:
        over = True
        await sending
        connection.close()


async def _all_have(listening: Sequence[Listener], frames: int) -> None:
    async with asyncio.timeout(120):
        for each in listening:
            while each.frames < frames:
                assert not each.lost, each.last[-125:]
                await asyncio.sleep(0.01)
