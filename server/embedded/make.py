"""What `make` does to a program that it runs: it passes SIGTERM on, and nothing else. Where only make itself gets a
SIGINT or a SIGHUP (from a script, not from a terminal), it waits for its child in silence; killed, it leaves it alone.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from server.embedded.launch import die_with_parent
from server.embedded.supervisor import Supervisor


class Make:
    """The make that is this process's parent."""

    def __init__(self) -> None:
        self._process = os.getppid()
        self._caught = self._catches()
        die_with_parent(self._process, signal.SIGTERM)

    def was_interrupted(self) -> bool:
        """It goes by the handlers that make no longer has once it has begun to end. Linux only."""
        return self._caught and not self._catches()

    def _catches(self) -> bool:
        if sys.platform != "linux":
            return False
        try:
            status = Path(f"/proc/{self._process}/status").read_text()
        except OSError:
            return False
        caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
        return all(caught >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGHUP))


async def supervise(supervisor: Supervisor, announce: Callable[[], str], make: Make | None) -> int:
    """Runs it until it ends by itself or make, if there is one, wants to. Returns the exit status."""
    watching = asyncio.create_task(_stop_with(make, supervisor)) if make else None
    try:
        return await supervisor.run(announce)
    finally:
        if watching:
            watching.cancel()


async def _stop_with(make: Make, supervisor: Supervisor) -> None:
    while not make.was_interrupted():  # noqa: ASYNC110  another process tells nobody
        await asyncio.sleep(0.2)
    supervisor.stop()
