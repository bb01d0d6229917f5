"""Processes of a server whose parent was killed: found by the folder that they work in, and ended.

PostgreSQL's processes all work in the folder of their database. Whoever holds the lock of that folder knows that
none of them can belong to somebody who is still there. (Linux only: elsewhere none is ever found, and PostgreSQL's
own lock file says that it is running.)
"""

import os
import signal
import time
from pathlib import Path

from server.embedded import EmbeddedError

# What PostgreSQL calls fast and immediate, and then no more asking; with the seconds that each has.
WAYS = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def processes_in(folder: Path, program: str) -> list[int]:
    """Ids of the processes of that program name whose working directory is this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder and (entry / "exe").readlink().name == program:
                found.append(int(entry.name))
        except OSError:
            continue  # ended meanwhile, or another user's
    return found


def end_processes_in(folder: Path, program: str) -> None:
    """In order if they can, else by force. Raises EmbeddedError if some remain all the same."""
    for way, seconds in WAYS:
        deadline = time.monotonic() + seconds
        signalled: set[int] = set()
        while remaining := processes_in(folder, program):
            for process in set(remaining) - signalled:
                signalled.add(process)
                try:
                    os.kill(process, way)
                except ProcessLookupError:
                    continue
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
    raise EmbeddedError(f"processes {remaining} still work in {folder} and cannot be ended")
