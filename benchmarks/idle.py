"""What a subscriber costs to whom nothing happens: memory of the process, and of the kernel."""

import asyncio
import resource
from pathlib import Path
from typing import NamedTuple

from benchmarks.delivering import PLAIN, SUBSCRIBED, says
from benchmarks.listener import listeners
from benchmarks.people import audience
from benchmarks.stage import Stage
from benchmarks.table import Aim

SUBSCRIBERS = 20_000
OTHERS = 300  # files and connections of a process besides
WARM_UP = 200
SETTLED = 2.0  # seconds


class Memory(NamedTuple):
    """In bytes. `process`: of the server, what is in memory and is its own. `kernel`: of all processes."""

    process: int
    kernel: int


async def measure(stage: Stage) -> None:
    people = await audience(stage)
    subscribers = min(SUBSCRIBERS, _most_files() - OTHERS)
    with stage.serving("parley") as server:
        for each in await listeners(server.port, says(people, PLAIN, WARM_UP), SUBSCRIBED):
            each.close()
        await asyncio.sleep(SETTLED)
        before = _memory(server.pid)
        listening = await listeners(server.port, says(people, PLAIN, subscribers), SUBSCRIBED)
        await asyncio.sleep(SETTLED)
        after = _memory(server.pid)
        assert not (lost := [each.last[-125:] for each in listening if each.lost]), lost[:3]
        for each in listening:
            each.close()
    own, kernel = ((new - old) / subscribers / 1000 for old, new in zip(before, after, strict=True))
    fewer = "" if subscribers == SUBSCRIBERS else f" (the system allows a process {_most_files():,} files)"
    print(f"\nIdle subscribers: {subscribers:,} on one process{fewer}")
    print(f"  {own:.1f} kB each in the process, which began with {before.process / 1e6:.0f} MB")
    print(f"  {kernel:.1f} kB each in the kernel, for both ends of the connection", flush=True)
    stage.aims.append(Aim(f"an idle subscriber, of {subscribers:,}", own, 25, " kB"))


def _most_files() -> int:
    """How many a process may have open; asks for as many as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _memory(pid: int) -> Memory:
    # https://docs.kernel.org/filesystems/proc.html
    rollup = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
    pages = next(line for line in Path("/proc/net/sockstat").read_text().split("\n") if line.startswith("TCP:"))
    buffers = int(pages.split()[-1]) * resource.getpagesize()
    own = rollup["Private_Clean"] + rollup["Private_Dirty"]
    return Memory(own * 1024, _kilobytes(Path("/proc/meminfo"))["Slab"] * 1024 + buffers)


def _kilobytes(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().split("\n"))
    return {name[:-1]: int(value) for name, value, unit in (line for line in lines if len(line) == 3) if unit == "kB"}
