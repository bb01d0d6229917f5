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

# What PostgreSQL calls immediate, and then no more asking; with the seconds that each has. Its fast shutdown (SIGINT)
# is for a postmaster to order: a checkpointer that gets it without one writes that all is well while others may still
# commit, and the next start would not recover what they committed.
WAYS = ((signal.SIGQUIT, 15.0), (signal.SIGKILL, 5.0))


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
    """Leaves the tidying to the next start. Raises EmbeddedError if some remain all the same."""
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
