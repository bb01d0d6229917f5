"""One operation, from its `subscribe` message to its end: what it gives goes to the client under its id."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from server import fault
from server.graphql.error import Told
from server.graphql.streams import TOO_LARGE, TOO_SLOW, Results, Stream
from server.websocket.frame import Frames
from server.websocket.outgoing import Outgoing

log = logging.getLogger("parley.websocket")


class Operation:
    """To a subscription, the `Outlet` that its stream speaks to. After its end it says nothing, whoever ended it."""

    def __init__(
        self,
        operation_id: str,
        outgoing: Outgoing,
        *,
        length: int,
        ended: Callable[["Operation"], None],
        expel: Callable[[str], None],
    ) -> None:
        self.id = operation_id
        self.length = length  # of the message that asked for it, in characters
        self.silent = False
        self.over = False
        self._outgoing = outgoing
        self._frames = Frames(operation_id)
        self._ended = ended
        self._expel = expel
        self._stream: Stream | None = None
        self._task: asyncio.Task[Any] | None = None

    @property
    def connection(self) -> Hashable:
        return self._outgoing

    def next(self, payload: bytes) -> bool:
        if self.over:
            return False
        frame = self._frames.next(payload)
        if self._outgoing.put(frame, self):
            return True
        self.error([TOO_SLOW if self._outgoing.holds(frame) else TOO_LARGE])
        return False

    def next_all(self, results: Results) -> bool:
        return not self.over and self._outgoing.pass_on(results, self._frames)

    def result(self, payload: bytes) -> None:
        """Give the only result. It fits always: there are no more of them than operations at once."""
        if not self.over:
            self._outgoing.append(self._frames.next(payload), self)
            self.complete()

    def complete(self) -> None:
        if not self.over:
            self._outgoing.append(self._frames.complete(), self)
            self._end()

    def error(self, errors: Sequence[Told]) -> None:
        if not self.over:
            self._outgoing.append(self._frames.error(errors), self)
            self._end()

    def expel(self, reason: str) -> None:
        if not self.over:
            self._expel(reason)

    @property
    def full(self) -> bool:
        return not self.over and self._outgoing.half_full

    async def room(self) -> None:
        if not self.over:
            await self._outgoing.room()

    def drop(self) -> None:
        """The client does not want it any more, or is gone."""
        self.silent = True
        if not self.over:
            self._end()
            if self._task is not None:
                self._task.cancel()

    def runs_in(self, task: asyncio.Task[Any]) -> None:
        """Say what is cancelled when the client does not want it any more."""
        self._task = task

    def is_fed_by(self, stream: Stream) -> None:
        """Say what is closed at its end, or at once where that has come already."""
        self._stream = stream
        self._task = None  # it has done its work, and would be kept
        if self.over:
            self._close()

    def _end(self) -> None:
        self.over = True
        self._ended(self)
        if self._stream is not None:
            # Not from here: it may be the stream that is speaking, in a walk through all that it speaks to.
            asyncio.get_running_loop().call_soon(self._close)

    def _close(self) -> None:
        assert self._stream is not None
        try:
            self._stream.close()
        except Exception as error:
            fault.record(log, error, "when a stream was closed")
