"""Sending stays as fast while somebody, like a backup, holds a snapshot: nothing hot is a row that is updated."""

import asyncio

import psycopg

from benchmarks.load import rates_of
from benchmarks.sending import CONCURRENCY, requests
from benchmarks.stage import Stage
from benchmarks.table import noise

WARM_UP, WINDOW = 2.0, 10.0  # seconds
ALLOWED = 0.10


async def measure(stage: Stage) -> None:
    held = [WINDOW] * (6 if stage.minute else 1)
    print(f"\nSending while another connection holds a snapshot, in windows of {WINDOW:.0f} s", flush=True)
    with stage.serving("parley") as server:
        holding = asyncio.create_task(_hold(stage, after=WARM_UP + WINDOW, seconds=sum(held)))
        windows = [WARM_UP, WINDOW, *held, WINDOW]
        _, before, *rates, after = await rates_of(server, requests(stage), windows=windows, concurrency=CONCURRENCY)
        await holding
    free = (before.a_second + after.a_second) / 2
    for name, rate in [("before", before), *(("held", rate) for rate in rates), ("after", after)]:
        off = rate.a_second / free - 1
        line = f"  {name:<20}{rate.a_second:>9,.0f} messages/s{off:>+8.0%}{rate.cpu_ms:>9.2f} ms of a core each"
        print(line + noise(rate))
    slower = 1 - min(rate.a_second for rate in rates) / free
    verdict = "flat" if slower <= ALLOWED else "NOT FLAT"
    if any(map(noise, [before, *rates, after])):
        verdict = "disturbed, which shows nothing"
    print(f"  {verdict}: at most {max(0.0, slower):.0%} slower, {ALLOWED:.0%} allowed", flush=True)


async def _hold(stage: Stage, *, after: float, seconds: float) -> None:
    await asyncio.sleep(after)
    async with await psycopg.AsyncConnection.connect(stage.database) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.execute("SELECT count(*) FROM event")  # the first query takes the snapshot
        await asyncio.sleep(seconds)
