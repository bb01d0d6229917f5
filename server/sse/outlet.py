"""What waits to be sent to one client: bounded, in order, written by the request's own task."""

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence

from starlette.types import Send

from server.connections import Backlog, Load
from server.graphql.error import Told, told
from server.graphql.payload import encode
from server.graphql.streams import TOO_LARGE, TOO_SLOW, Results

# A proxy that hears nothing for so long may think that the connection is dead, in seconds.
KEEP_ALIVE = 12.0

_KEEP_ALIVE = b":\n\n"
# EventSource tells nobody of an event without data.
_COMPLETE = b"event: complete\ndata:\n\n"


class EventOutlet:
    """One operation's way to its client, in events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    def __init__(self, *, most_frames: int, most_bytes: int, backlog: Backlog) -> None:
        self._most_bytes = most_bytes
        self._load = Load(most_frames, most_bytes, backlog)
        self._queue: deque[bytes] = deque()
        self._over = False
        self._gone = False
        self._wake = asyncio.Event()

    @property
    def waiting_bytes(self) -> int:
        return self._load.bytes

    @property
    def connection(self) -> Hashable:
        return self

    def next(self, payload: bytes) -> bool:
        if self._over:
            return False
        if len(payload) > self._most_bytes:
            self.error([TOO_LARGE])
        elif self._load.takes(len(self._queue), len(payload)):
            self._put(_next(payload))
        else:
            self.error([TOO_SLOW])
        return not self._over

    def next_all(self, results: Results) -> bool:  # noqa: ARG002
        return False  # what is given one by one leaves in one piece all the same

    def result(self, payload: bytes) -> None:
        """The only result. It fits always."""
        if not self._over:
            self._put(_next(payload))
            self.complete()

    def complete(self) -> None:
        if not self._over:
            self._put(_COMPLETE)
            self._end()

    def error(self, errors: Sequence[Told]) -> None:
        """There are no other messages than results: what ends a stream is told as one."""
        self.result(encode({"errors": list(errors)}))

    def expel(self, reason: str) -> None:
        self.error([told(reason, "UNAUTHENTICATED")])

    @property
    def full(self) -> bool:
        return not self._over and self._half_full

    async def room(self) -> None:
        while self._half_full and not self._over:
            await self._load.released()

    def leave(self) -> None:
        """The client is gone."""
        self._gone = True
        self._queue.clear()
        self._load.count(-self._load.bytes)
        self._end()

    async def write(self, send: Send) -> None:
        """Until the end, or until the client is gone. One that takes nothing is cut off by the server."""
        while not self._gone:
            while self._queue and not self._gone:
                # What has gathered meanwhile leaves in one piece.
                body = b"".join(self._queue)
                self._queue.clear()
                await send({"type": "http.response.body", "body": body, "more_body": True})
                self._load.count(sum(map(len, self._queue)) - self._load.bytes)
                self._load.release()
            if self._over:
                break
            self._wake.clear()
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    await self._wake.wait()
            except TimeoutError:
                self._put(_KEEP_ALIVE)
        if not self._gone:
            await send({"type": "http.response.body", "body": b""})

    @property
    def _half_full(self) -> bool:
        return self._load.is_half_full(len(self._queue))

    def _put(self, frame: bytes) -> None:
        if not self._gone:
            self._queue.append(frame)
            self._load.count(len(frame))
            self._wake.set()

    def _end(self) -> None:
        self._over = True
        self._wake.set()
        self._load.release()


def _next(payload: bytes) -> bytes:
    return b"event: next\ndata: %b\n\n" % payload
