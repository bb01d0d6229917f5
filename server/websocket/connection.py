"""One socket, from `connection_init` to its end.

It reads in the server's own task, and begins another to write (`outgoing`) when something has to wait first: an idle
socket is one task. What the reader does with a message never waits, except where a client would else fill the memory.

Order: a subscription has its position before its client can learn that it is subscribed. So whatever comes behind a
`subscribe` and could show what has happened since (an operation's result, a pong) waits until the stream has begun.
Two streams that begin at once need not wait for each other, and nothing waits for a query or a mutation.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Hashable
from contextlib import asynccontextmanager
from typing import Any

from graphql import OperationType
from starlette.types import Receive, Send

from resolvers.origin import UNKNOWN, Origin
from server import fault
from server.connections import Service
from server.graphql import error
from server.graphql.asked import Asked
from server.graphql.document import Invalid
from server.graphql.engine import ENDED
from server.graphql.execution import Prepared
from server.graphql.streams import Rejected, Streams, Unavailable
from server.websocket import frame
from server.websocket.closing import (
    BROKEN,
    TOO_LATE,
    TOO_MANY,
    TRY_AGAIN,
    TWICE,
    UNAUTHORIZED,
    Close,
    forbidden,
    malformed,
    taken,
)
from server.websocket.message import Complete, Init, Malformed, Ping, Pong, Subscribe, read
from server.websocket.operation import Operation
from server.websocket.outgoing import Gone, Outgoing
from server.websocket.pace import OPERATION
from server.websocket.pongs import Pongs
from server.websocket.protocol import Straight

log = logging.getLogger("parley.websocket")

# How long the reader may go on before others have their turn, in seconds.
_TURN = 0.005

# How long an operation waits for streams before it to begin, in seconds. They fail by themselves, sooner.
_PATIENCE = 30.0

# So many queries of one client run at once, each with a result that may be large.
_QUERIES = 4

# How long a client that does not read is waited for with a close, and tasks that were cancelled with their end.
_FAREWELL = 5.0

_BEHIND = error.told("Too much waits for your connections: take it, and ask again.", "RATE_LIMITED")


class Connection:
    def __init__(
        self,
        service: Service,
        receive: Receive,
        send: Send,
        straight: Straight | None = None,
        origin: Origin = UNKNOWN,
    ) -> None:
        self._service = service
        self._origin = origin
        self._receive = receive
        self._straight = straight
        bounds = service.bounds
        self._outgoing = Outgoing(
            send,
            straight,
            most_frames=bounds.frames,
            most_bytes=bounds.bytes,
            backlog=service.backlog,
            stalled=self._stalled,
            wanted=self._begin_to_write,
        )
        self._pongs = Pongs(self._outgoing.append)
        self._operations: dict[str, Operation] = {}
        # Lists, because they are mostly empty: a set takes 0.2 kB all the same.
        self._tasks: list[asyncio.Task[None]] = []
        self._mutating: list[asyncio.Task[None]] = []
        self._beginning: list[asyncio.Task[None]] = []
        self._querying = asyncio.Semaphore(_QUERIES)
        self._asked: dict[asyncio.Task[None] | Operation, int] = {}  # by whom a message is kept, and how long it is
        self._initialised = self._acknowledged = self._closing = self._interrupted = False
        self._viewer: Any | None = None
        self._user: Hashable | None = None
        self._reader: asyncio.Task[None] | None = None  # while it reads
        self._writer: asyncio.Task[None] | None = None
        self._hurrying: asyncio.TimerHandle | None = None
        self._retiring: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Until the socket is closed, by whomever."""
        bounds, loop = self._service.bounds, asyncio.get_running_loop()
        self._hurrying = loop.call_later(bounds.init_seconds, self.close, TOO_LATE)
        self._retiring = loop.call_later(bounds.seconds, self._retire)
        try:
            await self._read()
            if self._closing and self._writer is not None:
                await asyncio.wait((self._writer,), timeout=_FAREWELL)
        finally:
            self._closing = True
            self._stop_hurrying()
            self._retiring.cancel()
            self._leave()
            ending = [*self._tasks] if self._writer is None else [*self._tasks, self._writer]
            for task in ending:
                task.cancel()
            if self._straight is not None:
                self._straight.leave()
            try:
                if ending:
                    await asyncio.wait(ending, timeout=_FAREWELL)
            finally:
                # Not before: a user who is closed again and again would have any number of sockets on their way out.
                if self._user is not None:
                    self._service.leave(self._user, self._outgoing)

    def close(self, close: Close) -> None:
        """Close the socket at once: what still waits to be sent is not."""
        if not self._closing:
            self._closing = True
            self._leave()
            self._outgoing.close(close)
            self._stop_reading()

    def _leave(self) -> None:
        """Let go of everything that runs for this client, except its mutations."""
        for operation in list(self._operations.values()):
            operation.drop()
        self._pongs.cancel()
        self._outgoing.stop()

    def _stop_reading(self) -> None:
        if self._reader is not None and self._reader is not asyncio.current_task() and not self._interrupted:
            self._interrupted = True
            self._reader.cancel()

    def _stop_hurrying(self) -> None:
        if self._hurrying is not None:
            self._hurrying.cancel()
            self._hurrying = None

    def _stalled(self) -> None:
        self.close(TRY_AGAIN)

    def _retire(self) -> None:
        """A client asks for its token again when it connects anew."""
        self.close(forbidden("This connection has lived its time."))

    def _begin_to_write(self) -> None:
        self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            await self._outgoing.write()
        except Gone:
            pass
        except Exception as raised:
            fault.record(log, raised, "when a socket was written to")
        self._stop_reading()

    async def _read(self) -> None:
        self._reader = task = asyncio.current_task()
        assert task is not None
        try:
            await self._read_on()
        except asyncio.CancelledError:
            # By `_stop_reading`, or by the server, which stops; or by both.
            if not self._interrupted or task.uncancel():
                raise
        finally:
            self._reader = None

    async def _read_on(self) -> None:
        turn = time.monotonic()
        try:
            while not self._closing:
                await self._take_breath()
                event = await self._receive()
                if event["type"] == "websocket.disconnect":
                    return
                self._hear(event.get("text"))
                del event  # it would be kept until the next one comes
                if time.monotonic() - turn > _TURN:
                    await asyncio.sleep(0)
                    turn = time.monotonic()
        except Exception as raised:
            fault.record(log, raised, "when a socket was read")
            self.close(BROKEN)

    async def _take_breath(self) -> None:
        """Read no further while too much waits to be sent, or to end."""
        if self._outgoing.full:
            await self._outgoing.room()
        await self._pongs.room()
        # Those that the client has completed don't count as its operations any more, but still take their time to end.
        if len(self._tasks) + len(self._mutating) >= 2 * self._service.bounds.operations:
            await asyncio.wait((*self._tasks, *self._mutating), return_when=asyncio.FIRST_COMPLETED)

    def _hear(self, text: str | None) -> None:
        if text is None:
            self.close(malformed("Messages are text, not binary."))
            return
        try:
            message = read(text)
        except Malformed as why:
            self.close(malformed(str(why)))
            return
        match message:
            case Subscribe():
                self._subscribe(message.id, message.asked, len(text))
            case Complete():
                self._complete(message.id)
            case Ping():
                self._pongs.owe(frame.pong(message.payload), self._beginning)
            case Init():
                self._init(message.payload)
            case Pong():
                pass

    def _init(self, payload: dict[str, Any]) -> None:
        if self._initialised:
            self.close(TWICE)
            return
        self._initialised = True
        self._stop_hurrying()
        try:
            viewer = self._service.execution.identify(_authorization(payload))
        except Exception as raised:
            self._refuse(raised)
            return
        asked = callable(viewer)
        if viewer is None or (self._service.streams is None and not asked):
            self._acknowledge(viewer)
        else:
            self._start(self._verify(viewer, asked))

    async def _verify(self, viewer: Any, asked: bool) -> None:
        """asked: who it is has to be asked first."""
        try:
            async with asyncio.timeout(self._service.bounds.init_seconds):
                if asked:
                    viewer = await viewer(self._origin)
                if self._service.streams is not None:
                    await self._service.streams.verify(viewer)
        except Exception as raised:
            self._refuse(raised)
        else:
            self._acknowledge(viewer)

    def _refuse(self, raised: Exception) -> None:
        if error.public_code(raised) == "UNAUTHENTICATED":
            self.close(forbidden(error.public_message(raised)))
        else:
            fault.record(log, raised, "at connection_init")
            self.close(TRY_AGAIN)

    def _acknowledge(self, viewer: Any | None) -> None:
        if self._closing:
            return
        if (left := self._service.execution.seconds_left(viewer)) is not None:
            if left <= 0:
                self._expel(ENDED)
                return
            self._end_in(left)
        if viewer is not None:
            user = self._service.execution.engine.user_of(viewer)
            if not self._service.enter(user, self._outgoing):
                self.close(TOO_MANY)
                return
            self._user = user
        self._viewer = viewer
        self._acknowledged = True
        self._outgoing.append(frame.ACK)

    def _end_in(self, seconds: float) -> None:
        """With the token, if it doesn't live its time before."""
        loop = asyncio.get_running_loop()
        if self._retiring is not None and loop.time() + seconds < self._retiring.when():
            self._retiring.cancel()
            self._retiring = loop.call_later(seconds, self._expel, ENDED)

    def _complete(self, operation_id: str) -> None:
        operation = self._operations.get(operation_id)
        if operation is not None:
            operation.drop()
        else:
            # Its end and this message have crossed: what the client has not read by now would hit the next of that id.
            self._outgoing.silence(operation_id)

    def _subscribe(self, operation_id: str, asked: Asked, length: int) -> None:
        if not self._acknowledged:
            self.close(UNAUTHORIZED)
            return
        if operation_id in self._operations:
            self.close(taken(operation_id))
            return
        operation = Operation(
            operation_id,
            self._outgoing,
            length=length,
            ended=self._forget,
            expel=self._expel,
        )
        bounds = self._service.bounds
        if len(self._operations) >= bounds.operations:
            text = f"At most {bounds.operations} operations at once on a connection."
            operation.error([error.told(text, "RATE_LIMITED")])
            return
        # What JSON says in a character may take 25 bytes of memory, and stays as long as the operation.
        if sum(self._asked.values()) + length > bounds.asked:
            text = f"The operations of a connection have at most {bounds.asked:,} characters together."
            operation.error([error.told(text, "RATE_LIMITED")])
            return
        self._operations[operation_id] = operation
        if self._straight is not None:
            self._straight.charge(OPERATION)
        try:
            prepared = self._service.execution.prepare(asked, lambda: self._viewer)
            self._begin(operation, prepared)
        except Invalid as invalid:
            operation.error(error.of_request(invalid.errors, invalid.code))
        except Exception as raised:
            operation.error([error.unexpected(raised)])

    def _expel(self, reason: str) -> None:
        self.close(forbidden(reason))

    def _forget(self, operation: Operation) -> None:
        self._asked.pop(operation, None)
        if self._operations.get(operation.id) is operation:
            del self._operations[operation.id]

    def _begin(self, operation: Operation, prepared: Prepared) -> None:
        if prepared.operation.type is OperationType.SUBSCRIPTION:
            if self._service.streams is None:
                operation.error([error.told("Subscriptions are not served here.", "BAD_USER_INPUT")])
                return
            task = self._start(self._feed(self._service.streams, operation, prepared))
            _keep(task, self._beginning)
            operation.runs_in(task)
        else:
            work = self._execute(operation, prepared, tuple(self._beginning))
            if prepared.operation.type is OperationType.MUTATION:
                task = self._service.mutations.start(work)
                _keep(task, self._mutating)
            else:
                task = self._start(work)
                operation.runs_in(task)
        self._asked[task] = operation.length
        task.add_done_callback(self._asked.pop)

    async def _feed(self, streams: Streams, operation: Operation, prepared: Prepared) -> None:
        try:
            stream = await streams.subscribe(prepared, self._viewer, operation)
        except Rejected as rejected:
            operation.error(rejected.errors)
        except Exception as raised:
            self._fail(operation, raised, self._viewer)
        else:
            operation.is_fed_by(stream)
            if not operation.over:
                self._asked[operation] = operation.length

    async def _execute(self, operation: Operation, prepared: Prepared, earlier: Collection[asyncio.Task[None]]) -> None:
        execution = self._service.execution
        who = execution.speaks_for(prepared.operation, lambda: self._viewer)
        try:
            if earlier:
                await asyncio.wait(earlier, timeout=_PATIENCE)
            async with self._results_of(prepared):
                if prepared.operation.type is OperationType.QUERY and self._service.is_behind(self._user):
                    operation.error([_BEHIND])
                    return
                result = await execution.run(prepared, who, self._origin)
                if isinstance(result, list):
                    operation.error(error.of_request(result, "BAD_USER_INPUT"))
                else:
                    operation.result(execution.encoded(prepared, result))
        except Exception as raised:
            self._fail(operation, raised, who)

    @asynccontextmanager
    async def _results_of(self, prepared: Prepared) -> AsyncIterator[None]:
        """Wait with a query until there is room for its result, which can be large: a few are on their way at once."""
        if prepared.operation.type is not OperationType.QUERY:
            yield
            return
        async with self._querying:
            await self._outgoing.room()
            yield

    def _fail(self, operation: Operation, raised: Exception, who: Any | None) -> None:
        """End an operation by an exception outside the execution of a field."""
        code = error.public_code(raised)
        if isinstance(raised, Unavailable):
            self.close(TRY_AGAIN)
        elif code == "UNAUTHENTICATED" and who is not None:
            # The sign-in of the connection has ended; a client gets a fresh token and connects anew.
            self.close(forbidden(error.public_message(raised)))
        elif code is not None:
            operation.error([error.told(error.public_message(raised), code)])
        else:
            operation.error([error.unexpected(raised)])

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        _keep(task, self._tasks)
        return task


def _keep(task: asyncio.Task[None], tasks: list[asyncio.Task[None]]) -> None:
    tasks.append(task)
    task.add_done_callback(tasks.remove)


def _authorization(payload: dict[str, Any]) -> list[str]:
    """The values of `authorization`, however it is written; what is no text is malformed as a token too."""
    values = [value for name, value in payload.items() if name.lower() == "authorization" and value is not None]
    return [value if isinstance(value, str) else "" for value in values]
