"""One snapshot of the database for all reads of a document.

It is opened by the first read and closed when the document is answered, so that a page, its total and `eventCursor`
tell of one moment: a stream that continues behind that cursor misses nothing that the data lacks.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from models.connection import Connection
from resolvers.errors import Missing
from resolvers.process import Process

Result = TypeVar("Result")

# How long, in seconds, an answer may take. Far above what any question needs: it ends what a silent server holds.
ANSWER_SECONDS = 30.0

# How long, in seconds, a statement that nobody waits for any more may take to stop.
_PATIENCE = 5.0


class Snapshot:
    def __init__(self, process: Process) -> None:
        # How many questions it was asked.
        self.reads = 0
        self._pool = process.pool
        # A stopped process must not hold back the cleaning of dead rows for ever. One trip, without parameters.
        self._begin = (
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
            f"SET LOCAL idle_in_transaction_session_timeout = {process.idle_transaction_timeout_ms:d}"
        ).encode()
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._held = AsyncExitStack()
        self._connection: Connection | None = None
        self._closed = False

    async def read(self, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Ask one question of the snapshot. Questions of one document are answered one after the other.

        A question runs to its end though the field that asked is given up: to stop it would abort the transaction in
        which the other fields read.
        """
        return await asyncio.shield(self._started(self._ask(ask)))

    async def close(self) -> None:
        """End it and give the connection back, once the document is answered. A field that outlives the answer finds
        nothing here: a connection that it took would never be given back.

        It runs to its end though its client hangs up meanwhile: else the connection would be lost to the pool.
        """
        self._closed = True
        await asyncio.shield(self._started(self._end()))

    async def _end(self) -> None:
        if self._connection is not None and self._turn.locked():
            # Whoever asked is gone; an error of the cancelling is no news.
            with contextlib.suppress(psycopg.Error):
                await self._connection.cancel_safe(timeout=_PATIENCE)
        async with self._turn:
            try:
                if self._connection is not None and not self._connection.closed:
                    with contextlib.suppress(psycopg.Error), self._connection.limited(ANSWER_SECONDS):
                        if self._connection.info.transaction_status == TransactionStatus.INERROR:
                            # A statement that a table's change has made unfit is forgotten by this alone.
                            await self._connection.rollback()
                        else:
                            # Not a ROLLBACK, with which psycopg throws all prepared statements away.
                            await self._connection.commit()
            finally:
                self._connection = None
                await self._held.aclose()

    async def _ask(self, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
        async with self._turn:
            if self._closed:
                raise Missing
            if self._connection is None:
                connection = await self._held.enter_async_context(self._pool.connection())
                with connection.limited(ANSWER_SECONDS):
                    await connection.execute(self._begin)
                self._connection = connection
            self.reads += 1
            with self._connection.limited(ANSWER_SECONDS):
                return await ask(self._connection)

    def _started(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """A task that runs to its end whoever waits for it."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left to see it
