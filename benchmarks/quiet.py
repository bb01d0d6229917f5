"""What a process asks the database while nothing happens to ten thousand subscribers of a hundred firms."""

import asyncio

from benchmarks.delivering import PLAIN, SUBSCRIBED
from benchmarks.listener import listeners, subscribing
from benchmarks.people import FIRMS, firms
from benchmarks.stage import Stage
from benchmarks.statements import Count, counted
from benchmarks.table import Aim

SUBSCRIBERS = 10_000
SECONDS = 10.0
SETTLED = 3.0  # seconds


async def measure(stage: Stage) -> None:
    people = await firms(stage)
    texts = []
    for number in range(SUBSCRIBERS):
        token, room = people[number % len(people)]
        texts.append(subscribing(token, PLAIN, {"room": room}, number))
    with counted(stage) as count, stage.serving("parley") as server:
        listening = await listeners(server.port, texts, SUBSCRIBED)
        await asyncio.sleep(SETTLED)
        cpu = server.cpu_seconds()
        quiet = await _a_second(count)
        cpu = (server.cpu_seconds() - cpu) / SECONDS
        assert not (lost := [each.last[-125:] for each in listening if each.lost]), lost[:3]
        for each in listening:
            each.close()
        await asyncio.sleep(SETTLED)
        nobody = await _a_second(count)
    print(f"\nQuiet: {SUBSCRIBERS:,} subscribers in {FIRMS} workspaces, to whom nothing happens")
    print(
        f"  {quiet:.1f} statements a second, {cpu:.1%} of a core (pings too); {nobody:.1f} once they are gone",
        flush=True,
    )
    stage.aims.append(Aim(f"quiet: statements a second, {SUBSCRIBERS:,} subscribers", quiet, 1))
    stage.aims.append(Aim("quiet: statements a second, nobody", nobody, 0))


async def _a_second(count: Count) -> float:
    count.begin()
    await asyncio.sleep(SECONDS)
    return count.asked().all / SECONDS
