"""Tells read marks: about once a second, those of a workspace in one transaction.

When a mark is told depends on the clock alone. Were a second counted from the first mark that waits, the time that a
client's own mark takes to be told would say when somebody else has read.
"""

import asyncio
import logging
import time
from contextlib import suppress
from uuid import UUID

from models.connection import UNREACHABLE
from resolvers import read_mark
from resolvers.process import Process
from server import fault

log = logging.getLogger("parley.teller")

# How long marks wait to be told together, at the most, in seconds.
TOGETHER = 1.0


# How long, in seconds, the last ones may take when the process ends.
_FAREWELL = 5.0


class Teller:
    """Of one process. What it can't tell, or does not live to tell, a task finds."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._waiting: set[UUID] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def open(self, process: Process) -> None:
        self._process = process

    def moved(self, workspace_id: UUID) -> None:
        """Read marks have moved."""
        if self._process is not None and workspace_id not in self._waiting:
            self._waiting.add(workspace_id)
            task = asyncio.create_task(self._tell(self._process, workspace_id))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Tell at once what waits."""
        self._closing.set()
        if self._telling:
            await asyncio.wait(self._telling, timeout=_FAREWELL)

    async def _tell(self, process: Process, workspace_id: UUID) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(until_next(workspace_id, time.time())):
                await self._closing.wait()
        # What moves from now on waits for a turn of its own: this one may not see it.
        self._waiting.discard(workspace_id)
        try:
            while await read_mark.tell_moved(process, workspace_id):
                pass
        except UNREACHABLE:
            log.info("read marks wait to be told: the database cannot be asked")
        except Exception as error:
            fault.record(log, error, "when read marks were told")


def until_next(workspace_id: UUID, now: float) -> float:
    """Seconds until marks of a workspace are told again: at the same moments in every process, not all workspaces at
    once. `now` is in seconds since 1970."""
    phase = workspace_id.int % 1_000_003 / 1_000_003 * TOGETHER
    return TOGETHER - (now - phase) % TOGETHER
