"""What the embedded servers have in common: started as a child, ready when they answer, ended in order."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from server.embedded import EmbeddedError
from server.embedded.command import Command


class EmbeddedService(ABC):
    """The supervisor calls `prepare`, runs `command` itself and asks `ready`, and calls `tidy` before it runs it again;
    everybody else calls `start` and `stop` (or uses it in a `with`). All of it blocks, for parts of a second each."""

    name: str
    muted: Sequence[str] = ()  # lines with one of these in them tell nobody anything
    start_seconds = 120.0  # a recovery after a crash takes its time
    stop_seconds = 20.0

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Everything that has to be there before the server starts. Takes the lock of its folder."""

    @abstractmethod
    def command(self) -> Command: ...

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers, found out by asking it."""

    @abstractmethod
    def tidy(self) -> None:
        """Clears away what a server that died has left in the way of its next start. Its folder stays locked."""

    @abstractmethod
    def release(self) -> None:
        """What has to be done when the server has ended, however it ended."""

    @property
    @abstractmethod
    def log(self) -> Path:
        """Where `start` keeps what the server says."""

    def start(self) -> None:
        """Returns when it answers. Raises EmbeddedError, with the server's last lines, when it doesn't."""
        self.prepare()
        try:
            with self.log.open("wb") as log:
                self._process = self.command().start(log)
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it in order, or by force after `stop_seconds`. Does nothing where it isn't running."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.send_signal(self.command().stop)
            try:
                process.wait(self.stop_seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.release()

    @property
    def pid(self) -> int | None:
        """The server's process id while it was started by `start`."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self.ready():
            if process.poll() is not None:
                raise EmbeddedError(f"{self.name} ended at its start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{self.name} does not answer: {self._last_words()}")
            time.sleep(0.02)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return " / ".join([line for line in lines if line][-5:]) or "it said nothing"
