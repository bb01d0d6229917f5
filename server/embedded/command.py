"""A program to be run as a child that dies with its parent."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class User:
    """Whose rights a child has, where they aren't its parent's."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Command:
    """A program (absolute path) with its arguments.

    `stop` asks it to end in its orderly way; `orphaned` is what it gets when the process that started it dies
    (on Linux; it hangs on the very thread that started it, so start it from a thread that lives on).
    """

    arguments: Sequence[str]
    folder: Path = Path("/")
    environment: Mapping[str, str] | None = field(default=None, repr=False)  # None: the parent's; holds secrets
    user: User | None = None
    stop: Signals = Signals.SIGTERM
    orphaned: Signals = Signals.SIGKILL

    def start(self, output: int | IO[bytes], given: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Starts it in a session of its own, so that a terminal's Ctrl-C reaches the parent only, which then ends
        its children in order."""
        user = f"{self.user.uid}:{self.user.gid}" if self.user else "-"
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
        life = [str(os.getpid()), str(int(self.orphaned)), user, str(self.folder)]
        return subprocess.Popen(  # noqa: S603  our own programs, with arguments of our own
            [*launcher, *life, *self.arguments],
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=self.environment,
            start_new_session=True,
        )
