"""What is measured has one core for itself; who measures, and the database, have the other ones."""

import contextlib
import os
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER, REST = set(CORES[:1]), set(CORES[1:] or CORES)


def pin_to_client_core() -> None:
    """Also for the processes that are started from now on."""
    os.sched_setaffinity(0, REST)


def pin_to_server_core() -> None:
    os.sched_setaffinity(0, SERVER)


class Disturbance:
    """What else the cores are doing: the time that went to processes which are neither this one nor its children."""

    def __init__(self) -> None:
        self._others, self._total = self._times()

    def share(self) -> float:
        """Since the last time, or the beginning: from 0 to 1."""
        others, total = self._times()
        share = (others - self._others) / max(1, total - self._total)
        self._others, self._total = others, total
        return max(0.0, share)

    def _times(self) -> tuple[int, int]:
        """Ticks since the start of the system; https://docs.kernel.org/filesystems/proc.html#kernel-statistics"""
        _, *fields = Path("/proc/stat").read_text().split("\n")[0].split()
        user, nice, system, *_ = ticks = list(map(int, fields[:8]))
        return user + nice + system - _taken_by_family(), sum(ticks)


def ticks_of(pid: int) -> int:
    """What a process has taken of the cores."""
    return sum(map(int, _fields(pid)[11:13]))


def _taken_by_family() -> int:
    parents = {}
    for entry in Path("/proc").iterdir():
        # A process may end while it is looked at.
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int(_fields(int(entry.name))[1])
    family = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    taken = 0
    for pid in family:
        with contextlib.suppress(OSError):
            taken += ticks_of(pid)
    return taken


def _fields(pid: int) -> list[str]:
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the program's name may hold anything but a ")".
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
