"""What waits to be sent to one client: bounded, in order, written by one task.

A frame that the transport takes at once goes straight to it; any other one waits, and counts until the transport has
passed it on.

Past the bound, its own or that of all connections together, nothing is put in any more (`put`), except what ends an
operation or answers a message (`append`): of those there are as many as messages were read, and nothing is read from a
client while its queue is full. They can be large all the same: a client that lets many times the bound wait is let go.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from starlette.types import Send

from server.connections import Backlog, Load
from server.graphql.streams import Results
from server.websocket import frame as frames
from server.websocket.closing import Close
from server.websocket.protocol import Straight

# A client that takes nothing for so long while something waits for it is as good as gone, in seconds.
STALLED = 30.0

# So many times the bound in bytes may wait of what nothing holds back: results of mutations have run by then.
_UTMOST = 12

# A larger frame counts as one that waits until the transport has passed it on, in bytes.
_SMALL = 65_536


class Gone(Exception):
    """There is nobody to send to."""


class Sender(Protocol):
    """Whose frame it is."""

    @property
    def id(self) -> str: ...

    silent: bool
    """The client wants no more of it: what still waits is not sent."""


class Outgoing:
    def __init__(
        self,
        send: Send,
        straight: Straight | None = None,
        *,
        most_frames: int,
        most_bytes: int,
        backlog: Backlog,
        stalled: Callable[[], None],
        wanted: Callable[[], None] | None = None,
    ) -> None:
        """wanted: called when there is first something to `write`."""
        self._send = send
        self._straight = straight
        self._most_bytes = most_bytes
        self._load = Load(most_frames, most_bytes, backlog)
        self._stalled = stalled
        self._wanted = wanted
        # Not a deque, which takes 0.7 kB while it is empty.
        self._queue: list[tuple[bytes, Sender | None]] = []
        self._passed = 0
        self._writing = False
        self._closing: Close | None = None
        self._over = False
        self._wake: asyncio.Future[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def waiting_bytes(self) -> int:
        """So many wait."""
        return self._load.bytes

    @property
    def full(self) -> bool:
        """At the bound."""
        return self._load.is_full(len(self._queue))

    @property
    def half_full(self) -> bool:
        return self._load.is_half_full(len(self._queue))

    def holds(self, frame: bytes) -> bool:
        """Whether a frame is within the bound by itself."""
        return len(frame) <= self._most_bytes

    def put(self, frame: bytes, sender: Sender) -> bool:
        """False past the bound."""
        if not self._load.takes(len(self._queue), len(frame)):
            return False
        self.append(frame, sender)
        return True

    def append(self, frame: bytes, sender: Sender | None = None) -> None:
        """Past the bound too."""
        if self._over:
            return
        straight = self._straight
        if straight is not None and self._idle and len(frame) <= _SMALL and straight.write(frame):
            self._has_passed(1, straight)
            return
        self._queue.append((frame, sender))
        self._load.count(len(frame))
        if self._load.bytes > _UTMOST * self._most_bytes:
            self._loop.call_soon(self._stalled)  # not from here: who speaks would be ended in the middle of it
        self._watch_over()
        self._rouse()

    def pass_on(self, results: Results, of: frames.Frames) -> bool:
        """Give several results to the transport in one piece. False: it takes none, or not all of them at once."""
        straight = self._straight
        if straight is None or self._over or not self._idle or not straight.writable.is_set():
            return False
        if of.size(results) > min(_SMALL, self._most_bytes) or not straight.pass_on(of.all(results)):
            return False
        self._has_passed(len(results.payloads), straight)
        return True

    def _has_passed(self, frames: int, straight: Straight) -> None:
        """There was room for them: what had filled the transport before has been passed on."""
        self._passed += frames
        if not straight.writable.is_set():
            self._watch_over()

    def silence(self, sender_id: str) -> None:
        """Send nothing any more of what waits under that id."""
        for _, sender in self._queue:
            if sender is not None and sender.id == sender_id:
                sender.silent = True

    async def room(self) -> None:
        """Wait until it is not half full, or all is over. Who came first puts first."""
        while self.half_full and not self._over:
            await self._load.released()

    def close(self, close: Close) -> None:
        """Send this and nothing that waits."""
        self.stop()
        self._closing = close
        self._rouse()

    def stop(self) -> None:
        """Send nothing any more, and keep nobody waiting."""
        self._over = True
        self._queue.clear()
        self._load.count(-self._load.bytes)
        self._load.release()
        if self._watch is not None:
            self._watch.cancel()

    async def write(self) -> None:
        """Until the close is sent. Raises Gone."""
        try:
            while self._closing is None:
                while self._queue:
                    frame, sender = self._queue.pop(0)
                    if sender is None or not sender.silent:
                        self._writing = True
                        await self._write(frame)
                        self._writing = False
                    if self._over:
                        break
                    self._load.count(-len(frame))
                    self._passed += 1
                    if self._load.is_waited_for and not self.half_full:
                        self._load.release()
                if self._closing is None:
                    self._wake = self._loop.create_future()
                    await self._wake
            code, reason = self._closing
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            # Uvicorn raises the second after a close that it has sent by itself.
            raise Gone from None

    @property
    def _idle(self) -> bool:
        """Nothing is on its way that must go before."""
        return not self._queue and not self._writing

    async def _write(self, frame: bytes) -> None:
        straight = self._straight
        if straight is None or not straight.write(frame):
            await frames.write(self._send, frame)
        if straight is not None:
            await straight.writable.wait()

    def _rouse(self) -> None:
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            wanted()
        if self._wake is not None:
            if not self._wake.done():
                self._wake.set_result(None)
            self._wake = None

    def _watch_over(self) -> None:
        if self._watch is None:
            self._watch = self._loop.call_later(STALLED, self._look, self._passed, self._unsent)

    def _look(self, passed: int, unsent: int) -> None:
        """See whether anything was taken since."""
        self._watch = None
        if not (self._queue or self._writing or (self._straight is not None and not self._straight.writable.is_set())):
            return
        if self._passed == passed and self._unsent >= unsent:
            self._stalled()
        else:
            self._watch_over()

    @property
    def _unsent(self) -> int:
        return 0 if self._straight is None else self._straight.unsent
