"""Starts parts as child processes, shows what they say, and ends them all together.

    await Supervisor(stages, output).run(announce)

The parts of a stage start at once; the next stage begins when each of them is ready, or, for a step, has ended well.
They end in the opposite order. What ends the whole is a signal (Ctrl-C, SIGTERM, the terminal's death); a second
Ctrl-C waits for nothing any more.

A part that dies once everything was ready is started again, and the others go on. A death before that, or one too many,
ends the whole. Each is told with its last lines.

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

# A part that dies so often within so many seconds is broken, and would only flicker. Before that it is started again
# at once the first time, and for each death lately that went before, so many seconds later.
DEATHS = 5
LATELY = 60.0
BACK_OFF = 1.0

COLOURS = (36, 33, 32, 35, 34, 31)


@dataclass(frozen=True)
class Part:
    """`ready` is asked until it says yes, within `start_seconds`; a part without it is ready at once. A `step` is
    over when its process has ended with 0. `tidy` is called before a part that died is started again, `ended` when it
    is over for good, however that came. Lines with a text of `muted` in them are not shown."""

    name: str
    command: Command
    ready: Callable[[], bool] | None = None
    step: bool = False
    tidy: Callable[[], None] | None = None
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
    """The end of the whole: a part ended though nobody asked it to, or never became ready."""


class Supervisor:
    """Runs once."""

    def __init__(self, stages: Sequence[Sequence[Part]], output: Output) -> None:
        self._stages = stages
        self._output = output
        self._running: dict[str, _Running] = {}  # by the part's name; of one that died, the last
        self._asked = asyncio.Event()  # to stop
        self._hurried = asyncio.Event()  # to stop at once

    async def run(self, announce: Callable[[], str] | None = None) -> int:
        """Says what `announce` gives once everything is ready. Returns the exit status: 0 after a signal, 1 after
        the death of a part that is not started again."""
        status = 0
        # Each part has one process at a time: its waiter is done before the next one starts.
        with _signals(self.stop), ThreadPoolExecutor(sum(map(len, self._stages))) as waiters:
            try:
                await self._first(self._start_all(waiters), self._asked.wait())
                if not self._asked.is_set():
                    if announce:
                        self._output.say(announce())
                    lasting = [running for running in self._running.values() if not running.part.step]
                    kept = [self._keep(running, waiters) for running in lasting]
                    await self._first(*kept, self._asked.wait())
            except Death as death:
                status = 1
                self._output.say(f"\n{death}")
            finally:
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
            await self._first(waiting, *(self._watch(running) for running in self._running.values()))

    def _start(self, part: Part, waiters: ThreadPoolExecutor) -> "_Running":
        try:
            running = self._running[part.name] = _Running(part, self._output, waiters)
        except OSError as error:
            raise Death(f"{part.name} cannot be started: {error.strerror}") from error
        return running

    async def _watch(self, running: "_Running") -> None:
        """Ends, by Death, when that one dies."""
        await running.death()
        raise Death(running.obituary())

    async def _keep(self, running: "_Running", waiters: ThreadPoolExecutor) -> None:
        """Starts its part again each time it dies. Ends, by Death, when that is once too often."""
        part = running.part
        deaths: list[float] = []
        while True:
            await running.death()
            now = time.monotonic()
            deaths = [*(death for death in deaths if death > now - LATELY), now]
            if len(deaths) == DEATHS:
                raise Death(running.obituary(f", which is its death number {DEATHS} within {LATELY:.0f} seconds"))
            pause = (len(deaths) - 1) * BACK_OFF
            when = f" in {pause:g} s" if pause else ""
            self._output.say(running.obituary(f" and is started again{when}"))
            await asyncio.sleep(pause)
            if part.tidy:
                try:
                    part.tidy()
                except (EmbeddedError, OSError) as error:
                    raise Death(f"{part.name} cannot be started again: {error}") from error
            running = self._start(part, waiters)
            await self._first(self._return(running), running.death())

    async def _return(self, running: "_Running") -> None:
        await running.become_ready()
        self._output.say(f"{running.part.name} is {'ready' if running.part.ready else 'running'} again")

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
            started = [self._running[part.name] for part in stage if part.name in self._running]
            await asyncio.gather(*(running.stop(self._hurried) for running in started))


class _Running:
    """A part's process."""

    def __init__(self, part: Part, output: Output, waiters: ThreadPoolExecutor) -> None:
        self.part = part
        self._output = output
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._unfinished = b""
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

    async def death(self) -> None:
        """Waits for its end, where that is one; a step that is done didn't die."""
        await self._ended.wait()
        if self.part.step and self._process.returncode == 0:
            await asyncio.Event().wait()

    def obituary(self, what_follows: str = "") -> str:
        status = self._process.returncode
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        if not self._last_lines:
            return f"{self.part.name} {how}{what_follows}. It said nothing."
        lines = "\n".join(f"    {line}" for line in self._last_lines)
        return f"{self.part.name} {how}{what_follows}. Its last lines:\n{lines}"

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
