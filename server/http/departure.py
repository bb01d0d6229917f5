"""A client that hangs up: what is being read for it is cancelled."""

import asyncio
from types import TracebackType

from starlette.types import Receive

from server.http.request import Gone

# Most queries end sooner, and pay only a timer for the watch.
_UNWATCHED = 0.05


class Departure:
    """Within it, the task is cancelled when the client disconnects; then Gone is raised, not CancelledError.

    The body must have been read: from then on, `receive` tells nothing but the end.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED, self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        # Cancelled by somebody else too (the server stops): theirs goes on.
        if self._gone and self._task.uncancel() == 0 and isinstance(error, asyncio.CancelledError):
            raise Gone from None

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
