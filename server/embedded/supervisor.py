"""Starts parts as child processes, shows what they say, and ends them all together.

    await Supervisor(stages, output).run(announce)

The parts of a stage start at once; the next stage begins when each of them is ready, or, for a step, has ended well.
They end in the opposite order. What ends the whole: a signal (Ctrl-C, SIGTERM, the terminal's death), or the death of
any part, which is told with its last lines. A second Ctrl-C waits for nothing any more.

Nothing is left behind: who doesn't end by its deadline is killed with its process group, and if the supervisor itself
is killed, the system signals its children (see `launch`).
"""

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TextIO

from server.embedded import EmbeddedError
from server.embedded.command import Command

LAST_LINES = 20
LONGEST_LINE = 8192  # bytes; longer ones are shown in pieces
PAUSE = 0.02  # seconds between two questions whether a part is ready

COLOURS = (36, 33, 32, 35, 34, 31)


@dataclass(frozen=True)
class Part:
    """`ready` is asked until it says yes, within `start_seconds`; a part without it is ready at once. A `step` is
    over when its process has ended with 0. `ended` is called after the end of its process, however that came. Lines
    with a text of `muted` in them are not shown."""

    name: str
    command: Command
    ready: Callable[[], bool] | None = None
    step: bool = False
    ended: Callable[[], None] | None = None
    start_seconds: float = 60.0
    stop_seconds: float = 15.0
    muted: Sequence[str] = ()


class Output:
    """Lines of all parts, each with its part's name in front."""

    def __init__(self, stream: TextIO, names: Sequence[str], colour: bool | None = None) -> None:
        self._stream = stream
        self._names = list(names)
        self._width = max(map(len, names), default=0)
        self._colour = stream.isatty() and "NO_COLOR" not in os.environ if colour is None else colour

    def line(self, name: str, text: str) -> None:
        label = f"{name:<{self._width}} |"
        if self._colour:
            label = f"\x1b[{COLOURS[self._names.index(name) % len(COLOURS)]}m{label}\x1b[0m"
        self.say(f"{label} {text}")

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone: its SIGHUP ends us in order
            self._stream.write(f"{text}\n")
            self._stream.flush()


class Death(Exception):
    """A part that ended though nobody asked it to, or that never became ready."""


class Supervisor:
    """Runs once."""

    def __init__(self, stages: Sequence[Sequence[Part]], output: Output) -> None:
        self._stages = stages
        self._output = output
        self._running: list[_Running] = []
        self._deaths: asyncio.Queue[_Running] = asyncio.Queue()
        self._asked = asyncio.Event()  # to stop
        self._hurried = asyncio.Event()  # to stop at once

    async def run(self, announce: Callable[[], str] | None = None) -> int:
        """Says what `announce` gives once everything is ready. Returns the exit status: 0 after a signal, 1 after
        the death of a part."""
        status = 0
        with _signals(self.stop), ThreadPoolExecutor(sum(map(len, self._stages))) as waiters:
            try:
                await self._first(self._start_all(waiters), self._asked.wait())
                if not self._asked.is_set():
                    if announce:
                        self._output.say(announce())
                    await self._first(self._watch(), self._asked.wait())
            except Death as death:
                status = 1
                self._output.say(f"\n{death}")
            await self._stop_all()
        return status

    def stop(self, at_once_if_repeated: bool = False) -> None:
        """What the signals do; `run` then ends with 0."""
        if self._asked.is_set():
            if at_once_if_repeated:
                self._hurried.set()
        else:
            self._output.say("\nstopping")
            self._asked.set()

    async def _start_all(self, waiters: ThreadPoolExecutor) -> None:
        for stage in self._stages:
            started = [self._start(part, waiters) for part in stage]
            waiting = asyncio.gather(*(running.become_ready() for running in started))
            await self._first(waiting, self._watch())

    def _start(self, part: Part, waiters: ThreadPoolExecutor) -> "_Running":
        running = _Running(part, self._output, self._deaths, waiters)
        self._running.append(running)
        return running

    async def _watch(self) -> None:
        """Ends, by Death, when a part does."""
        running = await self._deaths.get()
        raise Death(running.obituary())

    async def _first(self, *ways: Awaitable[object]) -> None:
        """Waits for the first of these to end and drops the others."""
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop_all(self) -> None:
        for stage in reversed(self._stages):
            await asyncio.gather(*(running.stop(self._hurried) for running in self._running if running.part in stage))


class _Running:
    """A part's process."""

    def __init__(
        self, part: Part, output: Output, deaths: "asyncio.Queue[_Running]", waiters: ThreadPoolExecutor
    ) -> None:
        self.part = part
        self._output = output
        self._deaths = deaths
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._unfinished = b""
        self._stopping = False
        self._ended = asyncio.Event()
        # Started from the main thread, which lives as long as the process: the children's lives hang on it.
        self._pipe, theirs = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._process = part.command.start(theirs)
        finally:
            os.close(theirs)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe, self._read)
        waiters.submit(self._wait, loop)

    async def become_ready(self) -> None:
        deadline = time.monotonic() + self.part.start_seconds
        if self.part.step:
            await self._ended.wait()
            if self._process.returncode != 0:
                await asyncio.Event().wait()  # its death is told by whoever watches
        elif self.part.ready is not None:
            while not await asyncio.to_thread(self.part.ready):
                if time.monotonic() > deadline:
                    raise Death(f"{self.part.name} was not ready within {self.part.start_seconds:.0f} seconds")
                await asyncio.sleep(PAUSE)

    async def stop(self, hurried: asyncio.Event) -> None:
        self._stopping = True
        if not self._ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.part.command.stop)
            over = [asyncio.ensure_future(event.wait()) for event in (self._ended, hurried)]
            await asyncio.wait(over, timeout=self.part.stop_seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in over:
                task.cancel()
            if not self._ended.is_set():
                self._output.line(self.part.name, "does not end: killed")
                self._kill_group()
                await self._ended.wait()
        if self.part.ended:
            try:
                self.part.ended()
            except EmbeddedError as error:
                self._output.line(self.part.name, str(error))

    def obituary(self) -> str:
        status = self._process.returncode
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        if not self._last_lines:
            return f"{self.part.name} {how}. It said nothing."
        lines = "\n".join(f"    {line}" for line in self._last_lines)
        return f"{self.part.name} {how}. Its last lines:\n{lines}"

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own."""
        if hasattr(os, "waitid"):
            # Ended, but not buried yet, so that its number can't be another group's: what it left behind goes too.
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            self._kill_group()
        self._process.wait()
        loop.call_soon_threadsafe(self._has_ended)

    def _has_ended(self) -> None:
        self._read(last=True)
        self._ended.set()
        if not self._stopping and not (self.part.step and self._process.returncode == 0):
            self._deaths.put_nowait(self)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, last: bool = False) -> None:
        """What is there now; `last` shows an unfinished line too and closes."""
        while self._pipe >= 0:
            try:
                said = os.read(self._pipe, 65536)
            except BlockingIOError:
                break
            if not said:
                last = True
                break
            *lines, self._unfinished = (self._unfinished + said).split(b"\n")
            for line in lines:
                self._show(line)
            if len(self._unfinished) > LONGEST_LINE:
                self._show(self._unfinished)
                self._unfinished = b""
            if not last:
                break  # the others' turn
        if last and self._pipe >= 0:
            if self._unfinished:
                self._show(self._unfinished)
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _show(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        if any(words in text for words in self.part.muted):
            return
        for start in range(0, max(len(text), 1), LONGEST_LINE):
            piece = text[start : start + LONGEST_LINE]
            self._last_lines.append(piece)
            self._output.line(self.part.name, piece)


@contextlib.contextmanager
def _signals(asked: Callable[[bool], None]) -> Iterator[None]:
    """SIGHUP is left alone where it is ignored, which is what `nohup` asks for. Only a repeated Ctrl-C hurries: make
    and a terminal may both pass on one and the same SIGTERM."""
    loop = asyncio.get_running_loop()
    handled = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        handled.append(signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, asked, number is signal.SIGINT)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
